"""Training an LSTM language model: ours under the public loop beside a plain loop over torch.nn.

    python benchmarks/rnn_speed.py [--rounds 5] [--steps 4] [--cells lstm peephole]

Both have the same sizes, carried state, AdamW and gradient clipping, in float32 and in bfloat16
(theirs all in bfloat16, ours with masters in float32). torch.nn has no LSTM with peepholes: beside
ours stands a plain loop over the steps of the same formula. They take turns in one process; tokens
per second, medians of the rounds, and the ratio within each round.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Iterator
from functools import partial
from itertools import product

import torch
from torch import nn
from torch.nn import functional as F
from turns import in_turns, over

from lingloom.models.rnn import RNNSettings
from lingloom.tokens.batch import Batch
from lingloom.train.loop import train
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.settings import TrainSettings

SHAPES = {
    "2x200, 20x20, 10k words": (2, 200, 20, 20, 10_000),
    "2x512, 64x64, 256 bytes": (2, 512, 64, 64, 256),
}
"""layers, width, context, batch, vocab."""
CLIP = 0.25
THEIRS = {"lstm": "torch.nn", "peephole": "step by step"}
"""Beside ours, for each cell."""


class PeepholeLayer(nn.Module):
    """Gers et al. 2002, section 3, operation by operation."""

    def __init__(self, width: int):
        super().__init__()
        self.inputs = nn.Linear(width, 4 * width)
        self.recurrent = nn.Linear(width, 4 * width)
        self.peep = nn.Parameter(torch.zeros(3, width))

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor):
        outputs = []
        for given in self.inputs(x).unbind(1):
            i, f, g, o = (given + self.recurrent(h)).chunk(4, dim=1)
            i, f = torch.sigmoid(i + self.peep[0] * c), torch.sigmoid(f + self.peep[1] * c)
            c = f * c + i * torch.tanh(g)
            h = torch.sigmoid(o + self.peep[2] * c) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h, c


class PeepholeLSTM(nn.Module):
    """Layers of the above, called like nn.LSTM."""

    def __init__(self, width: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList(PeepholeLayer(width) for _ in range(layers))

    def forward(self, x: torch.Tensor, state):
        if state is None:
            zeros = x.new_zeros(len(self.layers), len(x), x.shape[2])
            state = zeros, zeros
        ends = []
        for layer, h, c in zip(self.layers, *state, strict=True):
            x, *end = layer(x, h, c)
            ends.append(end)
        return x, tuple(torch.stack(parts) for parts in zip(*ends, strict=True))


class Plain(nn.Module):
    """What a tutorial has."""

    def __init__(self, cell: str, layers: int, width: int, vocab: int):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        if cell == "lstm":
            self.lstm: nn.Module = nn.LSTM(width, width, layers, batch_first=True)
        else:
            self.lstm = PeepholeLSTM(width, layers)
        self.out = nn.Linear(width, vocab)

    def forward(self, ids: torch.Tensor, state):
        hidden, state = self.lstm(self.embedding(ids), state)
        return self.out(hidden), tuple(part.detach() for part in state)


def theirs(cell: str, shape: tuple[int, ...], dtype: torch.dtype) -> Iterator[None]:
    layers, width, context, batch, vocab = shape
    torch.manual_seed(0)
    model = Plain(cell, layers, width, vocab).to(dtype)
    optimizer = torch.optim.AdamW(model.parameters())
    ids = torch.randint(vocab, (batch, context + 1))
    state = None
    while True:
        scores, state = model(ids[:, :-1], state)
        loss = F.cross_entropy(scores.flatten(0, 1).float(), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        float(loss.detach())
        yield


def ours(cell: str, shape: tuple[int, ...], precision: str) -> Iterator[None]:
    layers, width, context, batch, vocab = shape
    torch.manual_seed(0)
    model = RNNSettings(
        cell=cell, layers=layers, width=width, context=context, vocab=vocab, tied=False
    ).build()
    ids = torch.randint(vocab, (batch, context + 1))
    settings = TrainSettings(
        steps=100_000,
        batch=batch,
        precision=precision,
        packing="carried",
        eval_every=0,
        regularise={"clip_norm": CLIP},
    )

    def batch_of(step: int) -> Batch:
        return Batch(ids[:, :-1], ids[:, 1:], goes_on=step > 0)

    for _ in train(model, next_token, batch_of, settings, seed=0):
        yield


def timed(steps: Iterator[None], count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        next(steps)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="per turn")
    parser.add_argument("--cells", nargs="+", default=list(THEIRS), choices=THEIRS)
    asked = parser.parse_args()
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores")
    for cell, (name, shape) in product(asked.cells, SHAPES.items()):
        tokens = shape[2] * shape[3] * asked.steps
        for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            runs: dict[str, Iterator[None]] = {
                "ours": ours(cell, shape, precision),
                THEIRS[cell]: theirs(cell, shape, dtype),
            }
            for steps in runs.values():
                timed(steps, 2)
            turns = {who: partial(timed, steps, asked.steps) for who, steps in runs.items()}
            took = in_turns(asked.rounds, turns)
            speed = {who: tokens / statistics.median(some) for who, some in took.items()}
            peer = THEIRS[cell]
            print(
                f"{cell:8} {name:24} {precision}: ours {speed['ours']:8,.0f} tokens/s, {peer} "
                f"{speed[peer]:8,.0f}; {over(took[peer], took['ours'])}",
                flush=True,
            )


if __name__ == "__main__":
    main()
