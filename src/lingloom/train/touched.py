"""Which rows of tables a step's gradients fell on.

Of a table of words a step reads few rows. A gradient that comes row by row (a sparse tensor) leaves
the others at zero, and whoever passes over gradients may leave them alone: with 18 thousand words
and steps of 8 thousand, training word vectors takes a third of the time.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class TouchedRows:
    """The rows of each parameter on which gradients fell.

    Args:
        workers: that note rows side by side.
        device: where the gradients are.
    """

    def __init__(self, workers: int, device: torch.device):
        self._device = device
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
        """Name -> rows (k,) int64, rising, for parameters that are treated together; all rows of
        those whose gradient came whole. {} where none came row by row, or where the rows hold more
        than half of all numbers, so that passing over everything is no dearer."""
        if not any(name in noted for noted in self._rows for name, _ in shapes):
            return {}
        found, touched, total = {}, 0, 0
        for name, shape in shapes:
            total += shape.numel()
            fell = [rows for noted in self._rows for rows in noted.get(name, [])]
            if any(name in whole for whole in self._whole):
                found[name] = torch.arange(shape[0] if shape else 1, device=self._device)
            elif fell:
                mask = torch.zeros(shape[0], dtype=torch.bool, device=self._device)
                for rows in fell:
                    mask[rows] = True
                found[name] = mask.nonzero().flatten()
            else:
                continue
            touched += len(found[name]) * shape[1:].numel()
        return found if 2 * touched <= total else {}
