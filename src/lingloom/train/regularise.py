"""What keeps a model from learning its data by heart, apart from what is built into model and loss.

Order within a step: gradients are averaged, then `add_penalties`, then `clip_by_norm`, then
`clip_by_value`, then the optimizer, then `WeightAverage.update`; each only where it is asked for.
Decoupled weight decay belongs to the optimizers, label smoothing to the objective, dropout to the
models.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import DataError
from .optim import ParameterGroup

CHUNK = 1 << 18
"""Weights handled at once where a formula needs a temporary: one megabyte."""


@torch.no_grad()
def add_penalties(groups: Sequence[ParameterGroup], *, l1: float = 0.0, l2: float = 0.0) -> None:
    """Add the gradient of l1 sum|w| + l2/2 sum w^2 to the groups that decay.

    This is coupled L2: an adaptive optimizer rescales it with the rest of the gradient. The
    gradient of |w| at 0 is taken to be 0.

    Source: Tibshirani 1996 (L1); Hoerl & Kennard 1970 (L2).
    """
    for group in groups:
        if not group.decay or not (l1 or l2):
            continue
        group.rows = {}  # from here on the gradient may differ from zero anywhere
        if l2:
            group.grad.add_(group.master, alpha=l2)
        if l1:
            for w, g in _chunks(group.master, group.grad):
                g.add_(w.sign(), alpha=l1)


@torch.no_grad()
def clip_by_norm(groups: Sequence[ParameterGroup], max_norm: float) -> float:
    """Scale all gradients together so that their joint 2-norm is at most `max_norm`.

    Returns:
        The norm before clipping. When it is not finite the gradients are left as they are.

    Source: Pascanu et al. 2013, algorithm 1.
    """
    norm = gradient_norm(groups)
    scale = max_norm / (norm + 1e-6)
    if math.isfinite(norm) and scale < 1:
        for group in groups:
            group.scale_gradient(scale)
    return norm


@torch.no_grad()
def gradient_norm(groups: Sequence[ParameterGroup]) -> float:
    """2-norm of all gradients taken as one vector.

    Summed in pieces: one float32 sum over ten million squares is 3e-4 too small, over thirty
    million 2e-3; pieces of 65536 bring that to 2e-7 in the same time.
    """
    pieces = [piece for group in groups for piece in group.norm_parts()]
    return float(torch.nn.utils.get_total_norm(pieces))


@torch.no_grad()
def clip_by_value(groups: Sequence[ParameterGroup], limit: float) -> None:
    """Bring every gradient into -limit..limit, each for itself; nan stays nan."""
    for group in groups:
        group.grad.clamp_(-limit, limit)


class WeightAverage:
    """Exponential moving average of the weights, to be evaluated or kept in their place.

    After n updates it holds sum_i decay^(n-i) w_i / sum_i decay^(n-i): a true weighted mean from
    the first update on, with no trace of its starting value.

    Source: Polyak & Juditsky 1992; the correction for the start as in Kingma & Ba 2015, section 3.
    """

    def __init__(self, groups: Sequence[ParameterGroup], decay: float):
        self.groups, self.decay = groups, decay
        self.state: dict[str, Tensor] = {
            f"{g.name}.average": torch.zeros_like(g.master) for g in groups
        }
        self.state["average.updates"] = torch.zeros((), dtype=torch.int64)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now; call once after each step."""
        updates = self.state["average.updates"].add_(1)
        # 1 - decay^n by expm1: the plain difference loses digits when decay is close to 1
        total = -math.expm1(int(updates) * math.log(self.decay)) if self.decay else 1.0
        for group in self.groups:
            average = self.state[f"{group.name}.average"]
            average.lerp_(group.master, (1 - self.decay) / total)

    @torch.no_grad()
    def exchange(self) -> None:
        """Swap the masters with the average, in place; a second call swaps them back exactly.

        Raises:
            DataError: nothing has been averaged yet.
        """
        if not int(self.state["average.updates"]):
            raise DataError("the weight average is empty: call update after a step first")
        for group in self.groups:
            for w, mean in _chunks(group.master, self.state[f"{group.name}.average"]):
                kept = w.clone()
                w.copy_(mean)
                mean.copy_(kept)


class EarlyStopping:
    """Says when the held-out loss has stopped falling.

    Source: Prechelt 1998 ("Early stopping - but when?"); the criterion is the common one of
    `patience` evaluations without an improvement.
    """

    def __init__(self, patience: int):
        self.patience = patience
        self.best, self.best_step, self.waited = math.inf, -1, 0

    def should_stop(self, step: int, loss: float) -> bool:
        """Note the held-out `loss` after `step`; True when it is time to stop.

        A loss that is not a number counts as no improvement.
        """
        if loss < self.best:
            self.best, self.best_step, self.waited = loss, step, 0
        else:
            self.waited += 1
        return self.waited >= self.patience

    def why(self) -> str:
        """The reason to stop, for people."""
        if self.best_step < 0:
            return f"none of {self.waited} evaluations gave a finite loss"
        return (
            f"no better than {self.best:.4f} nats of step {self.best_step} for "
            f"{self.waited} evaluations"
        )

    def state(self) -> dict[str, float | None]:
        """What to keep in a checkpoint; `best` is None as long as there is none."""
        best = self.best if self.best_step >= 0 else None
        return {"best": best, "best_step": self.best_step, "waited": self.waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self.best = math.inf if state["best"] is None else float(state["best"])
        self.best_step, self.waited = int(state["best_step"]), int(state["waited"])


def _chunks(a: Tensor, b: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    yield from zip(a.split(CHUNK), b.split(CHUNK), strict=True)
