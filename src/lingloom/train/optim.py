"""Optimizers over flat buffers: what each is given and promises; every family has its own file.

Notation in all of them: w weights, g gradient, m and v running moments, t = step + 1, lr the step
size that the schedule gives. Weight decay acts only on groups that decay.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor

from ..errors import DataError
from ..settings import Settings
from .rows import clear_rows, norm_of_rows, scale_rows

OPTIMIZERS = {
    "sgd": "train.descent:SGDSettings",
    "momentum": "train.descent:MomentumSettings",
    "nesterov": "train.descent:NesterovSettings",
    "adam": "train.adam:AdamSettings",
    "adamw": "train.adam:AdamWSettings",
    "adagrad": "train.adagrad:AdaGradSettings",
    "adafactor": "train.adafactor:AdafactorSettings",
    "muon": "train.muon:MuonSettings",
}

PIECE = 1 << 16
"""Numbers of which a norm is taken at once."""
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
    rows: dict[str, Tensor] = field(default_factory=dict)
    """Where a gradient came row by row: parameter -> its rows (k,) int64 outside of which `grad` is
    zero, as it is for parameters that are not named. Empty: it may differ from zero anywhere."""

    def views(self, flat: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Each parameter's name and its part of `flat` (n,) in its own shape, without a copy."""
        start = 0
        for name, shape in self.shapes:
            yield name, flat[start : start + shape.numel()].view(shape)
            start += shape.numel()

    def touched(self, flat: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Where `rows` are known: name, part of `flat` in its own shape, and rows of each."""
        for name, part in self.views(flat):
            if name in self.rows:
                yield name, part, self.rows[name]

    def norm_parts(self) -> Iterator[Tensor]:
        """All of the gradient that may differ from zero, in pieces of 65536 numbers at most, or the
        norms of its parts: for a joint norm these do as well."""
        if not self.rows:
            yield from self.grad.split(PIECE)
        for _, grad, rows in self.touched(self.grad):
            yield norm_of_rows(grad, rows)

    def scale_gradient(self, factor: float) -> None:
        """Multiply all of the gradient by `factor`."""
        if not self.rows:
            self.grad.mul_(factor)
        for _, grad, rows in self.touched(self.grad):
            scale_rows(grad, rows, factor)

    def clear_gradient(self) -> None:
        """Make all of the gradient zero."""
        if not self.rows:
            self.grad.zero_()
        for _, grad, rows in self.touched(self.grad):
            clear_rows(grad, rows)
        self.rows = {}


class Optimizer(Protocol):
    """Changes the masters of its groups in place, once per good step."""

    state: dict[str, Tensor]
    """All that it remembers between steps; with it and the masters a run goes on exactly."""

    def update(self, step: int, lr: float) -> None:
        """Take step number `step` (from 0; bad steps are not counted) with step size `lr`."""


class OptimizerSettings(Settings):
    """Base of the family; each kind adds its own numbers."""

    def build(self, groups: Sequence[ParameterGroup]) -> Optimizer:
        """An optimizer of `groups` that has not seen a step."""
        raise NotImplementedError


def check_state(own: Mapping[str, Tensor], saved: Mapping[str, Tensor], name: str) -> None:
    """Refuse a checkpoint's `saved` tensors that do not fit a run's `own`.

    Args:
        own: the state of the optimizer or the average as it is, by name.
        saved: what is to take its place.
        name: whose state it is, for the error.

    Raises:
        DataError: a tensor is missing, left over, or of another size.
    """
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
