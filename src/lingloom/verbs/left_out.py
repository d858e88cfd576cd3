"""What was read to be measured, and what of it was not measured: told with its reasons."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..runs import RunFolder
from ..text.prepare import TextStats
from ..text.read import MOST_REASONS
from ..text.setaside import JsonlSink, Sink, place_of

SHOWN = 5
"""Reasons that are told of either kind, the commonest first."""


@dataclass
class Reason:
    """Why some of the text was left out."""

    count: int
    first: str
    """The first place where it was: FILE:LINE, or the document's id."""


@dataclass
class LeftOut:
    """What was left out of a text, counted by reason; whole in files where there is a run."""

    entries: Sequence[str]
    """What was read, as it was named."""
    stats: TextStats = field(default_factory=TextStats)
    """To be filled by `text.prepare.prepare`."""
    dropped: dict[str, Reason] = field(default_factory=dict)
    set_aside: dict[str, Reason] = field(default_factory=dict)
    records: dict[str, Path] = field(default_factory=dict)
    """'dropped' and 'set_aside' -> the file of all such records, where it is kept."""

    def sinks(self, folder: RunFolder | None, open_files: ExitStack) -> tuple[Sink, Sink]:
        """Where documents that are dropped and lines that are set aside go."""
        return (
            self._sink("dropped", self.dropped, folder, open_files),
            self._sink("set_aside", self.set_aside, folder, open_files),
        )

    def _sink(
        self,
        name: str,
        reasons: dict[str, Reason],
        folder: RunFolder | None,
        open_files: ExitStack,
    ) -> Sink:
        kept: Sink | None = None
        if folder is not None:
            self.records[name] = folder.path / "measured" / f"{name}.jsonl"
            kept = open_files.enter_context(JsonlSink(self.records[name]))

        def take(record: Mapping[str, Any]) -> None:
            reason = str(record["reason"])
            if reason in reasons:
                reasons[reason].count += 1
            elif len(reasons) < MOST_REASONS:
                reasons[reason] = Reason(1, place_of(record))
            if kept is not None:
                kept(record)

        return take

    def lines(self) -> Iterator[str]:
        """The story of it."""
        stats = self.stats
        dropped, set_aside = stats.dropped.total(), stats.set_aside
        yield (
            f"{stats.documents:,} documents of {', '.join(self.entries)}; "
            f"{dropped:,} dropped, {set_aside:,} set aside"
        )
        for name, reasons in (("dropped", self.dropped), ("set_aside", self.set_aside)):
            if not reasons:
                continue
            some, kind = _commonest(reasons), name.replace("_", " ")
            for why, reason in some[:SHOWN]:
                yield f"  {kind} {reason.count:,}, first {reason.first}: {why}"
            if len(some) > SHOWN:
                yield f"  {kind} for {len(some) - SHOWN:,} more reasons"
            if name in self.records:
                yield f"  all {kind}: {self.records[name]}"

    def to_json(self) -> dict[str, Any]:
        """Plain values of the same."""
        told: dict[str, Any] = {"documents": self.stats.documents}
        for name, reasons in (("dropped", self.dropped), ("set_aside", self.set_aside)):
            told[name] = [{"reason": why, **vars(reason)} for why, reason in _commonest(reasons)]
        return told | {"records": {name: str(path) for name, path in self.records.items()}}


def _commonest(reasons: Mapping[str, Reason]) -> list[tuple[str, Reason]]:
    return sorted(reasons.items(), key=lambda each: -each[1].count)
