"""Stages 8 and 9: the training text kept clear of the tests, and the files of the corpus."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...errors import RecipeError
from ..decontaminate import (
    MOST_BENCHMARKS,
    DecontaminateSettings,
    GramTable,
    contaminated,
    gram_set,
    hash_ranges,
    hit_counts,
    overlaps,
)
from ..places import Place
from ..read import TextSettings, all_places, documents_of
from ..setaside import FileReport, Source
from ..texts import Texts
from .arranging import Layout
from .cleaning import counts_of, length_histogram
from .dropped import write_dropped
from .reading import SCHEMA, Input, fingerprint
from .settings import CorpusSettings, plain
from .work import key_of, read_array, read_batch, texts_of, write_arrays, write_parquet

DOCUMENTS_AT_ONCE = 4096
"""Evaluation documents in memory at once."""
HELD_OUT = "the held-out documents"
"""What the corpus's own validation and test documents are called among the benchmarks."""


@dataclass(frozen=True)
class GramTask:
    """The grams in one range of hashes of everything that training text must not overlap. Writes
    the arrays of a GramTable for each size of gram."""

    folder: str
    key: str
    files: tuple[Input, ...]
    """Evaluation files; number i owns bit i."""
    scattered: tuple[str, ...]
    """Parts with held-out documents, which own the next bit; none where they do not count."""
    reading: TextSettings
    rules: DecontaminateSettings
    layout: Layout
    low: int
    high: int

    def run(self) -> dict[str, Any]:
        figures: dict[str, Any] = {"documents": {}, "set_aside": {}, "sizes": []}
        tables = gram_set(self._texts(figures), self.rules, self.low, self.high)
        for table in tables:
            path = Path(self.folder, f"{self.key}-{table.size}")
            write_arrays(path, hashes=table.hashes, owners=table.owners, starts=table.starts)
            figures["sizes"].append([table.size, table.low, table.shift, len(table.hashes)])
        return figures

    def _texts(self, figures: dict[str, Any]) -> Iterator[tuple[int, Texts]]:
        for number, file in enumerate(self.files):
            place, aside = file.place_here(), list[Any]()
            source = Source(place.name, FileReport(place.name), aside.append)
            documents = documents_of(place, source, self.reading)
            while some := list(islice(documents, DOCUMENTS_AT_ONCE)):
                yield number, Texts.of_strings([document.text for document in some])
            figures["documents"][place.name] = source.report.documents
            figures["set_aside"][place.name] = len(aside)
        for key in self.scattered:
            for i, (split, _) in enumerate(self.layout.files):
                if split != "train":
                    batch = read_batch(Path(self.folder, f"{key}.arrow"), i)
                    yield len(self.files), texts_of(batch)


def gram_tables(folder: str, key: str) -> list[GramTable]:
    """The tables that a gram task wrote, mapped."""
    sizes = json.loads(Path(folder, f"{key}.json").read_text("utf-8"))["sizes"]
    tables = []
    for size, low, shift, _ in sizes:
        path = Path(folder, f"{key}-{size}")
        hashes, owners, starts = (read_array(path, n) for n in ("hashes", "owners", "starts"))
        tables.append(GramTable(size, hashes, owners, low, shift, starts))
    return tables


