"""The answer before the first step: parameters, operations, memory, minutes and disk, with bands.

A plan refuses what cannot fit and names the largest term and the nearest changes that would fit.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..device import available_memory_bytes
from ..errors import RunError
from ..models.model import ModelSettings
from ..train.objectives.objective import objective_of
from ..train.settings import TrainSettings
from . import disk, fit, memory, minutes
from .band import Band, Term, largest, total
from .minutes import StepTime, TextFigures
from .probe import probe, shortest_probe_s
from .rehearse import Standing

NGRAM_PEAK_BYTES = (200.0, 0.3, 1.5)
"""Memory of fitting an n-gram model, per token, at order 5."""

_TOKENIZING = "training the tokenizer"

PROBE_FRAC = 0.1
"""Of the time that training may take, for timing real steps; within `probe_s`, and no less than"""
PROBE_LEAST_S = 1.0


@dataclass(frozen=True)
class Limits:
    """What the machine has left."""

    memory_bytes: float
    disk_bytes: float

    @classmethod
    def here(cls, folder: Path) -> "Limits":
        """Of this machine, for a run in `folder`, which need not exist yet.

        Raises:
            OSError: the disk of `folder` cannot be asked.
        """
        import shutil

        there = next(
            place for place in [folder.absolute(), *folder.absolute().parents] if place.exists()
        )
        free = available_memory_bytes() + memory.resident_bytes()
        return cls(float(free), float(shutil.disk_usage(there).free))


@dataclass(frozen=True)
class Plan:
    """What a run will take. Bytes, seconds, tokens; every amount has a band."""

    parameters: int
    """Trained numbers; 0 for models that only count."""
    train_flops: float
    """Of all steps: three forward passes per token (forward once, backward twice)."""
    tokens_seen: int
    """Read by all steps together, repeats included."""
    text_tokens: Band
    """Different tokens there are to learn from."""
    memory: list[Term]
    seconds: list[Term]
    disk: list[Term]
    memory_free_bytes: float
    disk_free_bytes: float
    probed: bool
    """Whether seconds were measured on this model here, or are typical of the machine."""
    refusals: list[str] = field(default_factory=list)
    """Why the run cannot be, one reason a line; empty: it can."""
    notes: list[str] = field(default_factory=list)
    """What is worth knowing though nothing forbids it."""

    @property
    def memory_bytes(self) -> Band:
        """Peak."""
        return total(self.memory)

    @property
    def seconds_s(self) -> Band:
        """From the first byte read to the report."""
        return total(self.seconds)

    @property
    def disk_bytes(self) -> Band:
        """At the fullest moment."""
        return total(self.disk)

    @property
    def epochs(self) -> float:
        """How often each token is seen."""
        return self.tokens_seen / self.text_tokens.value if self.text_tokens.value else 0.0

    def require(self) -> None:
        """Go on only if the run fits.

        Raises:
            RunError: it cannot fit; the message has every reason.
        """
        if self.refusals:
            raise RunError("\n".join(self.refusals))

    def to_json(self) -> str:
        """All of it as text that `from_json` reads back."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str | Mapping[str, Any]) -> "Plan":
        """A plan as `to_json` wrote it (or the same as a mapping)."""
        tree = dict(json.loads(text)) if isinstance(text, str) else dict(text)
        for name in ("memory", "seconds", "disk"):
            tree[name] = [Term(t["name"], Band(**t["amount"])) for t in tree[name]]
        tree["text_tokens"] = Band(**tree["text_tokens"])
        return cls(**tree)


