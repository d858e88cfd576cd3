"""A vector for a word as it stands in a text, and where else it stands, or another, in like manner.

Unlike a table's, it differs from text to text: a river's bank is not a bank that lends.

Source: Peters et al. 2018 (Deep Contextualized Word Representations), section 5.3, for occurrences
that are near each other; Devlin et al. 2019 (BERT), section 5.3, for the last layer as features. A
word of several tokens has their mean.

Shapes: N occurrences, T tokens, C width.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DataError, RecipeError, ShapeError
from ..tokens.aligned import aligned
from ..tokens.spaces import HAN
from ..tokens.tokenizer import Tokenizer
from .embed import around, need_reader, states

AROUND_TOKENS = 128
"""Most tokens that are read of a text around an occurrence."""
_UNSPACED = re.compile(
    "[\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    f"\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f{HAN}]"  # kana; Han with its signs
)
"""Scripts that write words side by side."""
EXCERPT = 40
"""Characters that are shown to either side of it."""
MOST = 2000
"""Occurrences that are looked at, the first of the texts."""


@dataclass(frozen=True)
class Occurrence:
    """A word where it stands."""

    similarity: float
    """Cosine of the angle to the vector that was asked for, -1 to 1."""
    before: str
    """What stands before it, at most EXCERPT characters, in one line."""
    word: str
    after: str
    document: str
    """Its name."""
    start: int
    """The word's first character in the document, counted from 0."""


@dataclass(frozen=True)
class _Place:
    document: str
    text: str
    start: int
    stop: int
    row: list[int]
    """Token ids around it."""
    tokens: range
    """Those of the row that are the word's."""


@torch.no_grad()
def embed_words(
    model: Any, tokenizer: Tokenizer, texts: Sequence[str], words: Sequence[str]
) -> Tensor:
    """The vector of each word as it stands, for the first time, in its text, (N, C) float32 of
    length 1.

    Args:
        model: in evaluation mode, with a vector for each place of a text. One that goes on from
            texts knows only what stands before the word.
        tokenizer: the one it was trained with.
        texts: at least one.
        words: one for each text, as `places_of` finds them.

    Raises:
        DataError: there is not one word for each text, or it does not stand there, or the tokenizer
            leaves it out.
        RecipeError: the model has no vector for each place.
        ShapeError: a text does not fit the model's context.
    """
    need_reader(model, places=True)
    if not texts or len(texts) != len(words):
        raise DataError(f"{len(texts)} texts and {len(words)} words; give one word for each text")
    found = []
    for text, word in zip(texts, words, strict=True):
        place = next(_places(model, tokenizer, [("", text)], word, whole=True), None)
        if place is None:
            if places_of(word, text):
                raise _left_out(word)
            raise DataError(
                f"'{word}' does not stand in the text '{_line(text)[:60]}'; write it as it is there"
            )
        found.append(place)
    return _vectors(model, tokenizer, found)


@torch.no_grad()
def nearest_in_context(
    model: Any,
    tokenizer: Tokenizer,
    text: str,
    word: str,
    texts: Iterable[tuple[str, str]],
    *,
    other: str = "",
    count: int = 10,
) -> list[Occurrence]:
    """Where a word stands in `texts` in the way nearest to that in which it stands in `text`,
    nearest first; errors as `embed_words`.

    Args:
        model: as for `embed_words`.
        tokenizer: the one it was trained with.
        text: where the word stands as it is meant.
        word: one that stands there.
        texts: names and texts that are searched; at most AROUND_TOKENS are read around a place.
        other: look for this word instead; empty: for `word` itself.
        count: how many.

    Raises:
        DataError: the word that is looked for stands nowhere in `texts`, or is left out.
    """
    wanted = embed_words(model, tokenizer, [text], [word])[0]
    found = list(islice(_places(model, tokenizer, texts, other or word), MOST))
    if not found:
        if other and not tokenizer.encode(other):
            raise _left_out(other)
        raise DataError(
            f"'{other or word}' stands nowhere in the texts that are searched; search others with "
            "text.read=FILE"
        )
    cosines = _vectors(model, tokenizer, found) @ wanted
    best = torch.argsort(cosines, descending=True, stable=True)[:count]
    return [_occurrence(found[i], float(cosines[i])) for i in best.tolist()]


def _left_out(word: str) -> DataError:
    return DataError(
        f"'{word}': the tokenizer leaves it out of texts (tokens.stop_words), so that it has no "
        "vector; name another word"
    )


def places_of(word: str, text: str) -> list[tuple[int, int]]:
    """First character of each occurrence, and the one behind its last.

    Where a word begins or ends with a letter or digit that is written with spaces between words,
    none may stand beside it; large and small letters are the same.
    """
    word = word.strip()
    if not word:
        return []
    left, right = (r"(?<!\w)" if _spaced(word[0]) else "", r"(?!\w)" if _spaced(word[-1]) else "")
    pattern = re.compile(f"{left}{re.escape(word)}{right}", re.IGNORECASE)
    return [match.span() for match in pattern.finditer(text)]


def _spaced(character: str) -> bool:
    """Whether it belongs to a script that parts words, by spaces or other signs."""
    return character.isalnum() and not _UNSPACED.match(character)


def _places(
    model: Any,
    tokenizer: Tokenizer,
    texts: Iterable[tuple[str, str]],
    word: str,
    *,
    whole: bool = False,
) -> Iterator[_Place]:
    """Every occurrence; `whole` reads all of the text around it, and else AROUND_TOKENS."""
    signs = around(model, tokenizer)
    room = model.settings.context - len(signs[0]) - len(signs[1])
    for name, text in texts:
        spans = places_of(word, text)
        if not spans:
            continue
        ids, borders = aligned(tokenizer, text)
        if whole and len(ids) > room:
            raise ShapeError(
                f"{len(ids)} tokens do not fit model.context {model.settings.context}, of which "
                f"{room} are left for the text; write a shorter one"
            )
        for start, stop in spans:
            mine = np.flatnonzero((borders[:, 0] < stop) & (borders[:, 1] > start))
            if not len(mine):
                continue
            first, last = int(mine[0]), int(mine[-1]) + 1
            size = len(ids) if whole else min(room, AROUND_TOKENS)
            begin = max(0, min((first + last - size) // 2, len(ids) - size))
            row = ids[begin : begin + size].tolist()
            shift = len(signs[0]) - begin
            tokens = range(first + shift, min(last, begin + size) + shift)
            yield _Place(name, text, start, stop, [*signs[0], *row, *signs[1]], tokens)


def _vectors(model: Any, tokenizer: Tokenizer, places: Sequence[_Place]) -> Tensor:
    """(N, C) of length 1."""
    found: list[Tensor] = [torch.empty(0)] * len(places)
    for some, hidden, _ in states(model, tokenizer, [place.row for place in places]):
        if hidden.ndim < 3:
            raise RecipeError(
                f"a {model.settings.kind} model makes one vector of a text, and none for each of "
                "its words; take an encoder (bert) or a model that goes on from texts"
            )
        for i, row in zip(some, hidden, strict=True):
            tokens = places[i].tokens
            found[i] = row[tokens.start : tokens.stop].mean(0)
    return F.normalize(torch.stack(found), dim=-1)


def _occurrence(place: _Place, similarity: float) -> Occurrence:
    before = _line(place.text[max(0, place.start - EXCERPT) : place.start])
    after = _line(place.text[place.stop : place.stop + EXCERPT])
    word = place.text[place.start : place.stop]
    return Occurrence(similarity, before, word, after, place.document, place.start)


def _line(text: str) -> str:
    return re.sub(r"\s", " ", text)
