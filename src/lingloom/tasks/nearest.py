"""How tokens relate by their vectors: who is near whom, and who is to whom as another to another.

Source: Mikolov et al. 2013 (Linguistic Regularities in Continuous Space Word Representations),
section 4, for analogies; Levy and Goldberg 2014 (Linguistic Regularities in Sparse and Explicit
Word Representations), sections 3 and 6, whose names are 3CosAdd and 3CosMul.

Shapes: N tokens, C width, Q questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np

from ..errors import DataError
from ..models.given_vectors import named_vectors
from ..tokens.tokenizer import Tokenizer

By = Literal["add", "mul"]
"""How analogies are answered: 3CosAdd or 3CosMul."""
EPSILON = 1e-3
"""Keeps 3CosMul from dividing by nothing (Levy and Goldberg 2014, equation 4)."""
QUESTIONS = 256
"""Answered at once: so many scores are held for each word."""
SPELLINGS = 3
"""Near spellings that are named for a word that is not there."""


@dataclass(frozen=True)
class Near:
    """A word and how near it is."""

    word: str
    similarity: float
    """Cosine of the angle between the two vectors, -1 to 1; of analogies by 3CosMul its score."""


class WordVectors:
    """Words with their vectors, each brought to length 1; those of length 0 are left out.

    Args:
        words: (N,); of a word that is there twice the first counts.
        vectors: (N, C).
    """

    def __init__(self, words: Sequence[str], vectors: np.ndarray):
        length = np.linalg.norm(vectors.astype(np.float64), axis=1)
        kept = np.flatnonzero(length > 0).tolist()
        self.words = [words[i] for i in kept]
        self.vectors = (vectors[kept] / length[kept, None]).astype(np.float32)
        self.ids = {word: i for i, word in reversed(list(enumerate(self.words)))}

    def find(self, word: str) -> int | None:
        """Its row; a word that is not there is looked for in small letters."""
        return self.ids.get(word, self.ids.get(word.lower()))

    def need(self, word: str) -> int:
        """Its row.

        Raises:
            DataError: it is not there; the message names words that are spelt alike.
        """
        found = self.find(word)
        if found is None:
            alike = get_close_matches(word, self.words, SPELLINGS, cutoff=0.7)
            hint = f"near spellings: {', '.join(alike)}" if alike else "none is spelt alike"
            raise DataError(
                f"'{word}' is not among the {len(self.words):,} words that have a vector; {hint}"
            )
        return found


def word_vectors(model: Any, tokenizer: Tokenizer) -> WordVectors:
    """The vectors of a model's tokens, by their names; special tokens are left out.

    Raises:
        RecipeError: the model has none.
    """
    return WordVectors(*named_vectors(model, tokenizer))


def nearest(vectors: WordVectors, words: str, count: int = 10) -> list[Near]:
    """The words nearest to `words`, nearest first, those themselves left out.

    Args:
        vectors: of a model.
        words: one or more, added up; those behind a `-` are taken away: 'king - man + woman'.
        count: how many.

    Raises:
        DataError: a word is not there, or there is none.
    """
    plus, minus = _signed(words)
    if not plus:
        raise DataError(
            f"'{words}' has no word to start from; write one or more, as in: king - man + woman"
        )
    rows = [vectors.need(word) for word in plus], [vectors.need(word) for word in minus]
    wanted = vectors.vectors[rows[0]].sum(axis=0) - vectors.vectors[rows[1]].sum(axis=0)
    return _nearest(vectors, wanted, {*rows[0], *rows[1]}, count)


def analogy(
    vectors: WordVectors, a: str, b: str, c: str, count: int = 10, by: By = "add"
) -> list[Near]:
    """What is to `c` as `b` is to `a`, likeliest first, the three left out.

    Args:
        vectors: of a model.
        a: as `man`.
        b: as `king`.
        c: as `woman`.
        count: how many.
        by: 'add': the words nearest to b - a + c, with their cosines; 'mul': those with the largest
            cos(b) cos(c) / (cos(a) + EPSILON), cosines brought into 0..1, with these numbers.

    Raises:
        DataError: a word is not there.
    """
    rows = np.array([[vectors.need(word) for word in (a, b, c)]])
    return _best(vectors, _analogy_scores(vectors, rows, by)[0], set(rows[0].tolist()), count)


def answers(vectors: WordVectors, questions: np.ndarray, by: By = "add") -> np.ndarray:
    """The row that answers each question best, (Q,) int64.

    Args:
        vectors: of a model.
        questions: (Q, 3) int64, rows of a, b and c; what is to c as b is to a? None of the three.
        by: as for `analogy`.
    """
    found = np.empty(len(questions), dtype=np.int64)
    for start in range(0, len(questions), QUESTIONS):
        some = questions[start : start + QUESTIONS]
        scores = _analogy_scores(vectors, some, by)
        np.put_along_axis(scores, some, -np.inf, axis=1)
        found[start : start + QUESTIONS] = scores.argmax(axis=1)
    return found


def _analogy_scores(vectors: WordVectors, questions: np.ndarray, by: By) -> np.ndarray:
    """How well each word answers each question, (Q, N) float32."""
    a, b, c = (vectors.vectors[rows] for rows in questions.T)  # each (Q, C)
    if by == "add":
        wanted = b - a + c
        length = np.linalg.norm(wanted, axis=1, keepdims=True)
        return (wanted / np.where(length > 0, length, 1)) @ vectors.vectors.T
    near_a, near_b, near_c = ((part @ vectors.vectors.T + 1) / 2 for part in (a, b, c))
    scores: np.ndarray = near_b * near_c / (near_a + np.float32(EPSILON))
    return scores


def similarity(vectors: WordVectors, a: str, b: str) -> float:
    """Cosine of the angle between two words, -1 to 1.

    Raises:
        DataError: a word is not there.
    """
    return float(vectors.vectors[vectors.need(a)] @ vectors.vectors[vectors.need(b)])


def _nearest(vectors: WordVectors, wanted: np.ndarray, known: set[int], count: int) -> list[Near]:
    length = float(np.linalg.norm(wanted))
    return _best(vectors, vectors.vectors @ (wanted / length if length else wanted), known, count)


def _best(vectors: WordVectors, scores: np.ndarray, known: set[int], count: int) -> list[Near]:
    """The words with the highest `scores` (N,), `known` ones left out."""
    scores[list(known)] = -np.inf
    count = min(count, len(scores) - len(known))
    best = np.argpartition(-scores, max(0, count - 1))[:count]
    best = best[np.argsort(-scores[best], kind="stable")]
    return [Near(vectors.words[i], float(scores[i])) for i in best]


def _signed(words: str) -> tuple[list[str], list[str]]:
    """(words to add, words to take away): a sign that stands alone is that of the next word."""
    parts: tuple[list[str], list[str]] = [], []
    sign = 0
    for word in words.split():
        if word in ("+", "-", "−"):
            sign = 0 if word == "+" else 1
            continue
        parts[sign].append(word)
        sign = 0
    return parts
