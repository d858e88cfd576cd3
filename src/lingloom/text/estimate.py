"""How much text `text.read` names, from file sizes alone: nothing is read."""

import sysconfig
from pathlib import Path

from .corpus.opened import corpus_of
from .idx import kind_of
from .installed import COLLECTIONS
from .places import PACKED, Place
from .read import TextSettings, places_of_splits

UNPACKED = 3.5
"""Bytes of text in a byte of gzip or zstd."""
TOPICS_BYTES = 470_000
"""Of `python:topics`, in Python 3.11 to 3.14."""
DOCSTRING_FRAC = 0.055
"""Share of the standard library's source that `python:docstrings` is."""


def text_bytes(settings: TextSettings) -> float:
    """About how many bytes of text there are to read; standard input counts as nothing.

    Raises:
        RecipeError, MissingError: as `read.documents`.
    """
    corpus = corpus_of(settings)
    if corpus is not None:
        return float(corpus.kept_bytes("train") + corpus.kept_bytes("validation"))
    return sum(bytes_of_splits(settings).values())


def bytes_of_splits(settings: TextSettings) -> dict[str, float]:
    """`text_bytes` of the files of each split; what text.heldout_frac holds out is in 'train'."""
    by_suffix = settings.format == "auto"
    return {
        split: sum(place_bytes(place, by_suffix) for place in found)
        for split, found in places_of_splits(settings).items()
    }


def place_bytes(place: Place, by_suffix: bool = True) -> float:
    """About how many bytes of text one file holds."""
    if place.name in COLLECTIONS:
        return TOPICS_BYTES if place.name == "python:topics" else _docstring_bytes()
    kind = kind_of(place)
    passed_over = place.found and by_suffix and kind is None
    if passed_over:
        return 0
    spelt = 3 if kind == "idx" else 1  # bytes of the character of a pixel
    packed = place.suffix in (*PACKED, ".parquet")
    return place.size_bytes * (UNPACKED if packed else 1) * spelt


def _docstring_bytes() -> float:
    root = Path(sysconfig.get_path("stdlib"))
    skipped = ("site-packages", "dist-packages", "test")
    sizes = (p.stat().st_size for p in root.rglob("*.py") if not set(skipped) & set(p.parts))
    return DOCSTRING_FRAC * sum(sizes)
