"""Learning-rate schedules: what share of `train.lr` each step uses.

Every schedule is a pure function of (step, steps), so a resumed run needs no schedule state. Steps
count from 0. The first W steps warm up, (step + 1) / W: none is wasted at zero, the last has the
full rate. Then, with t = step - W and p = t / (steps - W), the formula of the kind holds. A length
of 1 or more counts steps; below 1 it is a share of the run, or of what follows the warm-up.
"""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..errors import RecipeError
from ..settings import Settings

SCHEDULES = {
    "constant": "train.schedule:ConstantSettings",
    "inverse_time": "train.schedule:InverseTimeSettings",
    "exponential": "train.schedule:ExponentialSettings",
    "step": "train.schedule:StepSettings",
    "inverse_sqrt": "train.schedule:InverseSqrtSettings",
    "linear": "train.schedule:LinearSettings",
    "cosine": "train.schedule:CosineSettings",
    "wsd": "train.schedule:WSDSettings",
}


def _whole_or_share(length: float) -> float:
    if length >= 1 and length != int(length):
        raise ValueError(f"{length} is neither a whole number of steps nor a share below 1")
    return length


Length = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_whole_or_share)]
Warmup = Annotated[
    Length,
    Field(
        description="Steps over which the rate rises to its full height, or their share below 1."
    ),
]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=0, le=1)]
Every = Annotated[
    Length,
    Field(gt=0, description="Steps, or share below 1 of the steps after the warm-up, per gamma."),
]


def steps_of(length: float, steps: int) -> int:
    """`length` in whole steps: itself, or its share of `steps` when below 1."""
    return round(length * steps) if length < 1 else int(length)


