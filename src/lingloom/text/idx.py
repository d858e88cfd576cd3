"""Images in idx files, as MNIST comes in: each becomes a text with one character per pixel.

A pixel of value v is the Braille character U+2800 + v: visible, one of 256, and touched by no
cleaning, so that images are stored, split, compared and shown as texts are.

Source of the format: the page of the MNIST database (LeCun, Cortes and Burges), "File formats".
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import prod
from pathlib import Path
from stat import S_ISREG

import numpy as np

from ..errors import DataError
from .html import Described
from .places import Place, format_of
from .setaside import FileReport, Source
from .stream import opened, pieces

PIXEL = 0x2800
"""The character of a black pixel; the others follow."""
MOST_PIXELS = 1 << 20
"""In one image."""
_MAGIC = b"\0\0\x08"
"""Begins a file of unsigned bytes; the number of sizes follows."""
_MOST_SIZES = 4
"""Of images: how many, rows, columns and colours."""


def kind_of(place: Place) -> str | None:
    """The format that a file's suffixes tell; where they tell none, idx if it begins so, of a file
    on a disk: of a far one, megabytes would come for the four bytes."""
    found = format_of(place.name)
    if found is not None or place.path is None:
        return found
    try:
        facts = place.path.stat()
    except OSError:
        return None
    regular = S_ISREG(facts.st_mode)
    begins_so = regular and _begins_so(place.path, facts.st_size, facts.st_mtime_ns)
    return "idx" if begins_so else None


@lru_cache(maxsize=1 << 14)  # settings are checked several times in a run
def _begins_so(path: Path, size_bytes: int, changed_ns: int) -> bool:
    """Whether a file, compressed or not, begins with the magic number of an idx file."""
    try:
        with opened(path) as file:
            start = next(pieces(file, lambda reason: None), b"")[:4]
    except OSError:
        return False
    return len(start) == 4 and start[:3] == _MAGIC and 1 <= start[3] <= _MOST_SIZES


def idx(content: Iterator[bytes], source: Source, labels: Place | None) -> Described:
    """Each image, row by row, with its label where there are labels.

    Args:
        content: the bytes of the file.
        source: told what was set aside.
        labels: file of the labels, one for each image.

    Raises:
        DataError: the file of labels is damaged, or of another number of images.
    """
    file = _Bytes(content, source)
    header = _header(file)
    if header is None:
        source.set_aside(0, "not an idx file of unsigned bytes", file.start)
    elif len(header) < 2:
        source.set_aside(0, "labels, which are read with their images")
    elif not 0 < prod(header[1:]) <= MOST_PIXELS:
        source.set_aside(0, f"images of {prod(header[1:])} pixels; 1 to {MOST_PIXELS} are read")
    else:
        told = None if labels is None else _labels(labels, header[0], source)
        yield from _images(file, header, source, told)


def _images(
    file: "_Bytes", shape: Sequence[int], source: Source, told: np.ndarray | None
) -> Described:
    """The images behind a header, from 1, with `told` (images,) as labels."""
    count, pixels = shape[0], prod(shape[1:])
    for number in range(1, count + 1):
        raw = file.take(pixels)
        if len(raw) < pixels:
            source.set_aside(number, f"the file ends before image {number} of {count} is whole")
            return
        facts = {} if told is None else {"label": str(told[number - 1])}
        yield str(number), as_text(np.frombuffer(raw, np.uint8)), facts
    if file.take(1):
        source.set_aside(0, f"bytes behind the last of {count} images")


def as_text(values: np.ndarray) -> str:
    """Pixels (n,) uint8 as n characters."""
    return (values.astype("<u2") + PIXEL).tobytes().decode("utf-16-le")


def shape_of(place: Place) -> tuple[int, ...] | None:
    """(images, rows, columns) as a file begins with it, with colours behind where there are some;
    None where it holds no images.

    Raises:
        OSError: it cannot be read.
    """
    with place.opened() as file:
        content = pieces(file, lambda reason: None)
        found = _header(_Bytes(content, Source(place.name, FileReport(place.name), lambda _: None)))
    return found if found and len(found) > 1 and 0 < prod(found[1:]) <= MOST_PIXELS else None


def labels_beside(images: Place) -> Place | None:
    """The file of labels that belongs to a file of images by its name; None where there is none.

    `train-images-idx3-ubyte.gz` has `train-labels-idx1-ubyte`, compressed or not.
    """
    own = images.name.rpartition("/")[2]
    name = own.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    for candidate in (name, f"{name}.gz"):
        if candidate != own and (found := images.beside(candidate)):
            return found
    return None


class _Bytes:
    """The bytes of a file, as many at a time as are asked for."""

    def __init__(self, content: Iterator[bytes], source: Source):
        self.content, self.source = content, source
        self.start = b""
        """The first bytes that were taken."""
        self._held = bytearray()

    def take(self, size: int) -> bytes:
        """The next `size` bytes; fewer where the file ends."""
        while len(self._held) < size and (piece := next(self.content, b"")):
            self.source.report.bytes += len(piece)
            self._held += piece
        taken = bytes(self._held[:size])
        del self._held[:size]
        self.start = self.start or taken
        return taken


def _header(file: _Bytes) -> tuple[int, ...] | None:
    """The shape that an idx file of unsigned bytes begins with; None where it does not."""
    magic = file.take(4)
    if len(magic) < 4 or magic[:3] != _MAGIC or not magic[3]:
        return None
    sizes = file.take(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        return None
    return tuple(np.frombuffer(sizes, ">u4").tolist())


def _labels(place: Place, images: int, source: Source) -> np.ndarray:
    """(images,) uint8."""
    faults: list[str] = []
    try:
        with place.opened() as file:
            whole = b"".join(pieces(file, faults.append))
    except OSError as error:
        faults.append(error.strerror or str(error))
        whole = b""
    told = _Bytes(iter([whole]), Source(place.name, FileReport(place.name), lambda _: None))
    header = _header(told)
    found = told.take(len(whole))
    if faults or header is None or len(header) != 1 or len(found) != header[0]:
        why = faults[0] if faults else "not a whole idx file of labels"
        raise DataError(f"{place.name}: {why}; copy it again, or set text.labels to another file")
    if len(found) != images:
        raise DataError(
            f"{place.name}: {len(found)} labels, but {source.name} has {images} images; set "
            "text.labels to the labels of these images"
        )
    return np.frombuffer(found, np.uint8)
