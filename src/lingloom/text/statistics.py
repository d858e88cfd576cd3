"""Counts that quality rules are made of, for many texts at once.

A word is a run of letters, digits and marks, apostrophes between two letters included; each Han or
kana character is a word, and so is each other character that is not white space, so punctuation
marks are words, as in the tokenizers for which the published limits were set. A *proper* word is
none of those single marks and symbols. Characters are Unicode code points, as Python's len() counts
them.

The rules that these counts serve, and their sources, are in `filters/`.
"""

import ctypes
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from ..native.kernels import kernels
from .characters import ALPHA, CJK, KNOWN, MARK, PUNCTUATION, SPACE, TERMINAL, WORD, character_kinds
from .texts import Texts


@dataclass(frozen=True, slots=True)
class Statistics:
    """int64 (N) each: how many of what each text has. Counted by one walk over its words and lines.

    The order of the fields is that of the kernel.
    """

    chars: np.ndarray
    words: np.ndarray
    proper_words: np.ndarray
    proper_chars: np.ndarray
    """Characters of the proper words."""
    alpha_words: np.ndarray
    """Words with at least one letter."""
    hashes: np.ndarray
    """Signs '#'."""
    ellipses: np.ndarray
    """Signs '…' and '...'."""
    lines: np.ndarray
    """As `str.splitlines` has them."""
    bullet_lines: np.ndarray
    """Of them, those whose first character that is not blank is '-' or '•'."""
    ellipsis_lines: np.ndarray
    """Of them, those that end in an ellipsis, blanks left out."""
    stop_words: np.ndarray
    """Different words of the list that occur."""
    newlines: np.ndarray
    filled_lines: np.ndarray
    """Lines between line feeds, without blank ones."""
    terminal_lines: np.ndarray
    """Of them, those whose last character ends a sentence."""
    short_lines: np.ndarray
    """Of them, those with at most `short_chars` characters."""
    repeated_filled_chars: np.ndarray
    """Characters of those that stood in the text before."""
    cjk_chars: np.ndarray
    punctuation_chars: np.ndarray
    space_chars: np.ndarray


@dataclass(frozen=True, slots=True)
class Repetition:
    """int64 each, (N) where not said: how much of each text repeats.

    The order of the fields is that of the kernel.
    """

    chars: np.ndarray
    words: np.ndarray
    paragraphs: np.ndarray
    """Between blank lines."""
    repeated_paragraphs: np.ndarray
    """Those that stood in the text before."""
    repeated_paragraph_chars: np.ndarray
    lines: np.ndarray
    """Between runs of line feeds."""
    repeated_lines: np.ndarray
    repeated_line_chars: np.ndarray
    top_chars: np.ndarray
    """(N, 3): characters in all occurrences of the most frequent sequence of 2, 3, 4 words; of
    equally frequent ones the first. Blanks do not count."""
    top_times: np.ndarray
    """(N, 3): how often it occurs."""
    repeated_chars: np.ndarray
    """(N, 6): characters in sequences of 5 to 10 words that occurred before, read from left to
    right without overlap. Blanks do not count."""


_WIDTHS = {"top_chars": 3, "top_times": 3, "repeated_chars": 6}
MOST_STOP_WORDS = 64

Counts = TypeVar("Counts", Statistics, Repetition)


def statistics(
    texts: Texts,
    stop_words: Sequence[str] = (),
    short_chars: int = 30,
    more_terminals: str = "",
    *,
    native: bool = True,
) -> Statistics:
    """The numbers of words, lines and characters of each text.

    Args:
        texts: N texts.
        stop_words: at most MOST_STOP_WORDS different words, compared as they are written.
        short_chars: the longest line that counts as short.
        more_terminals: characters that end a sentence beyond Unicode's own.
        native: False asks for the twin in Python even where the kernel is there.
    """
    stop_words = tuple(dict.fromkeys(stop_words))
    assert len(stop_words) <= MOST_STOP_WORDS
    out = np.zeros((len(texts), len(fields(Statistics))), np.int64)
    library = kernels() if native else None
    if library is None:
        for i in range(len(texts)):
            out[i] = _statistics_of(texts[i], stop_words, short_chars, more_terminals)
        return _named(Statistics, out)
    stop = Texts.of_strings(stop_words)
    library.lingloom_text_statistics.restype = ctypes.c_int
    _check(
        library.lingloom_text_statistics(
            *texts.pointers(),
            *_kinds(more_terminals),
            *stop.pointers(),
            ctypes.c_int64(short_chars),
            ctypes.c_void_p(out.ctypes.data),
        )
    )
    return _named(Statistics, out)


