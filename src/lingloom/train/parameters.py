"""A model's weights as flat buffers: float32 masters, working weights, gradients.

Masters hold the truth and are what optimizers change. Working weights are what the model computes
with: the masters themselves in fp32, a rounded copy in bf16. Gradients of all micro-batches add up
in float32. A tied weight lies in the buffers once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import accumulate, pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import ShapeError
from ..models.model import NeuralModel
from .optim import ParameterGroup
from .rows import add_all, add_rows, merge_rows
from .touched import TouchedRows

Kind = Literal["matrix", "embedding", "vector"]
Named = dict[tuple[Kind, bool], list[tuple[str, nn.Parameter]]]
"""Names and parameters by (kind, whether they decay)."""


class Parameters:
    """Takes a model's weights over: from here on they are views of one working buffer.

    Args:
        model: its parameters become views; `release` gives it weights of its own again.
        dtype: type of the working weights, float32 or bfloat16.
        workers: models that compute gradients side by side; they share the working weights.
    """

    def __init__(self, model: NeuralModel, dtype: torch.dtype, workers: int = 1):
        named = _in_groups(model)
        order = [item for members in named.values() for item in members]
        total = sum(p.numel() for _, p in order)
        device = order[0][1].device
        self.model, self.dtype = model, dtype
        self.master = torch.empty(total, dtype=torch.float32, device=device)
        self.working = self.master if dtype == torch.float32 else self.master.to(dtype)
        self.grads = [torch.zeros_like(self.master) for _ in range(workers)]
        self.groups = list(self._slices(named))
        ends = [0, *accumulate(group.master.numel() for group in self.groups)]
        self._others = [
            [grad[start:stop] for grad in self.grads[1:]] for start, stop in pairwise(ends)
        ]
        """Of each group the sums of all workers but the first."""
        for (_, parameter), view in zip(order, self._views(self.master), strict=True):
            view.copy_(parameter.detach())
        self.models = [model, *(deepcopy(model) for _ in range(workers - 1))]
        names = [name for name, _ in order]
        self._members = [_by_name(replica, names) for replica in self.models]
        for members in self._members:
            for parameter, view in zip(members, self._views(self.working), strict=True):
                parameter.data = view
        limits = model.row_limits()
        views = zip(names, self._views(self.master), strict=True)
        self._limited = [(view, limits[name]) for name, view in views if name in limits]
        self._grad_views = [list(self._views(grad)) for grad in self.grads]
        self._names, self._touched = names, TouchedRows(workers, device)
        self.refresh()

    @property
    def grad(self) -> Tensor:
        """Gradient of all parameters after `gather`, (n,) float32."""
        return self.grads[0]

    def fingerprint(self) -> dict[str, list[int]]:
        """Name and shape of every parameter, in the order in which they lie in the buffers."""
        return {name: list(shape) for group in self.groups for name, shape in group.shapes}

    def collect(self, worker: int) -> None:
        """Add the gradients that a backward pass left in a worker's model to the worker's sum."""
        pairs = zip(self._names, self._members[worker], self._grad_views[worker], strict=True)
        for name, parameter, total in pairs:
            grad, parameter.grad = parameter.grad, None
            if grad is None:
                continue
            if grad.is_sparse:
                rows = grad._indices()[0]
                add_rows(total, rows, grad._values())
                self._touched.note(worker, name, rows)
            else:
                add_all(total, grad)
                self._touched.note(worker, name, None)

    def gather(self, count: int) -> None:
        """Turn the workers' sums into one mean over `count` targets, in `grad`."""
        for group, others in zip(self.groups, self._others, strict=True):
            group.rows = self._touched.of(group.shapes)
            if not group.rows:
                for other in others:
                    group.grad.add_(other)
                    other.zero_()
                group.grad.div_(count)
                continue
            parts = zip(group.touched(group.grad), *map(group.touched, others), strict=True)
            for (_, grad, rows), *more in parts:
                merge_rows(grad, [other for _, other, _ in more], rows, count)

    def clear_gradients(self) -> None:
        """Make `grad` zero, for the next step to be summed in; all other sums are zero already."""
        for group in self.groups:
            group.clear_gradient()
        for worker in range(len(self.grads)):
            self._touched.forget(worker)

    def forget(self, worker: int) -> None:
        """Undo what a worker has collected since the gradients were cleared."""
        self.grads[worker].zero_()
        self._touched.forget(worker)

    def constrain(self) -> None:
        """Shorten the rows of the masters that are longer than the model allows."""
        for master, limit in self._limited:
            master.renorm_(2, 0, limit)

    def refresh(self) -> None:
        """Bring the working weights up to the masters."""
        if self.working is not self.master:
            self.working.copy_(self.master)

    def release(self) -> None:
        """Give the model float32 weights of its own, equal to the masters."""
        for parameter, view in zip(self._members[0], self._views(self.master), strict=True):
            parameter.data = view.clone()
            parameter.grad = None

    @contextmanager
    def evaluating(self) -> Iterator[NeuralModel]:
        """The model with its working weights, in evaluation mode, for the length of a block."""
        was_training = self.model.training
        self.model.eval()
        try:
            yield self.model
        finally:
            self.model.train(was_training)

    def _views(self, flat: Tensor) -> Iterator[Tensor]:
        start = 0
        for group in self.groups:
            stop = start + group.master.numel()
            yield from (view for _, view in group.views(flat[start:stop]))
            start = stop

    def _slices(self, named: Named) -> Iterator[ParameterGroup]:
        start = 0
        for (kind, decay), members in named.items():
            stop = start + sum(p.numel() for _, p in members)
            yield ParameterGroup(
                name=kind
                if decay == (kind != "vector")
                else f"{kind}-{'' if decay else 'no-'}decay",
                master=self.master[start:stop],
                grad=self.grad[start:stop],
                decay=decay,
                shapes=[(name, p.shape) for name, p in members],
                kind=kind,
            )
            start = stop


def check_fingerprint(saved: dict[str, list[int]], own: dict[str, list[int]], where: str) -> None:
    """Refuse weights of another model.

    Raises:
        ShapeError: naming the first parameter that differs.
    """
    for name in [*own, *(name for name in saved if name not in own)]:
        if saved.get(name) != own.get(name):
            raise ShapeError(
                f"{where}: parameter '{name}' has shape {saved.get(name, 'none')} there and "
                f"{own.get(name, 'none')} in this model; use the recipe that wrote it"
            )
    if list(saved) != list(own):
        raise ShapeError(
            f"{where}: the parameters lie in another order than in this model; "
            "use the version that wrote it"
        )


def _in_groups(model: NeuralModel) -> Named:
    """Parameters by kind and decay; each parameter once, however many names it has.

    A matrix that does not decay is a table too: learned positions are looked up, not multiplied.
    """
    tables = {id(weight) for weight in model.tables()}
    groups: Named = {}
    for name, parameter in model.named_parameters():
        decay = parameter.requires_grad and model.decays(name, parameter)
        kind: Kind = "vector" if parameter.ndim < 2 else "matrix"
        if id(parameter) in tables or (kind == "matrix" and not decay):
            kind = "embedding"
        groups.setdefault((kind, decay), []).append((name, parameter))
    return dict(sorted(groups.items(), key=lambda item: (item[0][0], not item[0][1])))


def _by_name(model: nn.Module, names: Sequence[str]) -> list[nn.Parameter]:
    found = dict(model.named_parameters())
    return [found[name] for name in names]
