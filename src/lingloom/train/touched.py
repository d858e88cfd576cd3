"""Which rows of tables a step's gradients fell on.

Of a table of words a step reads few rows. A gradient that comes row by row (a sparse tensor) leaves
the others at zero, and whoever passes over gradients may leave them alone: with 18 thousand words
and steps of 8 thousand, training word vectors takes a third of the time.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class TouchedRows:
    """The rows of each parameter on which gradients fell, as long as all came row by row.

    Args:
        workers: that note rows side by side.
    """

    def __init__(self, workers: int):
        self._rows: list[dict[str, list[Tensor]]] = [{} for _ in range(workers)]
        self._whole: list[set[str]] = [set() for _ in range(workers)]

    def note(self, worker: int, name: str, rows: Tensor | None) -> None:
        """A gradient of the parameter `name` fell on `rows` (k,) int64; None: on all of it."""
        if rows is None:
            self._whole[worker].add(name)
        else:
            self._rows[worker].setdefault(name, []).append(rows)

    def forget(self, worker: int) -> None:
        """Begin anew."""
        self._rows[worker].clear()
        self._whole[worker].clear()

    def of(self, shapes: Sequence[tuple[str, torch.Size]]) -> dict[str, Tensor]:
        """Name -> rows (k,) int64, rising, for parameters that are treated together; {} where a
        gradient fell on all of one, or none fell on any."""
        if any(name in whole for whole in self._whole for name, _ in shapes):
            return {}
        found = {}
        for name, shape in shapes:
            fell = [rows for noted in self._rows for rows in noted.get(name, [])]
            if fell:
                mask = torch.zeros(shape[0], dtype=torch.bool, device=fell[0].device)
                for rows in fell:
                    mask[rows] = True
                found[name] = mask.nonzero().flatten()
        return found
