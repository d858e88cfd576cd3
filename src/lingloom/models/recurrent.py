"""The cells of recurrent networks, formula by formula, and how a layer of them reads a sequence.

Below, x is a layer's input at a step, h its state (which is its output too), s(.) the logistic
function, * the product of single numbers; h and c on the right are those of the step before. The
weights lie as in torch.nn.RNN, LSTM and GRU: gates below each other, two biases.

Where torch has a faster kernel for a whole sequence and nothing forbids it, that is used (on the
CPU for the LSTM alone, in bf16 for narrow ones: `benchmarks/rnn_speed.py`). Otherwise all inputs
are multiplied at once and the steps follow one by one: of the LSTM, with and without peepholes, by
kernels of our own (`recurrent_kernels.py`), of others operation by operation. Then the gradient of
the recurrent weights is formed once, over all steps together, and not added up step by step.

Shapes: B sequences, T steps, I inputs, C width, G gates.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .dropout import dropout
from .recurrent_kernels import lstm_steps

WIDE = 384
"""Width from which on, in bf16 on a CPU without AMX, our LSTM steps are faster than the library's:
measured forward and backward on one core, 1.1 times at 384, 1.8 at 512, 2.9 at 1024, and 0.8 at
256. In float32 they are half as fast."""
State = tuple[Tensor, ...]
"""What a cell hands to its next step, (B, C) each: h, and c where it has a memory."""


class Cell(nn.Module):
    """One layer of cells.

    Args:
        inputs: I.
        width: C.
        dropconnect: share of the recurrent weights dropped while training.
        recurrent_dropout: share of h hidden from the next step while training.
    """

    gates: int
    parts = 1
    """Tensors in a state."""
    fast_on: tuple[str, ...] = ("cuda",)
    """Devices on which `whole` is faster than step by step."""

    def __init__(self, inputs: int, width: int, *, dropconnect: float, recurrent_dropout: float):
        super().__init__()
        rows = self.gates * width
        self.weight_ih = nn.Parameter(torch.empty(rows, inputs))
        self.weight_hh = nn.Parameter(torch.empty(rows, width))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))
        self.dropconnect, self.recurrent_dropout = dropconnect, recurrent_dropout

    def forward(
        self, x: Tensor, state: State, restarts: Tensor | None
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """Outputs (T, B, C) for `x` (T, B, I), and the state after the last step.

        Args:
            x: inputs, time first.
            state: before the first step.
            restarts: (T, B), whether a step begins from zero; None: no step does.
        """
        weight: Tensor = self.weight_hh
        mask = None
        if self.training and self.dropconnect:
            weight = dropout(weight, self.dropconnect)
        if self.training and self.recurrent_dropout:
            mask = dropout(torch.ones_like(state[0]), self.recurrent_dropout)
        found = None
        plain = mask is None and restarts is None and x.device.type in self.fast_on
        if plain and not self.better_by_kernels(x):
            found = self.whole(x, state, weight)
        if found is None:
            found = self.by_kernels(x, state, weight, mask, restarts)
        if found is None and plain:
            found = self.whole(x, state, weight)
        return found or self._step_by_step(x, state, weight, mask, restarts)

    def _step_by_step(
        self, x: Tensor, state: State, weight: Tensor, mask: Tensor | None, restarts: Tensor | None
    ) -> tuple[Tensor, State]:
        given = F.linear(x, self.weight_ih, self.bias_ih)  # (T, B, G*C)
        seen: list[Tensor] = []
        biases, weight = later_gradient(weight, self.bias_hh, seen, given)
        outputs = []
        for t, now in enumerate(given.unbind(0)):
            if restarts is not None:
                state = tuple(part.masked_fill(restarts[t, :, None], 0) for part in state)
            h = state[0] if mask is None else state[0] * mask
            seen.append(h.detach())
            state = self.step(now, torch.addmm(biases[t], h, weight.T), state)
            outputs.append(state[0])
        return torch.stack(outputs), state

    def step(self, given: Tensor, recurrent: Tensor, state: State) -> State:
        """The next state.

        Args:
            given: W x + b for all gates, (B, G*C).
            recurrent: U h + b for all gates, (B, G*C), with h dropped where that is asked for.
            state: the one before.
        """
        raise NotImplementedError

    def whole(self, x: Tensor, state: State, weight: Tensor) -> tuple[Tensor, State] | None:
        """All steps by one kernel of the library; None where there is none."""
        return None

    def better_by_kernels(self, x: Tensor) -> bool:
        """Whether our kernels are faster than the library's for `x`, where both can be taken."""
        return False

    def by_kernels(
        self, x: Tensor, state: State, weight: Tensor, mask: Tensor | None, restarts: Tensor | None
    ) -> tuple[Tensor, State] | None:
        """All steps, each by a product and a kernel of ours; None where there is none."""
        return None

    def _weights(self, weight: Tensor) -> list[Tensor]:
        return [self.weight_ih, weight, self.bias_ih, self.bias_hh]