def repetition(texts: Texts, *, native: bool = True) -> Repetition:
    """How much of each text repeats within the text; arguments as of `statistics`."""
    out = np.zeros((len(texts), 8 + sum(_WIDTHS.values())), np.int64)
    library = kernels() if native else None
    if library is None:
        for i in range(len(texts)):
            out[i] = _repetition_of(texts[i])
        return _named(Repetition, out)
    library.lingloom_text_repetition.restype = ctypes.c_int
    _check(
        library.lingloom_text_repetition(
            *texts.pointers(), *_kinds(""), ctypes.c_void_p(out.ctypes.data)
        )
    )
    return _named(Repetition, out)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """float64 (N): `part` of `whole`, 0 where there is nothing of either."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _kinds(more_terminals: str) -> tuple[ctypes.c_void_p, ctypes.c_int64]:
    # the cache of character_kinds keeps the array alive
    return ctypes.c_void_p(character_kinds(more_terminals).ctypes.data), ctypes.c_int64(KNOWN)


def _check(status: int) -> None:
    if status:
        raise MemoryError("the statistics of a text do not fit into memory")


def _named(schema: type[Counts], out: np.ndarray) -> Counts:
    columns, start = {}, 0
    for field in fields(schema):
        width = _WIDTHS.get(field.name, 0)
        columns[field.name] = out[:, start : start + width] if width else out[:, start]
        start += width or 1
    return schema(**columns)


# --------------------------------------------------------------------------- in Python

_LETTERS = {WORD: "w", MARK: "m", CJK: "c", SPACE: "s"}
_WORD = re.compile("w[wm]*(?:'w[wm]*)*|cm*|[^s]")
_APOSTROPHES = "'\u2019"


def words_of(text: str) -> list[str]:
    """The words of `text`, in order."""
    written = "".join(map(_letter_of, text))
    return [text[found.start() : found.end()] for found in _WORD.finditer(written)]


def _letter_of(character: str) -> str:
    if character in _APOSTROPHES:
        return "'"
    kind = _kind_of(character)
    return next((letter for bit, letter in _LETTERS.items() if kind & bit), ".")


def _kind_of(character: str, more_terminals: str = "") -> int:
    code = ord(character)
    return int(character_kinds(more_terminals)[code]) if code < KNOWN else 0


def _statistics_of(
    text: str, stop_words: Sequence[str], short_chars: int, more_terminals: str
) -> list[int]:
    words = words_of(text)
    proper = [word for word in words if _kind_of(word[0]) & (WORD | CJK)]
    lines = text.splitlines()
    ends = ("...", "…")
    filled = [line for line in text.split("\n") if line.strip()]
    kinds = Counter[int]()
    for character, count in Counter(text).items():
        for bit in (CJK, PUNCTUATION, SPACE):
            kinds[bit] += count if _kind_of(character) & bit else 0
    return [
        len(text),
        len(words),
        len(proper),
        sum(map(len, proper)),
        sum(any(_kind_of(c) & ALPHA for c in word) for word in words),
        text.count("#"),
        text.count("...") + text.count("…"),
        len(lines),
        sum(line.lstrip().startswith(("-", "•")) for line in lines),
        sum(line.rstrip().endswith(ends) for line in lines),
        len(set(stop_words) & set(words)),
        text.count("\n"),
        len(filled),
        sum(bool(_kind_of(line[-1], more_terminals) & TERMINAL) for line in filled),
        sum(len(line) <= short_chars for line in filled),
        _repeated(filled)[1],
        kinds[CJK],
        kinds[PUNCTUATION],
        kinds[SPACE],
    ]


def _repetition_of(text: str) -> list[int]:
    words = words_of(text)
    paragraphs = re.split("\n{2,}", text.strip())
    lines = re.split("\n+", text)
    top = [_most_frequent(words, n) for n in (2, 3, 4)]
    return [
        len(text),
        len(words),
        len(paragraphs),
        *_repeated(paragraphs),
        len(lines),
        *_repeated(lines),
        *(sum(map(len, most)) * times for most, times in top),
        *(times for _, times in top),
        *(_repeated_chars(words, n) for n in range(5, 11)),
    ]


def _repeated(pieces: list[str]) -> tuple[int, int]:
    """How many of `pieces` stood before, and their characters."""
    seen: set[str] = set()
    again = [piece for piece in pieces if piece in seen or seen.add(piece)]  # type: ignore[func-returns-value]
    return len(again), sum(map(len, again))


def _most_frequent(words: list[str], n: int) -> tuple[tuple[str, ...], int]:
    counts = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    return max(counts.items(), key=lambda item: item[1], default=((), 0))


def _repeated_chars(words: list[str], n: int) -> int:
    seen: set[tuple[str, ...]] = set()
    chars = place = 0
    while place + n <= len(words):
        sequence = tuple(words[place : place + n])
        if sequence in seen:
            chars += sum(map(len, sequence))
            place += n
        else:
            seen.add(sequence)
            place += 1
    return chars
