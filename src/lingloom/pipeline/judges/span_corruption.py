"""A model that fills gaps: what hidden tokens of held-out text cost it, and what it fills in."""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...measure.score import Score, Tally, ratio
from ...models.decode import DecodeSettings
from ...models.model import PairModel
from ...models.port import load_model
from ...recipe import Recipe
from ...runs import RunFolder
from ...tasks.fill_gaps import GAP, runs, write_gaps
from ...tokens.batch import IGNORE
from ...tokens.spans import hide, split
from ...train.objectives.cross_entropy import token_nats
from ...train.objectives.objective import objective_of
from ...train.objectives.span_corruption import SpanCorruptionSettings
from ...trust.facts import Sample
from ..events import Event
from ..prepare import Data
from .judge import Evaluate, objective_loss, pinned

SAMPLES = 4
SAMPLE_TOKENS = 48
"""Longest beginning of a held-out document that is shown with gaps."""


def heldout_loss(data: Data, model: PairModel, recipe: Recipe) -> Evaluate:
    """The loss on the same held-out windows each time, in nats per target token."""
    return objective_loss(data, recipe)


def finish(run: RunFolder, recipe: Recipe, data: Data) -> Iterator[Event]:
    """Score the model on all held-out windows; let it fill the gaps of a few beginnings."""
    model = load_model(run.model)
    kind = str(model.settings.kind)
    yield Event("measure", "begin", {"who": kind, "documents": data.heldout.documents})
    begun = time.perf_counter()
    found = scores(recipe, data, model)
    facts = {"who": kind, "scores": found, "seconds_s": time.perf_counter() - begun}
    yield Event("measure", "end", facts)
    run.write_json("scores.json", {"scores": {kind: [score.to_json() for score in found]}})
    yield Event("report", "begin")
    samples = list(_samples(model, recipe, data))
    run.write_json("samples.json", [vars(s) for s in samples])
    yield Event("report", "progress", {"samples": samples})


def scores(recipe: Recipe, data: Data, model: PairModel) -> list[Score]:
    """Nats per target token over all held-out windows, and the perplexity that follows."""
    objective, settings = _objective(recipe), recipe.measure
    nats: list[float] = []
    counts: list[int] = []
    model.eval()
    device = next(model.parameters()).device
    for rows in objective.heldout(data.reading("heldout"), model.settings, settings.batch):
        nats += token_nats(model, rows.to(device)).double().sum(1).tolist()
        counts += (rows.targets != IGNORE).sum(1).tolist()
    windows = Tally([f"window {i}" for i in range(len(nats))], np.array(nats), np.array(counts))
    found = ratio(
        windows,
        "nats per target token",
        "nats/token",
        resamples=settings.resamples,
        seed=settings.seed,
        fixes={
            **pinned(recipe),
            "sha256": data.heldout.sha256,
            "context": model.settings.context,
            "noise_frac": objective.noise_frac,
            "mean_span": objective.mean_span,
            "tokenizer": data.tokenizer.fingerprint()[:12],
        },
    )
    found = replace(found, of="windows")
    return [found, found.through("perplexity of target tokens", "", math.exp)]


def _samples(model: PairModel, recipe: Recipe, data: Data) -> Iterator[Sample]:
    """Beginnings of held-out documents with gaps, and what the model fills in."""
    objective, tokenizer = _objective(recipe), data.tokenizer
    sentinels = objective.sentinel_ids(tokenizer)
    longest = min(SAMPLE_TOKENS, objective.lengths(model.settings).tokens)
    chosen = _long_enough(data, longest)
    for index in chosen:
        ids = data.heldout.document(index)[:longest]
        hidden = hide(objective.noise.lengths(len(ids)), [index])
        source, target = (part[0].tolist() for part in split(ids[None], hidden, sentinels))
        decode = DecodeSettings(temperature=0, max_new_tokens=2 * len(target))
        said, _ = write_gaps(model, source, tokenizer.end, sentinels, decode)
        pieces = [tokenizer.decode(run) for run in runs([sentinels[0], *source], sentinels)]
        pairs = zip(runs(said, sentinels), runs(target, sentinels), strict=False)
        told = [
            f"{_shown(data, guess)} (there stood: {_shown(data, true)})" for guess, true in pairs
        ]
        yield Sample(f" {GAP}".join(pieces), "; ".join(told), "greedy", continues=False)


def _long_enough(data: Data, tokens: int) -> list[int]:
    """The first documents that have so many tokens, or the longest of the first ones."""
    some = range(min(data.heldout.documents, 2000))
    sizes = np.array([len(data.heldout.document(i)) for i in some])
    best = np.argsort(-np.minimum(sizes, tokens), kind="stable")[:SAMPLES]
    return [int(i) for i in best if sizes[i] > 1]


def _shown(data: Data, ids: list[int]) -> str:
    return data.tokenizer.decode(ids).strip() or "nothing"


def _objective(recipe: Recipe) -> SpanCorruptionSettings:
    settings: Any = recipe.model
    found = objective_of(settings, recipe.train)
    assert isinstance(found, SpanCorruptionSettings)
    return found
