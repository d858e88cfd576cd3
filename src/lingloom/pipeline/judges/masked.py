"""A model taught by hidden tokens: what they cost under fixed masks, and what it fills in."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from ...measure.masked import masked_scores
from ...measure.score import Score
from ...models.bert import Bert
from ...models.port import load_model
from ...recipe import Recipe
from ...runs import RunFolder
from ...tasks.fill import filled, with_gaps
from ...tokens.masked import Hider, Shares
from ...train.objectives.masked_token import MaskedTokenSettings
from ...train.objectives.objective import objective_of
from ...trust.facts import Sample
from ..events import Event
from ..prepare import Data
from .judge import objective_loss, pinned

SAMPLES = 4
SAMPLE_TOKENS = 24
"""Of the beginnings of held-out documents that are shown with gaps."""


def heldout_loss(data: Data, model: Bert, recipe: Recipe) -> Callable[[Any], dict[str, float]]:
    """The objective's own loss on the same held-out rows under the same masks each time."""
    return objective_loss(data, recipe)


def scores(recipe: Recipe, data: Data, model: Bert) -> list[Score]:
    """What all held-out text costs."""
    settings: Any = recipe.model
    objective, measure = objective_of(settings, recipe.train), recipe.measure
    assert isinstance(objective, MaskedTokenSettings)
    fixes = {
        **pinned(recipe),
        "sha256": data.heldout.sha256,
        "context": settings.context,
        "head": settings.head,
        "objective": objective.model_dump(mode="json", exclude={"kind"}),
    }
    rows = objective.heldout(data.reading("heldout"), settings, measure.batch)
    return masked_scores(model, rows, resamples=measure.resamples, seed=measure.seed, fixes=fixes)


def finish(run: RunFolder, recipe: Recipe, data: Data) -> Iterator[Event]:
    """Measure the run's model on all held-out text, and let it fill gaps."""
    model: Bert = load_model(run.model)
    kind = model.settings.kind
    yield Event("measure", "begin", {"who": "model", "documents": data.heldout.documents})
    begun, found = time.perf_counter(), scores(recipe, data, model)
    seconds_s = time.perf_counter() - begun
    yield Event("measure", "end", {"who": kind, "scores": found, "seconds_s": seconds_s})
    run.write_json("scores.json", {"scores": {kind: [score.to_json() for score in found]}})
    yield Event("report", "begin")
    samples = list(_samples(model, data))
    run.write_json("samples.json", [vars(s) for s in samples])
    yield Event("report", "progress", {"samples": samples})


def _samples(model: Bert, data: Data) -> Iterator[Sample]:
    """Beginnings of held-out documents with gaps, and without."""
    tokenizer, shown = data.tokenizer, 0
    hider = Hider(tokenizer, Shares(mask=1.0, random=0.0))
    for i in range(data.heldout.documents):
        ids = data.heldout.document(i)[: min(SAMPLE_TOKENS, model.settings.context - 2)]
        if len(ids) < SAMPLE_TOKENS // 3:
            continue
        gaps = hider.hide(ids, i)[0].tolist()
        found = filled(model, tokenizer, gaps, hider.mask, best=1)
        chances = ", ".join(f"{c[0].token} {c[0].chance:.0%}" for c in found.choices)
        yield Sample(with_gaps(tokenizer, gaps, hider.mask), found.text, chances, continues=False)
        shown += 1
        if shown == SAMPLES:
            return
