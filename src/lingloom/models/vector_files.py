"""Word vectors in files: word2vec's text and binary formats, and GloVe's text, in and out.

Text: a line `N C`, then a line `word v1 ... vC` for each word, single spaces between; GloVe leaves
the first line out, and C is then what the shortest of the first SETTLING lines has behind one word.
A word may have spaces in it (`. . .`, `iphone 6`): the last C parts of a line are the vector, and
what stands before them is the word. But where that ends with a number of as many decimals as some
number of the vector, the line has more than C numbers, and is refused.

Binary: the same first line, then for each word its bytes, a space, and C float32 little-endian,
with or without a line break behind them. `.gz` files are compressed.

Source of the formats: word2vec.c and distance.c of Mikolov et al. 2013; glove.c of Pennington et
al. 2014.

Shapes: N words, C width.
"""

import gzip
import os
import re
import zlib
from collections.abc import Container, Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import DataError
from ..runs import unwritable
from .arpa import arpa_name

HEADER_BYTES = 64
"""Longest first line `N C`."""
WORD_BYTES = 4096
"""Longest word that is read."""
LINE_BYTES = 1_000_000
"""Longest line of text."""
MOST_WIDTH = 100_000
DEFLATED = 1032
"""No byte of a gzip file stands for more bytes than this."""
PIECE = 4096
"""Words written at once."""
SETTLING = 10
"""First lines that settle the width of a text that does not begin with it."""
_NUMBER = re.compile(rb"[-+]?(?:\d+\.?(\d*)|\.(\d+))(e[-+]?\d+)?", re.IGNORECASE)


def read_vectors(
    path: str | Path, keep: Container[str] | None = None
) -> tuple[list[str], np.ndarray]:
    """(words, vectors (N, C) float32) in the order of the file; `.bin` is binary, all else text.

    Bytes that are not UTF-8 become U+FFFD. A word may be there twice, if the file has it twice.

    Args:
        path: `.bin`, or text under any other name; each also with `.gz` behind it.
        keep: the words that are wanted; memory is taken for these alone. None: all.

    Raises:
        DataError: the file is missing, damaged or of another format; the message says where.
    """
    words, vectors = [], []
    for word, vector in _each(Path(path)):
        if keep is None or word in keep:
            words.append(word)
            vectors.append(vector)
    if not vectors:
        return [], np.empty((0, 0), np.float32)
    whole = np.stack(vectors)
    bad = np.flatnonzero(~np.isfinite(whole).all(axis=1))
    if len(bad):
        raise DataError(
            f"{path}: the vector of '{words[bad[0]]}' is not finite; make the file again"
        )
    return words, whole


def vectors_width(path: str | Path) -> int:
    """How many numbers the vectors of a file have, from the first of them; 0 where it has none.

    Raises:
        DataError: as `read_vectors`.
    """
    with closing(_each(Path(path))) as rows:
        return next((len(vector) for _, vector in rows), 0)


def write_vectors(path: str | Path, words: Sequence[str], vectors: np.ndarray) -> None:
    """Write (N, C) `vectors` with their `words`: binary where `path` ends in `.bin`, text
    elsewhere, which holds every float32 exactly; each compressed where `.gz` follows.

    Blanks in a word are written as `<U+0020>` and so on, an empty word as `<>`.

    Raises:
        DataError: there is not one word for each vector.
        RunError: the file cannot be written.
    """
    path, vectors = Path(path), np.asarray(vectors, dtype="<f4")
    if vectors.ndim != 2 or len(words) != len(vectors):
        raise DataError(
            f"{len(words)} words for vectors of shape {list(vectors.shape)}; give one word for "
            "each row"
        )
    aside = path.with_name(f"{path.name}.writing")
    binary = _is_binary(path)
    try:
        with _opened(aside, "wb", zipped=path.suffix == ".gz") as file:
            file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
            for start in range(0, len(words), PIECE):
                part = slice(start, start + PIECE)
                names = [arpa_name(word).encode() for word in words[part]]
                file.write(b"".join((_rows if binary else _lines)(names, vectors[part])))
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise unwritable(path, error) from None


def is_vector_file(path: str | Path) -> bool:
    """Whether a file's name says that it holds word vectors: .txt, .vec or .bin, or one with
    .gz."""
    return Path(str(path).removesuffix(".gz")).suffix in (".txt", ".vec", ".bin")


