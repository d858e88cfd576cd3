"""What rows of scores cost, and their gradient, by the compiled kernel or by torch.

The kernel reads scores as they are and leaves their gradient in their place, where torch has four
passes over copies in float32. What a row costs does not depend on the rows beside it. Both ways
agree but for rounding.

Shapes: N rows, V scores in each.
"""

import ctypes

import torch
from torch import Tensor

from ...errors import DataError
from ...native.tensors import SIZE, Kernel, Numbers

_KERNEL = Kernel(
    "row_costs", *[Numbers] * 3, SIZE, SIZE, ctypes.c_float, SIZE, Numbers, result=SIZE
)


def row_costs(scores: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each row in nats, (N,) float32.

    Args:
        scores: (N, V).
        targets: (N,) int64, each in 0..V-1.

    Raises:
        DataError: a target is outside (by the kernel; torch has an error of its own).
    """
    scores = scores.contiguous()
    if (costs := _by_kernel(scores, targets, 0.0, slopes=False)) is not None:
        return costs
    logp = torch.log_softmax(scores, dim=-1, dtype=torch.float32)
    return -logp.gather(1, targets[:, None]).squeeze(1)


def row_costs_and_slopes(
    scores: Tensor, targets: Tensor, smoothing: float = 0.0, d_bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each row in nats, (N,) float32, and its gradient by the scores, (N, V).

    Args:
        scores: (N, V) in one piece; used up, for the gradient may take their place.
        targets: (N,) int64, each in 0..V-1.
        smoothing: e, where the target distribution is 1 - e on the target plus e/V everywhere
            (Szegedy et al. 2016, section 7).
        d_bias: (V,) float32; the gradient's sum over the rows is added.

    Raises:
        DataError: a target is outside (by the kernel; torch has an error of its own).
    """
    if (costs := _by_kernel(scores, targets, smoothing, slopes=True, d_bias=d_bias)) is not None:
        return costs, scores
    y, vocab = targets[:, None], scores.shape[1]
    logp = torch.log_softmax(scores, dim=-1, dtype=torch.float32)
    costs = -(1 - smoothing) * logp.gather(1, y).squeeze(1)
    if smoothing:
        costs -= smoothing * logp.mean(1)
    slopes = logp.exp_()
    slopes.scatter_add_(1, y, slopes.new_full((), smoothing - 1).expand_as(y))
    if smoothing:
        slopes -= smoothing / vocab
    if d_bias is not None:
        d_bias += slopes.sum(0)
    return costs, slopes.to(scores.dtype)


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
    targets = targets.contiguous()
    costs = torch.empty(len(targets), dtype=torch.float32)
    if kernel(scores, targets, costs, *scores.shape, smoothing, slopes, d_bias):
        low, high = int(targets.min()), int(targets.max())
        raise DataError(
            f"targets of {low} to {high} under a vocabulary of {scores.shape[1]} tokens: the text "
            "was made into tokens with another vocabulary; prepare it again"
        )
    return costs
