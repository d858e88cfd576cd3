"""Causal language modelling: say what comes next, at every place of a text.

Source: Bengio et al. 2003 (A Neural Probabilistic Language Model), section 2, equation 1.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...models.model import ModelSettings, WritingModel
from ...tokens.batch import Batch
from ...tokens.batches import Batches
from ...tokens.evaluation import evaluation_batches
from ...tokens.reading import Reading
from ..settings import TrainSettings
from .cross_entropy import next_token
from .objective import ObjectiveSettings


class NextTokenSettings(ObjectiveSettings):
    """Predict each token from those before it."""

    packings: ClassVar[tuple[str, ...]] = ("stream", "documents", "carried")
    kind: Literal["next_token"] = "next_token"

    def loss(
        self, model: WritingModel, rows: Batch, label_smoothing: float = 0.0
    ) -> tuple[Tensor, int]:
        return next_token(model, rows, label_smoothing)

    def order(
        self, reading: Reading, model: ModelSettings, train: TrainSettings, seed: int
    ) -> Batches:
        context: int = model.context  # type: ignore[attr-defined]
        return Batches(reading.texts, context, train.batch, seed, train.packing)

    def heldout(self, reading: Reading, model: ModelSettings, batch: int) -> Iterator[Batch]:
        context: int = model.context  # type: ignore[attr-defined]
        end = reading.tokenizer.end
        for rows, _ in evaluation_batches(reading.texts, context, batch, end=end):
            yield rows

    def pretended(
        self, model: ModelSettings, train: TrainSettings, rows: int, context: int
    ) -> Batch:
        vocab: int = model.vocab  # type: ignore[attr-defined]
        ids = torch.randint(vocab, (rows, context + 1), generator=torch.Generator().manual_seed(0))
        segments = torch.zeros(rows, context, dtype=torch.int64)
        return Batch(
            ids[:, :-1], ids[:, 1:], segments=segments if train.packing == "documents" else None
        )
