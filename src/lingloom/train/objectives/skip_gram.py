"""Skip-gram: from each word, foretell the words around it.

Source: Mikolov et al. 2013b (Distributed Representations of Words and Phrases), equations 1 and 4
(negative sampling), 3 (hierarchical softmax).

Shapes: B stretches, T places each, C width, L steps of a path, W window, N blocks of S places.
"""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from ...models.word2vec import Word2Vec
from ...tokens.batch import WordRows
from .around import around_cost
from .near_words import NearWordsSettings
from .paths import path_cost


class SkipGramSettings(NearWordsSettings):
    """From each word, foretell the words around it."""

    kind: Literal["skip_gram"] = "skip_gram"

    def loss(
        self, model: Word2Vec, rows: WordRows, label_smoothing: float = 0.0
    ) -> tuple[Tensor, int]:
        """(summed loss in nats, pairs of a word and one around it)."""
        if self.softmax == "hierarchical":
            looked_at = seen_from(rows, self.window)
            cost = path_cost(model, model.hidden(rows), rows, looked_at)
            return cost, int(looked_at.sum())
        return around_cost(model, rows, self.window, self.negatives)


def seen_from(rows: WordRows, window: int) -> Tensor:
    """Whether the place t + q - W looks as far as t, (B, T, 2 W + 1) bool."""
    sides = (window, window)
    places = F.pad(rows.place, sides, value=-(1 << 40)).unfold(1, 2 * window + 1, 1)
    reach = F.pad(rows.reach, sides).unfold(1, 2 * window + 1, 1)
    distance = (rows.place[..., None] - places).abs()
    return (distance > 0) & (distance <= reach)
