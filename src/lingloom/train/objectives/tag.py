"""Tagging: say what each word of a text is, by one of a set of labels.

A word that is several tokens is told by its first one (Devlin et al. 2019, BERT, section 5.3). What
labels cost is up to the model: each by itself, or all labels of a text together.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...models.model import LabelModel, ModelSettings
from ...tokens.batch import IGNORE, Passages
from ..settings import TrainSettings
from .labelled import LabelledSettings, known_labels


class TagSettings(LabelledSettings):
    """Tell what each word is."""

    labels_of: ClassVar = "word"
    kind: Literal["tag"] = "tag"

    def loss(
        self, model: LabelModel, rows: Passages, label_smoothing: float = 0.0
    ) -> tuple[Tensor, int]:
        assert rows.targets is not None
        scores = model.label_scores(model.hidden(rows), rows)  # (B, T, L)
        count = int((rows.targets != IGNORE).sum())
        with known_labels(rows.targets, model, "rows.targets", skipped=[IGNORE]):
            return model.tag_nats(scores, rows.targets, label_smoothing), count

    def pretended(
        self, model: ModelSettings, train: TrainSettings, rows: int, context: int
    ) -> Passages:
        chance = torch.Generator().manual_seed(0)
        vocab, labels = model.vocab, max(2, model.labels)  # type: ignore[attr-defined]
        return Passages(
            torch.randint(vocab, (rows, context), generator=chance),
            torch.ones(rows, context, dtype=torch.bool),
            targets=torch.randint(labels, (rows, context), generator=chance),
        )
