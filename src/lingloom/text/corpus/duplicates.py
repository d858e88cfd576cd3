"""Stages 3 to 5: equal documents, nearly equal documents, and which of them stay.

Hashes of all parts are gone through by ranges of their value, so that memory holds one range at a
time; what is found does not depend on where the ranges end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..clusters import components, kept
from ..decontaminate import hash_ranges
from ..minhash import MinHashSettings
from ..near import candidate_pairs, distinct_pairs, verified
from .settings import plain
from .work import key_of, mapped, read_array, texts_of, write_arrays

PARTS_AT_ONCE = 4
"""Parts whose texts are mapped at once to be compared with those of one part."""
ROW_BITS = 32
"""A document's number is part << ROW_BITS | row, so that numbers follow the order of reading."""


@dataclass(frozen=True)
class ExactTask:
    """Equal digests in one range of their upper half. Writes `removed` and `kept` in pairs."""

    folder: str
    key: str
    parts: tuple[str, ...]
    """Keys of the cleaned parts, in order."""
    low: int
    high: int
    """First and last value of the range."""

    def run(self) -> dict[str, Any]:
        tops, ends, numbers, ranks = [], [], [], []
        for i, part in enumerate(self.parts):
            path = Path(self.folder, part)
            top = read_array(path, "high")
            at = hash_range(top, self.low, self.high)
            rows = read_array(path, "row")[at].astype(np.int64)
            tops.append(top[at].copy())  # a slice would keep its file open
            ends.append(read_array(path, "low")[at].copy())
            numbers.append(i << ROW_BITS | rows)
            ranks.append(mapped(path.with_suffix(".arrow"))["rank"].to_numpy()[rows])
        top, end, number, rank = map(np.concatenate, (tops, ends, numbers, ranks))
        order = np.lexsort((number, rank, end, top))
        top, end, number = top[order], end[order], number[order]
        again = np.zeros(len(top), bool)
        again[1:] = (top[1:] == top[:-1]) & (end[1:] == end[:-1])
        first = np.maximum.accumulate(np.where(again, 0, np.arange(len(top))))
        write_arrays(Path(self.folder, self.key), removed=number[again], kept=number[first][again])
        return {"removed": int(again.sum())}


@dataclass(frozen=True)
class PairTask:
    """Documents that share a band whose hash is in one range. Writes their `pairs` (M, 2)."""

    folder: str
    key: str
    parts: tuple[str, ...]
    gone: tuple[str, ...]
    """Keys of the exact stage, whose removed documents need no second look."""
    low: int
    high: int

    def run(self) -> dict[str, Any]:
        gone = removed_by(self.folder, self.gone)
        hashes, numbers = [], []
        for i, part in enumerate(self.parts):
            path = Path(self.folder, part)
            band = read_array(path, "band")
            at = hash_range(band, self.low, self.high)
            number = i << ROW_BITS | read_array(path, "band_row")[at].astype(np.int64)
            fresh = ~is_in(number, gone)
            hashes.append(band[at][fresh])
            numbers.append(number[fresh])
        pairs = candidate_pairs(np.concatenate(hashes), np.concatenate(numbers))
        write_arrays(Path(self.folder, self.key), pairs=pairs)
        return {"pairs": len(pairs)}


@dataclass(frozen=True)
class VerifyTask:
    """Candidate pairs whose first document is in one stretch of parts. Writes `edges` (M, 2) and
    their true `jaccard`; without a true one, of every candidate, NaN."""

    folder: str
    key: str
    parts: tuple[str, ...]
    pairs: tuple[str, ...]
    """Keys of the pair stage."""
    first: int
    last: int
    """The stretch of parts, both included."""
    minhash: MinHashSettings
    verify: bool

    def run(self) -> dict[str, Any]:
        low, high = self.first << ROW_BITS, (self.last + 1) << ROW_BITS
        found = []
        for key in self.pairs:
            pairs = read_array(Path(self.folder, key), "pairs")
            start, end = np.searchsorted(pairs[:, 0], [low, high])
            found.append(np.array(pairs[start:end]))
        pairs = distinct_pairs(np.concatenate(found))
        jaccard = np.full(len(pairs), np.nan)
        if self.verify:
            stretch = (pairs[:, 1] >> ROW_BITS) // PARTS_AT_ONCE
            for i in np.unique(stretch):
                jaccard[stretch == i] = self._verified(pairs[stretch == i])
        keep = ~(jaccard < self.minhash.threshold)  # also NaN, which was not computed
        write_arrays(Path(self.folder, self.key), edges=pairs[keep], jaccard=jaccard[keep])
        return {"candidates": len(pairs), "edges": int(keep.sum())}

    def _verified(self, pairs: np.ndarray) -> np.ndarray:
        parts = np.unique(pairs >> ROW_BITS).tolist()
        tables = {i: mapped(Path(self.folder, f"{self.parts[i]}.arrow")) for i in parts}
        return verified(pairs, {i: texts_of(t) for i, t in tables.items()}, self.minhash)


