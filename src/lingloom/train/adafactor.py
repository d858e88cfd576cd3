"""Adafactor: Adam's adaptive step with one row and one column of memory per matrix.

Source: Shazeer & Stern 2018, algorithms 4 to 6. R rows, C columns; t = step + 1:

    beta2 = 1 - t^-decay;  G2 = g^2 + eps1
    rows <- beta2 rows + (1 - beta2) mean over columns of G2     (R)
    cols <- beta2 cols + (1 - beta2) mean over rows of G2        (C)
    v = rows cols / mean(rows);  u = g / sqrt(v);  u <- u / max(1, RMS(u) / clip)
    w <- w - lr weight_decay w - alpha u

with alpha = lr, or when `relative`, alpha = max(eps2, RMS(w)) min(lr, 1/sqrt(t)); the paper's own
recipe is `relative` with lr = 1e-2. Parameters of one dimension keep the whole v.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from .optim import AboveZero, NotNegative, OptimizerSettings, ParameterGroup

CHUNK = 1 << 18
"""Weights handled at once: a megabyte of temporaries stays in cache and with the allocator, 2.5
times as fast as four megabytes, however large the matrix."""


class AdafactorSettings(OptimizerSettings):
    """Factored second moments, clipped updates, no momentum: hardly any memory of its own."""

    kind: Literal["adafactor"] = "adafactor"
    decay: AboveZero = 0.8
    """Second moments forget like 1 - t^-decay: nothing at first, slowly later."""
    eps1: AboveZero = 1e-30
    """Added to squared gradients."""
    eps2: AboveZero = 1e-3
    """Least size that a parameter is taken to have when steps are relative."""
    clip: AboveZero = 1.0
    """Largest root mean square of an update, in units of the step size."""
    relative: bool = False
    """Steps in proportion to each parameter's own size, and no longer than 1/sqrt(t)."""
    weight_decay: NotNegative = 0.0
    """Each step takes lr times this share off the weights."""

    def build(self, groups: Sequence[ParameterGroup]) -> "Adafactor":
        return Adafactor(groups, self)


class Adafactor:
    """Remembers, per parameter, `NAME.rows` and `NAME.columns`, or `NAME.square` of a vector."""

    def __init__(self, groups: Sequence[ParameterGroup], settings: AdafactorSettings):
        self.groups, self.settings = groups, settings
        self.state: dict[str, Tensor] = {}
        for group in groups:
            for name, w in group.views(group.master):
                if w.ndim < 2:
                    self.state[f"{name}.square"] = torch.zeros_like(w)
                else:
                    self.state[f"{name}.rows"] = w.new_zeros(w.flatten(0, -2).shape[0])
                    self.state[f"{name}.columns"] = w.new_zeros(w.shape[-1])

    @torch.no_grad()
    def update(self, step: int, lr: float) -> None:
        """Take step number `step` (from 0) of size `lr`."""
        t = step + 1
        fresh = t**-self.settings.decay  # 1 - beta2
        for group in self.groups:
            grads = group.views(group.grad)
            for (name, w), (_, g) in zip(group.views(group.master), grads, strict=True):
                alpha = lr
                if self.settings.relative:
                    size = float(w.norm()) / w.numel() ** 0.5
                    alpha = max(self.settings.eps2, size) * min(lr, t**-0.5)
                if group.decay and self.settings.weight_decay:
                    w.mul_(1 - lr * self.settings.weight_decay)
                if w.ndim < 2:
                    self._vector(name, w, g, fresh, alpha)
                else:
                    self._matrix(name, w.flatten(0, -2), g.flatten(0, -2), fresh, alpha)

    def _vector(self, name: str, w: Tensor, g: Tensor, fresh: float, alpha: float) -> None:
        square = self.state[f"{name}.square"]
        square.lerp_(g.square().add_(self.settings.eps1), fresh)
        u = g * square.rsqrt()
        w.sub_(u, alpha=alpha / self._excess(float(u.square().mean())))

    def _matrix(self, name: str, w: Tensor, g: Tensor, fresh: float, alpha: float) -> None:
        """One step of `w` (R, C); more than two dimensions have been folded into the rows."""
        rows, columns = self.state[f"{name}.rows"], self.state[f"{name}.columns"]
        row_mean, column_mean = torch.empty_like(rows), torch.zeros_like(columns)
        for part, chunk in _row_chunks(g):
            squares = chunk.square()
            row_mean[part] = squares.mean(1)
            column_mean += squares.sum(0)
        rows.lerp_(row_mean.add_(self.settings.eps1), fresh)
        columns.lerp_(column_mean.div_(len(rows)).add_(self.settings.eps1), fresh)

        left, right = (rows / rows.mean()).rsqrt_(), columns.rsqrt()  # u = g * left * right
        total = 0.0
        for part, chunk in _row_chunks(g):
            total += float((chunk.square() @ right.square()) @ left[part].square())
        scale = alpha / self._excess(total / g.numel())
        for part, chunk in _row_chunks(g):
            w[part].sub_((chunk * right).mul_(left[part, None]), alpha=scale)

    def _excess(self, mean_square: float) -> float:
        """By how much the update is longer than allowed; at least 1."""
        return max(1.0, mean_square**0.5 / self.settings.clip)


def _row_chunks(matrix: Tensor) -> Iterator[tuple[slice, Tensor]]:
    at_once = max(1, CHUNK // matrix.shape[1])
    for start in range(0, len(matrix), at_once):
        part = slice(start, start + at_once)
        yield part, matrix[part]
