"""Classification: say what a text is, by one of a set of labels.

Source: Bridle 1990 (Probabilistic Interpretation of Feedforward Classification Network Outputs),
section 3.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ...models.model import LabelModel, ModelSettings
from ...tokens.batch import Passages
from ..settings import TrainSettings
from .labelled import LabelledSettings, known_labels

_NOTHING = torch.iinfo(torch.int64).min
"""What torch is to leave out: every text has a label, and -100, its own choice, is none."""


class ClassifySettings(LabelledSettings):
    """Tell what each text is, or each pair of texts (text.second_field)."""

    labels_of: ClassVar = "text"
    seconds: ClassVar = "may"
    kind: Literal["classify"] = "classify"

    def loss(
        self, model: LabelModel, rows: Passages, label_smoothing: float = 0.0
    ) -> tuple[Tensor, int]:
        assert rows.labels is not None
        scores = model.label_scores(model.hidden(rows), rows)  # (B, L)
        with known_labels(rows.labels, model, "rows.labels"):
            nats = F.cross_entropy(
                scores,
                rows.labels,
                ignore_index=_NOTHING,
                reduction="sum",
                label_smoothing=label_smoothing,
            )
        return nats, len(rows.labels)

    def pretended(
        self, model: ModelSettings, train: TrainSettings, rows: int, context: int
    ) -> Passages:
        chance = torch.Generator().manual_seed(0)
        vocab, labels = model.vocab, max(2, model.labels)  # type: ignore[attr-defined]
        return Passages(
            torch.randint(vocab, (rows, context), generator=chance),
            torch.ones(rows, context, dtype=torch.bool),
            labels=torch.randint(labels, (rows,), generator=chance),
        )
