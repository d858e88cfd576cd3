"""Write one text after reading another: a translation, a summary, an answer.

Every token of the target is foretold from the source and the tokens before it.

Source: Sutskever et al. 2014 (Sequence to Sequence Learning with Neural Networks), section 2,
equation 1.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...models.model import ModelSettings, PairModel
from ...tokens.batch import PairBatch
from ...tokens.pairs import Pairs, Unfit, fitting, ordered_batches
from ...tokens.reading import Reading
from ..settings import TrainSettings
from .cross_entropy import next_token
from .objective import ObjectiveSettings


class PairsSettings(ObjectiveSettings):
    """Write the target of each text (text.target_field)."""

    learns_targets: ClassVar[bool] = True
    fills: ClassVar[bool] = False
    kind: Literal["pairs"] = "pairs"
    unfit: Unfit = "refuse"
    """What becomes of a pair that is empty on one side, or longer than model.context on either.
    leave_out: it is neither learnt nor scored, and counted."""

    def loss(
        self, model: PairModel, rows: PairBatch, label_smoothing: float = 0.0
    ) -> tuple[Tensor, int]:
        return next_token(model, rows, label_smoothing)

    def order(
        self, reading: Reading, model: ModelSettings, train: TrainSettings, seed: int
    ) -> Pairs:
        context: int = model.context  # type: ignore[attr-defined]
        return Pairs(reading, context, train.batch, seed, self.unfit)

    def heldout(self, reading: Reading, model: ModelSettings, batch: int) -> Iterator[PairBatch]:
        context: int = model.context  # type: ignore[attr-defined]
        found = fitting(reading, context, self.unfit)
        return (rows for rows, _ in ordered_batches(reading, found, batch))

    def pretended(
        self, model: ModelSettings, train: TrainSettings, rows: int, context: int
    ) -> PairBatch:
        vocab: int = model.vocab  # type: ignore[attr-defined]
        chance = torch.Generator().manual_seed(0)
        source = torch.randint(vocab, (rows, context), generator=chance)
        ids = torch.randint(vocab, (rows, context + 1), generator=chance)
        seen = torch.ones(rows, context, dtype=torch.bool)
        return PairBatch(ids[:, :-1], ids[:, 1:], source, seen)
