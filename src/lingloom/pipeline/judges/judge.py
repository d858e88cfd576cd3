"""What a trained run is worth; each objective has its judge, one file beside this one."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Protocol

import torch

from ...errors import DataError
from ...models.model import NeuralModel
from ...recipe import Recipe
from ...runs import RunFolder
from ...train.objectives.objective import objective_of
from ..estimate import EVALUATION_TOKENS
from ..events import Event
from ..prepare import Data

Evaluate = Callable[[Any], dict[str, float]]

JUDGES = {
    "cbow": "word_vectors",
    "co_occurrence": "word_vectors",
    "masked_token": "masked",
    "classify": "told",
    "next_token": "language",
    "tag": "told",
    "pairs": "pairs",
    "span": "answers",
    "skip_gram": "word_vectors",
    "span_corruption": "span_corruption",
}
"""Objective -> the module beside this one that judges what was learnt."""


class Judge(Protocol):
    """What such a module offers."""

    def heldout_loss(self, data: Data, model: Any, recipe: Recipe) -> Evaluate:
        """A function from a model to its `loss` on the same rows of `data.watched` each time, in
        nats per target, and whatever else is worth a curve."""

    def finish(self, run: RunFolder, recipe: Recipe, data: Data) -> Iterator[Event]:
        """Measure the run's model on all that is held out, and show what it does: writes
        scores.json and samples.json, from which the report is made."""


def pinned(recipe: Recipe) -> dict[str, Any]:
    """What fixes every score on the held-out part of a run."""
    patience = recipe.train.regularise.patience
    chosen = {"weights": "chosen by other texts (split validation)"} if patience else {}
    return {"split": "heldout", **chosen}


def judge_of(recipe: Recipe) -> Judge:
    """The judge of what `recipe` teaches."""
    settings: Any = recipe.model
    kind: str = objective_of(settings, recipe.train).kind  # type: ignore[attr-defined]
    found: Any = import_module(f"{__package__}.{JUDGES[kind]}")
    judge: Judge = found
    return judge


def objective_loss(data: Data, recipe: Recipe, *, least_rows: int = 0) -> Evaluate:
    """`Judge.heldout_loss` for any objective: the mean of its own loss, without smoothing.

    It is taken over EVALUATION_TOKENS and `least_rows` at least, where there is so much.
    """
    settings: Any = recipe.model
    objective = objective_of(settings, recipe.train)
    batches, tokens, count = [], 0, 0
    reading = data.reading(data.watched)
    for rows in objective.heldout(reading, settings, recipe.measure.batch):
        batches.append(rows)
        tokens, count = tokens + rows.tokens, count + len(rows.ids)
        if tokens >= EVALUATION_TOKENS and count >= least_rows:
            break

    @torch.no_grad()
    def evaluate(model: NeuralModel) -> dict[str, float]:
        device = next(model.parameters()).device
        found = [objective.loss(model, rows.to(device)) for rows in batches]
        targets = sum(count for _, count in found)
        if not targets:
            kind: str = objective.kind  # type: ignore[attr-defined]
            raise DataError(
                f"{reading.texts.path}: {reading.texts.documents} held-out texts hold nothing that "
                f"objective {kind} could be judged by; hold out more text (text.heldout_frac)"
            )
        return {"loss": sum(float(loss) for loss, _ in found) / targets}

    return evaluate
