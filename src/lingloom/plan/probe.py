"""Times a few real steps of the real loop here, so that minutes are measured and not guessed.

Token ids are random: the time of a step does not depend on what they say. What was held out of the
probe (evaluation, saving, compiling) is added by minutes.py.
"""

import statistics
import time
from collections.abc import Iterator
from math import ceil

import torch

from ..models.model import ModelSettings
from ..train.loop import train as run
from ..train.objectives.objective import objective_of
from ..train.schedule import ConstantSettings
from ..train.settings import CheckpointSettings, TrainSettings
from ..train.workers import rows_at_once
from .band import Band
from .memory import context_of, workers
from .minutes import StepTime

SPREAD = (0.8, 1.35)
"""By how much later steps may be faster or slower than the probed ones: other work on the machine,
a processor that warms up, memory that is spread out."""


def probe(
    model: ModelSettings, train: TrainSettings, expected_s: float, budget_s: float = 5.0
) -> StepTime:
    """Seconds of one optimizer step.

    A step that is too long for the budget is probed with fewer micro-batches: one and two rounds
    tell the time of a round and of the update apart.

    Args:
        model: any neural family's settings, with `vocab` settled.
        train: how it would be trained; it is probed without compiling.
        expected_s: a first guess at the seconds of a step.
        budget_s: about how long the probe may take.
    """
    context = context_of(model)
    round_size = rows_at_once(model, train, context) * workers(model, train)
    rounds = ceil(train.batch / round_size)
    if rounds <= 2 or 4 * expected_s < budget_s:
        times = list(_steps(model, train, train.batch, budget_s))
        return StepTime(_band(times), probed=True)
    one = list(_steps(model, train, round_size, budget_s / 3))
    two = list(_steps(model, train, 2 * round_size, 2 * budget_s / 3))
    once, twice = statistics.median(one), statistics.median(two)
    each = min(max(twice - once, 0.6 * once), once)
    whole = once - each + each * train.batch / round_size
    spread = max(max(one) / once, max(two) / twice)
    return StepTime(
        Band(whole, whole * SPREAD[0], whole * max(SPREAD[1], spread)),
        probed=True,
    )


def shortest_probe_s(model: ModelSettings, train: TrainSettings, expected_s: float) -> float:
    """Seconds of the least that can be timed: one micro-batch for each worker."""
    at_once = rows_at_once(model, train, context_of(model)) * workers(model, train)
    return expected_s * min(1.0, at_once / train.batch)


def _band(times: list[float]) -> Band:
    middle = statistics.median(times)
    return Band(middle, min(times) * SPREAD[0], max(max(times), middle * SPREAD[1]))


def _steps(
    model: ModelSettings, train: TrainSettings, batch: int, budget_s: float
) -> Iterator[float]:
    """Seconds of each step after the first two, until the budget is used up."""
    objective = objective_of(model, train)
    settings = train.model_copy(
        update={
            "steps": 12,
            "batch": batch,
            "workers": workers(model, train),  # of a compiled model, where these differ
            "schedule": ConstantSettings(),  # a long warm-up would not fit so few steps
            "compile": False,
            "checkpoint": CheckpointSettings(every=0),
            "regularise": train.regularise.model_copy(update={"patience": 0}),
        }
    )
    before = torch.get_rng_state()
    data = objective.pretended(model, train, batch, context_of(model))
    begun = time.perf_counter()
    records = run(model.build(), objective.loss, lambda _: data, settings, seed=0)
    try:
        for record in records:
            over = time.perf_counter() - begun > budget_s
            if record.step > 2 or over:
                yield record.seconds_s
            if over:
                break
    finally:
        records.close()  # type: ignore[attr-defined]
        torch.set_rng_state(before)
