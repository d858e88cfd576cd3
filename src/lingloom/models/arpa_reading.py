"""ARPA files of KenLM, SRILM or `arpa.py`, read: a model, and the tokenizer of its words."""

import zlib
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..tokens.tokenizer import END as DOCUMENT_END
from ..tokens.words import Separator, WordsTokenizer, words_named
from .arpa import BEGIN, END, LN10, NEVER, UNKNOWN, name_of, opened
from .backoff import Level, Table
from .ngram import NGram, NGramSettings

UNKNOWN_TOO = "<UNK>"
"""How some write UNKNOWN."""
HIGHEST_ORDER = 8
LARGEST_BACKOFF = 30.0
"""Largest log10 of a back-off factor that is believed: no product of eight of them overflows."""
SIZE_DIGITS = 15
LINE_CHARS = 1_000_000
"""Longest line."""

Lines = Iterator[tuple[int, str]]


def open_arpa(path: str | Path) -> tuple[NGram, WordsTokenizer]:
    """A model of words with the tokenizer that parts them: at white space, and nowhere else.

    A file without `<unk>` gives unknown words no probability at all.

    Raises:
        DataError: as `read_arpa`; or a word has the name that the end of a text has here.
    """
    model, names = read_arpa(Path(path))
    if DOCUMENT_END in names:
        raise DataError(
            f"{path}: '{DOCUMENT_END}' is among its words, and is how the end of a text is named "
            f"here -- rename it in the file; its own end is {END}"
        )
    return model, words_named(names[1:-1], Separator("none"))


def read_arpa(path: Path) -> tuple[NGram, list[str]]:
    """(model, name of each id): first `<unk>`, then words in the order of the unigrams, last
    `</s>`, as a tokenizer of words numbers them; `<s>` is none of them.

    Reads plain and gzip files of KenLM, SRILM or `write_arpa`. Blanks that `write_arpa` spelt out
    are blanks again. Where there is no `<unk>`, or its log10 p is NEVER, its ln p is minus
    infinity.

    Raises:
        DataError: the file is missing or malformed; the message names the line.
    """
    lines = _lines(path)
    sizes = _header(path, lines)
    unigrams = _section(path, lines, 1, sizes)
    names, ids = _numbered(path, unigrams)
    table = Table([_unigram_level(unigrams, ids, last=len(sizes) == 1)], len(names))
    for n in range(2, len(sizes) + 1):
        section = _section(path, lines, n, sizes, ids)
        table = Table(
            [*table.levels, _level(path, section, table, last=n == len(sizes))], len(names)
        )
    if next((text for _, text in lines if text), "") != "\\end\\":
        raise DataError(f"{path}: does not close with \\end\\ -- copy the whole file")
    model = NGram(NGramSettings(order=len(sizes), vocab=len(names), end=ids[END]))
    model.table = table
    return model, names


def _numbered(path: Path, unigrams: "_Section") -> tuple[list[str], dict[str, int]]:
    """(name of each id, id of each word as it is written, `<s>` with the last)."""
    if END not in unigrams.words:
        raise DataError(f"{path}:{unigrams.first_line}: no unigram {END} -- add it to the model")
    spelt = [name_of(word) for word in unigrams.words]
    counted = Counter(spelt)
    if len(counted) != len(spelt):
        twice = max(i for i, name in enumerate(spelt) if counted[name] > 1)
        line = unigrams.first_line + twice
        raise DataError(f"{path}:{line}: '{unigrams.words[twice]}' is there twice -- keep one")
    other = UNKNOWN not in counted and UNKNOWN_TOO in counted
    unknown = UNKNOWN_TOO if other else UNKNOWN
    taken = (BEGIN, END, unknown)
    words = [unknown, *(word for word in unigrams.words if word not in taken), END]
    ids = {word: i for i, word in enumerate(words)} | {BEGIN: len(words)}
    return [UNKNOWN, *map(name_of, words[1:])], ids


@dataclass
class _Section:
    """The lines of one order as they were read."""

    first_line: int
    log_p: np.ndarray
    log_backoff: np.ndarray
    words: list[str]
    """Of order 1."""
    ids: np.ndarray
    """Of higher orders, (grams, n) int64."""


def _lines(path: Path) -> Lines:
    """(line number, text without the line break)."""
    number = 0
    try:
        with path.open("rb") as probe:
            zipped = probe.read(2) == b"\x1f\x8b"
        with opened(path, "r", zipped=zipped) as file:
            while text := file.readline(LINE_CHARS):
                number += 1
                if len(text) == LINE_CHARS and text[-1] != "\n":
                    raise DataError(
                        f"{path}:{number}: {LINE_CHARS} characters without a line break -- is it "
                        "an ARPA file? give one"
                    )
                yield number, text.rstrip("\r\n")
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file -- give an ARPA file, such as: lingloom export RUN {path.name}"
        ) from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}:{number + 1}: cannot be read as {'gzip of ' if number else ''}UTF-8 text "
            f"({error}) -- is it whole, and an ARPA file?"
        ) from None


