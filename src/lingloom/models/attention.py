"""Causal attention: torch's own, and in blocks of queries for bf16 on CPUs.

A block of queries sees only the keys up to its own end, so the upper half of the square of scores
is hardly computed, and everything heavy is a batched matrix product, which oneDNN gives to the
CPU's bf16 units. Torch's fused kernel does not use them without AMX: measured forward and backward,
the blocks take a quarter of its time at T = 256, a third at T = 512. In float32 the two are equal.

Shapes: B sequences, T tokens, H heads, D numbers per head.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 128
"""Queries at once: 64 and 256 measured slower."""
KEEP = 1024
"""Longest sequence whose probabilities are kept for the backward pass; beyond it their memory,
B*H*T*T/2 numbers a layer, is saved by computing them again."""


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the past, (B, H, T, D).

    Args:
        q: (B, H, T, D).
        k: (B, H, S, D), or with fewer heads, each shared by as many queries as it takes; the
            queries are the last T of the S places.
        v: as `k`.
        mask: added to the scores, (B, 1, T, S) or (T, S), -inf where a place must not be seen; it
            must hide the future. None: T = S and all of the past is seen, or T = 1 sees everything.
        dropout: share of the probabilities dropped.

    Source: Vaswani et al. 2017, section 3.2.1.
    """
    whole = q.shape[2] == k.shape[2]
    if q.dtype == torch.bfloat16 and q.device.type == "cpu" and whole and not dropout:
        shared = q.shape[1] // k.shape[1]
        if shared > 1:
            k, v = k.repeat_interleave(shared, 1), v.repeat_interleave(shared, 1)
        out: Tensor = _BlockAttention.apply(q, k, v, mask)
        return out
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(
        q, k, v, mask, dropout, is_causal=mask is None and whole, enable_gqa=grouped
    )


class _BlockAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        shape = q.shape
        q = q.clone(memory_format=torch.contiguous_format).mul_(shape[-1] ** -0.5)
        q, k, v = _heads(q), _heads(k), _heads(v)  # each (B * H, T, D)
        out, kept = torch.empty_like(q), []
        for start, stop in _blocks(shape[2]):
            p = _probabilities(q, k, mask, shape, start, stop)
            torch.bmm(p, v[:, :stop], out=out[:, start:stop])
            kept.append(p)
        ctx.shape, ctx.mask = shape, mask
        ctx.save_for_backward(q, k, v, *(kept if shape[2] <= KEEP else ()))
        return out.view(shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        shape = ctx.shape
        d_out = _heads(grads[0])
        d_q, d_k, d_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for i, (start, stop) in enumerate(_blocks(shape[2])):
            p = kept[i] if kept else _probabilities(q, k, ctx.mask, shape, start, stop)
            d = d_out[:, start:stop]
            d_v[:, :stop] += torch.bmm(p.transpose(1, 2), d)
            d_p = torch.bmm(d, v[:, :stop].transpose(1, 2))
            d_s = torch._softmax_backward_data(d_p, p, -1, p.dtype)
            torch.bmm(d_s, k[:, :stop], out=d_q[:, start:stop])
            d_k[:, :stop] += torch.bmm(d_s.transpose(1, 2), q[:, start:stop])
        d_q *= shape[-1] ** -0.5
        return d_q.view(shape), d_k.view(shape), d_v.view(shape), None


def _probabilities(
    q: Tensor, k: Tensor, mask: Tensor | None, shape: torch.Size, start: int, stop: int
) -> Tensor:
    """Of the queries start:stop over the keys up to stop, (B * H, stop - start, stop)."""
    scores = torch.bmm(q[:, start:stop], k[:, :stop].transpose(1, 2))
    if mask is None:
        size = stop - start
        scores[:, :, start:] += scores.new_full((size, size), float("-inf")).triu_(1)
    else:
        scores.view(shape[0], shape[1], stop - start, stop).add_(mask[..., start:stop, :stop])
    return torch.softmax(scores, -1)


def _heads(x: Tensor) -> Tensor:
    """(B, H, T, D), however it lies in memory -> (B * H, T, D), each head in one piece."""
    return x.reshape(-1, *x.shape[2:])


def _blocks(tokens: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + BLOCK, tokens)) for start in range(0, tokens, BLOCK))