@dataclass(frozen=True)
class FileTask:
    """One file of the corpus, in its order. Writes KEY.parquet and KEY.dropped.arrow."""

    folder: str
    key: str
    place: int
    """Which file of the layout."""
    split: str
    scattered: tuple[str, ...]
    grams: tuple[str, ...]
    """Keys of the gram tasks."""
    benchmarks: tuple[str, ...]
    """What each bit of an owner means."""
    rules: DecontaminateSettings

    def run(self) -> dict[str, Any]:
        paths = (Path(self.folder, f"{key}.arrow") for key in self.scattered)
        table = pa.concat_tables([read_batch(path, self.place) for path in paths])
        table = table.take(pc.sort_indices(table, [("order", "ascending"), ("id", "ascending")]))
        path = Path(self.folder, self.key)
        reasons: list[str | None] = [None] * table.num_rows
        hit: dict[str, int] = {}
        if self.split == "train" and self.grams:
            reasons, hit = self._overlapping(table)
        stays = np.array([r is None for r in reasons], bool)
        first = table["copy"].to_numpy() == 0
        kept, gone = table.filter(pa.array(stays)), table.filter(pa.array(~stays & first))
        why = [r for r, f in zip(reasons, first, strict=True) if r and f]
        write_dropped(self.folder, self.key, gone, why, [None] * len(why))
        written_to = path.with_suffix(".parquet")
        write_parquet(written_to, kept.select(SCHEMA.names))
        single = kept.filter(pc.equal(kept["copy"], 0))
        return {
            "sha256": hashlib.sha256(written_to.read_bytes()).hexdigest(),
            "lengths": length_histogram(texts_of(single)),
            "copies": kept.num_rows,
            "copies_bytes": int(texts_of(kept).sizes.sum()),
            "by_source": _by_source(single),
            "by_language": counts_of(single, single["language"].to_pylist()),
            "dropped": counts_of(gone, why),
            "benchmarks": hit,
        }

    def _overlapping(self, table: pa.Table) -> tuple[list[str | None], dict[str, int]]:
        """Of each row the benchmark that it overlaps; and of each benchmark how many documents."""
        texts = texts_of(table)
        reasons: list[str | None] = [None] * table.num_rows
        hits, owners = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.uint64)
        shingles = np.zeros(len(texts), np.int64)
        for key in self.grams:
            hit, shingles, whose = overlaps(texts, gram_tables(self.folder, key))
            hits += hit
            owners |= whose
        gone = contaminated(hits, shingles, self.rules)
        for row in np.flatnonzero(gone).tolist():
            bits = int(owners[row])
            reasons[row] = f"overlaps {self.benchmarks[(bits & -bits).bit_length() - 1]}"
        first = table["copy"].to_numpy() == 0
        return reasons, hit_counts(owners[gone & first], self.benchmarks)


def _by_source(table: pa.Table) -> dict[str, list[int]]:
    """Source -> [documents, bytes]."""
    found: dict[str, list[int]] = {}
    sizes = texts_of(table).sizes.tolist()
    for source, size in zip(table["source"].to_pylist(), sizes, strict=True):
        entry = found.setdefault(source, [0, 0])
        entry[0] += 1
        entry[1] += size
    return found


def evaluation_places(rules: DecontaminateSettings) -> list[Place]:
    """The evaluation files.

    Raises:
        RecipeError: there is no such file, or there are too many.
    """
    try:
        found = list(all_places(rules.entries).values())
    except RecipeError as error:
        raise RecipeError(str(error).replace("text.read", "decontaminate.read", 1)) from None
    if len(found) >= MOST_BENCHMARKS:
        raise RecipeError(
            f"decontaminate.read: {len(found)} files, and at most {MOST_BENCHMARKS - 1} can be "
            "told apart; join those that belong together"
        )
    return found


def gram_tasks(
    settings: CorpusSettings, folder: Path, shape: Layout, scattered: Sequence[str], ranges: int
) -> list[GramTask]:
    """One task for each range; none if nothing is to be kept clear of.

    Raises:
        RecipeError: there is no such evaluation file, or there are too many.
    """
    rules, places = settings.decontaminate, evaluation_places(settings.decontaminate)
    held_out = tuple(scattered) if rules.held_out else ()
    if not places and not held_out:
        return []
    reading = TextSettings(field=rules.field, unit="line", encoding=settings.text.encoding)
    inputs = [[place.name, place.found, fingerprint(place)] for place in places]
    key = key_of("grams", inputs, held_out, plain(rules), reading.encoding, ranges)
    files = tuple(map(Input.of, places))
    return [
        GramTask(str(folder), f"{key}-{i:04}", files, held_out, reading, rules, shape, low, high)
        for i, (low, high) in enumerate(hash_ranges(ranges))
    ]


def file_tasks(
    settings: CorpusSettings,
    folder: Path,
    shape: Layout,
    scattered: Sequence[str],
    grams: Sequence[GramTask],
) -> list[FileTask]:
    """One task for each file of the layout."""
    rules, keys = settings.decontaminate, tuple(task.key for task in grams)
    benchmarks = (*(file.place.name for file in grams[0].files), HELD_OUT) if grams else ()
    key = key_of("write", list(scattered), keys, benchmarks, plain(rules))
    return [
        FileTask(str(folder), f"{key}-{i:05}", i, split, tuple(scattered), keys, benchmarks, rules)
        for i, (split, _) in enumerate(shape.files)
    ]
