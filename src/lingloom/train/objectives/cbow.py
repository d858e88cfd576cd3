"""Continuous bag of words: from the mean of the words around a place, foretell the word there.

Source: Mikolov et al. 2013a (Efficient Estimation of Word Representations in Vector Space), section
3.1; negative sampling and hierarchical softmax as in Mikolov et al. 2013b, equations 4 and 3.

Shapes: B stretches, T places each, C width, N blocks of S places, W window.
"""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from ...models.word2vec import Word2Vec
from ...tokens.batch import WordRows
from .near_words import NearWordsSettings, blocks, foretold, near, told_from_chance
from .paths import path_cost


class CBOWSettings(NearWordsSettings):
    """From the mean of the words around a place, foretell the word there."""

    kind: Literal["cbow"] = "cbow"

    def loss(
        self, model: Word2Vec, rows: WordRows, label_smoothing: float = 0.0
    ) -> tuple[Tensor, int]:
        """(summed loss in nats, places with a word around them)."""
        there = near(rows, self.window)  # (B, N, S, S + 2 W)
        _, around = blocks(model.hidden(rows), self.window)  # (B, N, S + 2 W, C)
        share = there.to(around.dtype) / there.sum(dim=3, keepdim=True).clamp(min=1)
        mean = (share @ around).flatten(1, 2)[:, : rows.ids.shape[1]]  # (B, T, C)
        known = there.any(dim=3).flatten(1)[:, : rows.ids.shape[1]]
        count = int(known.sum())
        if self.softmax == "hierarchical":
            return path_cost(model, mean, rows, known[..., None]), count
        output, drawn = foretold(model, rows)
        scores = (mean * output).sum(dim=2)  # (B, T)
        met = (F.softplus(-scores) * known).sum()
        weight = known * (self.negatives / self.shared)
        return met + told_from_chance(mean, drawn, weight), count
