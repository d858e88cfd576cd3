"""Draw the events of a long verb on standard error, and let Ctrl-C and SIGTERM end it cleanly."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..pipeline.events import Event
from ..plan.outcome import Row
from .console import bytes_text, count_text, story, time_text
from .plan import lines as plan_lines


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """A question that turns true once Ctrl-C or SIGTERM came; a second one ends at once."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        story("\nstopping as soon as this step is done; once more to end at once")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Follower:
    """Turns events into lines; on a terminal the progress line is drawn over."""

    lines_per_run = 40
    """Of progress, where standard error is not a terminal."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.stopped = False
        self._steps = 0
        self._unit, self._watched = "nats/token", "held-out"
        self._begun = time.perf_counter()
        self._first = 0

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        draw = getattr(self, f"_{event.stage}_{event.what}", None)
        if draw is not None:
            draw(event.facts)

    def _plan_end(self, facts: Any) -> None:
        for line in plan_lines(facts["plan"], detail=False):
            story(line)

    # ------------------------------------------------------------------ a corpus

    def _corpus_begin(self, facts: Any) -> None:
        story(f"corpus     {facts['path']}, {facts['workers']} workers")

    def _corpus_progress(self, facts: Any) -> None:
        done, tasks, taken = facts["done"], facts["tasks"], facts["seconds_s"]
        line = f"{facts['stage']:<20} {done:,}/{tasks:,}"
        if done == tasks:
            self._done(f"           {line}; {time_text(taken)}")
        else:
            left = time_text(taken / done * (tasks - done))
            self._over(f"           {line}  {left} left in this stage")

    def _corpus_stopped(self, facts: Any) -> None:
        self.stopped = True

    # ------------------------------------------------------------------ text and tokens

    def _run_begin(self, facts: Any) -> None:
        story(f"           {facts['anew']} ended by a mistake before; its data are made again")

    def _text_begin(self, facts: Any) -> None:
        story(f"text       reading {', '.join(facts['read'])}")

    def _text_progress(self, facts: Any) -> None:
        self._over(f"text       {bytes_text(facts['text_bytes'])} read")

    def _text_end(self, facts: Any) -> None:
        kept, sizes = facts["kept"], facts["kept_bytes"]
        dropped = ", ".join(f"{n:,} {reason}" for reason, n in facts["dropped"].items()) or "none"
        watched = kept.get("validation")
        choose = f", and {watched:,} to look at while training" if watched else ""
        self._done(
            f"text       {sum(kept.values()):,} documents, {bytes_text(sum(sizes.values()))} kept "
            f"({kept['heldout']:,} held out{choose}); dropped: {dropped}; "
            f"{facts['set_aside']:,} set aside; {time_text(facts['seconds_s'])}"
        )
        if first := facts.get("first_set_aside"):
            story(f"           set aside first: {first}; all of them: {facts['all_set_aside']}")
        for name, encoding in _encodings(facts["files"]):
            story(f"           {encoding}: {name}")

    def _tokenizer_begin(self, facts: Any) -> None:
        self._over(f"tokenizer  training {facts['kind']}")

    def _tokenizer_end(self, facts: Any) -> None:
        self._done(f"tokenizer  {facts['vocab']:,} tokens; {time_text(facts['seconds_s'])}")

    def _shards_progress(self, facts: Any) -> None:
        self._over(f"shards     {facts['tokens']:,} tokens")

    def _shards_end(self, facts: Any) -> None:
        self._done(f"shards     {facts['tokens']:,} tokens; {time_text(facts['seconds_s'])}")

    def _labels_end(self, facts: Any) -> None:
        self._done(f"labels     {facts['labels']:,}, one for each {facts['of']}")
        if unseen := facts["never_learnt"]:
            told = ", ".join(f"{name} ({n:,})" for name, n in unseen.items())
            story(f"           in held-out text only, never learnt, always mistaken: {told}")

    # ------------------------------------------------------------------ models

    def _model_end(self, facts: Any) -> None:
        if "vectors" in facts:
            self._done(
                f"vectors    {facts['found']:,} of {facts['tokens']:,} tokens are in "
                f"{facts['vectors']}"
            )

    def _baseline_begin(self, facts: Any) -> None:
        self._over(f"baseline   counting {facts['order']}-grams")

    def _baseline_end(self, facts: Any) -> None:
        self._done(f"baseline   {facts['order']}-gram; {time_text(facts['seconds_s'])}")

    def _train_begin(self, facts: Any) -> None:
        self._steps, self._begun, self._first = facts["steps"], time.perf_counter(), -1
        self._unit, self._watched = facts["unit"], facts["watched"]
        story(
            f"train      {facts['kind']}, {count_text(facts['parameters'])} parameters, "
            f"{facts['steps']:,} steps of {facts['step_tokens']:,} tokens"
        )

    def _train_progress(self, facts: Any) -> None:
        step = facts["step"]
        for what in ("resumed", "skipped", "rolled back", "early stop", "interrupted"):
            if what in facts["events"]:
                self._done(f"           {what}: {facts['events'][what]}")
        if facts["loss"] is None:
            return
        if self._first < 0:
            self._first, self._begun = step, time.perf_counter()
        line = (
            f"train      step {step:,}/{self._steps:,}  loss {facts['loss']:.3f} {self._unit}  "
            f"{facts['tokens_per_s']:,.0f} tokens/s  MFU {facts['mfu_frac']:.0%}{self._left(step)}"
        )
        every = max(1, self._steps // self.lines_per_run)
        if facts["evaluation"]:
            self._done(f"{line}  {self._watched} {facts['evaluation']['loss']:.3f}")
        elif self.live:
            self._over(line)
        elif step % every == 0:
            story(line)

    def _left(self, step: int) -> str:
        done = step - self._first
        if done < 3:
            return ""
        return (
            f"  {time_text((time.perf_counter() - self._begun) / done * (self._steps - step))} left"
        )

    def _train_end(self, facts: Any) -> None:
        self.stopped = facts["stopped"]

    # ------------------------------------------------------------------ scores

    def _measure_begin(self, facts: Any) -> None:
        self._over(f"measure    {facts['who']} on {facts['documents']:,} held-out documents")

    def _measure_end(self, facts: Any) -> None:
        for score in facts["scores"]:
            self._done(f"measure    {facts['who']}: {score}")

    def _report_progress(self, facts: Any) -> None:
        for sample in facts["samples"]:
            sign, text = "▸" if sample.continues else " → ", " ".join(sample.text.split())
            self._done(f"sample     {sample.prompt}{sign}{text}")

    def _report_end(self, facts: Any) -> None:
        story("outcome    what was planned, and what came")
        for row in facts["rows"]:
            story(f"           {row.what:<24} {outcome_text(row)}")
        story(f"report     {facts['path']}")

    # ------------------------------------------------------------------ lines

    def _over(self, line: str) -> None:
        if self.live:
            sys.stderr.write(f"\r\x1b[2K{line}")
            sys.stderr.flush()

    def _done(self, line: str) -> None:
        if self.live:
            sys.stderr.write("\r\x1b[2K")
        story(line)


def _encodings(files: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Files in an encoding that is worth a line: neither ASCII nor UTF-8; the first few."""
    usual = ("", "ascii", "utf-8")
    return [(f["name"], f["encoding"]) for f in files if f["encoding"] not in usual][:5]


def outcome_text(row: Row) -> str:
    """One promise and what became of it, in a line."""
    text = {"s": time_text, "bytes": bytes_text}.get(row.unit, count_text)
    promise = text(row.predicted)
    if row.low < row.high:
        promise += f" ({text(row.low)} to {text(row.high)})"
    if row.actual is None:
        return f"{promise}; not measured"
    return f"{promise}; came {text(row.actual)}" + ("" if row.kept else ", outside the band")
