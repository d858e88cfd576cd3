"""Weighted least squares: products of vectors that equal the logarithms of co-occurrence counts.

Source: Pennington et al. 2014 (GloVe), equations 8 and 9.

Shapes: B pairs of words, N pairs that are there.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from ...models.glove import GloVe
from ...models.model import ModelSettings
from ...tokens.batch import WordPairs
from ...tokens.cooccurrence import PAIR, counted_pairs
from ...tokens.order import draw, permute
from ...tokens.reading import Reading
from ...tokens.shards import Shards
from ..settings import TrainSettings
from .objective import ObjectiveSettings, Preparation

PAIRS, PAIRS_POWER = (87.0, 0.5, 2.0), 0.776
"""Pairs of words within 10 of each other, in both orders, in a text of n tokens: about 87 n^0.776,
from half to twice as many; through 6.6 million at 1.9 million tokens, 18.7 at 7.2."""
COUNT_S = 4e-7
"""Seconds for each token and distance."""
RUNS = 1.7
"""Sorted runs take this many times the room of the pairs that come of them."""
HELD = 512
"""Held-out pairs at once at least: a row is two words."""


class CoOccurrenceSettings(ObjectiveSettings):
    """Foretell the logarithm of how often two words stand near each other."""

    smooths: ClassVar[bool] = False
    unit: ClassVar[str] = "weighted squared error/pair"
    kind: Literal["co_occurrence"] = "co_occurrence"
    window: PositiveInt = Field(default=10, le=20)
    """Greatest distance at which two words count, one part in their distance."""
    count_max: PositiveFloat = 100.0
    """From this count on a pair weighs 1."""
    power: float = Field(default=0.75, ge=0, le=4)
    """Below it a pair weighs (count / count_max)^power."""
    memory_mb: PositiveInt = 200
    """Megabytes for counting; of more counts sorted runs are written to disk and merged."""

    def loss(
        self, model: GloVe, rows: WordPairs, label_smoothing: float = 0.0
    ) -> tuple[Tensor, int]:
        """(sum of weighted squared errors, pairs)."""
        weight = (rows.counts / self.count_max).clamp(max=1).pow(self.power)
        error = model.hidden(rows).float() - rows.counts.log()
        return (weight * error.square()).sum(), len(rows.ids)

    def order(
        self, reading: Reading, model: ModelSettings, train: TrainSettings, seed: int
    ) -> "Pairs":
        return Pairs(self._counted(reading), train.batch, seed)

    def heldout(self, reading: Reading, model: ModelSettings, batch: int) -> Iterator[WordPairs]:
        """The counts of the held-out text, scaled up to the size of the training text."""
        pairs, batch = self._counted(reading), max(batch, HELD)
        # counted pairs come in the order of words, the frequent first: any part must be like all
        pairs = pairs[permute(np.arange(len(pairs)), len(pairs), 0)]
        train = Shards.open(reading.texts.path.parent, "train")
        scale = train.tokens / reading.texts.tokens
        for start in range(0, len(pairs), batch):
            yield _rows(pairs[start : start + batch], scale)

    def _counted(self, reading: Reading) -> np.ndarray:
        memory_bytes = self.memory_mb * 1_000_000
        return counted_pairs(reading.texts, reading.tokenizer, self.window, memory_bytes)

    def preparation(self, tokens: float) -> Preparation:
        """Counting; how many pairs there are follows the size of the text as it did where it was
        measured, and only as well as other texts are like that."""
        usual, low, high = PAIRS
        pairs = usual * tokens**PAIRS_POWER * (self.window / 10) ** 0.7
        looked_at = tokens * self.window
        seconds_s, budget_bytes = COUNT_S * looked_at, self.memory_mb * 1e6
        held_bytes = min(budget_bytes, 16 * 8 * looked_at)
        kept_bytes = pairs * PAIR.itemsize
        runs_bytes = RUNS * kept_bytes if 8 * 8 * pairs > budget_bytes else 0.0
        return Preparation(
            "counting of pairs",
            seconds_s=(seconds_s, 0.5 * seconds_s, 6 * seconds_s),
            memory_bytes=(held_bytes, 0.3 * held_bytes, 1.3 * held_bytes),
            lasting_bytes=(kept_bytes, low * kept_bytes, high * kept_bytes),
            disk_bytes=(
                kept_bytes + runs_bytes,
                low * kept_bytes,
                high * (kept_bytes + runs_bytes),
            ),
        )

    def pretended(
        self, model: ModelSettings, train: TrainSettings, rows: int, context: int
    ) -> WordPairs:
        vocab: int = model.vocab  # type: ignore[attr-defined]
        ids = torch.randint(vocab, (rows, 2), generator=torch.Generator().manual_seed(0))
        return WordPairs(ids, torch.ones(rows))


class Pairs:
    """The pairs of each step: all of them once in an epoch, in a shuffled order.

    Args:
        pairs: (N,) as `counted_pairs` gives them.
        batch: pairs per step.
        seed: of the order.
    """

    def __init__(self, pairs: np.ndarray, batch: int, seed: int):
        self.pairs, self.batch, self.seed = pairs, batch, seed

    @property
    def steps_per_epoch(self) -> float:
        return len(self.pairs) / self.batch

    def at(self, step: int) -> WordPairs:
        """The rows of `step`, counted from 0; epochs follow each other without a gap."""
        rows = step * self.batch + np.arange(self.batch)
        epochs, within = np.divmod(rows, len(self.pairs))
        chosen = np.empty(self.batch, dtype=np.int64)
        for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
            here = epochs == epoch
            chosen[here] = permute(within[here], len(self.pairs), draw(1 << 64, self.seed, epoch))
        return _rows(self.pairs[chosen])

    def document_ids(self, step: int) -> list[str]:
        """None: a count is of the whole text."""
        return []


def _rows(pairs: np.ndarray, scale: float = 1.0) -> WordPairs:
    ids = np.stack([pairs["word"], pairs["other"]], axis=1).astype(np.int64)
    counts = (pairs["count"] * np.float32(scale)).astype(np.float32)
    return WordPairs(torch.from_numpy(ids), torch.from_numpy(counts))
