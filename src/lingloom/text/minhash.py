"""MinHash: short signatures whose agreement estimates how much two texts share, and their bands.

Source: Broder 1997, "On the resemblance and containment of documents"; bands: Leskovec, Rajaraman
and Ullman, "Mining of Massive Datasets", section 3.4.
"""

import ctypes
from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from ..native.kernels import kernels
from .shingles import ShingleSettings, kernel_arguments, mixed, pointer, twin_shingles
from .texts import Texts

NOWHERE = np.uint64(2**64 - 1)
"""The band hash of a text without shingles: it is in no bucket."""
PERMUTATIONS = 140
"""How many numbers a signature may have where only the threshold is given."""
EMPTY = np.uint32(2**32 - 1)
"""Every number in the signature of a text without shingles."""


class MinHashSettings(ShingleSettings):
    """Near-duplicates: which texts are, and how hard they are looked for."""

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Jaccard similarity of the shingle sets from which two texts are near-duplicates."""
    bands: PositiveInt = 20
    """Two texts are compared where they agree in all rows of some band: more bands miss fewer.
    Where neither bands nor rows are given, they follow the threshold, with at most 140 numbers a
    text. Of pairs at .8, 20 bands of 7 find .991, 14 of 8 .924, SlimPajama's 9 of 13 .399."""
    rows: PositiveInt = 7
    """Numbers in a band: more rows compare fewer pairs that are no near-duplicates."""
    seed: int = 1
    """Another number takes other permutations."""

    @model_validator(mode="before")
    @classmethod
    def _bands_for_threshold(cls, given: Any) -> Any:
        if not isinstance(given, dict) or ("bands" in given) != ("rows" in given):
            raise ValueError("give both of bands and rows, or neither")
        threshold = given.get("threshold")
        if "rows" in given or not isinstance(threshold, int | float) or not 0 < threshold <= 1:
            return given
        bands, rows = bands_for(threshold)
        return given | {"bands": bands, "rows": rows}


def permutations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(a, b), uint32 (count,) each: permutation i takes x to a[i] * x + b[i] modulo 2^32, a odd."""
    drawn = [mixed((seed * 0x9E3779B97F4A7C15 + i + 1) % 2**64) for i in range(2 * count)]
    numbers = (np.array(drawn, np.uint64) >> np.uint64(32)).astype(np.uint32)
    return numbers[:count] | np.uint32(1), numbers[count:].copy()


def signatures(texts: Texts, settings: MinHashSettings) -> np.ndarray:
    """uint32 (N, bands * rows): the least value of each permutation over the text's shingles.

    Two signatures agree in a place with the probability of the texts' Jaccard similarity.
    A text without shingles has EMPTY in every place.
    """
    count = settings.bands * settings.rows
    a, b = permutations(count, settings.seed)
    out, lib = np.full((len(texts), count), EMPTY), kernels()
    if lib is None:
        for i in range(len(texts)):
            found = np.array(twin_shingles(texts[i], settings), np.uint64).astype(np.uint32)
            if len(found):
                out[i] = (found[:, None] * a + b).min(axis=0)
        return out
    function = lib.lingloom_minhash
    function.restype = ctypes.c_int64
    done = function(
        *texts.pointers(),
        *kernel_arguments(settings),
        pointer(a),
        pointer(b),
        ctypes.c_int64(count),
        pointer(out),
    )
    assert done == 0
    return out


def band_hashes(signatures: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """uint64 (N, bands): equal where two signatures agree in all `rows` places of that band.

    signatures: uint32 (N, bands * rows). NOWHERE for a text without shingles, and for no other.
    """
    places = signatures.reshape(len(signatures), bands, rows).astype(np.uint64)
    hashes = np.empty((len(places), bands), np.uint64)
    hashes[:] = np.arange(1, bands + 1, dtype=np.uint64)  # a bucket belongs to one band
    for row in range(rows):
        hashes = _mixed_all(hashes * np.uint64(0x9E3779B97F4A7C15) ^ places[:, :, row])
    hashes[hashes == NOWHERE] = 0
    hashes[(signatures == EMPTY).all(axis=1)] = NOWHERE
    return hashes


def _mixed_all(x: np.ndarray) -> np.ndarray:
    x = (x ^ x >> np.uint64(33)) * np.uint64(0xFF51AFD7ED558CCD)
    x = (x ^ x >> np.uint64(33)) * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ x >> np.uint64(33)


def candidate_probability(jaccard: float, bands: int, rows: int) -> float:
    """The probability that two texts of this similarity share a bucket: 1 - (1 - s^rows)^bands."""
    return 1 - (1 - jaccard**rows) ** bands


@cache
def bands_for(
    threshold: float, permutations: int = PERMUTATIONS, miss_weight: float = 0.99
) -> tuple[int, int]:
    """(bands, rows) within `permutations` that part pairs best at `threshold`.

    The least weighted sum of the false candidates below it and the misses above it, over pairs
    spread evenly in similarity; `miss_weight` (0 to 1) is the weight of the misses. The default
    weighs a miss, which is lost, 99 times a false candidate, which costs one comparison: at .5 to
    .95 it finds at least .97 of the pairs at the threshold itself. Of equal ones, the fewest bands.

    Source: datasketch's MinHashLSH, which weighs both by .5; Zhu et al. 2016, "LSH Ensemble",
    section 5.2.
    """
    choices = [
        (bands, rows)
        for bands in range(1, permutations + 1)
        for rows in range(1, permutations // bands + 1)
    ]

    def cost(choice: tuple[int, int]) -> float:
        bands, rows = choice
        below = threshold - _missed(0.0, threshold, bands, rows)
        return (1 - miss_weight) * below + miss_weight * _missed(threshold, 1.0, bands, rows)

    return min(choices, key=cost)


def _missed(low: float, high: float, bands: int, rows: int) -> float:
    """The integral of (1 - s^rows)^bands for s from `low` to `high`, by Simpson's rule."""
    s = np.linspace(low, high, 129)
    weights = np.ones(129)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return float(((1 - s**rows) ** bands @ weights) * (high - low) / 128 / 3)
