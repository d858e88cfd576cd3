"""Promise and outcome side by side, for the end of a run."""

from collections.abc import Mapping
from dataclasses import dataclass

from .band import Band, exactly
from .plan import Plan


@dataclass(frozen=True)
class Outcome:
    """What a run really took; None where nobody measured."""

    seconds_s: float | None = None
    """All stages."""
    train_s: float | None = None
    """Training steps alone."""
    memory_bytes: float | None = None
    """Peak of the process."""
    disk_bytes: float | None = None
    """The finished run folder."""
    train_tokens: float | None = None
    """Tokens there were to learn from."""
    parameters: float | None = None


@dataclass(frozen=True)
class Row:
    """One promise and what became of it."""

    what: str
    unit: str
    predicted: float
    low: float
    high: float
    actual: float | None

    @property
    def kept(self) -> bool | None:
        """Whether the outcome lies in the band; None when it was not measured."""
        return None if self.actual is None else self.low <= self.actual <= self.high


def compare(plan: Plan, outcome: Outcome) -> list[Row]:
    """Predicted and actual, one row per promise."""
    training = {term.name: term.amount for term in plan.seconds}
    promises: Mapping[str, tuple[str, Band | None, float | None]] = {
        "parameters": ("", exactly(plan.parameters), outcome.parameters),
        "tokens of text": ("tokens", plan.text_tokens, outcome.train_tokens),
        "time": ("s", plan.seconds_s, outcome.seconds_s),
        "time of training steps": ("s", training.get("training"), outcome.train_s),
        "memory": ("bytes", plan.memory_bytes, outcome.memory_bytes),
        "disk": ("bytes", _kept_on_disk(plan), outcome.disk_bytes),
    }
    return [
        Row(what, unit, band.value, band.low, band.high, actual)
        for what, (unit, band, actual) in promises.items()
        if band is not None
    ]


def _kept_on_disk(plan: Plan) -> Band:
    """A finished run has let go of what it needed on the way."""
    whole = plan.disk_bytes
    passing = sum(t.amount.value for t in plan.disk if t.name == "documents set by")
    return Band(whole.value - passing, 0.5 * (whole.low - passing), whole.high)
