"""How tokens relate by their vectors: who is near whom, and who is to whom as another to another.

Source: Mikolov et al. 2013 (Linguistic Regularities in Continuous Space Word Representations),
section 4, for analogies; Levy and Goldberg 2014 (Linguistic Regularities in Sparse and Explicit
Word Representations), section 3, whose name for it is 3CosAdd.

Shapes: N tokens, C width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..errors import DataError
from ..models.given_vectors import named_vectors
from ..tokens.tokenizer import Tokenizer

SPELLINGS = 3
"""Near spellings that are named for a word that is not there."""


@dataclass(frozen=True)
class Near:
    """A word and how near it is."""

    word: str
    similarity: float
    """Cosine of the angle between the two vectors, -1 to 1."""


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


def analogy(vectors: WordVectors, a: str, b: str, c: str, count: int = 10) -> list[Near]:
    """What is to `c` as `b` is to `a`: the words nearest to b - a + c, the three left out.

    Raises:
        DataError: a word is not there.
    """
    row_a, row_b, row_c = (vectors.need(word) for word in (a, b, c))
    wanted = vectors.vectors[row_b] - vectors.vectors[row_a] + vectors.vectors[row_c]
    return _nearest(vectors, wanted, {row_a, row_b, row_c}, count)


def similarity(vectors: WordVectors, a: str, b: str) -> float:
    """Cosine of the angle between two words, -1 to 1.

    Raises:
        DataError: a word is not there.
    """
    return float(vectors.vectors[vectors.need(a)] @ vectors.vectors[vectors.need(b)])


def _nearest(vectors: WordVectors, wanted: np.ndarray, known: set[int], count: int) -> list[Near]:
    length = float(np.linalg.norm(wanted))
    scores = vectors.vectors @ (wanted / length if length else wanted)
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
