"""Stage 10: every document that was left out, gathered into files that anyone can read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .work import key_of, read_batch, write_batches, write_parquet

DROPPED = pa.schema(
    [(name, pa.large_string()) for name in ("id", "source", "reason", "of", "text")]
)
"""Columns of a document that is left out; `of` is the id of the document that it repeats."""

Piece = tuple[str, int, int]
"""(key of the task that dropped them, first of its rows, row after the last)."""


@dataclass(frozen=True)
class DroppedTask:
    """One file. Writes KEY.parquet."""

    folder: str
    key: str
    pieces: tuple[Piece, ...]

    def run(self) -> dict[str, Any]:
        tables = [
            read_batch(dropped_of(self.folder, key), 0).slice(first, last - first)
            for key, first, last in self.pieces
        ]
        write_parquet(Path(self.folder, f"{self.key}.parquet"), pa.concat_tables(tables))
        return {}


def dropped_tasks(
    folder: Path, stages: Sequence[tuple[Sequence[str], Sequence[dict[str, Any]]]], file_bytes: int
) -> list[DroppedTask]:
    """One task for each file of about `file_bytes`. Where the files begin depends on the documents
    alone: each holds as many as the others.

    Args:
        folder: where the tasks work.
        stages: (keys, figures) of the tasks that drop, in their order.
        file_bytes: text in each file, about.
    """
    keys = [key for some, _ in stages for key in some]
    sums = [_sum(figures["dropped"]) for _, some in stages for figures in some]
    documents = np.cumsum([0, *(n for n, _ in sums)])
    whole = int(documents[-1])
    if not whole:
        return []
    files = max(1, round(sum(size for _, size in sums) / file_bytes))
    edges = [i * whole // files for i in range(files + 1)]
    found = []
    for i, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        first = int(np.searchsorted(documents, low, "right")) - 1
        last = int(np.searchsorted(documents, high, "left"))
        pieces = tuple(
            (keys[j], max(low - begin, 0), min(high, end) - begin)
            for j in range(first, last)
            if (begin := int(documents[j])) < (end := int(documents[j + 1]))
        )
        found.append(DroppedTask(str(folder), f"{key_of('dropped', pieces)}-{i:05}", pieces))
    return found


def dropped_of(folder: str | Path, key: str) -> Path:
    """Where a task puts the documents that it drops."""
    return Path(folder, f"{key}.dropped.arrow")


def write_dropped(
    folder: str, key: str, table: pa.Table, reasons: list[str], of: list[str | None]
) -> None:
    """The documents of `table`, each with why it goes and the id of the document it repeats."""
    columns = [table["id"], table["source"], reasons, of, table["text"]]
    write_batches(dropped_of(folder, key), [pa.table(columns, DROPPED)], DROPPED)


def _sum(by_source: dict[str, dict[str, list[int]]]) -> tuple[int, int]:
    """(documents, bytes) of all sources and reasons."""
    counts = [count for reasons in by_source.values() for count in reasons.values()]
    return sum(n for n, _ in counts), sum(size for _, size in counts)
