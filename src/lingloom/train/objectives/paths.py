"""Hierarchical softmax: what it costs to foretell words by their paths in a tree of words.

At every inner node on the path a logistic regression says which branch goes on; the cost of a word
is the sum over its path, and the chances of all words add up to 1.

Source: Morin and Bengio 2005; Mikolov et al. 2013b (Distributed Representations of Words and
Phrases), equation 3.

Shapes: B stretches, T places each, C width, L steps of a path, W window, Q = 2 W + 1.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...models.word2vec import Word2Vec
from ...tokens.batch import WordRows
from .around import RowGradient


def path_cost(model: Word2Vec, read: Tensor, rows: WordRows, wanted: Tensor) -> Tensor:
    """Summed cost in nats of foretelling the word at each place from the vectors around it.

    Args:
        model: whose output vectors are those of inner nodes.
        read: (B, T, C), the vectors that foretell.
        rows: with `paths`.
        wanted: (B, T, Q) bool; whether the vector at place t + q - W foretells the word at t.
    """
    assert rows.paths is not None
    cost: Tensor = _PathCost.apply(read, model.output.weight, rows.paths, wanted)
    return cost


class _PathCost(torch.autograd.Function):
    """Both gradients are made in the forward pass, one row at a time: the vectors of all nodes on
    all paths of a batch would take ten times the memory of the rest."""

    @staticmethod
    def forward(ctx: Any, read: Tensor, table: Tensor, paths: Tensor, wanted: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=read.device)
        wants = any(ctx.needs_input_grad)
        d_read = torch.zeros_like(read) if wants else None
        d_table = RowGradient(table)
        for b in range(len(read)):
            nodes = (paths[b].abs() - 1).clamp(min=0)  # (T, L)
            sign = paths[b].sign()[..., None].to(read.dtype)  # 0 in the padding
            vectors = table.index_select(0, nodes.flatten()).view(*nodes.shape, -1)  # (T, L, C)
            window = wanted.shape[2] // 2
            wide = F.pad(read[b], (0, 0, window, window))  # (T + 2 W, C)
            around = wide.unfold(0, wanted.shape[2], 1)  # (T, C, Q)
            scores = sign * (vectors @ around)  # (T, L, Q)
            counts = (sign != 0) & wanted[b][:, None]
            total += (F.softplus(-scores) * counts).sum(dtype=torch.float32)
            if d_read is None:
                continue
            d = -torch.sigmoid(-scores) * sign * counts
            around_d = vectors.transpose(1, 2) @ d  # (T, C, Q)
            wide_d = torch.zeros_like(wide)
            for q in range(wanted.shape[2]):
                wide_d[q : q + len(nodes)] += around_d[..., q]
            d_read[b] = wide_d[window : window + len(nodes)]
            vectors_d = d @ around.transpose(1, 2)  # (T, L, C)
            d_table.add(nodes.flatten(), vectors_d.flatten(0, 1))
        ctx.grads = d_read, d_table
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (upstream,) = grads
        d_read, d_table = ctx.grads
        return d_read * upstream, d_table.times(upstream), None, None
