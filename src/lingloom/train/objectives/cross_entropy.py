"""Cross-entropy over a vocabulary, in nats: summed, with its count of targets.

Shapes: N places, C width, V vocabulary.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...models.model import LanguageModel, WritingModel
from ...tokens.batch import IGNORE, Batch, PairBatch
from ..rows import add_all
from .row_costs import row_costs, row_costs_and_slopes

CHUNK_SCORES = 1 << 23
"""Scores formed at once: 32 MB in float32, which bounds what of them is held at any time."""


def next_token(
    model: WritingModel, batch: Batch | PairBatch, label_smoothing: float = 0.0
) -> tuple[Tensor, int]:
    """What comes next at every place: (summed cross-entropy in nats, scored targets).

    With `label_smoothing` e the target distribution is 1 - e on the target plus e/V everywhere
    (Szegedy et al. 2016, section 7). The (N, V) scores exist one chunk of rows at a time, and their
    gradient is formed while they do.
    """
    hidden = model.hidden(batch).flatten(0, 1)
    targets = batch.targets.flatten()
    scored = targets != IGNORE
    count = int(scored.sum())
    if count < targets.numel():
        hidden, targets = hidden[scored], targets[scored]
    return cross_entropy(hidden, model.output_weight(), targets, label_smoothing), count


def cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    bias: Tensor | None = None,
) -> Tensor:
    """Summed cost in nats of `targets` (N,) under the scores `hidden @ weight.T + bias`.

    Args:
        hidden: (N, C).
        weight: (V, C).
        targets: (N,) int64, none of them IGNORE.
        label_smoothing: as in `next_token`.
        bias: (V,).
    """
    wanted = torch.is_grad_enabled()
    total: Tensor = _CrossEntropy.apply(hidden, weight, targets, label_smoothing, bias, wanted)
    return total


class _CrossEntropy(torch.autograd.Function):
    """Summed cross-entropy, with all gradients made in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        smoothing: float,
        bias: Tensor | None,
        wanted: bool,
    ) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        wanted = wanted and any(ctx.needs_input_grad)  # which alone is true without autograd too
        d_hidden = torch.empty_like(hidden) if wanted else None
        d_weight: Tensor | None = None
        d_bias = None
        if wanted and bias is not None:
            d_bias = torch.zeros_like(bias, dtype=torch.float32)
        rows = chunk_rows(weight.shape[0])
        for start in range(0, hidden.shape[0], rows):
            h, y = hidden[start : start + rows], targets[start : start + rows]
            scores = F.linear(h, weight, bias)  # (rows, V)
            if d_hidden is None:
                total += row_costs(scores, y, smoothing).sum()
                continue
            costs, d = row_costs_and_slopes(scores, y, smoothing, d_bias)
            total += costs.sum()
            torch.mm(d, weight, out=d_hidden[start : start + rows])
            part = d.T @ h
            if d_weight is None:
                d_weight = part
            else:
                d_weight = d_weight.float()  # summed so, whatever the working precision
                add_all(d_weight, part)
        if wanted:
            saved = [d_hidden, None if d_weight is None else d_weight.to(weight.dtype)]
            saved.append(None if bias is None or d_bias is None else d_bias.to(bias.dtype))
            ctx.save_for_backward(*saved)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (upstream,) = grads
        slopes = ctx.saved_tensors
        if float(upstream) != 1.0:
            slopes = [None if slope is None else slope * upstream for slope in slopes]
        d_hidden, d_weight, d_bias = slopes
        return d_hidden, d_weight, None, None, d_bias, None


def chunk_rows(vocab: int) -> int:
    """Places whose scores are formed at once."""
    return max(64, CHUNK_SCORES // vocab)


@torch.no_grad()
def token_nats(model: LanguageModel | WritingModel, batch: Batch | PairBatch) -> Tensor:
    """Cost of each target in nats, (B, T) float32; 0 where the target is IGNORE.

    A model that knows its costs more directly says so by a `token_nats(batch)` of its own.
    """
    own = getattr(model, "token_nats", None)
    if own is not None:
        return own(batch)
    if isinstance(model, WritingModel):
        hidden, weight = model.hidden(batch).flatten(0, 1), model.output_weight()
        rows = chunk_rows(weight.shape[0])
        scores: Iterable[Tensor] = (h @ weight.T for h in hidden.split(rows))
    else:
        assert isinstance(batch, Batch)
        logits = model.logits(batch).flatten(0, 1)
        rows, scores = logits.shape[0], [logits]
    targets = batch.targets.flatten()
    costs = []
    for chunk, y in zip(scores, targets.split(rows), strict=True):
        costs.append(row_costs(chunk, y.clamp(min=0)))
    cost = torch.cat(costs).masked_fill(targets == IGNORE, 0.0)
    return cost.view(batch.targets.shape)
