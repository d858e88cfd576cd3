"""Stage 7: what stays is weighed, split, and laid out for the files of the corpus.

The order of the corpus is the order of a number drawn for each copy of each document from the seed
and the document's id; so it is the same whatever the files, the workers and the memory were.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..dedup import digest
from ..split import mixed, shares_of
from .cleaning import KEPT, count_reasons
from .dropped import write_dropped
from .duplicates import ROW_BITS
from .passages import without
from .settings import CorpusSettings, plain
from .work import key_of, mapped, read_array, texts_of, write_batches

SPLITS = ("validation", "test", "train")
PLACED = KEPT.append(pa.field("copy", pa.int32())).append(pa.field("order", pa.uint64()))


@dataclass(frozen=True)
class Layout:
    """How many files each split is written to."""

    validation: int
    test: int
    train: int

    @property
    def files(self) -> list[tuple[str, int]]:
        """(split, number within it) of every file."""
        return [(split, i) for split in SPLITS for i in range(getattr(self, split))]

    def first(self, split: str) -> int:
        """Place of the split's first file among all."""
        return self.files.index((split, 0))


def layout(settings: CorpusSettings, text_bytes: int) -> Layout:
    """Files of about `settings.shard_mb`, from the bytes that were kept, before weights."""

    def files(frac: float) -> int:
        return max(1, round(text_bytes * frac / (settings.shard_mb * 1e6)))

    held = settings.split.validation_frac, settings.split.test_frac
    weight = max([1.0, *settings.weights.values()])
    return Layout(files(held[0]), files(held[1]), files((1 - sum(held)) * weight))


