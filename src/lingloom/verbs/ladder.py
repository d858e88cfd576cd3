"""`lingloom ladder CORPUS|LADDER`: every family on the same text, for the same time each."""

from typing import Any

from ..device import prepare_allocator
from ..errors import RecipeError
from ..loading import COMMAND_LINE
from ..loading import load as load_settings
from ..measure.score import Score
from ..pipeline.ladder.settings import LadderSettings
from ..plan.band import Band
from .console import (
    Words,
    answer,
    bytes_text,
    count_text,
    read_words,
    story,
    tell_kernels,
    time_text,
)
from .follow import Follower, stopping


def run(arguments: list[str]) -> int:
    """Climb a new ladder, or go on with one that was stopped; the exit code."""
    words = read_words("ladder", arguments, needs=1, takes=len(arguments), schema=LadderSettings)
    if words is None:
        return 0
    from ..pipeline.ladder.climb import climb

    ladder = _settings(words)
    prepare_allocator()
    tell_kernels()
    follower = _Climber()
    with stopping() as stop:
        for event in climb(ladder, stop):
            follower(event)
            if stop() and event.stage != "train":  # training itself saves before it leaves
                follower.stopped = True
                break
    if follower.facts is None:
        story(f"stopped; everything finished is kept; go on with: lingloom ladder {ladder.out}")
        return 130
    if words.json:
        answer(_plain(ladder, follower))
    return 0


def _settings(words: Words) -> LadderSettings:
    """The ladder that the words mean, with everything settled."""
    from ..pipeline.ladder.climb import is_ladder, open_ladder

    if len(words.names) == 1 and is_ladder(words.names[0]):
        if words.overrides:
            raise RecipeError(
                f"{words.overrides[0]} ({COMMAND_LINE}): a ladder that was begun stays as it is; "
                f"go on without it, or begin another with out=..."
            )
        return open_ladder(words.names[0])
    if any(word.startswith("text.read=") for word in words.overrides):
        raise RecipeError(f"text.read ({COMMAND_LINE}): ladder takes the text before the keys")
    tree = {"text": {"read": words.names}}
    return load_settings(LadderSettings, tree, words.overrides).settled()


class _Climber(Follower):
    """Draws the ladder's own events, and less of each rung's."""

    lines_per_run = 1
    rung = ""
    """The one that is climbed."""
    facts: Any = None
    """Of the page, once it is written."""
    page = ""

    def _ladder_begin(self, facts: Any) -> None:
        plan, settings = facts["plan"], facts["settings"]
        rungs = settings.climbed()
        share = (
            f"{time_text(plan.share)} of training"
            if plan.by == "time"
            else f"{plan.share:.2g} FLOPs"
        )
        story(
            f"ladder     {len(rungs)} rungs of width {settings.width}; {share} for each of "
            f"{len(plan.steps)} that learn by gradient"
        )
        story(f"           time    {_band(plan.seconds_s, time_text)}")
        story(f"           memory  {_band(plan.memory_bytes, bytes_text)}")
        story(f"           disk    {_band(plan.disk_bytes, bytes_text)}")
        for name, steps in plan.steps.items():
            parameters = count_text(plan.rungs[name].parameters)
            story(f"           {name:<10} {parameters} parameters, about {steps:,} steps")

    def _plan_end(self, facts: Any) -> None:
        """The plan of the whole ladder was told."""

    def _report_progress(self, facts: Any) -> None:
        """Samples stand side by side on the page."""

    def _report_end(self, facts: Any) -> None:
        """The outcome of the whole ladder is told at its end."""

    def _rung_begin(self, facts: Any) -> None:
        self.rung = facts["name"]
        story(f"rung       {facts['at']} of {facts['of']}: {facts['name']}")

    def _measure_end(self, facts: Any) -> None:
        super()._measure_end({**facts, "who": self.rung})  # several are of one kind

    def _ladder_end(self, facts: Any) -> None:
        self.facts, self.page = facts["facts"], facts["page"]
        story("outcome    bits per byte, and against the rung below")
        for rung in self.facts.rungs:
            gain = f"{rung.gain.value:+.3f} {rung.verdict}" if rung.gain else ""
            story(f"           {rung.name:<10} {_interval(rung.bits)}  {gain}".rstrip())
        for row in self.facts.plan:
            text = {"s": time_text, "bytes": bytes_text}[row.unit]
            outside = "" if row.kept() else ", outside the band"
            story(
                f"           {row.what:<10} {text(row.predicted)}; came {text(row.actual)}{outside}"
            )
        story(f"page       {self.page}")


def _plain(ladder: LadderSettings, follower: _Climber) -> dict[str, Any]:
    rungs = [
        {
            "name": rung.name,
            "shape": rung.shape,
            "n-grams" if rung.counts else "parameters": rung.numbers,
            "tokens": rung.tokens,
            "seconds_s": rung.seconds_s,
            "flops": rung.flops,
            "bits_per_byte": rung.bits.to_json(),
            "against_the_rung_below": rung.gain and rung.gain.to_json(),
        }
        for rung in follower.facts.rungs
    ]
    return {"ladder": ladder.out, "page": follower.page, "rungs": rungs}


def _interval(score: Score) -> str:
    if score.low is None or score.high is None:
        return score.shown(score.value)
    ends = f"[{score.shown(score.low)}, {score.shown(score.high)}]"
    return f"{score.shown(score.value)} {ends}"


def _band(band: Band, text: Any) -> str:
    return f"{text(band.value)} ({text(band.low)} to {text(band.high)})"
