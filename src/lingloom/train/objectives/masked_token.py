"""Say which tokens were hidden in a text, and whether one text follows another.

Source: Devlin et al. 2019 (BERT), section 3.1; without next sentences, over full stretches and with
masks that change, as Liu et al. 2019 (RoBERTa), sections 4.1 and 4.2, recommend.

Shapes: B rows, T places, C width, M hidden places of a row.
"""

from collections.abc import Iterator
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from ...models.bert import Bert
from ...models.model import ModelSettings
from ...text.segment import Way
from ...tokens.batch import IGNORE
from ...tokens.masked import Hider, Masked, MaskedOrder, Shares
from ...tokens.reading import Reading
from ...tokens.stretches import SentencePairs, Stretches
from ...tokens.tokenizer import MASK
from ...tokens.whole_words import Words
from ..settings import TrainSettings
from .cross_entropy import cross_entropy
from .objective import ObjectiveSettings


class MaskedTokenSettings(ObjectiveSettings):
    """Predict hidden tokens from both sides; where model.head=next_sentence, also whether the
    second text of a row follows the first, as it does in half of them."""

    kind: Literal["masked_token"] = "masked_token"
    hidden_frac: float = Field(default=0.15, gt=0, lt=1)
    """Share of a row's tokens that are hidden; one at least."""
    mask_frac: float = Field(default=0.8, ge=0, le=1)
    """Share of these that the mask replaces."""
    random_frac: float = Field(default=0.1, ge=0, le=1)
    """Share of these that a random token replaces; the rest are shown as they are."""
    static: bool = False
    """Hide the same tokens in every epoch (BERT), rather than others each time (RoBERTa)."""
    whole_words: bool = False
    """Hide words all or none: runs of letters or of digits, and Chinese words."""
    segment: Way = "jieba"
    """What cuts Chinese into words, as tokens.segment of kind words; with whole_words only."""
    segment_file: str = ""
    """The dictionary of forward, backward and bidirectional (empty: jieba's), or the saved tagger;
    with whole_words only."""

    @model_validator(mode="after")
    def _all_options_have_an_effect(self) -> Self:
        if self.mask_frac + self.random_frac > 1:
            raise ValueError(
                f"mask_frac {self.mask_frac:g} and random_frac {self.random_frac:g} are together "
                "more than all hidden tokens; lower one of them"
            )
        if not self.whole_words and (self.segment != "jieba" or self.segment_file):
            raise ValueError(
                "segment and segment_file have no effect without whole_words; set "
                "whole_words=true or leave them out"
            )
        return self

    @property
    def varies(self) -> bool:
        return True  # rows that hide whole words hide now more, now fewer tokens

    @property
    def shares(self) -> Shares:
        return Shares(self.hidden_frac, self.mask_frac, self.random_frac)

    def extra_tokens(self) -> tuple[str, ...]:
        return (MASK,)

    def loss(self, model: Bert, rows: Masked, label_smoothing: float = 0.0) -> tuple[Tensor, int]:
        """Summed cost of the hidden tokens in nats, and their number. What the second texts cost is
        added with a weight that makes both means count alike in full rows."""
        hidden = model.hidden(rows)
        nats, count = masked_nats(model, hidden, rows, label_smoothing)
        if rows.labels is not None:
            scores = model.next_sentence_logits(hidden)
            weight = self.shares.hidden_of(model.settings.context - 3)
            nats = nats + weight * F.cross_entropy(scores, rows.labels, reduction="sum")
        return nats, count

    def order(
        self, reading: Reading, model: ModelSettings, train: TrainSettings, seed: int
    ) -> MaskedOrder:
        return self._rows(reading, model, train.batch, seed, whole=False)

    def heldout(self, reading: Reading, model: ModelSettings, batch: int) -> Iterator[Masked]:
        return self._rows(reading, model, batch, 0, whole=True).in_order()

    def _rows(
        self, reading: Reading, model: ModelSettings, batch: int, seed: int, *, whole: bool
    ) -> MaskedOrder:
        texts, tokenizer = reading.texts, reading.tokenizer
        context: int = model.context  # type: ignore[attr-defined]
        words = Words(tokenizer, self.segment, self.segment_file) if self.whole_words else None
        return MaskedOrder(
            SentencePairs(texts, tokenizer, context)
            if _pairs(model)
            else Stretches(texts, tokenizer, context, whole=whole),
            Hider(tokenizer, self.shares, words),
            batch,
            seed,
            static=self.static,
            pad=tokenizer.end,
        )

    def pretended(
        self, model: ModelSettings, train: TrainSettings, rows: int, context: int
    ) -> Masked:
        chance = torch.Generator().manual_seed(0)
        vocab: int = model.vocab  # type: ignore[attr-defined]
        ids = torch.randint(vocab, (rows, context), generator=chance)
        most = self.shares.hidden_of(max(1, context - 2))
        pairs = _pairs(model)
        return Masked(
            ids,
            torch.ones(rows, context, dtype=torch.bool),
            torch.zeros_like(ids) if pairs else None,
            ids[:, :most],
            torch.zeros(rows, dtype=torch.int64) if pairs else None,
            places=torch.arange(most).expand(rows, -1).contiguous(),
        )


def masked_nats(
    model: Bert, hidden: Tensor, rows: Masked, label_smoothing: float = 0.0
) -> tuple[Tensor, int]:
    """Summed cross-entropy of the hidden tokens in nats, and their number; no other place is
    multiplied with the vocabulary.

    Args:
        model: with a head for hidden tokens.
        hidden: of `rows`, (B, T, C).
        rows: what was read.
        label_smoothing: as in `next_token`.
    """
    picked, targets = hidden_places(hidden, rows)
    features = model.masked_features(picked)
    weight, bias = model.output_weight(), model.output_bias()
    return cross_entropy(features, weight, targets, label_smoothing, bias), len(targets)


def hidden_places(hidden: Tensor, rows: Masked) -> tuple[Tensor, Tensor]:
    """What stands at the hidden places of all rows, (N, C), and what should, (N,)."""
    assert rows.targets is not None
    picked = hidden.gather(1, rows.places[..., None].expand(-1, -1, hidden.shape[2])).flatten(0, 1)
    targets = rows.targets.flatten()
    scored = targets != IGNORE
    if int(scored.sum()) < len(targets):
        picked, targets = picked[scored], targets[scored]
    return picked, targets


def _pairs(model: ModelSettings) -> bool:
    return bool(getattr(model, "head", "") == "next_sentence")
