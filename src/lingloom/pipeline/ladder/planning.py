"""What a ladder will take, and how many steps each rung gets for its share of the budget."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import RecipeError, RunError
from ...plan import disk, memory, minutes
from ...plan.band import Band, Term, total
from ...plan.minutes import StepTime, TextFigures
from ...plan.plan import Limits, Plan, make_plan, step_time
from ...recipe import Recipe
from ..estimate import figures_of, vocab_of
from .rungs import Rung
from .settings import LadderSettings, seconds_in

LEAST_STEPS = 20
"""A rung with fewer would say nothing of its family."""
GUESS_STEPS = 1000
"""Of a recipe of which a single step is looked at."""
PROBE_FRAC = 0.1
"""Share of a rung's time that its probe may take, within PROBE_S seconds."""
PROBE_S = (1.0, 5.0)

WithVocab = Callable[[Recipe], Recipe]
"""Settles the vocabulary of a recipe's model."""


@dataclass(frozen=True)
class Pace:
    """What one step of a rung takes."""

    step: StepTime
    flops: float


@dataclass(frozen=True)
class LadderPlan:
    """Promises for a whole ladder."""

    share: float
    """Of each rung that learns by gradient: seconds, or operations where `by` is flops."""
    by: str
    text: list[Term]
    """Seconds of reading, tokenizer and shards, once for all rungs."""
    shared: list[Term]
    """Bytes of disk that hold what all rungs read."""
    rungs: Mapping[str, Plan]
    """From the lowest up."""
    steps: Mapping[str, int]
    """Of each rung that learns by gradient."""

    @property
    def seconds_s(self) -> Band:
        """From the first byte read to the page."""
        return sum((plan.seconds_s for plan in self.rungs.values()), total(self.text))

    @property
    def memory_bytes(self) -> Band:
        """At the peak: rungs come one after the other."""
        bands = [plan.memory_bytes for plan in self.rungs.values()]
        return Band(*(max(ends) for ends in zip(*map(astuple, bands), strict=True)))

    @property
    def disk_bytes(self) -> Band:
        """When all rungs are there."""
        return sum((plan.disk_bytes for plan in self.rungs.values()), total(self.shared))

    def require(self) -> None:
        """Go on only if every rung fits, and all of them the disk.

        Raises:
            RunError: the message has every reason.
        """
        found = [f"{name}: {why}" for name, p in self.rungs.items() for why in p.refusals]
        free = min(plan.disk_free_bytes for plan in self.rungs.values())
        if not found and self.disk_bytes.value > free:
            found.append(
                f"disk: the ladder needs {self.disk_bytes.value / 1e9:.2g} GB and "
                f"{free / 1e9:.2g} GB are free; climb fewer rungs, or put 'out' on a larger disk"
            )
        if found:
            raise RunError("\n".join(found))

    def to_json(self) -> dict[str, Any]:
        """What ladder.json keeps: plain values."""
        promises = {
            "time": ("s", self.seconds_s),
            "memory": ("bytes", self.memory_bytes),
            "disk": ("bytes", self.disk_bytes),
        }
        return {
            "share": self.share,
            "by": self.by,
            "steps": dict(self.steps),
            "promises": {name: {"unit": u, **asdict(band)} for name, (u, band) in promises.items()},
        }


