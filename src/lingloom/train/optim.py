"""Optimizers over flat buffers: what each promises, and the classic ones (two have own files).

Notation: w weights, g gradient, m and v running moments, t = step + 1, lr the step size that the
schedule gives. Weight decay acts only on groups that decay. Each formula is one pass over memory
by torch's fused kernels, 2-3 times as fast as the same formula written as separate operations.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor

from ..errors import DataError
from ..settings import Settings

OPTIMIZERS = {
    "sgd": "train.optim:SGDSettings",
    "momentum": "train.optim:MomentumSettings",
    "nesterov": "train.optim:NesterovSettings",
    "adam": "train.optim:AdamSettings",
    "adamw": "train.optim:AdamWSettings",
    "adafactor": "train.adafactor:AdafactorSettings",
    "muon": "train.muon:MuonSettings",
}

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
AboveZero = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass
class ParameterGroup:
    """Parameters that are treated alike, laid end to end in one buffer."""

    name: str
    """Unique among the groups: it names the group's tensors in a checkpoint."""
    master: Tensor
    """The weights, (n,) float32, updated in place."""
    grad: Tensor
    """Their gradient, (n,) float32, averaged over the batch; an optimizer only reads it."""
    decay: bool
    """Whether weight decay and penalties apply."""
    shapes: Sequence[tuple[str, torch.Size]]
    """Name and shape of each parameter, in the order in which they lie in the buffer."""
    kind: Literal["matrix", "embedding", "vector"] = "matrix"
    """`matrix`: 2-D hidden weights; `embedding`: tables and output heads; `vector`: all else."""

    def views(self, flat: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Each parameter's name and its part of `flat` (n,) in its own shape, without a copy."""
        start = 0
        for name, shape in self.shapes:
            yield name, flat[start : start + shape.numel()].view(shape)
            start += shape.numel()


class Optimizer(Protocol):
    """Changes the masters of its groups in place, once per step."""

    state: dict[str, Tensor]
    """All that it remembers between steps; with it and the masters a run goes on exactly."""

    def update(self, step: int, lr: float) -> None:
        """Take step number `step` (from 0) with step size `lr`."""


class OptimizerSettings(Settings):
    """Base of the family; each kind adds its own numbers."""

    def build(self, groups: Sequence[ParameterGroup]) -> Optimizer:
        """An optimizer of `groups` that has not seen a step."""
        raise NotImplementedError


class Remembering(Protocol):
    """An optimizer, an average: what a run goes on with besides its weights."""

    state: dict[str, Tensor]


def restore(owner: Remembering, saved: Mapping[str, Tensor], name: str = "optimizer") -> None:
    """Copy a checkpoint's `saved` tensors into the owner's state.

    Args:
        owner: whose state is overwritten.
        saved: tensors by name.
        name: what the owner is called in an error.

    Raises:
        DataError: a tensor is missing, left over, or of another size.
    """
    own = owner.state
    missing, extra = sorted(own.keys() - saved.keys()), sorted(saved.keys() - own.keys())
    if missing or extra:
        raise DataError(
            f"the {name}'s stored state does not fit: missing {missing}, left over {extra}; "
            f"resume with the {name} and model that wrote it"
        )
    for key, tensor in own.items():
        if tensor.shape != saved[key].shape:
            raise DataError(
                f"the {name}'s stored state '{key}' has shape {list(saved[key].shape)}, "
                f"this model needs {list(tensor.shape)}; resume with the model that wrote it"
            )
        tensor.copy_(saved[key])


# --------------------------------------------------------------------------- gradient descent


class SGDSettings(OptimizerSettings):
    """Stochastic gradient descent: w <- w - lr (g + weight_decay w).

    Source: Robbins & Monro 1951.
    """

    kind: Literal["sgd"] = "sgd"
    weight_decay: NotNegative = 0.0
    """Pull towards zero; without momentum, coupled and decoupled decay are one."""

    def build(self, groups: Sequence[ParameterGroup]) -> "Descent":
        return Descent(groups, momentum=0.0, weight_decay=self.weight_decay)


class MomentumSettings(OptimizerSettings):
    """Heavy ball: m <- momentum m + g; w <- w - lr m.

    Source: Polyak 1964; Sutskever et al. 2013, section 2.
    """

    kind: Literal["momentum"] = "momentum"
    momentum: BelowOne = 0.9
    """How much of the last step's direction is kept."""
    weight_decay: NotNegative = 0.0
    """Pull towards zero."""
    decoupled: bool = True
    """Decay the weights themselves by lr weight_decay w (SGDW); else add weight_decay w to g."""

    def build(self, groups: Sequence[ParameterGroup]) -> "Descent":
        return Descent(
            groups,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            decoupled=self.decoupled,
        )


class NesterovSettings(OptimizerSettings):
    """Nesterov's momentum: m <- momentum m + g; w <- w - lr (g + momentum m).

    Source: Nesterov 1983, in the form of Sutskever et al. 2013, whose weights are here written at
    the point that looks ahead; decoupled decay: Loshchilov & Hutter 2019, algorithm 1 (SGDW).
    """

    kind: Literal["nesterov"] = "nesterov"
    momentum: BelowOne = 0.9
    """How much of the last step's direction is kept."""
    weight_decay: NotNegative = 0.0
    """Pull towards zero."""
    decoupled: bool = True
    """Decay the weights themselves by lr weight_decay w (SGDW); else add weight_decay w to g."""

    def build(self, groups: Sequence[ParameterGroup]) -> "Descent":
        return Descent(
            groups,
            momentum=self.momentum,
            nesterov=True,
            weight_decay=self.weight_decay,
            decoupled=self.decoupled,
        )


class Descent:
    """Gradient descent with or without momentum; remembers `NAME.momentum` where there is one."""

    def __init__(
        self,
        groups: Sequence[ParameterGroup],
        *,
        momentum: float,
        weight_decay: float,
        nesterov: bool = False,
        decoupled: bool = False,
    ):
        self.groups, self.momentum, self.nesterov = groups, momentum, nesterov
        self.shrink = weight_decay if decoupled else 0.0
        self.pull = 0.0 if decoupled else weight_decay
        self.state: dict[str, Tensor] = {}
        if momentum:
            self.state = {f"{g.name}.momentum": torch.zeros_like(g.master) for g in groups}

    @torch.no_grad()
    def update(self, step: int, lr: float) -> None:
        """Take one step of size `lr`."""
        for group in self.groups:
            if group.decay and self.shrink:
                group.master.mul_(1 - lr * self.shrink)
            torch._fused_sgd_(
                [group.master],
                [group.grad],
                [self.state[f"{group.name}.momentum"]] if self.momentum else [],
                weight_decay=self.pull if group.decay else 0.0,
                momentum=self.momentum,
                lr=lr,
                dampening=0.0,
                nesterov=self.nesterov and self.momentum > 0,
                maximize=False,
                is_first_step=False,  # m starts at zero, so the first step needs no rule of its own
            )


# --------------------------------------------------------------------------- adaptive moments


class AdamSettings(OptimizerSettings):
    """Adam, with L2 in the gradient: g <- g + weight_decay w; then as AdamW without its decay.

    Source: Kingma & Ba 2015, algorithm 1.
    """

    kind: Literal["adam"] = "adam"
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
            decoupled=False,
        )


class AdamWSettings(OptimizerSettings):
    """Adam with decoupled weight decay.

    w <- w - lr weight_decay w; m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2;
    w <- w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps).

    Source: Loshchilov & Hutter 2019, algorithm 2.
    """

    kind: Literal["adamw"] = "adamw"
    beta1: BelowOne = 0.9
    """Memory of the mean gradient m."""
    beta2: BelowOne = 0.95
    """Memory of the mean squared gradient v."""
    eps: AboveZero = 1e-8
    """Added to sqrt(v), so that a weight without gradient stands still."""
    weight_decay: NotNegative = 0.1
    """Each step takes lr times this share off the weights."""

    def build(self, groups: Sequence[ParameterGroup]) -> "Adam":
        return Adam(
            groups,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            weight_decay=self.weight_decay,
            decoupled=True,
        )


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
