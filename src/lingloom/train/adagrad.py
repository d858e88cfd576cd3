"""AdaGrad: step sizes that fall with all the gradient that a weight, or a row of a table, has seen.

A weight without gradient stands still, however often the others move: rare words keep their large
steps. The notation is that of optim.py.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from .optim import AboveZero, NotNegative, OptimizerSettings, ParameterGroup
from .rows import adagrad_rows


class AdaGradSettings(OptimizerSettings):
    """AdaGrad: g <- g + weight_decay w; s <- s + g^2; w <- w - lr g / (sqrt(s) + eps).

    Source: Duchi et al. 2011, figure 1 (diagonal); with `rows` as in Lerer et al. 2019
    (PyTorch-BigGraph).
    """

    kind: Literal["adagrad"] = "adagrad"
    rows: bool = False
    """One s for each row of a table, the mean of its squares: a row keeps its gradient's direction,
    and the memory of s is all but saved."""
    start: NotNegative = 0.0
    """What s begins with."""
    eps: AboveZero = 1e-10
    """Added to sqrt(s), so that a weight without gradient stands still."""
    weight_decay: NotNegative = 0.0
    """L2: added to the gradient; then rare words move too."""

    def build(self, groups: Sequence[ParameterGroup]) -> "AdaGrad":
        return AdaGrad(
            groups,
            rows=self.rows,
            start=self.start,
            eps=self.eps,
            weight_decay=self.weight_decay,
        )


class AdaGrad:
    """Remembers `NAME.squares`; of tables with `rows` one number a row: `NAME.PARAMETER.rows`."""

    def __init__(
        self,
        groups: Sequence[ParameterGroup],
        *,
        rows: bool,
        start: float,
        eps: float,
        weight_decay: float,
    ):
        self.groups, self.eps, self.weight_decay = groups, eps, weight_decay
        self.by_row = {g.name for g in groups if rows and g.kind == "embedding"}
        self.state: dict[str, Tensor] = {}
        for group in groups:
            if group.name not in self.by_row:
                self.state[f"{group.name}.squares"] = torch.full_like(group.master, start)
                continue
            for name, shape in group.shapes:
                self.state[f"{group.name}.{name}.rows"] = group.master.new_full(shape[:1], start)

    @torch.no_grad()
    def update(self, step: int, lr: float) -> None:
        """Take one step of size `lr`."""
        for group in self.groups:
            if group.name in self.by_row:
                self._rows(group, lr)
                continue
            torch._fused_adagrad_(
                [group.master],
                [group.grad],
                [self.state[f"{group.name}.squares"]],
                [torch.tensor(step + 1.0, device=group.master.device)],
                lr=lr,
                lr_decay=0.0,
                weight_decay=self.weight_decay if group.decay else 0.0,
                eps=self.eps,
                maximize=False,
            )

    def _rows(self, group: ParameterGroup, lr: float) -> None:
        decays = self.weight_decay and group.decay
        if group.rows and not decays:
            tables = zip(group.touched(group.master), group.touched(group.grad), strict=True)
            for (name, w, rows), (_, grad, _) in tables:
                squares = self.state[f"{group.name}.{name}.rows"]
                adagrad_rows(w, grad, squares, rows, lr, self.eps)
            return  # the others stand still anyway
        pairs = zip(group.views(group.master), group.views(group.grad), strict=True)
        for (name, w), (_, g) in pairs:
            if decays:
                g = g.add(w, alpha=self.weight_decay)
            squares = self.state[f"{group.name}.{name}.rows"]
            norm = torch.linalg.vector_norm(g.flatten(1), dim=1)
            squares.add_(norm.square_().div_(g[0].numel()))
            size = squares.sqrt().add_(self.eps).reciprocal_()
            w.addcmul_(g, size.view(-1, *[1] * (w.ndim - 1)), value=-lr)