class ScheduleSettings(Settings):
    """Base of the family: warm-up is common, `after_warmup` is the kind's own."""

    kind: str
    warmup: Warmup = 0.0

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied by at `step` of a run of `steps`; 0 to 1.

        Raises:
            RecipeError: the warm-up is longer than the run.
        """
        warmup = steps_of(self.warmup, steps)
        if warmup > steps:
            raise RecipeError(
                f"train.schedule.warmup: {warmup} steps do not fit train.steps {steps}; "
                "shorten it, or give it as a share such as 0.02"
            )
        if step < warmup:
            return (step + 1) / warmup
        return self.after_warmup(step - warmup, steps - warmup)

    def after_warmup(self, t: int, length: int) -> float:
        """The factor at step `t` of the `length` steps that follow the warm-up."""
        raise NotImplementedError


class ConstantSettings(ScheduleSettings):
    """1."""

    kind: Literal["constant"] = "constant"

    def after_warmup(self, t: int, length: int) -> float:
        return 1.0


class InverseTimeSettings(ScheduleSettings):
    """a / (1 + b t), with a = train.lr and b = `rate`; never below `floor`.

    Source: Robbins & Monro 1951 (such steps sum to infinity, their squares do not); Bottou 2012,
    section 5.2.
    """

    kind: Literal["inverse_time"] = "inverse_time"
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    """b, per step: after 1/b steps the rate is halved."""
    floor: Share = 0.0
    """Least share of the full rate."""

    def after_warmup(self, t: int, length: int) -> float:
        return max(self.floor, 1 / (1 + self.rate * t))


class ExponentialSettings(ScheduleSettings):
    """gamma^(t / every); never below `floor`.

    Source: Senior et al. 2013 ("An empirical study of learning rates"), section 2.
    """

    kind: Literal["exponential"] = "exponential"
    gamma: Factor = 0.5
    """Factor by which the rate falls in `every` steps, smoothly."""
    every: Every = 0.25
    floor: Share = 0.0
    """Least share of the full rate."""

    def after_warmup(self, t: int, length: int) -> float:
        return max(self.floor, self.gamma ** (t / max(1, steps_of(self.every, length))))


class StepSettings(ScheduleSettings):
    """gamma^floor(max(0, t - hold) / every): a staircase; never below `floor`.

    Source: He et al. 2016 (ResNet), section 3.4, divides by 10 in this way; Zaremba et al. 2014,
    section 4.1, holds the rate for some epochs and then halves it in each.
    """

    kind: Literal["step"] = "step"
    gamma: Factor = 0.1
    """Factor by which the rate falls at each stair."""
    every: Every = 0.3
    hold: Length = 0.0
    """Steps after the warm-up, or share below 1 of them, that the first stair is longer."""
    floor: Share = 0.0
    """Least share of the full rate."""

    def after_warmup(self, t: int, length: int) -> float:
        t = max(0, t - steps_of(self.hold, length))
        return max(self.floor, self.gamma ** (t // max(1, steps_of(self.every, length))))


class InverseSqrtSettings(ScheduleSettings):
    """sqrt(W / (W + t)); never below `floor`.

    With train.lr = (width * W)^-0.5 this is the rate of Vaswani et al., width^-0.5 * min(n^-0.5,
    n * W^-1.5) at step n from 1, where what follows the warm-up comes one step later here.

    Source: Vaswani et al. 2017 (Attention Is All You Need), section 5.3, equation 3.
    """

    kind: Literal["inverse_sqrt"] = "inverse_sqrt"
    warmup: Warmup = 0.02
    floor: Share = 0.0
    """Least share of the full rate."""

    def factor(self, step: int, steps: int) -> float:
        warmup = steps_of(self.warmup, steps)
        if step < warmup:
            return super().factor(step, steps)
        return max(self.floor, math.sqrt(max(1, warmup) / max(1, step)))


class LinearSettings(ScheduleSettings):
    """1 - (1 - floor) p.

    Source: Devlin et al. 2019 (BERT), appendix A.2; Defazio et al. 2023 on why it does so well.
    """

    kind: Literal["linear"] = "linear"
    warmup: Warmup = 0.02
    floor: Share = 0.0
    """Share of the full rate that the run ends at."""

    def after_warmup(self, t: int, length: int) -> float:
        return 1 - (1 - self.floor) * _progress(t, length)


class CosineSettings(ScheduleSettings):
    """floor + (1 - floor) (1 + cos(pi p)) / 2.

    Source: Loshchilov & Hutter 2017 (SGDR), equation 5, one period.
    """

    kind: Literal["cosine"] = "cosine"
    warmup: Warmup = 0.02
    floor: Share = 0.1
    """Share of the full rate that the run ends at."""

    def after_warmup(self, t: int, length: int) -> float:
        wave = (1 + math.cos(math.pi * _progress(t, length))) / 2
        return self.floor + (1 - self.floor) * wave


class WSDSettings(ScheduleSettings):
    """Warm-up, stable, decay: 1 until the last D steps, then 1 - (1 - floor) d(q), q = share of D.

    d(q) = q ("linear") or sqrt(q) ("sqrt"). The stable part does not depend on the run's length, so
    a run can be lengthened from any checkpoint before its decay.

    Source: Hu et al. 2024 (MiniCPM), section 4; shapes: Haegele et al. 2024, section 3.
    """

    kind: Literal["wsd"] = "wsd"
    warmup: Warmup = 0.02
    decay: Length = 0.2
    """D: steps, or share below 1 of the steps after the warm-up."""
    shape: Literal["linear", "sqrt"] = "sqrt"
    """How the rate falls; sqrt falls fast first."""
    floor: Share = 0.0
    """Share of the full rate that the run ends at."""

    def after_warmup(self, t: int, length: int) -> float:
        decay = min(length, steps_of(self.decay, length))
        into = t - (length - decay)
        if into <= 0:
            return 1.0
        q = _progress(into, decay)
        return 1 - (1 - self.floor) * (q if self.shape == "linear" else math.sqrt(q))


def _progress(t: int, length: int) -> float:
    """0 at the start, 1 at the end and after it."""
    return min(1.0, t / length) if length else 1.0
