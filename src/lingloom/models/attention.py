"""Attention: torch's own; in plain products where these are faster; causal, in blocks of queries.

A block of queries sees only the keys up to its own end, so the upper half of the square of scores
is hardly computed, and everything heavy is a batched matrix product, which oneDNN gives to the
CPU's bf16 units. Torch's fused kernel does not use them without AMX: measured forward and backward,
the blocks take half of its time or less at T = 256, a third at T = 512. In float32 they take nine
tenths at T = 256, seven tenths at T = 512.

Shapes: B sequences, T tokens, H heads, D numbers per head.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .dropout import drop, dropout, new_draw

BLOCK = 128
"""Queries at once: 64 and 256 measured slower."""
KEEP = 1024
"""Longest sequence whose probabilities are kept for the backward pass; beyond it their memory,
B*H*T*T/2 numbers a layer, is saved by computing them again."""


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rate: float) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the past, (B, H, T, D).

    Args:
        q: (B, H, T, D).
        k: (B, H, S, D), or with fewer heads, each shared by as many queries as it takes; the
            queries are the last T of the S places.
        v: as `k`.
        mask: added to the scores, (B, 1, T, S) or (T, S), -inf where a place must not be seen; it
            must hide the future. None: T = S and all of the past is seen, or T = 1 sees everything.
        rate: share of the probabilities dropped.

    Source: Vaswani et al. 2017, section 3.2.1.
    """
    whole = q.shape[2] == k.shape[2]
    drawn = rate and torch.compiler.is_compiling()  # there torch's own generator draws
    if q.device.type == "cpu" and whole and (q.shape[2] > 1 or rate) and not drawn:
        out: Tensor = _BlockAttention.apply(q, k, v, mask, rate)
        return out
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(
        q, k, v, mask, rate, is_causal=mask is None and whole, enable_gqa=grouped
    )


def look(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rate: float = 0.0) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over all places, or those that the mask leaves: (B, H, T, D).

    In bf16 on CPUs the backward pass of torch's fused kernel takes many times as long as plain
    products: measured 27 times at T = 16, 18 at T = 64, 4 at T = 256. In float32 it is as fast.

    Args:
        q: (B, H, T, D).
        k: (B, H, S, D); of the same text, or of another one.
        v: as `k`.
        mask: added to the scores, of a shape that broadcasts to (B, H, T, S); -inf where a place
            must not be seen. None: all are.
        rate: share of the probabilities dropped.
    """
    if q.device.type != "cpu" or (q.dtype == torch.float32 and not rate):
        return F.scaled_dot_product_attention(q, k, v, mask, rate)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)  # (B, H, T, S)
    if mask is not None:
        scores += mask
    return dropout(torch.softmax(scores, -1), rate) @ v


class _BlockAttention(torch.autograd.Function):
    """Inside, N = B times key-value heads; the G queries that share a head stand below each other
    in one matrix product, so keys and values are never repeated."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rate: float
    ) -> Tensor:
        shape, shared = q.shape, q.shape[1] // k.shape[1]
        q = q.clone(memory_format=torch.contiguous_format).mul_(shape[-1] ** -0.5)
        q = q.view(-1, shared, *shape[2:])  # (N, G, T, D)
        k, v = _heads(k), _heads(v)  # (N, T, D)
        out, kept, draws = torch.empty_like(q), [], []
        for start, stop in _blocks(shape[2]):
            p = _probabilities(q, k, mask, shape, start, stop)
            kept.append(p)
            if rate:
                draws.append(new_draw(rate))
                p = drop(p, draws[-1])
            out[:, :, start:stop] = torch.bmm(p, v[:, :stop]).view_as(out[:, :, start:stop])
        ctx.shape, ctx.mask, ctx.draws = shape, mask, draws
        ctx.save_for_backward(q, k, v, *(kept if shape[2] <= KEEP else ()))
        return out.view(shape)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *kept = ctx.saved_tensors
        shape = ctx.shape
        d_out = grads[0].reshape(q.shape)
        d_q, d_k, d_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        # the last block sees all keys, so it comes first and fills what the others add to
        for i, (start, stop) in reversed(list(enumerate(_blocks(shape[2])))):
            p = kept[i] if kept else _probabilities(q, k, ctx.mask, shape, start, stop)
            d, rows = _rows(d_out, start, stop), _rows(q, start, stop)
            d_p = torch.bmm(d, v[:, :stop].transpose(1, 2))
            dropped = p
            if ctx.draws:
                dropped, d_p = drop(p, ctx.draws[i]), drop(d_p, ctx.draws[i], out=d_p)
            d_s = torch._softmax_backward_data(d_p, p, -1, p.dtype)
            d_q[:, :, start:stop] = torch.bmm(d_s, k[:, :stop]).view_as(d_q[:, :, start:stop])
            for total, part in (
                (d_k, torch.bmm(d_s.transpose(1, 2), rows)),
                (d_v, torch.bmm(dropped.transpose(1, 2), d)),
            ):
                if stop == shape[2]:
                    total.copy_(part)
                else:
                    total[:, :stop] += part
        d_q *= shape[-1] ** -0.5
        keys = (shape[0], -1, *shape[2:])
        return d_q.view(shape), d_k.view(keys), d_v.view(keys), None, None


def _probabilities(
    q: Tensor, k: Tensor, mask: Tensor | None, shape: torch.Size, start: int, stop: int
) -> Tensor:
    """Of the queries start:stop over the keys up to stop, (N, G * (stop - start), stop)."""
    scores = torch.bmm(_rows(q, start, stop), k[:, :stop].transpose(1, 2))
    size = stop - start
    if mask is None:
        future = scores.new_full((size, size), float("-inf")).triu_(1)
        scores.view(*q.shape[:2], size, stop)[..., start:] += future
    else:
        scores.view(shape[0], shape[1], size, stop).add_(mask[..., start:stop, :stop])
    return torch.softmax(scores, -1)


def _rows(x: Tensor, start: int, stop: int) -> Tensor:
    """(N, G, T, D) -> the places start:stop of all G, (N, G * (stop - start), D)."""
    return x[:, :, start:stop].reshape(x.shape[0], -1, x.shape[-1])


def _heads(x: Tensor) -> Tensor:
    """(B, K, T, D), however it lies in memory -> (N, T, D), each head in one piece."""
    return x.reshape(-1, *x.shape[2:])


def _blocks(tokens: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + BLOCK, tokens)) for start in range(0, tokens, BLOCK))
