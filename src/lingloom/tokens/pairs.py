"""Texts with the texts that belong to them, any step at any time.

Each epoch shuffles the pairs, takes some batches of them at a time, sorts these by length and cuts
them, so that a row of a batch is hardly longer than its neighbours; the batches of an epoch come in
a shuffled order. Everything follows from (seed, step), as in batches.py.

A source is followed by END, and a target is written behind END and ends with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, RecipeError
from .batch import IGNORE, PairBatch
from .order import draw, permute
from .reading import Reading
from .shards import Shards

POOL = 64
"""Batches that are sorted by length together."""
Unfit = Literal["refuse", "leave_out"]
"""What becomes of a pair that is empty on one side, or too long."""


@dataclass(frozen=True)
class Fitting:
    """Which pairs of a split can be read."""

    chosen: np.ndarray
    """(N,) int64: indices of those that are read, rising."""
    lengths: np.ndarray
    """(pairs, 2) int64: tokens of the source and of the target, END included, of all pairs."""

    left_out: int
    """Pairs that are not read, for they are unfit."""

    def spread(self, count: int) -> "Fitting":
        """`count` of the chosen pairs, evenly spread over all of them; all, if they are fewer."""
        count = min(count, len(self.chosen))
        return replace(self, chosen=self.chosen[np.arange(count) * len(self.chosen) // count])


def fitting(reading: Reading, context: int, unfit: Unfit = "refuse") -> Fitting:
    """The pairs of a split that fit `context` places on either side.

    Raises:
        RecipeError: there are no targets.
        DataError: a pair is empty on one side, or too long, and `unfit` is 'refuse'; or none fits.
    """
    texts, targets = reading.texts, reading.targets
    if targets is None:
        raise RecipeError(
            f"{texts.path}: holds texts without targets; name the field of the target as "
            "text.target_field, and start a new run"
        )
    assert targets.documents == texts.documents
    lengths = np.stack([np.diff(texts.starts()), np.diff(targets.starts())], axis=1)
    fits = np.all((lengths > 1) & (lengths <= context), axis=1)
    found = Fitting(np.flatnonzero(fits), lengths, int(len(fits) - fits.sum()))
    if unfit == "refuse" and found.left_out:
        raise DataError(_refusal(texts, found, int(np.argmin(fits)), context))
    if not len(found.chosen):
        raise DataError(
            f"{texts.path}: none of {len(lengths)} pairs fits model.context {context}; the "
            f"shortest has {lengths.max(axis=1).min()} tokens on one side, END included; raise it"
        )
    return found


def _refusal(texts: Shards, found: Fitting, first: int, context: int) -> str:
    """Of the pair `first`, and how many more are unfit."""
    source, target = found.lengths[first].tolist()
    others = f" ({found.left_out - 1:,} more pairs are unfit)" if found.left_out > 1 else ""
    name = texts.document_id(first)
    remedy = "or set train.objective.unfit=leave_out"
    if min(source, target) < 2:
        side = "source" if source < 2 else "target"
        return f"{name}: its {side} has no tokens{others}; remove the pair, {remedy}"
    return (
        f"{name}: {source} tokens of source and {target} of target, END included, do not fit "
        f"model.context {context}{others}; raise it to {found.lengths.max()}, {remedy}"
    )


class Pairs:
    """What is read at each step.

    Args:
        reading: texts and their targets.
        context: most tokens of a source, and of a target, END included.
        batch: pairs per step; the last step of an epoch may have fewer.
        seed: of the order.
        unfit: what becomes of a pair that cannot be read.

    Raises:
        RecipeError, DataError: as `fitting`.
    """

    def __init__(
        self, reading: Reading, context: int, batch: int, seed: int, unfit: Unfit = "refuse"
    ):
        self.reading, self.batch, self.seed = reading, batch, seed
        self.fitting = fitting(reading, context, unfit)
        self.batches = -(-len(self.fitting.chosen) // batch)
        """Steps in one epoch."""

    @property
    def steps_per_epoch(self) -> float:
        return float(self.batches)

    def at(self, step: int) -> PairBatch:
        """The pairs of `step`, counted from 0; epochs follow each other without a gap."""
        return pair_batch(self.reading, self.rows(step))

    def document_ids(self, step: int) -> list[str]:
        """Names of the pairs that `step` reads, in order of rows."""
        return [self.reading.texts.document_id(int(i)) for i in self.rows(step)]

    def rows(self, step: int) -> np.ndarray:
        """Indices of the pairs that `step` reads, (B,) int64."""
        epoch, within = divmod(step, self.batches)
        key = draw(1 << 64, self.seed, epoch)
        pairs = len(self.fitting.chosen)
        which = int(permute(np.array([within]), self.batches, draw(1 << 64, key, 1))[0])
        pool = which // POOL * POOL * self.batch
        places = np.arange(pool, min(pool + POOL * self.batch, pairs))
        chosen = self.fitting.chosen[permute(places, pairs, key)]
        start = which * self.batch - pool
        return by_length(chosen, self.fitting.lengths)[start : start + self.batch]


def by_length(chosen: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """`chosen` pairs with those of like length beside each other, the longest first; pairs of
    equal length stay in their order.

    By the longer side first: it costs the most, and the other mostly goes along with it.
    """
    source, target = lengths[chosen].T
    return chosen[np.lexsort((-target, -source, -np.maximum(source, target)))]


def ordered_batches(
    reading: Reading, found: Fitting, batch: int
) -> Iterator[tuple[PairBatch, np.ndarray]]:
    """All pairs that fit, each once, in batches of like length: rows, and the pair of each row.

    Batches of a pool come in a shuffled order, so that the first few of them are like the rest.
    """
    for pool in range(0, len(found.chosen), POOL * batch):
        rows = by_length(found.chosen[pool : pool + POOL * batch], found.lengths)
        count = -(-len(rows) // batch)
        for place in permute(np.arange(count), count, pool).tolist():
            some = rows[place * batch : (place + 1) * batch]
            yield pair_batch(reading, some), some


def pair_batch(reading: Reading, rows: np.ndarray) -> PairBatch:
    """The pairs of these indices, padded."""
    assert reading.targets is not None
    sources = [reading.texts.document(int(i)) for i in rows]
    targets = [reading.targets.document(int(i)) for i in rows]
    return padded_pairs(sources, targets, reading.tokenizer.end)


def padded_pairs(
    sources: Sequence[np.ndarray | list[int]], targets: Sequence[np.ndarray | list[int]], end: int
) -> PairBatch:
    """A batch of token ids without special tokens."""
    source, seen = padded_sources(sources, end)
    width = max(len(ids) for ids in targets) + 1
    read = np.full((len(targets), width), end, dtype=np.int64)
    said = np.full((len(targets), width), IGNORE, dtype=np.int64)
    for b, ids in enumerate(targets):
        read[b, 1 : len(ids) + 1] = ids
        said[b, : len(ids)] = ids
        said[b, len(ids)] = end
    return PairBatch(torch.from_numpy(read), torch.from_numpy(said), source, seen)


def padded_sources(sources: Sequence[np.ndarray | list[int]], end: int) -> tuple[Tensor, Tensor]:
    """Token ids without special tokens as `PairBatch.source` and `PairBatch.source_seen`."""
    width = max(len(ids) for ids in sources) + 1
    source = np.full((len(sources), width), end, dtype=np.int64)
    seen = np.zeros((len(sources), width), dtype=bool)
    for b, ids in enumerate(sources):
        source[b, : len(ids)] = ids
        seen[b, : len(ids) + 1] = True
    return torch.from_numpy(source), torch.from_numpy(seen)
