"""What the decoder of a Transformer looks at of the source, and remembers while it writes.

Shapes: B pairs, S source tokens, H heads, D numbers per head.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .layers import Cache


@dataclass
class Memory:
    """What the encoder made of sources."""

    held: list[tuple[Tensor, Tensor]]
    """Keys and values for each block of the decoder, (B, H, S, D) each."""
    mask: Tensor
    """(B, 1, 1, S), added to attention scores; hides the padding."""


class WritingCache:
    """What decoding remembers: the sources, and keys and values of what was written."""

    def __init__(self, memory: Memory, own: Cache):
        self.memory, self.own = memory, own
        self._source = torch.arange(len(memory.mask), device=memory.mask.device)
        """Which of the first sources each row writes for."""

    def pick(self, rows: Tensor) -> None:
        """Go on with these of its rows, (rows,) int64, in this order."""
        self.own.pick(rows)
        source = self._source[rows]
        if not torch.equal(source, self._source):  # the beams of one source share its keys
            held = [(k[rows], v[rows]) for k, v in self.memory.held]
            self.memory = Memory(held, self.memory.mask[rows])
        self._source = source


def padding_mask(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 1, 1, S) to add to attention scores: 0 where `seen`, far below all scores elsewhere."""
    # not -inf: a row without any token is then no row of nan
    hides = torch.zeros((), dtype=dtype, device=seen.device) + torch.finfo(dtype).min
    return torch.where(seen[:, None, None], torch.zeros_like(hides), hides)