class _Later(torch.autograd.Function):
    """Biases for every step, whose gradient, complete at the end, is that of the weights too."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, bias: Tensor, seen: list[Tensor], steps: int, rows: int
    ) -> Tensor:
        ctx.seen = seen
        return bias.expand(steps, rows, -1).clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        each = grads[0].flatten(0, 1)  # (T*B, G*C)
        before = torch.cat(ctx.seen)  # (T*B, C)
        ctx.seen.clear()
        return each.T @ before, each.sum(0), None, None, None


def later_gradient(
    weight: Tensor, bias: Tensor, seen: list[Tensor], given: Tensor
) -> tuple[Sequence[Tensor], Tensor]:
    """A bias for every step, and the weight to multiply with at every step.

    Its gradient is not summed over steps by autograd, which would touch all of it T times: it
    follows from the states in `seen`, which the caller fills, and the gradients of the biases.
    """
    steps, rows = given.shape[:2]
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return [bias] * steps, weight
    biases: Tensor = _Later.apply(weight, bias, seen, steps, rows)
    return biases.unbind(0), weight.detach()


class ElmanTanh(Cell):
    """h = tanh(W x + U h + b).

    Source: Elman 1990 (Finding structure in time), section "Networks with dynamic memory", with the
    hyperbolic tangent that became usual.
    """

    gates = 1

    def step(self, given: Tensor, recurrent: Tensor, state: State) -> State:
        return ((given + recurrent).tanh(),)

    def whole(self, x: Tensor, state: State, weight: Tensor) -> tuple[Tensor, State] | None:
        (h,) = state
        weights = self._weights(weight)
        y, h = torch.rnn_tanh(x, h[None], weights, True, 1, 0.0, self.training, False, False)
        return y, (h[0],)


class ElmanRelu(Cell):
    """h = max(0, W x + U h + b).

    Source: Elman 1990 with the rectifier of Le et al. 2015 (A Simple Way to Initialize Recurrent
    Networks of Rectified Linear Units), whose identity start is not taken over.
    """

    gates = 1

    def step(self, given: Tensor, recurrent: Tensor, state: State) -> State:
        return ((given + recurrent).relu(),)

    def whole(self, x: Tensor, state: State, weight: Tensor) -> tuple[Tensor, State] | None:
        (h,) = state
        weights = self._weights(weight)
        y, h = torch.rnn_relu(x, h[None], weights, True, 1, 0.0, self.training, False, False)
        return y, (h[0],)


class ElmanSigmoid(Cell):
    """h = s(W x + U h + b).

    Source: Elman 1990, whose units are logistic; Mikolov et al. 2010, equations 2 and 4.
    """

    gates = 1

    def step(self, given: Tensor, recurrent: Tensor, state: State) -> State:
        return ((given + recurrent).sigmoid(),)


class LSTM(Cell):
    """Gates i, f, o and candidate g, each with weights of its own:

        i = s(W x + U h + b)    f = s(W x + U h + b)    o = s(W x + U h + b)
        g = tanh(W x + U h + b)
        c = f * c + i * g       h = o * tanh(c)

    Source: Hochreiter and Schmidhuber 1997 (Long short-term memory), section 4; the forget gate f
    is of Gers et al. 2000 (Learning to forget), section 3. In the form of Zaremba et al. 2014,
    section 3.1.
    """

    gates = 4
    parts = 2
    fast_on = ("cpu", "cuda")

    def step(self, given: Tensor, recurrent: Tensor, state: State) -> State:
        i, f, g, o = (given + recurrent).chunk(4, dim=1)
        c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def whole(self, x: Tensor, state: State, weight: Tensor) -> tuple[Tensor, State] | None:
        start = [part[None] for part in state]
        weights = self._weights(weight)
        y, h, c = torch.lstm(x, start, weights, True, 1, 0.0, self.training, False, False)
        return y, (h[0], c[0])

    def better_by_kernels(self, x: Tensor) -> bool:
        wide = self.weight_hh.shape[1] >= WIDE
        return wide and x.dtype == torch.bfloat16 and x.device.type == "cpu"

    def by_kernels(
        self, x: Tensor, state: State, weight: Tensor, mask: Tensor | None, restarts: Tensor | None
    ) -> tuple[Tensor, State] | None:
        return lstm_steps(x, state, self._weights(weight), (), mask, restarts)


class Peephole(Cell):
    """The LSTM whose gates see the memory c, through one weight p for each of its numbers:

        i = s(W x + U h + p * c + b)    f = s(W x + U h + p * c + b)
        g = tanh(W x + U h + b)         c' = f * c + i * g
        o = s(W x + U h + p * c' + b)   h = o * tanh(c')

    The output gate sees the new memory c', the others that of the step before.

    Source: Gers and Schmidhuber 2000 (Recurrent nets that time and count), section 2; Gers et al.
    2002 (Learning precise timing with LSTM recurrent networks), section 3.
    """

    gates = 4
    parts = 2

    def __init__(self, inputs: int, width: int, *, dropconnect: float, recurrent_dropout: float):
        super().__init__(
            inputs, width, dropconnect=dropconnect, recurrent_dropout=recurrent_dropout
        )
        self.peep_i = nn.Parameter(torch.empty(width))
        self.peep_f = nn.Parameter(torch.empty(width))
        self.peep_o = nn.Parameter(torch.empty(width))

    def step(self, given: Tensor, recurrent: Tensor, state: State) -> State:
        i, f, g, o = (given + recurrent).chunk(4, dim=1)
        c = state[1]
        i, f = (i + self.peep_i * c).sigmoid(), (f + self.peep_f * c).sigmoid()
        c = f * c + i * g.tanh()
        return (o + self.peep_o * c).sigmoid() * c.tanh(), c

    def by_kernels(
        self, x: Tensor, state: State, weight: Tensor, mask: Tensor | None, restarts: Tensor | None
    ) -> tuple[Tensor, State] | None:
        peepholes = (self.peep_i, self.peep_f, self.peep_o)
        return lstm_steps(x, state, self._weights(weight), peepholes, mask, restarts)


class GRU(Cell):
    """Gates r (reset) and z (update), and a candidate n:

        r = s(W x + U h + b)    z = s(W x + U h + b)
        n = tanh(W x + b + r * (U h + b))
        h = z * h + (1 - z) * n

    Source: Cho et al. 2014 (Learning Phrase Representations using RNN Encoder-Decoder), equations
    5-8, where the reset comes before the product, U (r * h); behind it, as here and in all fast
    kernels, one product serves all gates.
    """

    gates = 3

    def step(self, given: Tensor, recurrent: Tensor, state: State) -> State:
        (r, z, n), (hr, hz, hn) = given.chunk(3, dim=1), recurrent.chunk(3, dim=1)
        r, z = (r + hr).sigmoid(), (z + hz).sigmoid()
        n = (n + r * hn).tanh()
        return (n + z * (state[0] - n),)

    def whole(self, x: Tensor, state: State, weight: Tensor) -> tuple[Tensor, State] | None:
        (h,) = state
        weights = self._weights(weight)
        y, h = torch.gru(x, h[None], weights, True, 1, 0.0, self.training, False, False)
        return y, (h[0],)


CELLS: dict[str, type[Cell]] = {
    "elman_tanh": ElmanTanh,
    "elman_relu": ElmanRelu,
    "elman_sigmoid": ElmanSigmoid,
    "lstm": LSTM,
    "peephole": Peephole,
    "gru": GRU,
}
