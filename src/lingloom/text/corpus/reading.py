"""Stage 1: each file of `text.read` to parts of documents as they stand."""

import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...errors import DataError, RecipeError
from ..document import Document
from ..places import Place
from ..read import TextSettings, all_places, documents_of
from ..setaside import FileReport, JsonlSink, Source
from .settings import plain
from .work import key_of, texts_of, write_batches, written

SCHEMA = pa.schema(
    [
        ("id", pa.large_string()),
        ("source", pa.large_string()),
        ("url", pa.large_string()),
        ("text", pa.large_string()),
    ]
)
"""Columns of a document on its way; `url` is null where the source names none."""


_ELSEWHERE = {
    "dedup": "dedup.exact",
    "heldout": "decontaminate.read",
    "heldout_frac": "split.validation_frac",
    "validation": "split.validation_frac",
}
"""Keys of a training recipe's text, and what a cleaning recipe has for them."""


@dataclass(frozen=True)
class Input:
    """A file as a task has it, which may run in another folder and on another machine."""

    place: Place
    """With an absolute path."""
    seen: bool
    """Whether it could be read where the task was made."""

    @classmethod
    def of(cls, place: Place) -> "Input":
        """The file of `place`, which is seen from here or not."""
        if place.path is None:
            return cls(place, seen=True)
        path = place.path.absolute()
        return cls(replace(place, path=path), os.access(path, os.R_OK))

    def place_here(self) -> Place:
        """Where it is.

        Raises:
            DataError: it could be read where the task was made, and cannot here.
        """
        if self.seen and self.place.path is not None:
            require_seen(self.place.name, self.place.path)
        return self.place


def require_seen(name: str, path: Path) -> None:
    """Raise unless the file can be read; `name` is what messages call it."""
    if not os.access(path, os.R_OK):
        raise DataError(
            f"{name}: is not seen by this worker; put it on a folder that all machines share"
        )


@dataclass(frozen=True)
class ReadTask:
    """One file; what it is like is part of the key, so a changed file is read anew."""

    folder: str
    key: str
    file: "Input"
    settings: TextSettings
    part_bytes: int
    """Text in a part, about; bounds the memory of every later stage."""

    def run(self) -> dict[str, Any]:
        place = self.file.place_here()
        before = fingerprint(place)
        with written(aside_of(self.folder, self.key)) as path, JsonlSink(path) as set_aside:
            source = Source(place.name, FileReport(place.name), set_aside)
            parts = list(self._write(documents_of(place, source, self.settings)))
        if fingerprint(place) != before:
            raise DataError(
                f"{place.name}: changed while it was read; run the same command again once "
                "nothing writes to it"
            )
        return {"parts": parts, "report": asdict(source.report)}

    def _write(self, documents: Iterator[Document]) -> Iterator[dict[str, Any]]:
        rows: list[tuple[str, str, str | None, str]] = []
        size = count = 0
        for document in chain(documents, [None]):
            if document is not None:
                size += len(document.text) if document.text.isascii() else 3 * len(document.text)
                url = document.meta.get("url")
                rows.append((document.id, document.source, url, document.text))
            if rows and (size >= self.part_bytes or document is None):
                name = f"{self.key}-{count:05}.arrow"
                table = pa.table([pa.array(c, pa.large_string()) for c in zip(*rows)], SCHEMA)  # noqa: B905 - rows are equally long
                write_batches(Path(self.folder, name), [table], SCHEMA)
                yield {
                    "file": name,
                    "documents": len(rows),
                    "bytes": int(texts_of(table).sizes.sum()),
                }
                rows, size, count = [], 0, count + 1


def read_tasks(settings: TextSettings, folder: Path, part_bytes: int) -> list[ReadTask]:
    """One task for each file that `settings.read` means, in the order of reading.

    Raises:
        RecipeError: there is no such file, or standard input is named.
    """
    default = TextSettings()
    for name, instead in _ELSEWHERE.items():
        if getattr(settings, name) != getattr(default, name):
            raise RecipeError(f"text.{name}: has no effect on a corpus; see {instead} instead")
    shown = plain(settings)
    for later in ("clean", "read", "dedup", "dedup_memory_mb", "heldout_frac", "split_seed"):
        shown.pop(later)
    tasks = []
    for place in all_places(settings.entries).values():
        if place.name == "-":
            raise RecipeError(
                "text.read: standard input cannot be read a second time, so cleaning could not go "
                "on after a stop; write it to a file and name that"
            )
        key = key_of("read", place.name, place.found, fingerprint(place), shown, part_bytes)
        tasks.append(ReadTask(str(folder), key, Input.of(place), settings, part_bytes))
    return tasks


def fingerprint(place: Place) -> list[Any]:
    """What changes when the file does."""
    if place.remote:
        return [*place.remote.size_and_state(fresh=False)]
    if place.path is None:
        return [platform.python_version()]
    try:
        found = os.stat(place.path)
    except OSError as error:
        return [error.strerror]
    return [found.st_size, found.st_mtime_ns]


def aside_of(folder: str, key: str) -> Path:
    """Where a reading task writes what it could not read."""
    return Path(folder, f"{key}.aside.jsonl")
