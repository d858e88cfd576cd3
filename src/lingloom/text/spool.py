"""Cleaned documents on disk, between reading and tokenising.

Reading happens once (standard input cannot be read twice, and cleaning costs time), while training
a tokenizer and writing shards each need the documents. Memory holds one batch at a time.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa

from ..runs import unwritable
from .document import Document

BATCH_BYTES = 4 << 20
"""Text held in memory before it is written."""

BESIDE = ("target", "label", "second", "answer")
"""Keys of the meta that are kept."""
_SCHEMA = pa.schema([(name, pa.string()) for name in ("split", "id", "source", "text", *BESIDE)])


def write_spool(documents: Iterable[tuple[str, Document]], path: Path) -> Iterator[int]:
    """Write (split, document) pairs to `path`; yields the bytes of text in each batch written.

    Raises:
        RunError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, _SCHEMA, options=options) as to:
        rows: list[tuple[str | None, ...]] = []
        size = 0
        for pair in chain(documents, [None]):
            if pair is not None:
                split, document = pair
                beside = (document.meta.get(key) for key in BESIDE)
                rows.append((split, document.id, document.source, document.text, *beside))
                size += len(document.text.encode())
            if rows and (size >= BATCH_BYTES or pair is None):
                try:
                    to.write_batch(_columns(rows))
                except OSError as error:
                    raise unwritable(path, error) from None
                yield size
                rows, size = [], 0


def read_spool(path: Path) -> Iterator[tuple[str, Document]]:
    """The (split, document) pairs of `path`, in the order they were written."""
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for i in range(reader.num_record_batches):
            columns = [column.to_pylist() for column in reader.get_batch(i).columns]
            for split, id, source, text, *beside in zip(*columns, strict=True):
                meta = {k: v for k, v in zip(BESIDE, beside, strict=True) if v is not None}
                yield split, Document(text, id, source, meta)


def _columns(rows: list[tuple[str | None, ...]]) -> pa.RecordBatch:
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.record_batch(columns, schema=_SCHEMA)
