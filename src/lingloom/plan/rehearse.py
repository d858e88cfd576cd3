"""What training holds in memory, found by rehearsing it with tensors that hold no numbers.

The rehearsal runs the model's own code, the objective's, autograd's and the optimizer's, so it
needs no formula per family and cannot fall behind the code. It allocates nothing and computes
nothing: a model of any size is rehearsed in the time that Python takes to walk through its layers.
"""

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..device import working_dtype
from ..models.model import ModelSettings, NeuralModel
from ..train.objectives.objective import objective_of
from ..train.optim import OptimizerSettings
from ..train.parameters import Parameters
from ..train.settings import TrainSettings

WORKSPACE_BYTES = {torch.float32: 62, torch.bfloat16: 44}
"""What the kernel of the LSTM keeps for its backward pass, per number of its output; rehearsed
tensors do not show it. As measured with torch 2.13; wide layers need it, narrow ones some more."""
LONGEST_TOKENS = 4096
"""Sequences up to this length are rehearsed; longer ones follow from three shorter ones."""


@dataclass(frozen=True)
class Standing:
    """What a run holds from its first step to its last."""

    parameters: int
    """Trained numbers; a tied weight counts once."""
    masters_bytes: int
    working_bytes: int
    """0 in fp32, where the model computes with the masters."""
    gradients_bytes: int
    optimizer_bytes: int
    average_bytes: int
    """The moving average of the weights, where there is one."""
    best_bytes: int
    """The best weights so far, kept for early stopping."""
    largest_bytes: int
    """The largest single parameter in float32."""
    flops_per_token: float
    """Of a forward pass over a full row."""


def standing(model: ModelSettings, train: TrainSettings, workers: int = 1) -> Standing:
    """What a run of `model` under `train` holds all the time.

    Args:
        model: any neural family's settings, with `vocab` settled.
        train: precision, optimizer and averaging are looked at.
        workers: micro-batches computed side by side, each with its own gradients.
    """
    with torch.device("meta"):
        network: NeuralModel = model.build()
        parameters = Parameters(network, working_dtype(train.precision), workers)
        optimizer = train.optimizer
        assert isinstance(optimizer, OptimizerSettings)
        state = optimizer.build(parameters.groups).state
    separate = parameters.working is not parameters.master
    context = int(network.settings.context)
    row = objective_of(model, train).pretended(model, train, 1, context)
    return Standing(
        parameters=parameters.master.numel(),
        masters_bytes=_bytes(parameters.master),
        working_bytes=_bytes(parameters.working) if separate else 0,
        gradients_bytes=sum(_bytes(grad) for grad in parameters.grads),
        optimizer_bytes=sum(_bytes(tensor) for tensor in state.values()),
        average_bytes=_bytes(parameters.master) if train.regularise.ema else 0,
        best_bytes=_bytes(parameters.master) if train.regularise.patience else 0,
        largest_bytes=4 * max(s.numel() for g in parameters.groups for _, s in g.shapes),
        flops_per_token=network.flops_of(row) / row.tokens,
    )


def micro_batch_bytes(model: ModelSettings, train: TrainSettings, micro: int) -> int:
    """Peak of what one micro-batch's forward and backward pass hold, gradients included.

    Counts every tensor from the operation that makes it to the moment when Python and autograd let
    it go. What kernels take for themselves is not seen; see `memory.PASS` for how much that is.

    Args:
        model: any neural family's settings, with `vocab` settled.
        train: precision and packing are looked at.
        micro: sequences of `model.context` tokens computed at once.
    """
    context = int(getattr(model, "context"))  # noqa: B009  every family has one; see ModelSettings
    if context <= LONGEST_TOKENS:
        return _traced_bytes(model, train, micro, context)
    # Attention holds what grows with the square of the context, all else grows with the context
    # itself or not at all: three lengths settle the curve.
    x1, x2, x3 = (LONGEST_TOKENS // part for part in (4, 2, 1))
    y1, y2, y3 = (_traced_bytes(model, train, micro, x) for x in (x1, x2, x3))
    slope, later = (y2 - y1) / (x2 - x1), (y3 - y2) / (x3 - x2)
    bend = max(0.0, (later - slope) / (x3 - x1))
    return int(y3 + (later + bend * (x3 - x2)) * (context - x3) + bend * (context - x3) ** 2)


def _traced_bytes(model: ModelSettings, train: TrainSettings, micro: int, tokens: int) -> int:
    """`micro_batch_bytes` for sequences of so many `tokens`."""
    from torch._subclasses.fake_tensor import FakeTensorMode  # a third of a second to import

    objective = objective_of(model, train)
    with _default_dtype(working_dtype(train.precision)), FakeTensorMode():
        network: NeuralModel = model.build()
        network.train()
        network.sparse_gradients(not train.compile)
        rows = objective.pretended(model, train, micro, tokens)
        with _Pretence(rows.ids.numel()) as ledger:
            loss, _ = objective.loss(network, rows)
            loss.backward()  # type: ignore[no-untyped-call]
        return int(ledger.peak_bytes)


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the memory of all tensors alive, and remembers the most there ever was."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive_bytes = 0
        self.peak_bytes = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if (
                isinstance(leaf, Tensor) and not leaf.is_sparse
            ):  # its parts are entered by themselves
                self._enter(leaf)
        return out

    def _enter(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def gone(_: Any) -> None:
            self.alive_bytes -= size
            self._known.pop(key, None)

        self._known[key] = weakref.ref(storage, gone)
        self.alive_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.alive_bytes)


class _Pretence(Ledger):  # type: ignore[no-untyped-call]
    """A ledger over tensors without numbers, which answers where code asks for one.

    Args:
        count: the answer to integers, as objectives ask for the number of scored targets; asked for
            any other number it answers 1.
    """

    def __init__(self, count: int):
        super().__init__()
        self.count = count

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            return 1.0 if args[0].dtype.is_floating_point else self.count
        if func is torch.ops.aten.slice.Tensor and len(args) == 4:
            # a slice from the start is as large, and fake tensors remember what they met before:
            # a loss over a hundred chunks is rehearsed ten times faster
            tensor, axis, start, end = args
            length = tensor.shape[axis]
            start, end, _ = slice(start, end).indices(length)
            args = (tensor, axis, 0, max(0, end - start))
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if func is torch.ops.aten.mkldnn_rnn_layer.default:
            size = WORKSPACE_BYTES[out[0].dtype] * out[0].numel()
            kept = torch.empty(size, dtype=torch.uint8)
            self._enter(kept)
            out = [*out[:3], kept]
        return out


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """New floating-point tensors are of `dtype`: fake modules cannot be cast afterwards."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
