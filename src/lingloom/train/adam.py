"""Adam and AdamW: step sizes of their own for each weight, from running moments of its gradient.

Each formula is one pass over memory by torch's fused kernel, 2-3 times as fast as the same formula
written as separate operations. The notation is that of optim.py.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from .optim import AboveZero, BelowOne, NotNegative, OptimizerSettings, ParameterGroup


class _MomentsSettings(OptimizerSettings):
    """What Adam and AdamW have in common."""

    decoupled: ClassVar[bool]
    """Whether decay is taken off the weights themselves, rather than added to the gradient."""
    beta1: BelowOne = 0.9
    """Memory of the mean gradient m."""
    beta2: BelowOne = 0.999
    """Memory of the mean squared gradient v."""
    eps: AboveZero = 1e-8
    """Added to sqrt(v), so that a weight without gradient stands still."""
    weight_decay: NotNegative = 0.0
    """L2: added to the gradient, so strong gradients weaken it (compare adamw)."""

    def build(self, groups: Sequence[ParameterGroup]) -> "Adam":
        return Adam(
            groups,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            weight_decay=self.weight_decay,
            decoupled=self.decoupled,
        )


class AdamSettings(_MomentsSettings):
    """Adam, with L2 in the gradient: g <- g + weight_decay w; then as AdamW without its decay.

    Source: Kingma & Ba 2015, algorithm 1.
    """

    decoupled: ClassVar[bool] = False
    kind: Literal["adam"] = "adam"


class AdamWSettings(_MomentsSettings):
    """Adam with decoupled weight decay.

    w <- w - lr weight_decay w; m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2;
    w <- w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps).

    Source: Loshchilov & Hutter 2019, algorithm 2.
    """

    decoupled: ClassVar[bool] = True
    kind: Literal["adamw"] = "adamw"
    beta2: BelowOne = 0.95
    """Memory of the mean squared gradient v."""
    weight_decay: NotNegative = 0.1
    """Each step takes lr times this share off the weights."""


class Adam:
    """Adam and AdamW; remembers `NAME.mean` and `NAME.square`, the two moments."""

    def __init__(
        self,
        groups: Sequence[ParameterGroup],
        *,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled: bool,
    ):
        self.groups, self.betas, self.eps, self.weight_decay = groups, betas, eps, weight_decay
        self.fused = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self.state: dict[str, Tensor] = {}
        for group in groups:
            self.state[f"{group.name}.mean"] = torch.zeros_like(group.master)
            self.state[f"{group.name}.square"] = torch.zeros_like(group.master)

    @torch.no_grad()
    def update(self, step: int, lr: float) -> None:
        """Take step number `step` (from 0) of size `lr`."""
        for group in self.groups:
            self.fused(
                [group.master],
                [group.grad],
                [self.state[f"{group.name}.mean"]],
                [self.state[f"{group.name}.square"]],
                [],
                [torch.tensor(step + 1.0, device=group.master.device)],
                lr=lr,
                beta1=self.betas[0],
                beta2=self.betas[1],
                weight_decay=self.weight_decay if group.decay else 0.0,
                eps=self.eps,
                amsgrad=False,
                maximize=False,
            )