def make_plan(
    model: ModelSettings,
    train: TrainSettings,
    text: TextFigures,
    limits: Limits,
    *,
    baseline: ModelSettings | None = None,
    probe_s: float = 5.0,
    step: StepTime | None = None,
    row: int = 0,
) -> Plan:
    """What a run takes, before its first step.

    Args:
        model: with `vocab` settled; `kind: ngram` is planned by tokens alone.
        train: how a neural model is trained.
        text: how much text there is.
        limits: what the machine has left.
        baseline: an n-gram model fitted beside it.
        probe_s: seconds to spend on timing real steps; 0 plans from arithmetic alone, with a wider
            band. Nothing is built or timed when the run is refused.
        step: what `step_time` has told already; then nothing is timed.
        row: places of a usual row, where rows do not fill the model's context; 0: they do. Memory
            is planned for full ones all the same.
    """
    counted = [m for m in (baseline, model) if m is not None and _counts(m)]
    terms = {"memory": list[Term](), "seconds": minutes.text_terms(text), "disk": list[Term]()}
    terms["disk"] += disk.text_terms(text, _vocab(model))
    for settings in counted:
        terms["seconds"].append(minutes.counting_term(_order(settings), text))
        terms["disk"].append(disk.counting_term(_order(settings), text))
    if _counts(model):
        terms["memory"] = [_counting_memory(model, text), *memory.surroundings(train)]
        return _judged(Plan(0, 0.0, 0, text.tokens(), **_limited(terms, limits), probed=False), {})
    return _neural(model, train, text, limits, terms, baseline, step or probe_s, row)


def _neural(
    model: ModelSettings,
    train: TrainSettings,
    text: TextFigures,
    limits: Limits,
    terms: dict[str, list[Term]],
    baseline: ModelSettings | None,
    step: StepTime | float,
    row: int,
) -> Plan:
    """`step`: what a step takes, or how long its timing may take."""
    holding = memory.held(model, train)
    terms["memory"] = [*memory.buffers(holding), *memory.surroundings(train, model)]
    if total(terms["memory"]).value <= limits.memory_bytes:
        terms["memory"] = memory.memory_terms(model, train)  # the rehearsal takes its time
    if baseline is not None:  # one after the other, so the larger of the two is the peak
        counting = [_counting_memory(baseline, text), *memory.surroundings(train)]
        terms["memory"] = max(terms["memory"], counting, key=lambda t: total(t).value)
    tokenizing = [*_tokenizer_memory(text), *memory.surroundings(train)]
    terms["memory"] = max(terms["memory"], tokenizing, key=lambda t: total(t).value)
    prepared = objective_of(model, train).preparation(text.tokens().value)
    if prepared:
        terms["seconds"].append(Term(prepared.name, Band(*prepared.seconds_s)))
        terms["disk"].append(Term(prepared.name, Band(*prepared.disk_bytes)))
        terms["memory"].append(Term(f"{prepared.name}: result", Band(*prepared.lasting_bytes)))
        before = Term(prepared.name, Band(*prepared.memory_bytes))
        earlier = [before, *memory.surroundings(train, model)]
        terms["memory"] = max(terms["memory"], earlier, key=lambda t: total(t).value)
    fits = total(terms["memory"]).value <= limits.memory_bytes
    changes = {
        "memory": [] if fits else _nearest_changes(model, train, text, limits, terms["memory"]),
        "disk": disk.nearest_changes(train, holding, terms["disk"], limits.disk_bytes),
    }
    terms["disk"] += disk.learning_terms(train, holding)
    usual = model.model_copy(update={"context": row or memory.context_of(model)})
    if not isinstance(step, StepTime):
        step = _step(usual, train, holding, step if fits else 0.0)
    saved, places = disk.checkpoint_bytes(holding), _places(usual, train)
    terms["seconds"] += minutes.learning_terms(train, step, text, places, saved)
    seen = train.steps * train.batch * places
    plan = Plan(
        holding.parameters,
        3 * holding.flops_per_token * seen,
        seen,
        text.tokens(),
        **_limited(terms, limits),
        probed=step.probed,
    )
    return _judged(plan, changes)


def _places(model: ModelSettings, train: TrainSettings) -> int:
    """Of a row of `model.context`: as many, or those of a source and of a target together."""
    rows = objective_of(model, train).pretended(model, train, 1, memory.context_of(model))
    return rows.tokens


