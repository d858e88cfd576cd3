"""Say what stands in the gaps of a text: how T5 learns from running text.

Source: Raffel et al. 2020 (T5), sections 3.1.4 and 3.3.3 to 3.3.5; `tokens/spans.py` has the rule.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from ...errors import RecipeError
from ...models.model import ModelSettings, WritingModel
from ...tokens.batch import PairBatch
from ...tokens.reading import Reading
from ...tokens.spans import SENTINEL, Lengths, Noise, SpanOrder, heldout_spans
from ...tokens.tokenizer import Tokenizer
from ..settings import TrainSettings
from .cross_entropy import next_token
from .objective import ObjectiveSettings


class SpanCorruptionSettings(ObjectiveSettings):
    """Predict runs of tokens that were left out of a text."""

    kind: Literal["span_corruption"] = "span_corruption"
    noise_frac: float = Field(default=0.15, gt=0, lt=1)
    """Share of a text's tokens that are left out."""
    mean_span: float = Field(default=3.0, ge=1)
    """Tokens of a run that is left out, on average."""
    sentinels: PositiveInt = Field(default=100, le=10_000)
    """Tokens that stand for gaps, added behind the tokenizer's own; a row needs one per gap."""

    def extra_tokens(self) -> tuple[str, ...]:
        return tuple(SENTINEL.format(i) for i in range(self.sentinels))

    def loss(
        self, model: WritingModel, rows: PairBatch, label_smoothing: float = 0.0
    ) -> tuple[Tensor, int]:
        return next_token(model, rows, label_smoothing)

    def order(
        self, reading: Reading, model: ModelSettings, train: TrainSettings, seed: int
    ) -> SpanOrder:
        lengths, sentinels = self.lengths(model), self.sentinel_ids(reading.tokenizer)
        return SpanOrder(reading.texts, lengths, train.batch, seed, sentinels=sentinels)

    def heldout(self, reading: Reading, model: ModelSettings, batch: int) -> Iterator[PairBatch]:
        places, sentinels = self.lengths(model).source, self.sentinel_ids(reading.tokenizer)
        return heldout_spans(reading, self.noise, places, batch, sentinels=sentinels)

    def pretended(
        self, model: ModelSettings, train: TrainSettings, rows: int, context: int
    ) -> PairBatch:
        lengths = self.noise.filling(max(3, context))
        draws = torch.Generator().manual_seed(0)
        vocab: int = model.vocab  # type: ignore[attr-defined]
        ids = torch.randint(vocab, (rows, lengths.target + 1), generator=draws)
        source = torch.randint(vocab, (rows, lengths.source), generator=draws)
        seen = torch.ones(rows, lengths.source, dtype=torch.bool)
        return PairBatch(ids[:, :-1], ids[:, 1:], source, seen)

    def lengths(self, model: ModelSettings) -> Lengths:
        """How the rows of `model` are shared out.

        Raises:
            RecipeError: there are too few sentinels for them, or no room for a gap.
        """
        context: int = model.context  # type: ignore[attr-defined]
        if context < 3:
            raise RecipeError(
                f"model.context: {context} has no room for a token, a gap and END; set it to 3 or "
                "more"
            )
        found = self.noise.filling(context)
        if found.spans > self.sentinels:
            raise RecipeError(
                f"train.objective.sentinels: {self.sentinels} are too few for rows of "
                f"model.context {context}, which have {found.spans} gaps; "
                f"set train.objective.sentinels={found.spans} or lower model.context"
            )
        return found

    def sentinel_ids(self, tokenizer: Tokenizer) -> list[int]:
        """Ids of the sentinels, in their order."""
        found = [tokenizer.id_of(name) for name in self.extra_tokens()]
        return [i for i in found if i is not None]

    @property
    def noise(self) -> Noise:
        """How much of a text is hidden."""
        return Noise(self.noise_frac, self.mean_span)
