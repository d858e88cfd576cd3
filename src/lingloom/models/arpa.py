"""ARPA files: n-gram models to and from KenLM, SRILM and everything that reads them; their names
and how they are written. `arpa_reading.py` reads them.

Text, one n-gram a line: log10 p, a tab, the words, and below the highest order a tab and log10 of
the back-off factor. `<s>` opens a sentence, `</s>` closes it, `<unk>` stands for every other word.
"""

import gzip
import os
import re
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import DataError
from .backoff import Table
from .ngram import NGram

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
NEVER = "-99"
"""What the format writes for log10 of zero: `<s>` is never predicted."""
LN10 = float(np.log(10))
CHUNK = 1 << 16
_BLANK = re.compile(r"<U\+([0-9A-F]{4,6})>")


def is_arpa_file(path: str | Path) -> bool:
    """Whether a file's name says that it holds an n-gram model: .arpa or .arpa.gz."""
    return str(path).endswith((".arpa", ".arpa.gz")) and not Path(path).is_dir()


def write_arpa(
    model: NGram, names: Sequence[str], path: Path, *, unknown: int | None = None
) -> None:
    """Write `model` so that KenLM gives the same scores; gzip where `path` ends in `.gz`.

    Args:
        model: its END becomes `</s>`, its begin symbol `<s>`.
        names: text of each token id, (vocab,); blanks inside are written as `<U+0020>` and so on.
        path: the file to write; it appears when it is whole.
        unknown: the token id that becomes `<unk>`, if there is one.

    Raises:
        DataError: there is not one name for each id, or two ids have the same name.
    """
    words = _unique_names(model, names, unknown)
    levels = model.table.levels
    aside = path.with_name(path.name + ".writing")
    with opened(aside, "w", zipped=path.suffix == ".gz") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={len(lv.keys)}\n" for n, lv in enumerate(levels, start=1))
        for n in range(1, len(levels) + 1):
            file.write(f"\n\\{n}-grams:\n")
            for start in range(0, len(levels[n - 1].keys), CHUNK):
                file.writelines(_entries(model.table, n, slice(start, start + CHUNK), words))
        file.write("\n\\end\\\n")
    os.replace(aside, path)


def _entries(table: Table, n: int, part: slice, words: list[str]) -> Iterator[str]:
    """The lines of some n-grams of order `n`."""
    level = table.levels[n - 1]
    columns, ids = [], np.arange(*part.indices(len(level.keys)))
    for m in range(n, 0, -1):
        ids, last = np.divmod(table.levels[m - 1].keys[ids], table.vocab + 1)
        columns.append([words[i] for i in last])
    texts = map(" ".join, zip(*reversed(columns), strict=True))
    log_p = np.minimum(level.log_p[part] / LN10, 0.0).tolist()
    backoffs = (level.log_backoff[part] / LN10).tolist() or [None] * len(log_p)
    for p, text, backoff in zip(log_p, texts, backoffs, strict=True):
        number = NEVER if text == BEGIN or p == -np.inf else f"{p:.9g}"
        yield f"{number}\t{text}\n" if backoff is None else f"{number}\t{text}\t{backoff:.9g}\n"


def _unique_names(model: NGram, names: Sequence[str], unknown: int | None) -> list[str]:
    """The written form of each id, the begin symbol's last."""
    if len(names) != model.vocab:
        raise DataError(
            f"{len(names)} names for a vocabulary of {model.vocab} -- "
            "give the names of the tokenizer that the model was trained with"
        )
    words = [arpa_name(name) for name in names]
    words[model.end] = END
    if unknown is not None:
        words[unknown] = UNKNOWN
    words.append(BEGIN)
    first: dict[str, int] = {}
    for i, word in enumerate(words):
        if word in first:
            raise DataError(
                f"token ids {first[word]} and {i} are both written '{word}' in an ARPA file -- "
                "rename one; <s>, </s> and <unk> are taken"
            )
        first[word] = i
    return words


def arpa_name(name: str) -> str:
    """`name` as one word without blanks: each blank becomes `<U+XXXX>`; nothing becomes `<>`."""
    blank = "".join(f"<U+{ord(c):04X}>" if c.isspace() or c == "\0" else c for c in name)
    return blank or "<>"


def name_of(word: str) -> str:
    """The name that `arpa_name` wrote as `word`; what stands for no blank stays as it is."""
    return "" if word == "<>" else _BLANK.sub(_blank, word)


def _blank(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    c = chr(code) if code <= 0x10FFFF else ""
    return c if c.isspace() or c == "\0" else found[0]


def opened(path: Path, mode: str, *, zipped: bool) -> IO[str]:
    # Only \n ends a line: other Unicode line ends may stand inside a word.
    if zipped:
        return TextIOWrapper(gzip.GzipFile(path, mode), encoding="utf-8", newline="\n")
    return path.open(mode, encoding="utf-8", newline="\n")
