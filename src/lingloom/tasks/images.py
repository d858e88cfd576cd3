"""Images of idx files, one by one, to be asked about and shown.

Shapes: H rows, W columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ..errors import DataError
from ..text.idx import PIXEL, shape_of
from ..text.places import place_at
from ..text.read import TextSettings, documents_of
from ..text.remote import require_no_secret
from ..text.setaside import FileReport, Source

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bit of each dot of a Braille character, four rows of two."""


@dataclass(frozen=True)
class Image:
    """One image of a file."""

    number: int
    """Its place in the file, from 1."""
    text: str
    """As models read it: one character per pixel."""
    label: str
    """What it is; empty where the file has no labels beside it."""
    shape: tuple[int, ...]
    """(H, W), with colours behind where it has some."""

    def drawn(self) -> list[str]:
        """Lines of Braille characters, each of four rows and two columns: dots are the pixels that
        are brighter than half way from the darkest to the brightest."""
        flat = np.array([ord(pixel) - PIXEL for pixel in self.text], np.float64)
        grey = flat.reshape(self.shape[0], -1)
        if len(self.shape) > 1:
            grey = flat.reshape(*self.shape[:2], -1).mean(-1)  # (H, W)
        bright = grey > (grey.min() + grey.max()) / 2
        rows, columns = grey.shape
        bright = np.pad(bright, [(0, -rows % 4), (0, -columns % 2)])
        cells = bright.reshape(len(bright) // 4, 4, -1, 2).transpose(0, 2, 1, 3)  # (H/4, W/2, 4, 2)
        codes = PIXEL + (cells * _DOTS).sum((2, 3))
        return ["".join(map(chr, line)) for line in codes.tolist()]


def images_of(name: str, first: int, count: int) -> tuple[int, list[Image]]:
    """How many images a file says it holds, and `count` of them from number `first` on; fewer where
    it ends.

    Args:
        name: an idx file, compressed or not, or its URL; its labels are found beside it.
        first: from 1.
        count: at most.

    Raises:
        DataError: the file cannot be read, holds no images, or none of that number.
    """
    try:
        require_no_secret(name)
    except ValueError as error:
        raise DataError(str(error)) from None
    place = place_at(name)
    try:
        shape = shape_of(place)
    except OSError as error:
        why = error.strerror or error
        raise DataError(f"{name}: cannot be read ({why}); {_GIVE}") from None
    if shape is None:
        raise DataError(f"{name}: is no idx file of images; {_GIVE}")
    faults: list[str] = []
    source = Source(name, FileReport(name), lambda record: faults.append(str(record["reason"])))
    read = documents_of(place, source, TextSettings(format="idx"))
    found: Iterator[Image] = (
        Image(number, document.text, str(document.meta.get("label", "")), shape[1:])
        for number, document in enumerate(read, start=1)
    )
    some = list(islice(found, first - 1, first - 1 + count))
    if not some:
        damage = f" ({faults[0]})" if faults else ""
        raise DataError(
            f"{name}: has no image {first}, but {shape[0]}{damage}; ask for one of them"
        )
    return shape[0], some


_GIVE = "this model reads images: give an idx file of them, such as t10k-images-idx3-ubyte.gz"