def plan_ladder(ladder: LadderSettings) -> LadderPlan:
    """Time a few steps of every rung, share the budget, and add up.

    Args:
        ladder: settled.

    Raises:
        RecipeError: the text is not there; the budget is too small for a rung.
    """
    climbed, out = ladder.climbed(), Path(ladder.out)
    some = ladder.recipe(climbed[0], GUESS_STEPS, out)
    figures, vocab = figures_of(some), vocab_of(some)
    ready = replace(figures, ready=True)

    def with_vocab(recipe: Recipe) -> Recipe:
        model: Any = recipe.model
        return recipe.model_copy(update={"model": model.model_copy(update={"vocab": vocab})})

    learning = [rung for rung in climbed if not rung.counts]
    budget = seconds_in(ladder.budget)
    first = budget / max(1, len(learning))
    paces = {rung.name: _pace(ladder, rung, with_vocab, first) for rung in learning}
    share = first
    if ladder.by == "flops" and paces:
        share = budget / sum(pace.step.seconds.value / pace.flops for pace in paces.values())
    steps = {name: _steps(ladder, share, pace) for name, pace in paces.items()}
    _refuse_too_few(ladder, steps, paces)
    plans = {
        rung.name: _plan(
            with_vocab(ladder.recipe(rung, steps.get(rung.name, 1), out)),
            ready,
            paces.get(rung.name),
        )
        for rung in climbed
    }
    shared = disk.text_terms(figures, vocab)
    return LadderPlan(share, ladder.by, minutes.text_terms(figures), shared, plans, steps)


def settle(
    ladder: LadderSettings,
    rung: Rung,
    share: float,
    figures: TextFigures,
    with_vocab: WithVocab,
    out: Path,
) -> tuple[Recipe, Plan]:
    """A rung's recipe with its number of steps, and its plan; its step is timed once more, since
    the machine may be busier or quieter than when the ladder began.

    Args:
        ladder: settled.
        rung: which one.
        share: see LadderPlan.
        figures: of the text that is ready.
        with_vocab: settles the vocabulary.
        out: the rung's run folder.
    """
    if rung.counts:
        recipe = with_vocab(ladder.recipe(rung, 1, out))
        return recipe, _plan(recipe, figures, None)
    seconds = share if ladder.by == "time" else PROBE_S[1] / PROBE_FRAC
    pace = _pace(ladder, rung, with_vocab, seconds)
    steps = max(LEAST_STEPS, _steps(ladder, share, pace))
    recipe = with_vocab(ladder.recipe(rung, steps, out))
    return recipe, _plan(recipe, figures, pace)


def _pace(ladder: LadderSettings, rung: Rung, with_vocab: WithVocab, seconds: float) -> Pace:
    """The pace of a rung that trains for about so many seconds."""
    recipe: Any = with_vocab(ladder.recipe(rung, GUESS_STEPS, Path(ladder.out)))
    probe_s = min(max(PROBE_FRAC * seconds, PROBE_S[0]), PROBE_S[1])
    each = memory.held(recipe.model, recipe.train).flops_per_token
    step = step_time(recipe.model, recipe.train, probe_s)
    return Pace(step, 3 * each * ladder.batch * ladder.context)


def _steps(ladder: LadderSettings, share: float, pace: Pace) -> int:
    return int(share / (pace.flops if ladder.by == "flops" else pace.step.seconds.value))


def _refuse_too_few(
    ladder: LadderSettings, steps: Mapping[str, int], paces: Mapping[str, Pace]
) -> None:
    name = min(steps, key=lambda n: (steps[n], -paces[n].step.seconds.value), default="")
    if not name or steps[name] >= LEAST_STEPS:
        return
    needed = seconds_in(ladder.budget) * LEAST_STEPS / max(1, steps[name])
    if not steps[name]:
        needed = LEAST_STEPS * len(steps) * max(p.step.seconds.value for p in paces.values())
    raise RecipeError(
        f"budget: {ladder.budget} for {len(steps)} rungs leaves {steps[name]} steps of "
        f"{paces[name].step.seconds.value:.2g} s to '{name}', and with fewer than {LEAST_STEPS} it "
        f"would learn nothing; set budget={-(-int(1.2 * needed + 1) // 60)}min or more, or a "
        "smaller width, or fewer rungs"
    )


def _plan(recipe: Recipe, figures: TextFigures, pace: Pace | None) -> Plan:
    model: Any = recipe.model
    limits = Limits.here(Path(recipe.out))
    return make_plan(model, recipe.train, figures, limits, step=pace.step if pace else None)
