"""What cleaning a corpus will take: a sample of its own text is cleaned and timed, and scaled up.

Time and disk grow with the text; memory is bounded by the recipe. What a sample cannot show is how
much of the whole repeats: that rises with size, and makes the later stages shorter than planned.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import DataError
from ..text.corpus.audit import ORIGINALS
from ..text.corpus.budget import PARENT_BYTES, WORKER_BYTES, Budget, budget
from ..text.corpus.build import Built, build
from ..text.corpus.cleaning import weight_of
from ..text.corpus.executor import Local
from ..text.corpus.settings import CorpusSettings
from ..text.document import Document
from ..text.estimate import place_bytes
from ..text.read import all_places, documents_of
from ..text.setaside import FileReport, Source
from .band import Band, Term, about, total

SAMPLE_BYTES = 24_000_000
"""Text that is cleaned for the plan, if there is so much."""
FILES = 64
"""Files that the sample is taken from."""
TIME_BAND, DISK_BAND = (0.6, 1.8), (0.7, 1.4)
"""Factors that bound the truth."""
_AS_WRITTEN = {
    "format": "jsonl",
    "field": "text",
    "url_field": "url",
    "id_field": "",
    "encoding": "utf-8",
}
"""How the sample is read."""


@dataclass(frozen=True)
class CorpusPlan:
    """What is expected of `lingloom clean`."""

    text_bytes: float
    """Text in all files, after decompression and extraction, about."""
    sample_bytes: int
    sample_seconds_s: float
    kept_frac: float
    """Share of the sample's text that was kept, as often as its weight has it read."""
    workers: int
    seconds: list[Term]
    """By stage."""
    memory: Band
    disk: list[Term]

    @property
    def seconds_s(self) -> Band:
        return total(self.seconds)

    @property
    def core_hours(self) -> Band:
        """Of processors like this machine's."""
        return self.seconds_s.times(self.workers / 3600)

    @property
    def disk_bytes(self) -> Band:
        return total(self.disk)


def plan_corpus(settings: CorpusSettings, size_bytes: float | None = None) -> CorpusPlan:
    """Clean a sample, and say what the whole will take.

    Args:
        settings: the recipe.
        size_bytes: plan for so much text like this, instead of what is there.

    Raises:
        RecipeError, DataError, MissingError: as cleaning; there is no text to take a sample of.
    """
    with tempfile.TemporaryDirectory(prefix="lingloom-plan-") as name:
        folder = Path(name)
        taken = _take_sample(settings, folder)
        sample, read_s = taken.sample_bytes, taken.seconds_s
        whole = taken.text_bytes if size_bytes is None else size_bytes
        spending = budget(settings, whole)
        small = _of_the_sample(settings, folder, taken.names)
        begun = time.perf_counter()
        built = _built(small, folder / "work")
        cleaned_s = time.perf_counter() - begun
        disk = {path.name: path.stat().st_size for path in (folder / "work").iterdir()}
    factor = whole / sample
    seconds = {"read": read_s} | {k: v for k, v in built.seconds_s.items() if k != "read"}
    # One process audits, and copies no more than so many documents, however large the corpus is.
    planted = max(1, sum(part["documents"] for part in built.cleaned))
    grown = {"audit": min(factor, max(1, 2 * ORIGINALS / planted))}
    return CorpusPlan(
        text_bytes=whole,
        sample_bytes=sample,
        sample_seconds_s=read_s + cleaned_s,
        kept_frac=sum(f["copies_bytes"] for f in built.files) / sample,
        workers=spending.workers,
        seconds=[
            Term(stage, about(value * grown.get(stage, factor / spending.workers), *TIME_BAND))
            for stage, value in seconds.items()
        ],
        memory=_memory(spending, settings),
        disk=[Term(what, about(size * factor, *DISK_BAND)) for what, size in _disk(disk).items()],
    )


@dataclass(frozen=True)
class _Sample:
    """What was written for the plan."""

    seconds_s: float
    """Of reading."""
    sample_bytes: int
    text_bytes: float
    """Text in all files, about: what a file was seen to hold, beyond that in proportion."""
    names: list[str]
    """The files that file i of the sample is from."""


def _take_sample(settings: CorpusSettings, folder: Path) -> _Sample:
    """Write the first documents of some files to 0.jsonl and so on, each file to its own."""
    begun, size, documents, seen, supposed = time.perf_counter(), 0, 0, 0.0, 0.0
    places = list(all_places(settings.text.entries).values())
    sizes = [place_bytes(place) for place in places]
    step = max(1, len(places) // FILES)
    chosen = list(zip(places[::step], sizes[::step], strict=True))[:FILES]
    for i, (place, on_disk) in enumerate(chosen):
        source, before = Source(place.name, FileReport(place.name), lambda record: None), size
        reading = documents_of(place, source, settings.text)
        with open(folder / f"{i}.jsonl", "w", encoding="utf-8") as to:
            for document in _some(reading, len(chosen)):
                row = {"text": document.text, "url": document.meta.get("url")}
                size += len(document.text.encode())
                documents += 1
                to.write(json.dumps(row, ensure_ascii=False) + "\n")
        whole = next(reading, None) is None
        # Of a file that goes on: as much text in each byte read as so far.
        share = (size - before) / max(1, source.report.bytes)
        seen += size - before if whole else on_disk * share
        supposed += on_disk
    if not documents:
        raise DataError(
            "text.read: no document to take a sample of; look with: lingloom look FILES"
        )
    names = [place.name for place, _ in chosen]
    text = seen / supposed * sum(sizes) if supposed else seen
    return _Sample(time.perf_counter() - begun, size, text, names)


def _of_the_sample(settings: CorpusSettings, folder: Path, names: list[str]) -> CorpusSettings:
    """The recipe for the sample: what it says of the files counts for theirs."""
    files = [str(folder / f"{i}.jsonl") for i in range(len(names))]
    weights = {
        file: weight_of(name, settings.weights) for file, name in zip(files, names, strict=True)
    }
    ranked = [
        file
        for pattern in settings.dedup.sources
        for file, name in zip(files, names, strict=True)
        if fnmatchcase(name, pattern)
    ]
    return settings.model_copy(
        update={
            "text": settings.text.model_copy(update={"read": files, **_AS_WRITTEN}),
            "weights": weights,
            "dedup": settings.dedup.model_copy(update={"sources": ranked}),
            "shard_mb": min(settings.shard_mb, 16),
        }
    )


def _some(documents: Iterator[Document], files: int) -> Iterator[Document]:
    """The first documents of a file, its share of the sample."""
    size = 0
    for document in documents:
        yield document
        size += len(document.text.encode())
        if size >= SAMPLE_BYTES / files:
            return


def _built(settings: CorpusSettings, work: Path) -> Built:
    work.mkdir()
    stages = build(settings, budget(settings), work, Local(1))
    while True:
        try:
            next(stages)
        except StopIteration as end:
            found: Built = end.value
            return found


def _memory(spending: Budget, settings: CorpusSettings) -> Band:
    """At most what the recipe allows; at least what the processes take without any text."""
    least = PARENT_BYTES + spending.workers * WORKER_BYTES
    return Band((least + settings.memory_bytes) / 2, least, settings.memory_bytes)


def _disk(sizes: dict[str, int]) -> dict[str, int]:
    """Bytes by what they are for."""
    found = {"corpus": 0, "dropped": 0, "between the stages": 0}
    for name, size in sizes.items():
        if name.startswith("write-") and name.endswith(".parquet"):
            found["corpus"] += size
        elif name.startswith("dropped-"):
            found["dropped"] += size
        else:
            found["between the stages"] += size
    return found
