"""Decontamination: which documents hold text of an evaluation set, and of which.

A gram is a run of 13 tokens (see shingles.py; of Chinese, 13 characters) of an evaluation text; a
document that holds one is dropped. An evaluation text of 8 to 12 tokens is looked for as a whole;
a shorter one is not, as it would be found by chance in any large corpus.

Source: Brown et al. 2020 (GPT-3), appendix C: grams of at most 13 and at least 8 words, in lower
case and without punctuation. Differs: whole documents go, where GPT-3 cuts 200 characters around
the gram; grams that many documents hold count too, where GPT-3 leaves out those of more than ten;
raise `min_hits` or `min_frac` to be as lenient.
"""

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from ..native.kernels import kernels
from ..settings import Settings
from .places import Entries
from .shingles import (
    ShingleSettings,
    kernel_arguments,
    pointer,
    shingle_counts,
    shingle_hashes,
)
from .texts import Texts

MOST_BENCHMARKS = 64
"""Each benchmark has its bit in a 64-bit number."""


class DecontaminateSettings(Settings):
    """Which evaluation sets the corpus must not hold."""

    read: Entries = []
    """Evaluation files, at most 63 of them, named as in text.read; each is reported by itself."""
    field: str | PositiveInt = "text"
    """Where jsonl, csv, tsv and parquet files hold the evaluation text; of plain text each line."""
    held_out: bool = True
    """Treat the corpus's own validation and test documents as one more evaluation set."""
    size: Annotated[int, Field(ge=1, le=256)] = 13
    """Tokens in a gram: words, and Chinese characters."""
    min_size: PositiveInt = 8
    """An evaluation text shorter than `size` is looked for as a whole if it has this many tokens;
    a still shorter one is not looked for."""
    min_hits: PositiveInt = 1
    """A document is dropped from this many grams on, repeated ones counted each time..."""
    min_frac: Annotated[float, Field(ge=0, le=1)] = 0.0
    """... if they are at least this share of its own grams."""

    @model_validator(mode="after")
    def _sizes_in_order(self) -> "DecontaminateSettings":
        if self.min_size > self.size:
            raise ValueError(f"min_size {self.min_size} is above size {self.size}; lower it")
        return self

    @property
    def entries(self) -> list[str]:
        """`read` as a list."""
        return [self.read] if isinstance(self.read, str) else list(self.read)


@dataclass(frozen=True)
class GramTable:
    """Distinct grams of one size, and an index by their top bits: one or two steps to any."""

    size: int
    hashes: np.ndarray
    """uint64 (G,), sorted."""
    owners: np.ndarray
    """uint64 (G,): bit i for benchmark i."""
    low: int
    shift: int
    starts: np.ndarray
    """int64 (buckets + 1): grams with (hash - low) >> shift == b are starts[b]:starts[b + 1]."""


