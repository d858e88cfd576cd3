"""What a corpus is made of and how: the sections of a cleaning recipe."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from ...settings import AnyKind, Kinds, Settings
from ..decontaminate import DecontaminateSettings
from ..filters.kinds import FILTERS
from ..minhash import MinHashSettings
from ..places import OutFolder
from ..read import TextSettings

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class DedupSettings(Settings):
    """Which repetitions are removed."""

    exact: bool = True
    """Keep one of documents that are the same but for upper case and white space."""
    near: bool = True
    """Keep one of each cluster of documents that are nearly the same, across all sources."""
    minhash: MinHashSettings = MinHashSettings()
    """When two documents are nearly the same, and how their pairs are found."""
    verify: bool = True
    """Compute the true Jaccard similarity of each candidate pair and drop those below the
    threshold; without it, every pair that shares a band counts."""
    keep: Literal["longest", "earliest", "best_source"] = "longest"
    """Which document of a cluster stays: the longest, the one that was read first, or the longest
    of the best source. Equals are settled by the order of reading."""
    sources: list[str] = []
    """For best_source: patterns of file names, the best first; what matches none comes last."""
    passages: Literal["none", "line", "paragraph"] = "none"
    """Also remove lines, or paragraphs between blank lines, that stood in an earlier document."""
    passage_chars: PositiveInt = 40
    """Shorter passages may repeat."""
    audit: bool = False
    """Plant near-duplicates of known similarity among a sample of the documents, and measure which
    of them are found and which removals are right. Does not change what is written."""

    @model_validator(mode="after")
    def _fits_together(self) -> "DedupSettings":
        if self.audit and not self.near:
            raise ValueError("audit measures how near-duplicates are found; set near=true with it")
        if (self.keep == "best_source") != bool(self.sources):
            raise ValueError(
                "keep=best_source needs the sources, best first; no other keep has any"
            )
        if self.audit and self.minhash.unit != "tokens":
            raise ValueError("audit plants by tokens; set minhash.unit=tokens with it")
        return self


class SplitSettings(Settings):
    """What is held out; decided by each document's own text."""

    validation_frac: Annotated[float, Field(ge=0, lt=0.5)] = 0.0017
    """Share of the documents for validation; SlimPajama holds out 0.17% for each of the two."""
    test_frac: Annotated[float, Field(ge=0, lt=0.5)] = 0.0017
    """Share of the documents for the final test."""


class CorpusSettings(Settings):
    """From piles of raw files to a training corpus."""

    text: TextSettings
    """Where the text is and how it is made regular."""
    filters: list[Annotated[AnyKind, Kinds(FILTERS)]] = []
    """Rules of quality, applied in this order; a document falls to the first that refuses it."""
    dedup: DedupSettings = DedupSettings()
    """Which repetitions are removed."""
    weights: dict[str, Annotated[float, Field(ge=0, le=1000)]] = {}
    """Pattern of file names -> how many times their documents are read in one epoch of the corpus:
    0.5 takes half of them, 2 takes each twice. The first pattern that matches counts; else 1."""
    split: SplitSettings = SplitSettings()
    """What is held out."""
    decontaminate: DecontaminateSettings = DecontaminateSettings()
    """What must not be trained on because models are judged by it."""
    shard_mb: PositiveInt = 32
    """Text in each file that is written, in 10^6 bytes. A worker holds a few times that."""
    memory: str = "2GB"
    """The most that all processes together may hold: 512MB, 2GB, ... Changes speed, not results."""
    workers: NonNegativeInt = 0
    """Processes at work at once; 0: one for each processor, with RAY_ADDRESS of its cluster."""
    executor: Literal["local", "ray"] = "local"
    """ray: tasks on a Ray cluster whose machines share the folders that are named here; Ray's own
    processes come on top of `memory`."""
    keep_work: bool = False
    """Keep the files between the stages, so that a changed recipe redoes only what it changes."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Order and sampling follow from this number and each document's id."""
    out: OutFolder = ""
    """The corpus folder; empty: corpora/ and the recipe's name."""

    @field_validator("memory", mode="before")
    @classmethod
    def _bare_number(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f"{value} has no unit; write it as 512MB or 2GB")
        return value

    @field_validator("memory")
    @classmethod
    def _is_a_size(cls, text: str) -> str:
        size_in_bytes(text)
        return text

    @property
    def memory_bytes(self) -> int:
        """`memory` in bytes."""
        return size_in_bytes(self.memory)


def size_in_bytes(text: str) -> int:
    """'2GB' -> 2,000,000,000.

    Raises:
        ValueError: not a number with one of the units.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*", text.upper())
    unit = match and (match[2] if match[2].endswith("B") or not match[2] else match[2] + "B")
    if not match or unit not in _UNITS:
        raise ValueError(f"'{text}' is not a size; write it as 512MB or 2GB")
    return int(float(match[1]) * _UNITS[unit])


def plain(settings: Settings) -> dict[str, Any]:
    """The values of `settings` as JSON has them; what results are keyed by."""
    return settings.model_dump(mode="json")