@dataclass(frozen=True)
class ClusterTask:
    """All edges to clusters. Writes pairs `removed` and `kept`, sorted by the first, and the
    clusters' `sizes`. Memory follows the number of near-duplicates, not of documents."""

    folder: str
    key: str
    parts: tuple[str, ...]
    edges: tuple[str, ...]
    """Keys of the verifying stage."""

    def run(self) -> dict[str, Any]:
        found = [np.array(read_array(Path(self.folder, key), "edges")) for key in self.edges]
        edges = np.concatenate(found)
        members, roots = components(edges)
        ranks = np.empty(len(members), np.int64)
        for i in np.unique(members >> ROW_BITS):
            of_part = members >> ROW_BITS == i
            table = mapped(Path(self.folder, f"{self.parts[i]}.arrow"))
            ranks[of_part] = table["rank"].to_numpy()[members[of_part] & (1 << ROW_BITS) - 1]
        stays = kept(members, roots, ranks)
        gone = members != stays
        sizes = np.unique(roots, return_counts=True)[1]
        write_arrays(
            Path(self.folder, self.key), removed=members[gone], kept=stays[gone], sizes=sizes
        )
        return {"removed": int(gone.sum()), "clusters": len(sizes)}


def exact_tasks(folder: Path, parts: Sequence[str], ranges: int) -> list[ExactTask]:
    """One task for each range."""
    key = key_of("exact", list(parts), ranges)
    return [
        ExactTask(str(folder), f"{key}-{i:04}", tuple(parts), low, high)
        for i, (low, high) in enumerate(hash_ranges(ranges))
    ]


def pair_tasks(
    folder: Path, parts: Sequence[str], gone: Sequence[str], ranges: int
) -> list[PairTask]:
    """One task for each range."""
    key = key_of("pairs", list(parts), list(gone), ranges)
    return [
        PairTask(str(folder), f"{key}-{i:04}", tuple(parts), tuple(gone), low, high)
        for i, (low, high) in enumerate(hash_ranges(ranges))
    ]


def verify_tasks(
    folder: Path,
    parts: Sequence[str],
    pairs: Sequence[str],
    minhash: MinHashSettings,
    verify: bool,
) -> list[VerifyTask]:
    """One task for each few parts."""
    key = key_of("verify", list(parts), list(pairs), plain(minhash), verify)
    step = max(1, len(parts) // 1024)
    return [
        VerifyTask(
            str(folder), f"{key}-{i:05}", tuple(parts), tuple(pairs), i,
            min(i + step, len(parts)) - 1, minhash, verify,
        )
        for i in range(0, len(parts), step)
    ]  # fmt: skip


def removed_by(folder: str, keys: Sequence[str]) -> np.ndarray:
    """Sorted numbers of all documents that the tasks `keys` removed."""
    found = [np.array(read_array(Path(folder, key), "removed")) for key in keys]
    return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)


def is_in(numbers: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Whether each of `numbers` is one of `among`, which is sorted."""
    if not len(among):
        return np.zeros(len(numbers), bool)
    place = np.minimum(np.searchsorted(among, numbers), len(among) - 1)
    found: np.ndarray = among[place] == numbers
    return found


def hash_range(values: np.ndarray, low: int, high: int) -> slice:
    """Where sorted `values` are between `low` and `high`, both included."""
    start = np.searchsorted(values, np.uint64(low), "left")
    return slice(int(start), int(np.searchsorted(values, np.uint64(high), "right")))
