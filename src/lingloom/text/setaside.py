"""What could not be read, and where it stands: nothing is lost, nothing is fatal."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

Sink = Callable[[Mapping[str, Any]], None]
"""Takes one record of what was set aside or dropped."""

_PREVIEW_BYTES = 48


@dataclass(slots=True)
class FileReport:
    """What became of one file."""

    name: str
    format: str = ""
    """txt, jsonl, csv, tsv, parquet, yml, html, warc, wiki, or python; '' when it was not read."""
    encoding: str = ""
    """As recognised or as told; 'ascii' is UTF-8 with no other character seen."""
    unit: str = ""
    """For plain text: file, paragraph or line."""
    bytes: int = 0
    """Bytes read, after decompression."""
    documents: int = 0
    set_aside: int = 0
    """Lines, rows or remainders that could not be read."""
    repeated_ids: int = 0
    """Documents whose own id (`text.id_field`) an earlier one of the file has."""


@dataclass(slots=True)
class Source:
    """One file while it is read: counts what comes out of it and writes down what does not."""

    name: str
    report: FileReport
    sink: Sink
    fields: Collection[str] = ()
    """Those of the first row, where rows have fields."""

    def set_aside(self, line: int, reason: str, data: bytes | str = b"") -> None:
        """Write one record. `line` counts from 1; 0 is the file as a whole."""
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        self.report.set_aside += 1
        self.sink(
            {
                "file": self.name,
                "line": line,
                "reason": reason,
                "bytes": len(raw),
                "hex": raw[:_PREVIEW_BYTES].hex(" "),
            }
        )


def place_of(record: Mapping[str, Any]) -> str:
    """Where the subject of a record stood: FILE:LINE, or the document's id."""
    if "id" in record:
        return str(record["id"])
    return f"{record['file']}:{record['line']}" if record["line"] else str(record["file"])


def listed(names: Collection[str]) -> str:
    """Names as a message shows them, the first dozen."""
    shown = [f"'{name}'" for name in islice(names, 12)]
    return (", ".join(shown) + (", ..." if len(names) > 12 else "")) or "no fields"


class JsonlSink:
    """Appends each record to a file as one line of JSON; close it, or use it in a `with`."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.records = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = self.path.open("w", encoding="utf-8")

    def __call__(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self.records += 1

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "JsonlSink":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
