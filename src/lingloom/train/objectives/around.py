"""What it costs to foretell the words around each word, told from words drawn by chance.

The gradients are written out and made a few rows at a time, while all that they need is in the
processor's cache: automatic differentiation would write and read every table of scores four times.

Shapes: B stretches, T places each (a multiple of S), C width, K words drawn, W window, N blocks of
S places; R stretches at once.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...models.word2vec import Word2Vec
from ...tokens.batch import WordRows
from .near_words import near

PLACES = 2048
"""Places that are computed at once."""
LEAST = 1e-30
"""Stands for a chance of 0, whose logarithm would be infinite."""


def around_cost(
    model: Word2Vec, rows: WordRows, window: int, negatives: float
) -> tuple[Tensor, int]:
    """(equation 4 of Mikolov et al. 2013b, summed over all pairs, how many these are).

    Args:
        model: whose vectors they are.
        rows: with words drawn by chance.
        window: greatest reach.
        negatives: weight of the words drawn by chance, together, for each pair.
    """
    assert rows.chance is not None
    there = near(rows, window)  # (B, N, S, S + 2 W)
    total: Tensor = _AroundCost.apply(
        model.embed.weight, model.output.weight, rows.ids, rows.chance, there, negatives
    )
    return total, int(there.sum())


class _AroundCost(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        embed: Tensor,
        output: Tensor,
        ids: Tensor,
        chance: Tensor,
        there: Tensor,
        negatives: float,
    ) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=embed.device)
        wants = any(ctx.needs_input_grad)
        grads = (RowGradient(embed), RowGradient(output)) if wants else None
        _, N, S, _ = there.shape
        ids = F.pad(ids, (0, N * S - ids.shape[1]))  # (B, T)
        at_once = max(1, PLACES // (N * S))
        for part in range(0, len(ids), at_once):
            rows = slice(part, part + at_once)
            total += _rows(embed, output, ids[rows], chance[rows], there[rows], negatives, grads)
        ctx.grads = grads
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (upstream,) = grads
        d_embed, d_output = (grad.times(upstream) for grad in ctx.grads)
        return d_embed, d_output, None, None, None, None


class RowGradient:
    """The gradient of a table (V, C) of which few rows have one."""

    def __init__(self, table: Tensor):
        self.shape = table.shape
        self.rows: list[Tensor] = []
        self.values: list[Tensor] = []

    def add(self, rows: Tensor, values: Tensor) -> None:
        """`values` (k, C) fall on `rows` (k,), which may be there several times."""
        self.rows.append(rows)
        self.values.append(values)

    def times(self, factor: Tensor) -> Tensor:
        """All of it as a sparse tensor, multiplied by a number."""
        values = torch.cat(self.values)
        if float(factor) != 1.0:
            values *= factor
        rows = torch.cat(self.rows)[None]
        return torch.sparse_coo_tensor(rows, values, self.shape, check_invariants=False)


def _rows(
    embed: Tensor,
    output: Tensor,
    ids: Tensor,
    chance: Tensor,
    there: Tensor,
    negatives: float,
    grads: tuple[RowGradient, RowGradient] | None,
) -> Tensor:
    """The cost of `ids` (R, T) laid end to end; its gradients are added to `grads`."""
    (R, _, S, wide), C = there.shape, embed.shape[1]
    window = (wide - S) // 2
    line = ids.flatten()  # (R T,); `there` keeps rows apart
    sides = F.pad(line, (window, window))
    read = embed.index_select(0, line)  # (R T, C)
    blocks = read.view(-1, S, C)  # (R N, S, C)
    around = output.index_select(0, sides)  # (R T + 2 W, C)
    around = around.as_strided((len(blocks), wide, C), (S * C, C, 1))  # blocks overlap by 2 W
    mask = there.flatten(0, 1).to(read.dtype)  # (R N, S, S + 2 W)
    met = torch.sigmoid(blocks @ around.transpose(1, 2))
    drawn = output.index_select(0, chance.flatten()).view(R, -1, C)  # (R, K, C)
    taken = torch.sigmoid(read.view(R, -1, C) @ drawn.transpose(1, 2))  # (R, T, K)
    weight = mask.sum(dim=2).view(R, -1, 1) * (negatives / drawn.shape[1])
    cost = -(met.clamp(min=LEAST).log_() * mask).sum(dtype=torch.float32)
    cost -= ((1 - taken).clamp_(min=LEAST).log_() * weight).sum(dtype=torch.float32)
    if grads is None:
        return cost
    d_met, d_taken = met.sub_(1).mul_(mask), taken.mul_(weight)
    d_read = torch.bmm(d_met, around).view(R, -1, C).baddbmm_(d_taken, drawn)
    d_around = torch.bmm(d_met.transpose(1, 2), blocks)  # (R N, S + 2 W, C)
    d_sides = F.pad(d_around[:, window : window + S].reshape(-1, C), (0, 0, window, window))
    d_sides[: len(line)].view(-1, S, C)[:, :window] += d_around[:, :window]
    d_sides[2 * window :].view(-1, S, C)[:, S - window :] += d_around[:, window + S :]
    d_drawn = torch.bmm(d_taken.transpose(1, 2), read.view(R, -1, C))
    grads[0].add(line, d_read.view(-1, C))
    grads[1].add(sides, d_sides)
    grads[1].add(chance.flatten(), d_drawn.view(-1, C))
    return cost
