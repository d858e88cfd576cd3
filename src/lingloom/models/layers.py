"""What the transformer families share unchanged: linear layers, the mask, the decoding cache.

Shapes: B sequences, T tokens each, H heads, D numbers per head, C width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ShapeError
from .dropout import dropout


def check_length(tokens: int, context: int) -> None:
    """Refuse what the model cannot read in one go; nothing is ever cut silently.

    Raises:
        ShapeError: `tokens` is more than `context`.
    """
    if tokens > context:
        raise ShapeError(
            f"{tokens} tokens do not fit model.context {context}; "
            f"shorten the text or train with a larger model.context"
        )


def check_sources(targets: int, sources: int) -> None:
    """Refuse to write more or fewer targets than there are sources to write them for.

    Raises:
        ShapeError: the two numbers differ.
    """
    if targets != sources:
        raise ShapeError(
            f"{targets} targets cannot be written for {sources} sources; "
            f"call new_cache(memory, batch={sources}, ...)"
        )


class Linear(nn.Linear):
    """A linear layer whose single weights can be dropped while training (DropConnect).

    Kept weights are scaled by 1/(1-p), so that the trained weights are used as they are afterwards;
    the mean stands in for the paper's sampled inference.

    Source: Wan et al. 2013 (Regularization of Neural Networks using DropConnect), section 3.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool, dropconnect: float):
        super().__init__(inputs, outputs, bias=bias)
        self.dropconnect = dropconnect

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        if self.dropconnect and self.training:
            weight = dropout(weight, self.dropconnect)
        return F.linear(x, weight, self.bias)


def segment_mask(segments: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 1, T, T) to add to attention scores: 0 inside a segment's past, -inf elsewhere.

    Args:
        segments: (B, T) int64; see `Batch.segments`.
        dtype: of the queries; a boolean mask would be converted anew in every layer.
    """
    T = segments.shape[1]
    same = segments[:, None, :, None] == segments[:, None, None, :]
    past = torch.ones(T, T, dtype=torch.bool, device=segments.device).tril()
    blocked = torch.zeros((), dtype=dtype, device=segments.device) - torch.inf
    return torch.where(same & past, torch.zeros_like(blocked), blocked)


class Cache:
    """Keys and values of the tokens read so far, in room that is allocated once.

    Args:
        layers: blocks of the model.
        batch: sequences decoded together.
        heads: key-value heads.
        length: tokens that each sequence may reach.
        head_width: numbers per head.
        like: a weight; gives precision and device.
    """

    def __init__(
        self, layers: int, batch: int, heads: int, length: int, head_width: int, like: Tensor
    ):
        shape = (layers, batch, heads, length, head_width)
        self.keys = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self.values = torch.zeros_like(self.keys)
        self.used = 0
        """Tokens held so far."""

    def check(self, ids: Tensor) -> None:
        """Refuse ids (B, T) for which there is no room.

        Raises:
            ShapeError: too many tokens, or another number of sequences.
        """
        batch, length = self.keys.shape[1], self.keys.shape[3]
        if ids.shape[0] != batch:
            raise ShapeError(
                f"{ids.shape[0]} sequences do not fit a cache made for {batch}; "
                f"call new_cache(batch={ids.shape[0]}, ...)"
            )
        if (tokens := self.used + ids.shape[1]) > length:
            raise ShapeError(
                f"{tokens} tokens do not fit a cache made for {length}; "
                f"call new_cache(..., length={tokens})"
            )

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, H, T, D) each behind what `layer` holds; everything it holds then.

        `used` moves on only when all layers have read the tokens: see `Cache.advance`.
        """
        end = self.used + keys.shape[2]
        self.keys[layer, :, :, self.used : end] = keys
        self.values[layer, :, :, self.used : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def mask(self, tokens: int) -> Tensor | None:
        """(T, used + T) to add to attention scores, or None where plain causal attention is right.

        One new token sees everything; with nothing held, `is_causal` needs no mask.
        """
        if tokens == 1 or self.used == 0:
            return None
        seen = torch.ones(tokens, self.used + tokens, device=self.keys.device, dtype=torch.bool)
        blocked = torch.full((), -torch.inf, dtype=self.keys.dtype, device=self.keys.device)
        return torch.where(seen.tril(self.used), torch.zeros_like(blocked), blocked)

    def pick(self, rows: Tensor) -> None:
        """Go on with these of its sequences, (rows,) int64, in this order; one may come several
        times."""
        keys, values = (held[:, rows, :, : self.used] for held in (self.keys, self.values))
        if len(rows) != self.keys.shape[1]:
            shape = (self.keys.shape[0], len(rows), *self.keys.shape[2:])
            self.keys, self.values = (held.new_zeros(shape) for held in (self.keys, self.values))
        self.keys[..., : self.used, :] = keys
        self.values[..., : self.used, :] = values

    def advance(self, tokens: int) -> None:
        """All layers have stored the next `tokens`."""
        self.used += tokens