def _is_binary(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(".bin")


def _opened(path: Path, mode: str, *, zipped: bool | None = None) -> IO[bytes]:
    if path.suffix == ".gz" if zipped is None else zipped:
        opened: IO[bytes] = gzip.open(path, mode)  # type: ignore[assignment]  # noqa: SIM115
        return opened
    return open(path, mode)


# --------------------------------------------------------------------------- out


def _rows(names: list[bytes], vectors: np.ndarray) -> Iterator[bytes]:
    for name, vector in zip(names, vectors, strict=True):
        yield b"%b %b\n" % (name, vector.tobytes())


def _lines(names: list[bytes], vectors: np.ndarray) -> Iterator[bytes]:
    for name, numbers in zip(names, vectors.astype(str).tolist(), strict=True):
        yield b"%b %b\n" % (name, " ".join(numbers).encode())


# --------------------------------------------------------------------------- in


def _each(path: Path) -> Generator[tuple[str, np.ndarray], None, None]:
    """Each word with its vector, as the file is read."""
    try:
        room = path.stat().st_size * (DEFLATED if path.suffix == ".gz" else 1)
        with _opened(path, "rb") as file:
            yield from _binary(path, file, room) if _is_binary(path) else _text(path, file, room)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({why}); give a file of word vectors") from None


def _binary(path: Path, file: IO[bytes], room: int) -> Iterator[tuple[str, np.ndarray]]:
    header = _sizes(file.readline(HEADER_BYTES))
    if header is None:
        raise DataError(
            f"{path}: does not begin with a line 'WORDS WIDTH', so it is no binary file of "
            "vectors; name it .txt if it is text"
        )
    count, width = header
    _refuse_sizes(path, count, width, room, least_bytes=count * (4 * width + 1))
    for i in range(count):
        word = _word(path, file, i)
        numbers = file.read(4 * width)
        if len(numbers) < 4 * width:
            raise DataError(
                f"{path}: ends within word {i + 1} of {count}; it is cut short: copy it again"
            )
        yield word, np.frombuffer(numbers, "<f4")
    if file.read(2).strip(b"\n"):
        raise DataError(
            f"{path}: goes on after its {count} words of width {width}; is its first line of "
            "another file? copy it again"
        )


def _word(path: Path, file: IO[bytes], index: int) -> str:
    """The bytes up to the next space; a line break before them belongs to the row before."""
    held = bytearray()
    while (byte := file.read(1)) != b" ":
        if not byte or len(held) == WORD_BYTES:
            raise DataError(
                f"{path}: no space ends word {index + 1} within {len(held)} bytes; the file is "
                "damaged or its first line of another file: copy it again"
            )
        if byte != b"\n" or held:
            held += byte
    return held.decode("utf-8", "replace")


def _text(path: Path, file: IO[bytes], room: int) -> Iterator[tuple[str, np.ndarray]]:
    lines = iter(lambda: file.readline(LINE_BYTES), b"")
    first = next(lines, b"")
    header = _sizes(first)
    if header is None:
        some = [first, *islice(lines, SETTLING - 1)]
        sizes = [len(line.split()) - 1 for line in some]
        count, width, rows = None, min(sizes), enumerate(chain(some, lines), start=1)
        by = f"line {sizes.index(width) + 1} has {width}"
        if sizes[0] < 1:
            raise DataError(
                f"{path}:1: neither 'WORDS WIDTH' nor a word and its numbers; give a file of word "
                "vectors"
            )
        if width < 1:
            at, width = sizes.index(width) + 1, sizes[0]
            raise _not_a_row(f"{path}:{at}", width, f"line 1 has {width}")
    else:
        count, width, rows = *header, enumerate(lines, start=2)
        by = f"the first line says {width}"
        _refuse_sizes(path, count, width, room, least_bytes=count * (2 * width + 1))
    read = 0
    for at, line in rows:
        yield _line(f"{path}:{at}", line, width, by)
        read += 1
    if count is not None and read != count:
        raise DataError(
            f"{path}: {read} words, but its first line says {count}; it is cut short or put "
            "together from several: copy it again"
        )


def _line(place: str, line: bytes, width: int, by: str) -> tuple[str, np.ndarray]:
    """One row of text; what stands before its last `width` numbers is the word, spaces included.

    Args:
        place: of the line, as an error names it.
        line: its bytes.
        width: numbers that it must have.
        by: what settled that, as an error says it.
    """
    word, *numbers = line.rstrip(b" \r\n").rsplit(b" ", width)
    if b" " in word and (more := _numbers_too_many(word, numbers)):
        shown = b" ".join(word.split(b" ")[:-more]).decode("utf-8", "replace")
        raise DataError(
            f"{place}: {width + more} numbers behind '{shown}', but {by}; the file is damaged or "
            "put together from several: copy it again"
        )
    try:
        if len(numbers) != width:
            raise ValueError
        return word.decode("utf-8", "replace"), np.array(numbers, dtype=np.float32)
    except ValueError:
        raise _not_a_row(place, width, by) from None


def _not_a_row(place: str, width: int, by: str) -> DataError:
    return DataError(
        f"{place}: not a word and {width} numbers, and {by}; the file is damaged or of another "
        "format (binary files end in .bin)"
    )


def _numbers_too_many(word: bytes, numbers: Sequence[bytes]) -> int:
    """How many numbers at the end of `word` are written as those of the vector are."""
    least = min((_decimals(number) for number in numbers), default=0)
    more = 0
    for part in reversed(word.split(b" ")[1:]):
        if _decimals(part) < max(least, 0):
            break
        more += 1
    return more


def _decimals(number: bytes) -> int:
    """Digits behind the point; of a number with an exponent more than any other has, and -1 of
    what is no number."""
    found = _NUMBER.fullmatch(number)
    if found is None:
        return -1
    return LINE_BYTES if found[3] else len(found[1] or found[2] or b"")


def _sizes(line: bytes) -> tuple[int, int] | None:
    """(words, width) of a first line; None where it is something else."""
    parts = line.split()
    if len(line) >= HEADER_BYTES or len(parts) != 2 or not all(p.isdigit() for p in parts):
        return None
    return int(parts[0]), int(parts[1])


def _refuse_sizes(path: Path, count: int, width: int, room: int, least_bytes: int) -> None:
    if not 1 <= width <= MOST_WIDTH or least_bytes > room:
        raise DataError(
            f"{path}: its first line says {count} words of width {width}, which the file has no "
            "room for; it is cut short or damaged: copy it again"
        )
