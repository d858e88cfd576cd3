"""What it costs to foretell the words around each word, told from words drawn by chance.

The gradients are written out and made a few rows at a time, while all that they need is in the
processor's cache: automatic differentiation would write and read every table of scores four times.
In float32 on the CPU a compiled kernel (native/around.c) computes them, and PyTorch elsewhere; both
agree but for rounding.

Shapes: B stretches, T places each (a multiple of S), C width, K words drawn, W window, N blocks of
S places; R stretches at once.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import DataError
from ...models.word2vec import Word2Vec
from ...native.tensors import F32, SIZE, Kernel, Numbers, rehearsed
from ...tokens.batch import WordRows
from .near_words import near

PLACES = 2048
"""Places that PyTorch computes at once."""
_TAKES = [*[Numbers] * 2, *[SIZE] * 2, *[Numbers] * 4, *[SIZE] * 4, ctypes.c_double]
_AROUND = Kernel("around", *_TAKES, *[Numbers] * 4, result=SIZE, of=F32)
NO_MEMORY = -2
"""What the kernel answers when it finds none; -1: an id is outside of the vocabulary."""


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
    asked = (model.embed.weight, model.output.weight, rows, window, negatives)
    # by itself, autograd asks for gradients under no_grad too
    total, pairs = _AroundCost.apply(*asked) if torch.is_grad_enabled() else _cost(*asked, None)
    return total, int(pairs)


def _cost(
    embed: Tensor,
    output: Tensor,
    rows: WordRows,
    window: int,
    negatives: float,
    grads: "Grads",
) -> tuple[Tensor, Tensor]:
    by = _by_torch if _AROUND.taking(embed) is None else _by_kernel
    return by(embed, output, rows, window, negatives, grads)


class _AroundCost(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, embed: Tensor, output: Tensor, rows: WordRows, window: int, negatives: float
    ) -> tuple[Tensor, Tensor]:
        wants = any(ctx.needs_input_grad)
        grads = (RowGradient(embed), RowGradient(output)) if wants else None
        total, pairs = _cost(embed, output, rows, window, negatives, grads)
        ctx.grads = grads
        ctx.mark_non_differentiable(pairs)
        return total, pairs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        upstream = grads[0]
        d_embed, d_output = (grad.times(upstream) for grad in ctx.grads)
        return d_embed, d_output, None, None, None


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
        values = torch.cat(self.values) if len(self.values) > 1 else self.values[0]
        if float(factor) != 1.0:
            values = values * factor
        rows = torch.cat(self.rows)[None]
        return torch.sparse_coo_tensor(rows, values, self.shape, check_invariants=False)


Grads = tuple[RowGradient, RowGradient] | None
"""Of the embed and of the output vectors, to which is added; None: no gradient is wanted."""


# --------------------------------------------------------------------------- compiled


def _by_kernel(
    embed: Tensor, output: Tensor, rows: WordRows, window: int, negatives: float, grads: Grads
) -> tuple[Tensor, Tensor]:
    assert rows.chance is not None
    (B, T), K, (V, C) = rows.ids.shape, rows.chance.shape[1], embed.shape
    read = [part.contiguous() for part in (rows.ids, rows.place, rows.reach, rows.chance)]
    cost = torch.zeros((), dtype=torch.float64)
    d_read = d_output = d_drawn = None
    if grads:
        d_read, d_output = embed.new_empty(B, T, C), embed.new_empty(B * (T + K), C)
        d_drawn = d_output[B * T :]
    kernel = _AROUND.taking(embed)
    assert kernel is not None
    sizes = (B, T, K, window, negatives)
    pairs = kernel(embed, output, V, C, *read, *sizes, d_read, d_output, d_drawn, cost)
    if rehearsed(embed):
        pairs = rows.ids.numel()  # nothing was counted
    if pairs == NO_MEMORY:
        raise MemoryError(f"{B} stretches of {T} words; lower train.micro or model.context")
    if pairs < 0:
        raise DataError(
            f"a word id is outside of 0 to {V - 1}, or window {window} of 1 to 100; the run's data "
            "are damaged or of another tokenizer: make them again"
        )
    if grads and d_read is not None and d_output is not None:
        grads[0].add(rows.ids.flatten(), d_read.view(-1, C))
        grads[1].add(torch.cat((rows.ids.flatten(), rows.chance.flatten())), d_output)
    return cost.float(), torch.tensor(pairs)


# --------------------------------------------------------------------------- its twin


def _by_torch(
    embed: Tensor, output: Tensor, rows: WordRows, window: int, negatives: float, grads: Grads
) -> tuple[Tensor, Tensor]:
    assert rows.chance is not None
    there = near(rows, window)  # (B, N, S, S + 2 W)
    total = torch.zeros((), dtype=torch.float32, device=embed.device)
    _, N, S, _ = there.shape
    ids = F.pad(rows.ids, (0, N * S - rows.ids.shape[1]))  # (B, T)
    at_once = max(1, PLACES // (N * S))
    for start in range(0, len(ids), at_once):
        part = slice(start, start + at_once)
        total += _rows(embed, output, ids[part], rows.chance[part], there[part], negatives, grads)
    return total, there.sum()


def _rows(
    embed: Tensor,
    output: Tensor,
    ids: Tensor,
    chance: Tensor,
    there: Tensor,
    negatives: float,
    grads: Grads,
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
    near_by = there.flatten(0, 1)
    mask = near_by.to(read.dtype)  # (R N, S, S + 2 W)
    met = (blocks @ around.transpose(1, 2)).masked_fill_(~near_by, 0)  # 0 times infinity is nan
    drawn = output.index_select(0, chance.flatten()).view(R, -1, C)  # (R, K, C)
    taken = read.view(R, -1, C) @ drawn.transpose(1, 2)  # (R, T, K)
    weight = mask.sum(dim=2).view(R, -1, 1) * (negatives / drawn.shape[1])
    taken.masked_fill_(weight == 0, 0)
    cost = F.softplus(-met).mul_(mask).sum(dtype=torch.float32)
    cost += F.softplus(taken).mul_(weight).sum(dtype=torch.float32)
    if grads is None:
        return cost
    d_met, d_taken = met.sigmoid_().sub_(1).mul_(mask), taken.sigmoid_().mul_(weight)
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
