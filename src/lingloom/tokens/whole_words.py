"""Which tokens are one word, told from the ids alone, whatever made them.

A word is a run of letters, of digits, or of Han characters that a segmenter keeps together; any
other visible character stands alone. A token goes with the one before it unless a word, or the
blank before one, begins where it begins: a token that spans two words keeps both together.

Source: whole word masking as in the published code of BERT (May 2019); for Chinese Cui et al. 2021
(Pre-Training with Whole Word Masking for Chinese BERT), section 3.1.
"""

import re
from collections.abc import Callable, Iterable

import numpy as np

from ..text.segment import Way, cutter
from .spaces import HAN, spaced
from .subwords import CONTINUES
from .tokenizer import Tokenizer

_WORDS = re.compile(rf"([{HAN}]+)|(?:(?![{HAN}])[^\W\d_])+|\d+|\S")
_APART = b"\n"
"""Stands for a token without text: no word goes on across it."""


class Words:
    """Finds the words of rows.

    Args:
        tokenizer: the one that made the ids.
        way: how Han characters are cut into words; see `text.segment.segment`.
        file: the dictionary, or the tagger, where the way needs one.
    """

    def __init__(self, tokenizer: Tokenizer, way: Way = "jieba", file: str = ""):
        self._spelt = [_spelt(tokenizer, index) for index in range(tokenizer.vocab)]
        self._way, self._file = way, file
        self._cut: Callable[[str], Iterable[str]] | None = None

    def of(self, ids: np.ndarray) -> np.ndarray:
        """The number of each token's word in its row, rising from 0, (T,) int64.

        Raises:
            MissingError: there are Han characters, and no segmenter is installed.
        """
        pieces = [self._spelt[i] for i in ids.tolist()]
        ends = np.cumsum([len(piece) for piece in pieces])
        starts = np.concatenate([[0], ends[:-1]])
        begins, visible = self._marks(b"".join(pieces))
        first = visible[starts]  # where a token's own text begins, behind blanks
        apart = (first >= ends) | begins[first]
        apart[:1] = True
        return np.cumsum(apart) - 1

    def _marks(self, data: bytes) -> tuple[np.ndarray, np.ndarray]:
        """For each byte and for the end: whether a word begins there, and where the next visible
        one is."""
        text = data.decode("utf-8", "surrogateescape")  # a cut character is as many as its bytes
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        wide = (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
        wide[(points >= 0xD800) & (points < 0xE000)] = 0
        place = np.concatenate([[0], np.cumsum(wide + 1)])  # of each character, in bytes
        begins = np.zeros(len(data) + 1, dtype=bool)
        visible = np.full(len(data) + 1, len(data), dtype=np.int64)
        for start, stop in self._words(text):
            begins[place[start]] = True
            visible[place[start] : place[stop]] = np.arange(place[start], place[stop])
        return begins, np.minimum.accumulate(visible[::-1])[::-1]

    def _words(self, text: str) -> Iterable[tuple[int, int]]:
        """First character and end of each word."""
        for found in _WORDS.finditer(text):
            if not found.group(1):
                yield found.span()
                continue
            self._cut = self._cut or cutter(self._way, self._file)
            start = found.start()
            for word in self._cut(found.group()):
                yield start, start + len(word)
                start += len(word)


def _spelt(tokenizer: Tokenizer, index: int) -> bytes:
    """What a token writes, its blank included."""
    if not tokenizer.token_bytes[index]:
        return "\N{REPLACEMENT CHARACTER}".encode() if index == tokenizer.unknown else _APART
    if tokenizer.kind != "wordpiece":
        return tokenizer.decode_bytes([index])
    name = tokenizer.token_of(index)
    if name.startswith(CONTINUES):
        return name.removeprefix(CONTINUES).encode()
    return f"{' ' * spaced(name)}{name}".encode()
