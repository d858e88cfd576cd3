"""What encoder-decoders of attention share: what their decoder looks at of the source, what it
remembers while it writes, and how it writes on.

Shapes: B pairs, S source tokens, T target tokens, C width, H heads, D numbers per head.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..tokens.batch import PairBatch
from .layers import Cache, check_length, check_sources
from .model import PairModel


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


class EncoderDecoder(PairModel):
    """Two stacks of blocks, of which the second looks at what the first made."""

    embed: nn.Embedding
    head: nn.Linear | None
    """None: the output uses the embedding's weights."""

    def hidden(self, batch: PairBatch) -> Tensor:
        check_length(batch.ids.shape[1], self.settings.context)
        return self.written(batch.ids, self.encode(batch.source, batch.source_seen), None)

    def written(self, ids: Tensor, memory: Memory, cache: Cache | None) -> Tensor:
        """What the decoder makes of `ids` (B, T) behind those in `cache`, (B, T, C)."""
        raise NotImplementedError

    def output_weight(self) -> Tensor:
        return self.embed.weight if self.head is None else self.head.weight

    def new_cache(self, memory: Any, batch: int, length: int) -> WritingCache:
        check_length(length, self.settings.context)
        check_sources(batch, len(memory.mask))
        keys, _ = memory.held[0]
        own = Cache(len(memory.held), batch, keys.shape[1], length, keys.shape[3], keys)
        return WritingCache(memory, own)

    @torch.no_grad()
    def step(self, ids: Tensor, cache: WritingCache) -> Tensor:
        T, own = ids.shape[1], cache.own
        check_length(own.used + T, self.settings.context)
        own.check(ids)
        x = self.written(ids, cache.memory, own)
        own.advance(T)
        return F.linear(x[:, -1], self.output_weight()).float()


def padding_mask(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 1, 1, S) to add to attention scores: 0 where `seen`, far below all scores elsewhere."""
    # not -inf: a row without any token is then no row of nan
    hides = torch.zeros((), dtype=dtype, device=seen.device) + torch.finfo(dtype).min
    return torch.where(seen[:, None, None], torch.zeros_like(hides), hides)
