"""Texts to ids, with the characters that each token stands for."""

from collections.abc import Iterator, Sequence

import numpy as np

from .extra import ExtendedTokenizer
from .library import LibraryTokenizer
from .tokenizer import Tokenizer
from .words import Separator, WordsTokenizer


def aligned(tokenizer: Tokenizer, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids of `text` as `encode` gives them, (N,) int64, and the first character of each token and
    the one behind its last, (N, 2) int64; both rise along the text.

    A token that holds a part of a character stands for all of it.
    """
    base = tokenizer.base if isinstance(tokenizer, ExtendedTokenizer) else tokenizer
    ids = np.array(tokenizer.encode(text), np.int64)
    if isinstance(base, WordsTokenizer):
        return ids, _words(base.separate, text)
    if base.kind == "characters":
        places = np.arange(len(ids))
        return ids, np.stack([places, places + 1], axis=1)
    raw = text.encode()
    ends = np.cumsum(tokenizer.token_bytes[ids]) if base.lossless else np.empty(0, np.int64)
    if len(ends) and ends[-1] == len(raw):
        return ids, _characters(ends, raw)
    assert isinstance(base, LibraryTokenizer)
    found = base.library.encode(text, add_special_tokens=False)
    assert found.ids == ids.tolist()
    return ids, np.array(found.offsets, np.int64).reshape(-1, 2)


def _words(separate: Separator, text: str) -> np.ndarray:
    """All words are looked for, so that none is found within one that is left out."""
    words = separate.all_words(text)
    places = zip(words, _places(words, text), strict=True)
    kept = [place for word, place in places if word not in separate.stop_words]
    return np.array(kept, np.int64).reshape(-1, 2)


def _places(words: Sequence[str], text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for word in words:
        start = text.index(word, at)
        at = start + len(word)
        yield start, at


def _characters(ends: np.ndarray, raw: bytes) -> np.ndarray:
    """Borders in bytes to borders in characters."""
    begins = (np.frombuffer(raw, np.uint8) & 0xC0) != 0x80  # bytes that begin a character
    before = np.concatenate([[0], np.cumsum(begins)])  # characters begun before each byte
    starts = np.concatenate([[0], ends[:-1]])
    return np.stack([before[np.minimum(starts + 1, len(raw))] - 1, before[ends]], axis=1)
