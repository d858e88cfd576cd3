"""The nearest changes of a recipe under which a run fits into memory."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch
from pydantic import ValidationError

from ..device import working_dtype
from ..models.model import ModelSettings
from ..settings import Kinds
from ..train.objectives.cross_entropy import CHUNK_SCORES
from ..train.optim import OPTIMIZERS
from ..train.settings import TrainSettings
from ..train.workers import rows_at_once
from .band import total
from .memory import activations, buffers, context_of, held, surroundings

Pair = tuple[ModelSettings, TrainSettings]
Fits = Callable[[ModelSettings, TrainSettings], bool]

MARGIN = 0.97
"""Share of the budget that a suggestion may fill, for it is estimated from shallow models."""
PASS_BYTES = 250
"""More than what any family here keeps of one token, per layer and width, in float32."""
MOST_SHRINKING = 8
"""A single key is not suggested when it would have to be divided by more than this."""


def nearest_changes(model: ModelSettings, train: TrainSettings, budget: float) -> list[str]:
    """Changes, each as `key=value` and enough by itself, mildest first; [] when none is enough.

    Several keys at once are changed only when no single one is enough.

    Args:
        model: any neural family's settings, with `vocab` settled.
        train: how it is trained.
        budget: bytes that may be used.
    """

    budget = MARGIN * budget

    def fits(model: ModelSettings, train: TrainSettings) -> bool:
        return expected_bytes(model, train, budget) <= budget

    found = [*_training_changes(model, train, fits), *_model_changes(model, train, fits)]
    return found or _smaller_model(model, train.model_copy(update={"micro": 1}), budget)


def expected_bytes(model: ModelSettings, train: TrainSettings, budget: float) -> float:
    """Expected peak; once buffers alone are above `budget`, only these."""
    fixed = _buffers(model, train)
    return fixed if fixed > budget else fixed + _deep(_passes, model, train)


def _buffers(model: ModelSettings, train: TrainSettings) -> float:
    return _deep(_counted, model, train) + total(surroundings(train, model)).value


def _deep(count: Callable[..., float], model: ModelSettings, train: TrainSettings) -> float:
    """`count` of a deep model from two shallow ones, for blocks are alike."""
    layers = getattr(model, "layers", 0)
    shallow = [m for n in (1, 3) if layers > 3 and (m := changed(model, layers=n))]
    if len(shallow) < 2:
        return count(model, train)
    one, three = (count(m, train) for m in shallow)
    return one + (three - one) / 2 * (layers - 1)


@lru_cache(maxsize=256)
def _counted(model: ModelSettings, train: TrainSettings) -> float:
    return total(buffers(held(model, train))).value


@lru_cache(maxsize=256)
def _passes(model: ModelSettings, train: TrainSettings) -> float:
    return activations(model, train, rows_at_once(model, train, context_of(model))).amount.value


# --------------------------------------------------------------------------- one key


def _training_changes(model: ModelSettings, train: TrainSettings, fits: Fits) -> Iterator[str]:
    """Changes that leave the model as it is."""
    micro = rows_at_once(model, train, context_of(model))
    best = _largest(
        [micro >> n for n in range(1, micro.bit_length())],
        lambda m: fits(model, train.model_copy(update={"micro": m})),
    )
    if best:
        yield f"train.micro={best}"
    if working_dtype(train.precision) == torch.float32:
        low = train.model_copy(update={"precision": "bf16"})
        if fits(model, low):
            yield "train.precision=bf16"
    optimizer: Any = train.optimizer
    if optimizer.kind != "adafactor":
        light = Kinds(OPTIMIZERS).settings_class("adafactor")()
        if fits(model, train.model_copy(update={"optimizer": light})):
            yield "train.optimizer.kind=adafactor"


def _model_changes(model: ModelSettings, train: TrainSettings, fits: Fits) -> Iterator[str]:
    """A smaller model, by one thing at a time."""
    context = context_of(model)
    best = _largest(
        [context >> n for n in range(1, 4) if context >> n >= 32],
        lambda c: (m := changed(model, context=c)) is not None and fits(m, train),
    )
    if best:
        yield f"model.context={best}"
    layers = getattr(model, "layers", 0)
    fewer = range(layers - 1, max(1, layers // MOST_SHRINKING) - 1, -1)
    best = _largest(
        list(fewer), lambda n: (m := changed(model, layers=n)) is not None and fits(m, train)
    )
    if best:
        yield f"model.layers={best}"
    heads = getattr(model, "heads", 0)
    fewer = range(heads - 1, max(1, heads // MOST_SHRINKING) - 1, -1)
    best = _largest(list(fewer), lambda n: (m := narrower(model, n)) is not None and fits(m, train))
    if best and (found := narrower(model, best)):
        yield _written(found, "width", "heads", *_if_set(model, "kv_heads", "ff_width"))


def _largest(values: list[int], fits: Callable[[int], bool]) -> int:
    """The largest of `values` (falling) that fits, by bisection; 0 when none does."""
    if not values or not fits(values[-1]):
        return 0
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(values[middle]) else (middle + 1, high)
    return values[low]


# --------------------------------------------------------------------------- several keys


def _smaller_model(model: ModelSettings, train: TrainSettings, budget: float) -> list[str]:
    """The same shape at a smaller scale, one sequence at a time; at most one suggestion."""
    layers, heads = getattr(model, "layers", 0), getattr(model, "heads", 0)

    def scaled(percent: int) -> ModelSettings | None:
        less = narrower(model, max(1, heads * percent // 100))
        return less and changed(less, layers=max(1, layers * percent // 100))

    def fits(model: ModelSettings | None) -> bool:
        return model is not None and _buffers(model, train) + _rough_passes(model) <= budget

    best = _largest(list(range(95, 0, -3)), lambda percent: fits(scaled(percent)))
    found = scaled(best) if best else None
    if found is None:
        return []
    keys = ("layers", "width", "heads", *_if_set(model, "kv_heads", "ff_width"))
    return [f"{_written(found, *keys)} train.micro=1"]


def _rough_passes(model: ModelSettings) -> float:
    """No less than what passes of one sequence hold, in no time: a rehearsal takes seconds when a
    long text is scored over a large vocabulary."""
    layers, width = (int(getattr(model, key)) for key in ("layers", "width"))
    scores = max(CHUNK_SCORES, 64 * int(getattr(model, "vocab")))  # noqa: B009
    return float(PASS_BYTES * context_of(model) * layers * width + 16 * scores)


def changed(model: ModelSettings, **update: int) -> ModelSettings | None:
    """`model` with other values, checked again; None when its rules forbid them."""
    try:
        return type(model).model_validate({**model.model_dump(), **update})
    except ValidationError:
        return None


def narrower(model: ModelSettings, heads: int) -> ModelSettings | None:
    """`model` with fewer heads of the same width each, everything else in proportion."""
    now, width = getattr(model, "heads", 0), getattr(model, "width", 0)
    if not now or not width:
        return None
    update = {"heads": heads, "width": width // now * heads}
    if kv_heads := getattr(model, "kv_heads", 0):
        wanted = max(1, kv_heads * heads // now)
        update["kv_heads"] = max(n for n in range(1, wanted + 1) if heads % n == 0)
    if inside := getattr(model, "ff_width", 0):
        update["ff_width"] = max(1, inside * heads // now)
    return changed(model, **update)


def _if_set(model: ModelSettings, *keys: str) -> tuple[str, ...]:
    return tuple(key for key in keys if getattr(model, key, 0))


def _written(model: ModelSettings, *keys: str) -> str:
    return " ".join(f"model.{key}={getattr(model, key)}" for key in keys)
