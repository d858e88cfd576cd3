"""What rows of scores cost, and their gradient, by the compiled kernel or by torch.

The kernel reads scores as they are and leaves their gradient in their place, where torch has four
passes over copies in float32. It has one thread, as workers have. Where all scores of a row are
finite both ways agree but for rounding; by the kernel any other row is nan.

Shapes: N rows, V scores in each.
"""

import ctypes

import torch
from torch import Tensor

from ...native.tensors import SIZE, Kernel, Numbers

_KERNEL = Kernel(
    "row_costs", *[Numbers] * 3, SIZE, SIZE, ctypes.c_float, SIZE, Numbers, result=SIZE
)


def row_costs(scores: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of each row in nats, (N,) float32, without gradient.

    Args:
        scores: (N, V).
        targets: (N,) int64, each in 0..V-1.
        smoothing: e, where the target distribution is 1 - e on the target plus e/V everywhere
            (Szegedy et al. 2016, section 7).

    Raises:
        IndexError: a target is outside; by torch a RuntimeError.
    """
    scores = scores.detach().contiguous()
    if (costs := _by_kernel(scores, targets, smoothing, slopes=False)) is not None:
        return costs
    return _costs(torch.log_softmax(scores, dim=-1, dtype=torch.float32), targets, smoothing)


def row_costs_and_slopes(
    scores: Tensor, targets: Tensor, smoothing: float = 0.0, d_bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each row in nats, (N,) float32, and its gradient by the scores, (N, V).

    Args:
        scores: (N, V) in one piece; used up, for the gradient may take their place.
        targets: (N,) int64, each in 0..V-1.
        smoothing: as in `row_costs`.
        d_bias: (V,) float32; the gradient's sum over the rows is added.

    Raises:
        IndexError: a target is outside; by torch a RuntimeError.
    """
    if (costs := _by_kernel(scores, targets, smoothing, slopes=True, d_bias=d_bias)) is not None:
        return costs, scores
    y, vocab = targets[:, None], scores.shape[1]
    logp = torch.log_softmax(scores, dim=-1, dtype=torch.float32)
    costs = _costs(logp, targets, smoothing)
    slopes = logp.exp_()
    slopes.scatter_add_(1, y, slopes.new_full((), smoothing - 1).expand_as(y))
    if smoothing:
        slopes -= smoothing / vocab
    if d_bias is not None:
        d_bias += slopes.sum(0)
    return costs, slopes.to(scores.dtype)


def _costs(logp: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    costs = -(1 - smoothing) * logp.gather(1, targets[:, None]).squeeze(1)
    return costs - smoothing * logp.mean(1) if smoothing else costs


def _by_kernel(
    scores: Tensor,
    targets: Tensor,
    smoothing: float,
    *,
    slopes: bool,
    d_bias: Tensor | None = None,
) -> Tensor | None:
    """The costs, (N,) float32; None where torch has to compute."""
    if (kernel := _KERNEL.taking(scores)) is None:
        return None
    rows, vocab = scores.shape
    assert scores.is_contiguous() and targets.shape == (rows,) and targets.dtype == torch.int64
    assert d_bias is None or (d_bias.shape == (vocab,) and d_bias.dtype == torch.float32)
    costs = torch.empty(rows, dtype=torch.float32)
    if kernel(scores, targets.contiguous(), costs, rows, vocab, smoothing, slopes, d_bias):
        raise IndexError(f"targets of {targets.min()} to {targets.max()} under {vocab} scores")
    return costs
