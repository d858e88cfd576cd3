"""What families share that can tell the labels of a text's words together: a chain above the scores
of their network, or none.

Source: Huang et al. 2015 (Bidirectional LSTM-CRF Models for Sequence Tagging), section 2.5; above
BERT: Souza et al. 2019 (Portuguese Named Entity Recognition using BERT-CRF).

Shapes: B texts, T tokens, L labels.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ..errors import RecipeError
from ..tokens.batch import IGNORE
from .linear_chain import LinearChain, allowed_in_bio, words_among
from .model import LabelModel

Constraint = Literal["none", "bio"]


def check_chain(chain: bool, constraint: Constraint) -> None:
    """Refuse a constraint that nothing goes by.

    Raises:
        ValueError: there is one, and no chain.
    """
    if constraint != "none" and not chain:
        raise ValueError(
            f"constraint {constraint} is about labels that follow each other; set "
            "chain=true, or leave constraint out"
        )


def check_names(labels: int, names: Sequence[str]) -> None:
    """Refuse names of some labels only.

    Raises:
        ValueError: there are more or fewer names than labels, and both are known.
    """
    if labels and names and len(names) != labels:
        raise ValueError(
            f"label_names: {len(names)} names of {labels} labels; name all, or leave label_names "
            "out"
        )


class ChainedModel(LabelModel):
    """Base of families whose settings have `chain`, `constraint`, `labels` and `label_names`."""

    chain: LinearChain | None
    """None: each word is told by itself."""

    def tag_nats(self, scores: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        if self.chain is None:
            return super().tag_nats(scores, targets, label_smoothing)
        words = words_among(targets != IGNORE)
        return self.chain.nats(words.of(scores), words.of(targets), words.there).sum()

    def tag_chances(self, scores: Tensor, words: Tensor) -> Tensor:
        if self.chain is None:
            return super().tag_chances(scores, words)
        packed = words_among(words)
        found = self.chain.chances(packed.of(scores), packed.there, self._allowed(scores.device))
        return packed.back(found)

    def best_tags(self, scores: Tensor, words: Tensor) -> Tensor:
        if self.chain is None:
            return super().best_tags(scores, words)
        packed = words_among(words)
        found = self.chain.best(packed.of(scores), packed.there, self._allowed(scores.device))
        return packed.back(found)

    def _allowed(self, device: torch.device) -> Tensor | None:
        settings = self.settings
        if settings.constraint == "none":
            return None
        if len(settings.label_names) != settings.labels:
            raise RecipeError(
                f"model.label_names: {len(settings.label_names)} names of {settings.labels} "
                "labels, and constraint bio goes by them; name all, or set constraint=none"
            )
        return allowed_in_bio(settings.label_names).to(device)
