"""Stage 6, where it is asked for: lines or paragraphs that stood in an earlier document."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..decontaminate import hash_ranges
from .duplicates import ROW_BITS, hash_range, is_in, removed_by
from .work import key_of, mapped, read_array, write_arrays

Passages = Literal["line", "paragraph"]
_BETWEEN = {"line": re.compile(r"(\n+)"), "paragraph": re.compile(r"(\n[ \t]*\n\s*)")}


@dataclass(frozen=True)
class PassageTask:
    """The passages of one part's documents. Writes, sorted by hash, `hash`, `row` and `place` (the
    how-manieth passage of its document it is)."""

    folder: str
    key: str
    part: str
    number: int
    """The part's place among the parts."""
    gone: tuple[str, ...]
    kind: Passages
    min_chars: int

    def run(self) -> dict[str, Any]:
        table = mapped(Path(self.folder, f"{self.part}.arrow"))
        numbers = self.number << ROW_BITS | np.arange(table.num_rows)
        gone = is_in(numbers, removed_by(self.folder, self.gone))
        hashes, rows, places = [], [], []
        for row in np.flatnonzero(~gone).tolist():
            for place, passage in enumerate(_passages(table["text"][row].as_py(), self.kind)):
                if len(passage) >= self.min_chars:
                    hashes.append(_hash(passage))
                    rows.append(row)
                    places.append(place)
        found = np.frombuffer(b"".join(hashes), "<u8")
        order = np.argsort(found, kind="stable")
        write_arrays(
            Path(self.folder, self.key),
            hash=found[order],
            row=np.array(rows, np.uint32)[order],
            place=np.array(places, np.uint32)[order],
        )
        return {"passages": len(found)}


@dataclass(frozen=True)
class RepeatTask:
    """Passages whose hash is in one range. Writes `number` of the document, sorted, and `place` of
    each passage that stood before, in an earlier document or in the same."""

    folder: str
    key: str
    passages: tuple[str, ...]
    low: int
    high: int

    def run(self) -> dict[str, Any]:
        hashes, numbers, places = [], [], []
        for i, key in enumerate(self.passages):
            path = Path(self.folder, key)
            found = read_array(path, "hash")
            at = hash_range(found, self.low, self.high)
            hashes.append(found[at].copy())  # a slice would keep its file open
            numbers.append(i << ROW_BITS | read_array(path, "row")[at].astype(np.int64))
            places.append(read_array(path, "place")[at].copy())
        value, number, place = map(np.concatenate, (hashes, numbers, places))
        order = np.lexsort((place, number, value))
        again = order[1:][value[order][1:] == value[order][:-1]]
        again = again[np.lexsort((place[again], number[again]))]
        write_arrays(Path(self.folder, self.key), number=number[again], place=place[again])
        return {"repeats": len(again)}


def passage_tasks(
    folder: Path, parts: Sequence[str], gone: Sequence[str], kind: Passages, min_chars: int
) -> list[PassageTask]:
    """One task for each part."""
    key = key_of("passages", list(parts), list(gone), kind, min_chars)
    return [
        PassageTask(str(folder), f"{key}-{i:05}", part, i, tuple(gone), kind, min_chars)
        for i, part in enumerate(parts)
    ]


def repeat_tasks(folder: Path, passages: Sequence[str], ranges: int) -> list[RepeatTask]:
    """One task for each range."""
    key = key_of("repeats", list(passages), ranges)
    return [
        RepeatTask(str(folder), f"{key}-{i:04}", tuple(passages), low, high)
        for i, (low, high) in enumerate(hash_ranges(ranges))
    ]


def without(text: str, places: Sequence[int], kind: Passages) -> str:
    """`text` without the passages at `places`, and without what divided them from the next."""
    gone, pieces = set(places), _BETWEEN[kind].split(text)
    kept = [
        "".join(pieces[2 * i : 2 * i + 2]) for i in range(-(-len(pieces) // 2)) if i not in gone
    ]
    return "".join(kept).strip("\n")


def _passages(text: str, kind: Passages) -> list[str]:
    return _BETWEEN[kind].split(text)[::2]


def _hash(passage: str) -> bytes:
    """Stands for the passage but for case and white space. Two of 10^9 passages share these 64
    bits with a probability of some 3%."""
    return blake2b("".join(passage.lower().split()).encode(), digest_size=8).digest()
