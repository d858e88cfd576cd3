"""All steps of an LSTM, with or without peepholes, with few calls for each of them.

The inputs' products are formed at once before the first step. Then a step is one product of h with
the recurrent weights and one compiled kernel for all that is pointwise, forward and backward; the
gradients of the weights are formed at once behind the last step. What the gates were is computed
again on the way back instead of being kept. The twin is `Cell._step_by_step` of `recurrent.py`,
which remains on other devices, under the compiler, and where there are no kernels.

Shapes: B sequences, T steps, I inputs, C width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ..native.tensors import SIZE, Kernel, Numbers

STEP = Kernel("lstm", *[Numbers] * 6, SIZE, SIZE)
STEP_BACK = Kernel("lstm_back", *[Numbers] * 10, SIZE, SIZE)


def lstm_steps(
    x: Tensor,
    state: Sequence[Tensor],
    weights: Sequence[Tensor],
    peepholes: Sequence[Tensor],
    mask: Tensor | None,
    restarts: Tensor | None,
) -> tuple[Tensor, tuple[Tensor, Tensor]] | None:
    """Outputs (T, B, C) and the state after the last step; None where there is no kernel.

    Args:
        x: inputs (T, B, I).
        state: h and c before the first step, (B, C) each.
        weights: of inputs (4C, I) and state (4C, C), and their two biases (4C).
        peepholes: of the gates i, f and o, (C) each; none of them for the plain LSTM.
        mask: (B, C), what h is multiplied with before each product.
        restarts: (T, B), whether a step begins from zero.
    """
    if STEP.taking(x) is None:
        return None
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    peep = torch.stack(tuple(peepholes)) if peepholes else x.new_zeros(3, weight_hh.shape[1])
    keep = None if mask is None else mask.expand(len(x), *mask.shape)  # (T, B, C)
    fresh = None
    if restarts is not None:
        fresh = restarts.contiguous()
        kept = (~fresh)[:, :, None].to(x.dtype)  # (T, B, 1)
        keep = kept if keep is None else keep * kept
    y, c = _LSTM.apply(x, *state, weight_ih, weight_hh, bias_ih + bias_hh, peep, keep, fresh)
    return y, (y[-1], c)


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        c: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
        peep: Tensor,
        keep: Tensor | None,
        fresh: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        T, (B, C) = len(x), h.shape
        z = F.linear(x, weight_ih, bias)  # (T, B, 4C)
        states, memories = x.new_empty(T + 1, B, C), x.new_empty(T + 1, B, C)
        states[0], memories[0] = h, c
        entering = states if keep is None else x.new_empty(T, B, C)
        hs, cs, zs = (part.unbind(0) for part in (states, memories, z))
        begins, kernel = _beginning(fresh, T), STEP.taking(x)
        assert kernel is not None
        for t, before in zip(range(T), entering.unbind(0), strict=False):
            if keep is not None:
                torch.mul(hs[t], keep[t], out=before)
            torch.addmm(zs[t], before, weight_hh.T, out=zs[t])  # addmm_ is not counted as a product
            kernel(zs[t], cs[t], peep, begins[t], cs[t + 1], hs[t + 1], B, C)
        ctx.save_for_backward(x, weight_ih, weight_hh, peep, z, memories, entering, keep, fresh)
        return states[1:], memories[T].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_ih, weight_hh, peep, z, memories, entering, keep, fresh = ctx.saved_tensors
        (T, B), C = x.shape[:2], peep.shape[1]
        dy, dz = grads[0].contiguous(), torch.empty_like(z)
        dh, dc = x.new_zeros(B, C), grads[1].to(torch.float32, copy=True).contiguous()
        dpeep = torch.zeros_like(peep, dtype=torch.float32)
        cs, zs, dzs, dys = (part.unbind(0) for part in (memories, z, dz, dy))
        begins, kernel = _beginning(fresh, T), STEP_BACK.taking(x)
        assert kernel is not None
        for t in reversed(range(T)):
            seen = (zs[t], cs[t], peep, begins[t], cs[t + 1])
            kernel(*seen, dys[t], dh, dc, dzs[t], dpeep, B, C)
            torch.mm(dzs[t], weight_hh, out=dh)
            if keep is not None:
                dh.mul_(keep[t])
        each, inputs = dz.flatten(0, 1), x.flatten(0, 1)  # (T*B, 4C), (T*B, I)
        dx = dz @ weight_ih if ctx.needs_input_grad[0] else None
        d_weight_hh = each.T @ entering[:T].flatten(0, 1)
        dc, dpeep = dc.to(x.dtype), dpeep.to(x.dtype)
        return dx, dh, dc, each.T @ inputs, d_weight_hh, each.sum(0), dpeep, None, None


def _beginning(fresh: Tensor | None, steps: int) -> Sequence[Tensor | None]:
    """Which rows begin at each of the steps."""
    return [None] * steps if fresh is None else fresh.unbind(0)
