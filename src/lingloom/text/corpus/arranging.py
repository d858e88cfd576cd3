"""Stage 7: what stays is laid out for the files of the corpus, as often as its weight has it read.

The order of the corpus is the order of a number drawn for each copy of each document from the seed
and the document's id; so it is the same whatever the files, the workers and the memory were.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..split import mixed
from .cleaning import SPLITS, counts_of, drawn_by
from .dropped import write_dropped
from .duplicates import ROW_BITS
from .passages import without
from .reading import SCHEMA
from .settings import CorpusSettings, plain
from .work import key_of, mapped, read_array, texts_of, write_batches

PLACED = pa.schema(
    [*SCHEMA, ("language", pa.large_string()), ("copy", pa.int32()), ("order", pa.uint64())]
)


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


def layout(settings: CorpusSettings, split_bytes: Mapping[str, int]) -> Layout:
    """Files of about `settings.shard_mb`, from each split's bytes before duplicates go, copies
    counted in."""
    shard = settings.shard_mb * 1e6
    return Layout(*(max(1, round(split_bytes.get(split, 0) / shard)) for split in SPLITS))


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
        stays = np.array([r is None for r in reason], bool)
        gone = table.filter(pa.array(~stays))
        why = [r for r in reason if r]
        repeated = [o for r, o in zip(reason, of, strict=True) if r]
        write_dropped(self.folder, self.key, gone, why, repeated)
        write_batches(path.with_suffix(".arrow"), self._batches(table, stays), PLACED)
        return {
            "file": f"{self.key}.arrow",
            "documents": int(stays.sum()),
            "bytes": int(texts_of(table).sizes[stays].sum()),
            "dropped": counts_of(gone, why),
            "shortened": shortened,
        }

    def _removed(self, rows: int) -> tuple[list[str | None], list[str | None]]:
        """Of each row why it goes, and the id of the document that it repeats."""
        reason: list[str | None] = [None] * rows
        of: list[str | None] = [None] * rows
        for why, keys in (("exact duplicate", self.exact), ("near duplicate", self.near)):
            for key in keys:
                path = Path(self.folder, key)
                gone, kept = read_array(path, "removed"), read_array(path, "kept")
                here = gone >> ROW_BITS == self.number
                pairs = np.stack([gone[here], kept[here]], axis=1) & (1 << ROW_BITS) - 1
                parts = kept[here] >> ROW_BITS
                for part in np.unique(parts):  # one at a time is open
                    ids = mapped(Path(self.folder, f"{self.parts[part]}.arrow"))["id"]
                    for row, there in pairs[parts == part].tolist():
                        reason[row], of[row] = why, ids[there].as_py()
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
        texts, shortened = table["text"].to_pylist(), 0
        for row, gone in places.items():
            left = without(texts[row], gone, kind)
            if left.strip():
                texts[row] = left
                shortened += 1
            else:
                reason[row] = f"nothing but repeated {kind}s"
        column = pa.array(texts, pa.large_string())
        field = table.schema.get_field_index("text")
        return table.set_column(field, "text", column), shortened

    def _batches(self, table: pa.Table, stays: np.ndarray) -> Iterator[pa.Table]:
        """The copies of each file of the layout, one file at a time."""
        copies = np.where(stays, table["copies"].to_numpy(), 0)
        rows = np.repeat(np.arange(table.num_rows), copies)
        copy = np.arange(len(rows)) - np.repeat(np.cumsum(copies) - copies, copies)
        drawn = drawn_by(table["id"].to_pylist(), self.settings.seed)
        order = mixed(mixed(drawn)[rows] + copy.astype(np.uint64))
        split, file = table["split"].to_numpy()[rows], np.empty(len(rows), int)
        for i, name in enumerate(SPLITS):
            of_split, files = split == i, getattr(self.layout, name)
            within = np.floor(order[of_split] / 2.0**64 * files).astype(int)
            file[of_split] = self.layout.first(name) + np.minimum(within, files - 1)
        at = np.argsort(file, kind="stable")
        ends = np.searchsorted(file[at], np.arange(len(self.layout.files) + 1))
        for start, end in zip(ends, ends[1:], strict=False):
            here = at[start:end]
            columns = [pa.array(copy[here].astype(np.int32)), pa.array(order[here])]
            taken = table.select([*SCHEMA.names, "language"]).take(pa.array(rows[here]))
            yield pa.table([*taken.columns, *columns], PLACED)


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
    used = [shown["seed"], settings.dedup.passages, asdict(shape)]
    inputs = tuple(parts), tuple(exact), tuple(near), tuple(repeats)
    key = key_of("scatter", *inputs, used)
    return [
        ScatterTask(str(folder), f"{key}-{i:05}", part, i, *inputs, settings, shape)
        for i, part in enumerate(parts)
    ]