def hash_ranges(passes: int) -> list[tuple[int, int]]:
    """(low, high), both included: the 2^64 hashes cut evenly, for grams that do not fit in memory.

    The hits of all passes add up, and the benchmarks are or'ed.
    """
    edges = [(i << 64) // passes for i in range(passes + 1)]
    return [(low, end - 1) for low, end in zip(edges, edges[1:], strict=False)]


def gram_set(
    benchmarks: Iterable[tuple[int, Texts]],
    settings: DecontaminateSettings,
    low: int = 0,
    high: int = 2**64 - 1,
) -> tuple[GramTable, ...]:
    """The grams of the evaluation texts whose hash is in `low`..`high`, both included, by size.

    About 24 bytes a gram. The first table has grams of `settings.size` and may be empty; others
    are there where shorter evaluation texts are.

    Args:
        benchmarks: (number of the benchmark 0..63, some of its texts), as many as there are.
        settings: the sizes.
        low: first hash that is taken.
        high: last hash that is taken.
    """
    found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {settings.size: []}
    for number, texts in benchmarks:
        assert 0 <= number < MOST_BENCHMARKS
        tokens = shingle_counts(texts, ShingleSettings(size=1))
        hashes, offsets = shingle_hashes(texts, ShingleSettings(size=settings.size))
        sizes = np.repeat(np.minimum(tokens, settings.size), np.diff(offsets))
        inside = (hashes >= np.uint64(low)) & (hashes <= np.uint64(high))
        for size in range(settings.min_size, settings.size + 1):
            some = np.unique(hashes[inside & (sizes == size)])
            if len(some):
                owner = np.full(len(some), 1 << number, np.uint64)
                found.setdefault(size, []).append((some, owner))
    return tuple(_table(size, pieces, low, high) for size, pieces in found.items())


def _table(
    size: int, pieces: list[tuple[np.ndarray, np.ndarray]], low: int, high: int
) -> GramTable:
    hashes = np.concatenate([np.empty(0, np.uint64), *(piece[0] for piece in pieces)])
    owners = np.concatenate([np.empty(0, np.uint64), *(piece[1] for piece in pieces)])
    order = np.argsort(hashes)
    hashes, owners = hashes[order], owners[order]
    firsts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]][: len(hashes)])
    if len(firsts):
        hashes, owners = hashes[firsts], np.bitwise_or.reduceat(owners, firsts)
    shift = max(0, (high - low).bit_length() - max(1, len(hashes) // 2).bit_length())
    shift = min(shift, 63)
    buckets = ((high - low) >> shift) + 1
    starts = np.zeros(buckets + 1, np.int64)
    within = ((hashes - np.uint64(low)) >> np.uint64(shift)).astype(np.int64)
    np.cumsum(np.bincount(within, minlength=buckets), out=starts[1:])
    return GramTable(size, hashes, owners, low, shift, starts)


def overlaps(texts: Texts, grams: Sequence[GramTable]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hits int64, shingles int64, owners uint64), each (N,), of every document.

    Its runs of tokens that are grams, repeated ones counted each time; how many runs of the
    first table's size it has; the benchmarks that were hit, bit i for benchmark i.
    """
    hits, owners = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.uint64)
    shingles = np.zeros(len(texts), np.int64)
    for place, table in enumerate(grams):
        here, runs, whose = _lookup(texts, table)
        hits += here
        owners |= whose
        if not place:
            shingles = runs
    return hits, shingles, owners


def _lookup(texts: Texts, table: GramTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lib = kernels()
    if lib is None:
        return _twin_lookup(texts, table)
    hits, shingles = np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)
    owners = np.empty(len(texts), np.uint64)
    function = lib.lingloom_lookup
    function.restype = ctypes.c_int64
    done = function(
        *texts.pointers(),
        *kernel_arguments(ShingleSettings(size=table.size)),
        pointer(table.hashes),
        pointer(table.owners),
        pointer(table.starts),
        ctypes.c_int64(len(table.starts) - 1),
        ctypes.c_uint64(table.low),
        ctypes.c_int64(table.shift),
        pointer(hits),
        pointer(shingles),
        pointer(owners),
    )
    assert done == 0
    return hits, shingles, owners


def _twin_lookup(texts: Texts, table: GramTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    hashes, offsets = shingle_hashes(texts, ShingleSettings(size=table.size))
    whose = dict(zip(table.hashes.tolist(), table.owners.tolist(), strict=True))
    hits, owners = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.uint64)
    for i in range(len(texts)):
        found = [whose[h] for h in hashes[offsets[i] : offsets[i + 1]].tolist() if h in whose]
        hits[i] = len(found)
        owners[i] = np.bitwise_or.reduce(np.array(found, np.uint64))
    return hits, np.diff(offsets), owners


def contaminated(
    hits: np.ndarray, shingles: np.ndarray, settings: DecontaminateSettings
) -> np.ndarray:
    """bool (N,): the documents that are dropped."""
    return (hits >= settings.min_hits) & (hits >= settings.min_frac * shingles)


def hit_counts(owners: np.ndarray, names: Sequence[str]) -> dict[str, int]:
    """benchmark -> how many documents hit it, from the `owners` of `overlaps`."""
    return {
        name: int((owners >> np.uint64(i) & np.uint64(1)).sum()) for i, name in enumerate(names)
    }