@dataclass(frozen=True)
class ScatterTask:
    """One part. Writes KEY.arrow, a record batch for each file of the layout, and the documents
    that go to KEY.dropped.arrow."""

    folder: str
    key: str
    part: str
    number: int
    """The part's place among the parts."""
    parts: tuple[str, ...]
    exact: tuple[str, ...]
    near: tuple[str, ...]
    repeats: tuple[str, ...]
    settings: CorpusSettings
    layout: Layout

    def run(self) -> dict[str, Any]:
        path = Path(self.folder, self.key)
        table = mapped(Path(self.folder, f"{self.part}.arrow"))
        reason, of = self._removed(table.num_rows)
        shortened = 0
        if self.repeats:
            table, shortened = self._without_repeats(table, reason)
        split, copies = self._split_and_copies(table)
        for row in np.flatnonzero(copies == 0):
            reason[row] = reason[row] or "weight of the source"
        stays = np.array([r is None for r in reason], bool)
        gone = table.filter(pa.array(~stays))
        why = [r for r in reason if r]
        repeated = [o for r, o in zip(reason, of, strict=True) if r]
        write_dropped(self.folder, self.key, gone, why, repeated)
        rows = np.repeat(np.flatnonzero(stays), copies[stays])
        placed = self._placed(table.take(pa.array(rows)), copies[stays])
        write_batches(path.with_suffix(".arrow"), self._batches(placed, split[rows]), PLACED)
        return {
            "file": f"{self.key}.arrow",
            "documents": int(stays.sum()),
            "bytes": int(texts_of(table).sizes[stays].sum()),
            "dropped": count_reasons(gone, why),
            "shortened": shortened,
        }

    def _removed(self, rows: int) -> tuple[list[str | None], list[str | None]]:
        """Of each row why it goes, and the id of the document that it repeats."""
        reason: list[str | None] = [None] * rows
        of: list[str | None] = [None] * rows
        ids: dict[int, Any] = {}
        for why, keys in (("exact duplicate", self.exact), ("near duplicate", self.near)):
            for key in keys:
                path = Path(self.folder, key)
                gone, kept = read_array(path, "removed"), read_array(path, "kept")
                for i in np.flatnonzero(gone >> ROW_BITS == self.number):
                    part, there = divmod(int(kept[i]), 1 << ROW_BITS)
                    if part not in ids:
                        ids[part] = mapped(Path(self.folder, f"{self.parts[part]}.arrow"))["id"]
                    row = int(gone[i]) & (1 << ROW_BITS) - 1
                    reason[row], of[row] = why, ids[part][there].as_py()
        return reason, of

    def _without_repeats(self, table: pa.Table, reason: list[str | None]) -> tuple[pa.Table, int]:
        """`table` without passages that stood before, and how many documents lost some; a document
        that had nothing else gets its reason."""
        kind = self.settings.dedup.passages
        assert kind != "none"
        places: dict[int, list[int]] = {}
        low, high = self.number << ROW_BITS, (self.number + 1) << ROW_BITS
        for key in self.repeats:
            path = Path(self.folder, key)
            numbers, where = read_array(path, "number"), read_array(path, "place")
            start, end = np.searchsorted(numbers, [low, high])
            for number, place in zip(numbers[start:end], where[start:end], strict=True):
                places.setdefault(int(number) - low, []).append(int(place))
        texts = table["text"].to_pylist()
        for row, gone in places.items():
            left = without(texts[row], gone, kind)
            if left.strip():
                texts[row] = left
            else:
                reason[row] = f"nothing but repeated {kind}s"
        column = pa.array(texts, pa.large_string())
        field = table.schema.get_field_index("text")
        return table.set_column(field, "text", column), len(places)

    def _split_and_copies(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Of each row its split, 0 to 2 as in SPLITS, and how many copies are read in an epoch."""
        held = self.settings.split.validation_frac, self.settings.split.test_frac
        digests = [digest(text) for text in table["text"].to_pylist()]
        share = shares_of(digests, self.settings.text.split_seed)
        split = np.where(share < held[0], 0, np.where(share < sum(held), 1, 2))
        weights = np.array(
            [weight_of(s, self.settings.weights) for s in table["source"].to_pylist()], float
        )
        chance = mixed(self._drawn(table)) / 2.0**64
        copies = np.floor(weights).astype(int) + (chance < weights % 1)
        return split, np.where((split < 2) & (weights > 0), 1, copies)

    def _placed(self, rows: pa.Table, copies: np.ndarray) -> pa.Table:
        """`rows` with the number of each copy and its place in the order."""
        copy = np.arange(rows.num_rows) - np.repeat(np.cumsum(copies) - copies, copies)
        order = mixed(mixed(self._drawn(rows)) + copy.astype(np.uint64))
        placed = rows.append_column("copy", pa.array(copy.astype(np.int32)))
        return placed.append_column("order", pa.array(order))

    def _drawn(self, table: pa.Table) -> np.ndarray:
        """A number of 64 bits from each document's id and the seed."""
        salt = self.settings.seed.to_bytes(8, "little", signed=True)
        ids = table["id"].to_pylist()
        raws = (blake2b(i.encode(), digest_size=8, key=salt).digest() for i in ids)
        return np.frombuffer(b"".join(raws), "<u8")

    def _batches(self, placed: pa.Table, split: np.ndarray) -> list[pa.Table]:
        """The copies of each file of the layout."""
        order, file = placed["order"].to_numpy(), np.empty(placed.num_rows, int)
        for i, name in enumerate(SPLITS):
            of_split, files = split == i, getattr(self.layout, name)
            within = np.floor(order[of_split] / 2.0**64 * files).astype(int)
            file[of_split] = self.layout.first(name) + np.minimum(within, files - 1)
        at = np.argsort(file, kind="stable")
        ends = np.searchsorted(file[at], np.arange(len(self.layout.files) + 1))
        in_order = placed.take(pa.array(at))
        return [in_order.slice(a, b - a) for a, b in zip(ends, ends[1:], strict=False)]


def weight_of(source: str, weights: Mapping[str, float]) -> float:
    """The weight of the first pattern that `source` matches; 1 if there is none."""
    return next((w for pattern, w in weights.items() if fnmatchcase(source, pattern)), 1.0)


def scatter_tasks(
    settings: CorpusSettings,
    folder: Path,
    shape: Layout,
    parts: Sequence[str],
    exact: Sequence[str],
    near: Sequence[str],
    repeats: Sequence[str],
) -> list[ScatterTask]:
    """One task for each part."""
    shown = plain(settings)
    used = [shown[name] for name in ("weights", "split", "seed")]
    used += [settings.text.split_seed, settings.dedup.passages, asdict(shape)]
    inputs = tuple(parts), tuple(exact), tuple(near), tuple(repeats)
    key = key_of("scatter", *inputs, used)
    return [
        ScatterTask(str(folder), f"{key}-{i:05}", part, i, *inputs, settings, shape)
        for i, part in enumerate(parts)
    ]
