"""Counting n-grams by sorting: the first half of Kneser-Ney (Heafield et al. 2013, section 3).

An n-gram is one int64: the id of its first n-1 words times the radix plus its last word, where the
id is the rank of those n-1 words among the n-grams of their order. So a key of any order fits 64
bits, n-grams of every order lie in the order of their words, and one sort per order counts them.
Words are 0..vocab-1; the begin symbol is `vocab`, the largest, so its n-grams lie at the end.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import DataError

LIMIT_TOKENS = 2**31 - 2
"""Places are int32; more text than this needs pruning on disk, which is not done here."""
PIECE = 1 << 20
"""Tokens of many small documents that are joined and checked at once."""


@dataclass(frozen=True)
class Grams:
    """All distinct n-grams of one order, in the order of their words."""

    keys: np.ndarray
    """Prefix id * radix + last word, (grams,) int64, rising; for order 1 the word itself."""
    counts: np.ndarray
    """How often each was seen, (grams,) int64; 0 only for words of the vocabulary never seen."""
    suffixes: np.ndarray
    """Id among the order below of the same words without the first, (grams,) int32."""
    ordinary: int
    """The n-grams before this place do not start with the begin symbol; those after it do."""


def stream(documents: Iterable[np.ndarray], vocab: int, end: int) -> np.ndarray:
    """begin, ids, END of each document in one row, (tokens,) uint32; begin is the id `vocab`.

    Raises:
        DataError: there is no document, an id is not in the vocabulary or is END, or the text is
            longer than `LIMIT_TOKENS`.
    """
    pieces: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    frame = np.array([end, vocab], dtype=np.uint32)
    number = total = tokens = 0
    for number, document in enumerate(documents, start=1):
        waiting += [np.asarray(document).astype(np.uint32), frame]  # below 0 becomes huge
        tokens += len(document) + 2
        if tokens >= PIECE:
            pieces.append(_checked(waiting, vocab, end, number - len(waiting) // 2))
            waiting, total, tokens = [], total + tokens, 0
        if total + tokens > LIMIT_TOKENS:
            raise DataError(
                f"document {number - 1}: more than {LIMIT_TOKENS:,} tokens so far, the most that "
                "can be counted -- give the n-gram a sample of the text"
            )
    if not number:
        raise DataError("n-gram: there is no document to count -- is the training split empty?")
    if waiting:
        pieces.append(_checked(waiting, vocab, end, number - len(waiting) // 2))
    # Every document brought END and begin: the last begin moves to the front.
    return np.concatenate([frame[1:], *pieces])[:-1]


def _checked(framed: list[np.ndarray], vocab: int, end: int, first: int) -> np.ndarray:
    """The documents, each followed by its frame, in one row; the first has the number `first`."""
    piece = np.concatenate(framed)
    documents = len(framed) // 2
    if (
        piece.max() == vocab
        and np.count_nonzero(piece == vocab) == documents
        and np.count_nonzero(piece == end) == documents
    ):
        return piece
    found = ((n, ids[(ids >= vocab) | (ids == end)]) for n, ids in enumerate(framed[::2], first))
    number, wrong = next((n, ids.view(np.int32)[0]) for n, ids in found if len(ids))
    raise DataError(
        f"document {number}: holds the id {wrong}; ids must lie in 0..{vocab - 1} and not be "
        f"END, {end} -- was it tokenised with another vocabulary?"
    )


def count(words: np.ndarray, vocab: int, order: int) -> list[Grams]:
    """The n-grams of orders 1..`order` of a `stream`; none reaches over the begin symbol."""
    radix, begin = vocab + 1, vocab
    ids = words.astype(np.int32)  # id of the n-gram that ends at each place, -1 for none
    unigrams = np.bincount(ids, minlength=radix)
    levels = [Grams(np.arange(radix), unigrams, np.zeros(0, dtype=np.int32), vocab)]
    for n in range(2, order + 1):
        places = (np.flatnonzero((ids[:-1] >= 0) & (words[1:] != begin)) + 1).astype(np.int32)
        keys = ids[places - 1].astype(np.int64) * radix + words[places]
        by_key = np.argsort(keys)
        keys = keys[by_key]
        places = places[by_key]
        del by_key
        fresh = np.ones(len(keys), dtype=bool)
        np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
        starts = np.flatnonzero(fresh)
        counts = np.diff(starts, append=len(keys))
        suffixes = ids[places[starts]]
        keys = keys[starts]
        ordinary = int(np.searchsorted(keys, levels[-1].ordinary * radix))
        levels.append(Grams(keys, counts, suffixes, ordinary))
        if n < order:
            ids = np.full(len(words), -1, dtype=np.int32)
            ids[places] = np.cumsum(fresh, dtype=np.int32) - 1
    return levels


def adjusted(levels: list[Grams]) -> list[np.ndarray]:
    """Counts as Kneser-Ney wants them, one (grams,) int64 array per order.

    Below the highest order: how many different words stand before the n-gram, not how often it was
    seen (Kneser and Ney 1995). Nothing stands before the begin symbol, so its n-grams keep their
    counts; the begin symbol itself is never predicted and gets 0.
    """
    out = []
    for lower, upper in zip(levels, levels[1:], strict=False):
        before = np.bincount(upper.suffixes, minlength=len(lower.keys))
        before[lower.ordinary :] = lower.counts[lower.ordinary :]
        out.append(before)
    out.append(levels[-1].counts.copy())
    out[0][levels[0].ordinary :] = 0
    return out
