"""Files between the stages: written aside and renamed, named by what went into them.

A task's key is a digest of its stage, its settings and its inputs' keys. What it made stands in
files with that key in their names, its figures in KEY.json, which is written last. So a task whose
KEY.json is there is done, whoever did it and whenever, and a task that was killed leaves nothing
that counts.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import DataError, RunError
from ...runs import make_folder, unwritable, write_whole
from ..texts import Texts

VERSION = 2
"""Part of every key; raised when a stage begins to answer otherwise."""


class Task(Protocol):
    """A piece of work that may be done by any process on any machine that sees `folder`."""

    @property
    def folder(self) -> str: ...

    @property
    def key(self) -> str: ...

    def run(self) -> dict[str, Any]:
        """Write the files and return the figures, as JSON has them."""


def key_of(stage: str, *inputs: Any) -> str:
    """What names the results of a task: the same inputs, the same key, on every machine."""
    text = json.dumps([VERSION, stage, *inputs], sort_keys=True, ensure_ascii=False)
    return f"{stage}-{hashlib.blake2b(text.encode(), digest_size=10).hexdigest()}"


def figures(task: Task) -> dict[str, Any] | None:
    """What a finished task returned; None if it is not finished."""
    try:
        return json.loads(_marker(task).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataError(f"{_marker(task)}: damaged ({error}); delete it and start again") from None


def perform(task: Task) -> dict[str, Any]:
    """Do `task` unless it is done; its figures."""
    done = figures(task)
    if done is None:
        try:
            done = task.run()
        except MemoryError as error:
            raise RunError(
                f"{task.key}: no memory left ({error}); run the same command again with a smaller "
                "memory=... or fewer workers"
            ) from None
        pa.default_memory_pool().release_unused()  # else each worker keeps its largest task's
        write_whole(_marker(task), json.dumps(done, ensure_ascii=False))
    return done


def _marker(task: Task) -> Path:
    return Path(task.folder, f"{task.key}.json")


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; it takes the name of `path` once it is whole.

    Raises:
        RunError: the disk is full, or the folder may not be written to.
    """
    make_folder(path.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        with open(aside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        aside.unlink(missing_ok=True)


# --------------------------------------------------------------------------- tables


def write_batches(path: Path, batches: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Tables as record batches of one Arrow file, not packed, so that it can be mapped."""
    with (
        written(path) as aside,
        pa.OSFile(str(aside), "wb") as file,
        pa.ipc.new_file(file, schema) as to,
    ):
        for table in batches:
            whole = table.combine_chunks().to_batches()
            to.write_batch(whole[0] if whole else pa.RecordBatch.from_pylist([], schema))


def mapped(path: Path) -> pa.Table:
    """The one table of an Arrow file; its pages come from disk when they are touched, and the file
    is open as long as anything of the table is held."""
    with _told(path):
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def read_batch(path: Path, i: int) -> pa.Table:
    """Record batch `i` of an Arrow file as a table in memory; the file is closed, so that those of
    any number of parts can be held."""
    with _told(path), pa.OSFile(str(path)) as file:
        return pa.Table.from_batches([pa.ipc.open_file(file).get_batch(i)])


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise _lost(path, error) from None


def _lost(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: written by an earlier stage, and now missing or damaged ({error}); delete "
        f"{path.parent} and run the same command again"
    )


def write_parquet(path: Path, table: pa.Table) -> None:
    """A table that anyone can read, packed with zstd; the same rows, the same bytes."""
    with written(path) as aside:
        pq.write_table(table.combine_chunks(), aside, compression="zstd", compression_level=1)


def texts_of(table: pa.Table) -> Texts:
    """The column `text`, not copied; `table` must live as long."""
    return Texts.of_column(table["text"])


# --------------------------------------------------------------------------- arrays


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Arrays of numbers, one file each: PATH.NAME.npy."""
    for name, array in arrays.items():
        with written(_array(path, name)) as aside, open(aside, "wb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)


def read_array(path: Path, name: str) -> np.ndarray:
    """One of the arrays of `path`, mapped: open while a slice of it is held that is no copy."""
    try:
        array: np.ndarray = np.load(_array(path, name), mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError) as error:
        raise _lost(_array(path, name), error) from None
    return array


def _array(path: Path, name: str) -> Path:
    return path.with_name(f"{path.name}.{name}.npy")
