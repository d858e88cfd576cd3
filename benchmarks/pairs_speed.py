"""Training a Transformer on pairs: ours under the public loop beside a plain loop over torch.nn.

    python benchmarks/pairs_speed.py [--rounds 5] [--steps 8]

Both have the same sizes, dropout, label smoothing, AdamW and gradient clipping, in float32 and in
bfloat16 (theirs all in bfloat16, ours with masters in float32). theirs reads our batches, and once
more pairs as they come, padded to the longest, as tutorials have it. They take turns in one
process. Tokens are those of sources and targets, padding not counted; medians of the rounds, and
the ratio within each round.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from turns import in_turns, over

from lingloom.models.transformer import TransformerSettings, sinusoids
from lingloom.tokens.batch import IGNORE, PairBatch
from lingloom.tokens.pairs import by_length, padded_pairs
from lingloom.train.loop import train
from lingloom.train.objectives.pairs import PairsSettings
from lingloom.train.settings import TrainSettings

SHAPE = TransformerSettings(vocab=8000, context=64, layers=3, heads=4, width=256, dropout=0.1)
BATCH, POOL, SMOOTHING, CLIP = 64, 32, 0.1, 1.0
PAIRS = BATCH * POOL


class Plain(nn.Module):
    """What a tutorial has."""

    def __init__(self) -> None:
        super().__init__()
        s = SHAPE
        self.embedding = nn.Embedding(s.vocab, s.width)
        nn.init.normal_(self.embedding.weight, std=s.width**-0.5)
        self.transformer = nn.Transformer(
            s.width, s.heads, s.layers, s.layers, s.inside, s.dropout, batch_first=True
        )
        self.drop = nn.Dropout(s.dropout)
        self.register_buffer("places", sinusoids(s.context, s.width, torch.device("cpu")))

    def forward(self, rows: PairBatch) -> torch.Tensor:
        hidden = rows.source_seen.logical_not()
        T = rows.ids.shape[1]
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        x = self.transformer(
            self._embedded(rows.source),
            self._embedded(rows.ids),
            tgt_mask=future,
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
            tgt_is_causal=True,
        )
        return x @ self.embedding.weight.T

    def _embedded(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embedding(ids) * SHAPE.width**0.5
        return self.drop(x + self.places[: ids.shape[1]].to(x.dtype))


def theirs(rows_at: Callable[[int], PairBatch], dtype: torch.dtype) -> Iterator[int]:
    torch.manual_seed(0)
    model = Plain().to(dtype).train()
    optimizer = torch.optim.AdamW(model.parameters())
    for step in count():
        rows = rows_at(step)
        scores = model(rows).flatten(0, 1).float()
        loss = F.cross_entropy(
            scores, rows.targets.flatten(), ignore_index=IGNORE, label_smoothing=SMOOTHING
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        float(loss.detach())
        yield said(rows)


def ours(rows_at: Callable[[int], PairBatch], precision: str) -> Iterator[int]:
    torch.manual_seed(0)
    settings = TrainSettings(
        steps=100_000,
        batch=BATCH,
        precision=precision,
        eval_every=0,
        regularise={"clip_norm": CLIP, "label_smoothing": SMOOTHING},
    )
    objective = PairsSettings()
    loop = train(
        SHAPE.build(),
        lambda model, rows: objective.loss(model, rows, SMOOTHING),
        rows_at,
        settings,
        seed=0,
    )
    for step, _ in enumerate(loop):
        yield said(rows_at(step))


def said(rows: PairBatch) -> int:
    """Tokens that are no padding."""
    return rows.scored() + int(rows.source_seen.sum())


def corpus() -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Sources, targets and their lengths, as sentences have them: a median of 12 tokens."""
    chance = np.random.default_rng(0)
    source = np.clip(np.exp(chance.normal(2.5, 0.5, PAIRS)), 2, 60).astype(int)
    target = np.clip(source * np.exp(chance.normal(0, 0.2, PAIRS)), 2, 60).astype(int)
    sides = [[chance.integers(1, SHAPE.vocab, n) for n in side] for side in (source, target)]
    return sides[0], sides[1], np.stack([source, target], axis=1)


def orders() -> dict[str, Callable[[int], PairBatch]]:
    """Name -> the batch of each step."""
    sources, targets, lengths = corpus()
    every, chance = np.arange(PAIRS), np.random.default_rng(1)
    found = {}
    for name, order in (("sorted", by_length(every, lengths)), ("as they come", every)):
        cut = [order[i * BATCH : (i + 1) * BATCH] for i in chance.permutation(POOL)]
        batches = [padded_pairs([sources[i] for i in c], [targets[i] for i in c], 0) for c in cut]
        found[name] = lambda step, batches=batches: batches[step % POOL]
    return found


def timed(steps: Iterator[int], turns: int) -> float:
    """Tokens per second."""
    begun = time.perf_counter()
    tokens = sum(next(steps) for _ in range(turns))
    return tokens / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="per turn")
    asked = parser.parse_args()
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores")
    print(f"{SHAPE.shape()}, vocab {SHAPE.vocab}, {BATCH} pairs a step")
    rows = orders()
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        runs = {
            "ours": ours(rows["sorted"], precision),
            "torch.nn, our batches": theirs(rows["sorted"], dtype),
            "torch.nn, as they come": theirs(rows["as they come"], dtype),
        }
        for steps in runs.values():
            timed(steps, 2)
        turns = {who: partial(timed, steps, asked.steps) for who, steps in runs.items()}
        speeds = in_turns(asked.rounds, turns)
        for who, some in speeds.items():
            print(
                f"{precision} {who:24} {statistics.median(some):8,.0f} tokens/s; ours "
                f"{over(speeds['ours'], some)}"
            )


if __name__ == "__main__":
    main()
