"""Muon: momentum whose every matrix is made orthogonal before it is applied.

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the scale
that lets it share AdamW's step size: Liu et al. 2025 ("Muon is scalable for LLM training"),
section 2.2.

    m <- momentum m + (1 - momentum) g;   u = momentum m + (1 - momentum) g   (Nesterov)
    O = NewtonSchulz(u), about U V^T of u = U S V^T
    w <- w - lr weight_decay w - lr scale O

`scale` of a matrix of R rows and C columns is 0.2 sqrt(max(R, C)) ("rms": an update is as long as
AdamW's usually is) or sqrt(max(1, R/C)) ("shape": the original). Tables, output heads and vectors
are stepped by AdamW with lr_ratio times the step size.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from ..errors import RecipeError
from .adam import Adam
from .optim import AboveZero, BelowOne, NotNegative, OptimizerSettings, ParameterGroup

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic that lifts every singular value to between 0.7 and 1.2 in five rounds (ibid.)."""
STACK = 1 << 23
"""Most weights that are made orthogonal in one go: bounds the temporaries to some 50 MB."""


class MuonSettings(OptimizerSettings):
    """Orthogonal momentum for hidden weights, filters too, AdamW for everything else."""

    kind: Literal["muon"] = "muon"
    momentum: BelowOne = 0.95
    """How much of the mean gradient is kept."""
    rounds: PositiveInt = 5
    """Newton-Schulz iterations."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Of the Newton-Schulz products; the noise of bf16 does no harm there."""
    scale: Literal["rms", "shape"] = "rms"
    """rms: takes AdamW's step sizes; shape: the original, takes larger ones (0.02)."""
    weight_decay: NotNegative = 0.1
    """Each step takes lr times this share off the weights, here and in the AdamW part."""
    lr_ratio: AboveZero = 1.0
    """Step size of the AdamW part as a multiple of the one of the matrices."""
    beta1: BelowOne = 0.9
    """Memory of the mean gradient in the AdamW part."""
    beta2: BelowOne = 0.95
    """Memory of the mean squared gradient in the AdamW part."""
    eps: AboveZero = 1e-8
    """Added to the root of the squared gradient in the AdamW part."""

    def build(self, groups: Sequence[ParameterGroup]) -> "Muon":
        return Muon(groups, self)


class Muon:
    """Remembers `NAME.momentum` of the matrices and what AdamW remembers of the others.

    Raises:
        RecipeError: the model has no 2-D hidden weights.
    """

    def __init__(self, groups: Sequence[ParameterGroup], settings: MuonSettings):
        self.settings = settings
        self.groups = [g for g in groups if g.kind == "matrix"]
        if not self.groups:
            raise RecipeError(
                "train.optimizer.kind: 'muon' steps 2-D hidden weights and this model has none; "
                "use 'adamw'"
            )
        self.others = Adam(
            [g for g in groups if g.kind != "matrix"],
            betas=(settings.beta1, settings.beta2),
            eps=settings.eps,
            weight_decay=settings.weight_decay,
            decoupled=True,
        )
        momenta = {f"{g.name}.momentum": torch.zeros_like(g.master) for g in self.groups}
        self.state: dict[str, Tensor] = {**momenta, **self.others.state}

    @torch.no_grad()
    def update(self, step: int, lr: float) -> None:
        """Take step number `step` (from 0) of size `lr`."""
        self.others.update(step, lr * self.settings.lr_ratio)
        for group in self.groups:
            momentum = self.state[f"{group.name}.momentum"]
            momentum.lerp_(group.grad, 1 - self.settings.momentum)
            if group.decay and self.settings.weight_decay:
                group.master.mul_(1 - lr * self.settings.weight_decay)
            views = (group.views(flat) for flat in (group.master, group.grad, momentum))
            alike: dict[torch.Size, list[tuple[Tensor, Tensor, Tensor]]] = {}
            for parts in zip(*views, strict=True):
                w, g, m = (part.flatten(1) for _, part in parts)  # filters are matrices too
                alike.setdefault(w.shape, []).append((w, g, m))
            for shape, matrices in alike.items():
                at_once = max(1, STACK // shape.numel())
                for start in range(0, len(matrices), at_once):
                    self._step_alike(matrices[start : start + at_once], lr)

    def _step_alike(self, matrices: list[tuple[Tensor, Tensor, Tensor]], lr: float) -> None:
        """One step of matrices of one shape, each given as (weights, gradient, momentum)."""
        rows, columns = matrices[0][0].shape
        dtype = torch.bfloat16 if self.settings.precision == "bf16" else torch.float32
        stack = matrices[0][0].new_empty(len(matrices), rows, columns, dtype=dtype)
        for i, (_, g, m) in enumerate(matrices):
            stack[i] = g.lerp(m, self.settings.momentum)
        scale = max(1, rows / columns) ** 0.5
        if self.settings.scale == "rms":
            scale = 0.2 * max(rows, columns) ** 0.5
        for (w, _, _), o in zip(matrices, orthogonal(stack, self.settings.rounds), strict=True):
            w.add_(o, alpha=-lr * scale)


def orthogonal(x: Tensor, rounds: int = 5) -> Tensor:
    """About U V^T of each matrix U S V^T in `x` (N, R, C), by Newton-Schulz iteration.

    Singular values end between 0.7 and 1.2 rather than at 1, which costs nothing in training.
    A matrix of zeros stays zero. The result has the dtype of `x`.

    Source: Jordan et al. 2024.
    """
    a, b, c = COEFFICIENTS
    if x.shape[-2] > x.shape[-1]:
        return orthogonal(x.mT, rounds).mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x
