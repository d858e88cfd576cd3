"""Chinese text to words: the longest of a dictionary in three directions, jieba, or a tagger.

Source: Liang Nanyuan 1987 (CDWS, an automatic word segmentation system for written Chinese) for the
matches; Sun and Tsou 1995 for choosing between the two directions.
"""

from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ..errors import DataError, MissingError, RecipeError
from .tagger import open_tagger

Way = Literal["forward", "backward", "bidirectional", "jieba", "tagger"]

_LONGEST_WORD = 16
"""Characters; longer entries of a dictionary are names of things, and slow every match."""


class Dictionary:
    """The words that a maximum match may find."""

    def __init__(self, words: Iterable[str]):
        self.words = frozenset(word for word in words if 1 < len(word) <= _LONGEST_WORD)
        self.longest = max(map(len, self.words), default=1)

    def forward(self, text: str) -> list[str]:
        """From the left always the longest word; a character that begins none stands alone."""
        found, start = [], 0
        while start < len(text):
            end = min(len(text), start + self.longest)
            while end > start + 1 and text[start:end] not in self.words:
                end -= 1
            found.append(text[start:end])
            start = end
        return found

    def backward(self, text: str) -> list[str]:
        """From the right always the longest word."""
        found, end = [], len(text)
        while end:
            start = max(0, end - self.longest)
            while start < end - 1 and text[start:end] not in self.words:
                start += 1
            found.append(text[start:end])
            end = start
        return found[::-1]

    def bidirectional(self, text: str) -> list[str]:
        """Of both the one with fewer words, then with fewer single characters, then backward."""
        forward, backward = self.forward(text), self.backward(text)
        return min(backward, forward, key=lambda words: (len(words), _singles(words)))


def _singles(words: list[str]) -> int:
    return sum(len(word) == 1 for word in words)


def segment(texts: Iterable[str], way: Way = "jieba", file: str | Path = "") -> Iterable[list[str]]:
    """The words of each of `texts`.

    Args:
        texts: what to segment: runs of Chinese characters, as all but the tagger know no others.
        way: forward, backward or bidirectional maximum match, jieba, or a tagger.
        file: for a match its dictionary, see `open_dictionary`; for a tagger where it was saved.

    Raises:
        RecipeError, DataError: as `open_dictionary` and `open_tagger`.
        MissingError: no dictionary is named, and jieba is not installed.
    """
    cut = cutter(way, file)
    return ([*cut(text)] for text in texts)


def cutter(way: Way, file: str | Path = "") -> Callable[[str], Iterable[str]]:
    """A function from a run of Chinese characters to its words; arguments as for `segment`."""
    if way == "jieba":
        return _jieba()
    if way == "tagger":
        return open_tagger(file).cut
    found: Callable[[str], Iterable[str]] = getattr(open_dictionary(str(file)), way)
    return found


@cache
def open_dictionary(path: str) -> Dictionary:
    """The first word of each line of a UTF-8 file; '': the dictionary that comes with jieba.

    Raises:
        RecipeError: there is no such file.
        DataError: it is not UTF-8.
        MissingError: jieba's is wanted, and jieba is not installed.
    """
    file = Path(path) if path else _bundled()
    try:
        with file.open(encoding="utf-8-sig") as lines:
            return Dictionary(line.split(maxsplit=1)[0] for line in lines if not line.isspace())
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: not UTF-8 ({error.reason} at byte {error.start}); convert the dictionary"
        ) from None
    except OSError as error:
        raise RecipeError(
            f"the dictionary '{file}' cannot be read ({error.strerror}); name a file with a word "
            "in each line"
        ) from None


def _bundled() -> Path:
    spec = find_spec("jieba")  # found as data, never imported
    if spec is None or spec.origin is None:
        raise MissingError("jieba", "text", "segmenting with its dictionary")
    return Path(spec.origin).with_name("dict.txt")


def _jieba() -> Callable[[str], Iterable[str]]:
    if find_spec("rjieba"):
        import rjieba

        found: Callable[[str], Iterable[str]] = rjieba.cut
        return found
    if find_spec("jieba"):
        import logging

        import jieba

        jieba.setLogLevel(logging.WARNING)
        return jieba.lcut
    raise MissingError("rjieba", "text", "segmenting Chinese into words (tokens.segment)")
