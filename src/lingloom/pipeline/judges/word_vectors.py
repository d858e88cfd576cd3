"""Vectors of words: the held-out loss, what people say of the words, and who is near whom."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ...measure.score import Score, Tally, ratio
from ...measure.word_vectors import analogies, likeness
from ...models.port import load_model
from ...recipe import Recipe
from ...runs import RunFolder
from ...tasks.nearest import WordVectors, nearest, word_vectors
from ...train.objectives.objective import objective_of
from ...trust.facts import Sample
from ..events import Event
from ..prepare import Data
from .judge import objective_loss, pinned

UNITS = {"co_occurrence": "squared error per pair"}
"""Of losses that are no chances."""
SAMPLES = 8
"""Words whose neighbours the report shows."""
FREQUENT = 100
"""The most frequent ids, left out of the samples: function words have no neighbours to speak of."""


def heldout_loss(data: Data, model: Any, recipe: Recipe) -> Callable[[Any], dict[str, float]]:
    """The objective's own loss on the same held-out rows, under the same draws, each time."""
    return objective_loss(data, recipe)


def finish(run: RunFolder, recipe: Recipe, data: Data) -> Iterator[Event]:
    """Measure the run's vectors, and show what is near what."""
    model, kind = load_model(run.model), str(recipe.model.kind)  # type: ignore[attr-defined]
    yield Event("measure", "begin", {"who": "model", "documents": data.heldout.documents})
    begun = time.perf_counter()
    found = scores(recipe, data, model)
    seconds_s = time.perf_counter() - begun
    yield Event("measure", "end", {"who": kind, "scores": found, "seconds_s": seconds_s})
    run.write_json("scores.json", {"scores": {kind: [s.to_json() for s in found]}})
    yield Event("report", "begin")
    samples = list(_samples(word_vectors(model, data.tokenizer)))
    run.write_json("samples.json", [vars(s) for s in samples])
    yield Event("report", "progress", {"samples": samples})


def scores(recipe: Recipe, data: Data, model: Any) -> list[Score]:
    """The held-out loss, and what the files of `measure.similarity` and `.analogies` say."""
    measure, vectors = recipe.measure, word_vectors(model, data.tokenizer)
    how = {"resamples": measure.resamples, "seed": measure.seed}
    found = [heldout_score(model, recipe, data)]
    found += [likeness(vectors, path, **how) for path in measure.similarity]
    for path in measure.analogies:
        found += analogies(vectors, path, by=measure.analogies_by, **how)
    return found


@torch.no_grad()
def heldout_score(model: Any, recipe: Recipe, data: Data) -> Score:
    """The objective's mean loss on all that is held out, its interval over batches of rows."""
    settings: Any = recipe.model
    objective, measure = objective_of(settings, recipe.train), recipe.measure
    found = [
        objective.loss(model, rows)
        for rows in objective.heldout(data.reading("heldout"), settings, measure.batch)
    ]
    nats, counts = (torch.tensor([float(row[i]) for row in found]).numpy() for i in (0, 1))
    tally = Tally([str(i) for i in range(len(found))], nats, counts)
    kind: str = objective.kind  # type: ignore[attr-defined]
    fixes = {**pinned(recipe), "sha256": data.heldout.sha256, "context": settings.context}
    score = ratio(
        tally,
        f"held-out loss of {kind}",
        UNITS.get(kind, "nats per target"),
        resamples=measure.resamples,
        seed=measure.seed,
        fixes=fixes,
    )
    return Score(**{**vars(score), "of": "batches"})


def _samples(vectors: WordVectors) -> Iterator[Sample]:
    """Words of falling frequency and those nearest to them."""
    words = [word for word in vectors.words if len(word) > 1 or not word.isascii()]
    first = min(FREQUENT, len(words) // 2)
    step = max(1, (len(words) // 10 - first) // SAMPLES)
    for word in words[first::step][:SAMPLES]:
        near = ", ".join(f"{n.word} {n.similarity:.2f}" for n in nearest(vectors, word, 5))
        yield Sample(word, near, "nearest by cosine", continues=False)
