"""An order of rows that differ in length: rows of like length are read together.

Each epoch shuffles all rows, takes them in pools of some batches, sorts each pool by length, cuts
it into batches and shuffles these. Everything follows from (seed, epoch), so there is no state to
save. The last batch of an epoch may hold fewer rows; each row is read once an epoch.
"""

from collections.abc import Iterator

import numpy as np

from .batch import Passages
from .order import draw, permute

POOL = 64
"""Batches that are sorted by length together."""


class ByLength:
    """Which rows each step reads.

    Args:
        sizes: (N,) places of each row; one row at least.
        batch: rows per step.
        seed: of the order.
    """

    def __init__(self, sizes: np.ndarray, batch: int, seed: int):
        self.sizes = sizes
        self.batch, self.seed = min(batch, len(sizes)), seed
        self._held: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def rows(self, chosen: np.ndarray) -> Passages:
        """These rows, by their indices."""
        raise NotImplementedError

    def document_id(self, row: int) -> str:
        """Name of the text that a row is from."""
        raise NotImplementedError

    @property
    def steps_per_epoch(self) -> float:
        return -(-len(self.sizes) // self.batch)

    def at(self, step: int) -> Passages:
        """The rows of `step`, counted from 0; epochs follow each other without a gap."""
        return self.rows(self.chosen(step))

    def document_ids(self, step: int) -> list[str]:
        """Names of the texts that the rows of `step` are from."""
        return [self.document_id(int(row)) for row in self.chosen(step)]

    def chosen(self, step: int) -> np.ndarray:
        """Indices of the rows of `step`, (B,) int64."""
        each = int(self.steps_per_epoch)
        epoch, place = divmod(step, each)
        key = draw(1 << 64, self.seed, epoch)
        if self._held[0] != epoch:
            self._held = (epoch, self._sorted_in_pools(key))
        batch = int(permute(np.array([place]), each, draw(1 << 64, key, 1))[0])
        return self._held[1][batch * self.batch : (batch + 1) * self.batch]

    def _sorted_in_pools(self, key: int) -> np.ndarray:
        count = len(self.sizes)
        order = permute(np.arange(count), count, key)
        pools = np.arange(count) // (POOL * self.batch)
        return order[np.lexsort((self.sizes[order], pools))]

    def each_once(self) -> Iterator[np.ndarray]:
        """Indices of all rows, some of like length at a time; whoever stops on the way has seen
        short and long ones."""
        return map(self.chosen, range(int(self.steps_per_epoch)))