def _header(path: Path, lines: Lines) -> list[int]:
    """Number of n-grams promised for each order, up to the line `\\1-grams:`."""
    number, text = next(((i, t) for i, t in lines if t.strip()), (1, ""))
    if not text:
        raise DataError(f"{path}: is empty -- copy it, or export it, again")
    if text.strip() != "\\data\\":
        raise DataError(
            f"{path}:{number}: '{text[:40]}' where \\data\\ opens an ARPA file -- name one"
        )
    sizes: list[int] = []
    for number, text in lines:
        if text.strip() == "\\1-grams:" and sizes:
            return sizes
        order, equals, size = text.removeprefix("ngram ").partition("=")
        if not text.strip():
            continue
        told = order.strip() == str(len(sizes) + 1) and size.strip().isdecimal()
        if not (equals and told and len(size) <= SIZE_DIGITS):
            raise DataError(
                f"{path}:{number}: '{text[:40]}' where 'ngram {len(sizes) + 1}=COUNT' or "
                "'\\1-grams:' must stand"
            )
        if len(sizes) == HIGHEST_ORDER:
            raise DataError(
                f"{path}:{number}: order above {HIGHEST_ORDER} -- give a model of lower order"
            )
        sizes.append(int(size))
    raise DataError(f"{path}:{number}: no n-grams follow -- copy the whole file")


def _section(
    path: Path, lines: Lines, n: int, sizes: list[int], ids: dict[str, int] | None = None
) -> _Section:
    """The n-grams of order `n`; words are looked up in `ids`, or kept as text without it."""
    number = 0
    if n > 1:
        number, text = next(((i, t) for i, t in lines if t.strip()), (0, ""))
        if text.strip() != f"\\{n}-grams:":
            raise DataError(f"{path}:{number}: '{text[:40]}' where '\\{n}-grams:' must stand")
    first_line, words, flat = 0, [], array("q")
    numbers = array("d")  # log10 p and log10 back-off in turn
    for number, text in lines:
        if not text.strip(" "):
            break
        first_line = first_line or number
        try:
            p, backoff, gram = _entry(text, n)
            if ids is None:
                words += gram
            else:
                flat.extend([ids[word] for word in gram])
        except ValueError as error:
            raise DataError(f"{path}:{number}: '{text[:60]}' is no {n}-gram: {error}") from None
        except KeyError as error:
            raise DataError(
                f"{path}:{number}: {error} is not among the 1-grams -- add it there"
            ) from None
        numbers.append(p)
        numbers.append(backoff)
    if len(numbers) != 2 * sizes[n - 1]:
        raise DataError(
            f"{path}:{number}: {len(numbers) // 2} {n}-grams end here, the header promises "
            f"{sizes[n - 1]} -- is the file whole?"
        )
    pairs = np.frombuffer(numbers, dtype=np.float64).reshape(-1, 2) * LN10
    grams = np.frombuffer(flat, dtype=np.int64).reshape(-1, n)
    return _Section(first_line, pairs[:, 0].copy(), pairs[:, 1].copy(), words, grams)


def _entry(text: str, n: int) -> tuple[float, float, list[str]]:
    """(log10 p, log10 of the back-off factor or 0, words) of one line."""
    fields = [field for field in text.replace("\t", " ").split(" ") if field]
    if len(fields) not in (n + 1, n + 2):
        raise ValueError(f"{len(fields)} fields, not {n + 1} or {n + 2}")
    p, backoff = float(fields[0]), float(fields[n + 1]) if len(fields) == n + 2 else 0.0
    if not (-1e9 < p <= 1e-6 and -1e9 < backoff <= LARGEST_BACKOFF):
        raise ValueError(f"log10 p {p} and log10 back-off {backoff} are no such numbers")
    return p, backoff, fields[1 : n + 1]


def _unigram_level(section: _Section, ids: dict[str, int], *, last: bool) -> Level:
    places = [ids[word] for word in section.words]
    log_p = np.full(len(ids), -np.inf)
    log_backoff = np.zeros(len(ids))
    log_p[places] = section.log_p
    log_backoff[places] = section.log_backoff
    log_p[-1] = -np.inf
    if log_p[0] <= float(NEVER) * LN10:
        log_p[0] = -np.inf
    return Level(np.arange(len(ids)), log_p, log_backoff[:0] if last else log_backoff)


def _level(path: Path, section: _Section, table: Table, *, last: bool) -> Level:
    """The n-grams in the order of their words, each behind its prefix."""
    n = table.order + 1
    prefixes = section.ids[:, 0]
    for m in range(2, n):
        prefixes = table.find(m, prefixes, section.ids[:, m - 1])
    lost = np.flatnonzero(prefixes < 0)
    if len(lost):
        line = section.first_line + int(lost[0])
        raise DataError(
            f"{path}:{line}: the first {n - 1} words of this {n}-gram are not among the "
            f"{n - 1}-grams -- add them there"
        )
    keys = prefixes * (table.vocab + 1) + section.ids[:, -1]
    by_key = np.argsort(keys, kind="stable")
    keys = keys[by_key]
    twice = np.flatnonzero(keys[1:] == keys[:-1])
    if len(twice):
        line = section.first_line + int(by_key[twice[0] + 1])
        raise DataError(f"{path}:{line}: this {n}-gram is there twice -- keep one")
    log_backoff = section.log_backoff[by_key]
    return Level(keys, section.log_p[by_key], log_backoff[:0] if last else log_backoff)