def step_time(model: ModelSettings, train: TrainSettings, probe_s: float = 5.0) -> StepTime:
    """What one step takes, where `train.steps` is to follow from it; nothing is refused.

    Args:
        model: of a neural family, with `vocab` settled.
        train: how it is trained.
        probe_s: as for `make_plan`.
    """
    return _step(model, train, memory.held(model, train), probe_s)


def _step(
    model: ModelSettings, train: TrainSettings, holding: Standing, probe_s: float
) -> StepTime:
    typical = minutes.typical_step(model, train, holding)
    whole = train.steps * typical.seconds.value
    probe_s = min(probe_s, max(PROBE_LEAST_S, PROBE_FRAC * whole))
    if 3 * shortest_probe_s(model, train, typical.seconds.value) > probe_s:
        return typical  # even the least that could be timed would take too long
    return probe(model, train, typical.seconds.value, probe_s)


def _limited(terms: Mapping[str, list[Term]], limits: Limits) -> dict[str, Any]:
    return {
        **terms,
        "memory_free_bytes": limits.memory_bytes,
        "disk_free_bytes": limits.disk_bytes,
    }


def _judged(plan: Plan, changes: Mapping[str, Sequence[str]]) -> Plan:
    """`plan` with its refusals and notes.

    Args:
        plan: without them.
        changes: of the recipe, each enough to fit, for "memory" and "disk".
    """
    last = {"memory": "use a larger machine", "disk": "put 'out' on a larger disk"}
    for what, need, free in (
        ("memory", plan.memory, plan.memory_free_bytes),
        ("disk", plan.disk, plan.disk_free_bytes),
    ):
        whole, most = total(need), largest(need)
        if whole.value > free:
            remedy = "; or ".join(changes.get(what) or [last[what]])
            plan.refusals.append(
                f"{what}: the run needs {size(whole.value)} and {size(free)} are free; the largest "
                f"term is {most.name} with {size(most.amount.value)}; what would fit: {remedy}"
            )
        elif whole.high > free:
            plan.notes.append(
                f"{what}: expected to fit, with {size(whole.value)} of {size(free)}, but may take "
                f"up to {size(whole.high)}"
            )
    if plan.epochs > 8:
        plan.notes.append(
            f"every token will be read {plan.epochs:.0f} times; more than about 4 times teaches "
            "little (Muennighoff et al. 2023): use more text or fewer train.steps"
        )
    return plan


def size(amount: float) -> str:
    """Bytes as people say them."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if amount >= 100 or unit == "bytes" else f"{amount:.2g} {unit}"


def _counts(model: ModelSettings) -> bool:
    """Whether the family learns by counting."""
    return hasattr(model, "order") and not hasattr(model, "layers")


def _order(model: ModelSettings) -> int:
    return int(model.order)  # type: ignore[attr-defined]


def _vocab(model: ModelSettings) -> int:
    return int(model.vocab)  # type: ignore[attr-defined]


def _tokenizer_memory(text: TextFigures) -> list[Term]:
    """What training the tokenizer takes, which is over before the model is built."""
    read = min(text.train_bytes, text.rates.learn_most_bytes)
    amount = text.rates.learn_bytes.times(0.0 if text.ready else read)
    return [Term(_TOKENIZING, amount)] if amount.high else []


def _nearest_changes(
    model: ModelSettings,
    train: TrainSettings,
    text: TextFigures,
    limits: Limits,
    needed: list[Term],
) -> list[str]:
    """Changes under which the memory suffices, mildest first."""
    if largest(needed).name != _TOKENIZING:
        return fit.nearest_changes(model, train, limits.memory_bytes)
    rest = total(memory.surroundings(train)).value
    room = int((fit.MARGIN * limits.memory_bytes - rest) / text.rates.learn_bytes.value)
    return [f"tokens.sample_bytes={room}"] if room > 0 else []


def _counting_memory(model: ModelSettings, text: TextFigures) -> Term:
    usual, low, high = NGRAM_PEAK_BYTES
    tokens, scale = text.tokens(), _order(model) / 5
    amount = Band(usual * tokens.value, usual * low * tokens.low, usual * high * tokens.high)
    return Term("n-gram counts", amount.times(scale))
