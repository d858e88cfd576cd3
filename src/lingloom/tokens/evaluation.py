"""Held-out text in order: every token and every closing END scored exactly once.

A document is read as END, its tokens, END. One that is longer than the context is read in
overlapping windows, and each window scores only the places that no earlier one did, so that each
has at least `context - stride` tokens to go by. A model that carries a state needs no overlap: it
reads a long document on and on, or all documents as if they were one.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch

from .batch import IGNORE, Batch

_HELD = 16
"""Batches whose rows are sorted by length at once, so that short rows are not padded to long."""


class Documents(Protocol):
    """Tokenised documents that can be looked up."""

    @property
    def documents(self) -> int:
        """How many."""

    def document(self, index: int) -> np.ndarray:
        """Token ids of one, without END."""


def evaluation_batches(
    texts: Documents, context: int, batch: int, stride: int = 0, *, end: int
) -> Iterator[tuple[Batch, np.ndarray]]:
    """Batches, each with the index of the document that every place belongs to.

    Rows come sorted by length within a bounded stretch, padded on the right with END whose target
    is IGNORE. The second value is (B, T) int64, -1 where nothing is scored. B is at most `batch`;
    T is at most `context`, and takes few different values.

    Args:
        texts: such as Shards.
        context: tokens per row at most.
        batch: rows at once; changes speed and memory, not what is scored.
        stride: places that each further window of a long document scores, 1..context; 0: half the
            context.
        end: id of END.
    """
    stride = min(context, stride or max(1, context // 2))
    held: list[_Row] = []
    for index in range(texts.documents):
        for row in _rows(index, texts.document(index), context, stride, end):
            held.append(row)
            if len(held) == _HELD * batch:
                yield from _sorted(held, batch, context, end)
                held = []
    yield from _sorted(held, batch, context, end)


def carried_batches(
    texts: Documents, context: int, batch: int, *, end: int, across: bool, goes_on: bool = False
) -> Iterator[tuple[Batch, np.ndarray]]:
    """Batches for a model that carries its state; the second value as in `evaluation_batches`.

    Where `Batch.goes_on`, its B rows go on where the first B rows of the batch before stopped: no
    place is read twice, and each has all of its past to go by.

    Args:
        texts: such as Shards.
        context: tokens per row at most.
        batch: documents at once, for they do not depend on each other; one row if `across`.
        end: id of END.
        across: read all documents as one stretch, each behind the END of the one before.
        goes_on: whether they follow on documents that were read before; with `across` only.
    """
    if across:
        yield from _one_stretch(texts, context, end, goes_on)
        return
    for first in range(0, texts.documents, _HELD * batch):
        some = range(first, min(texts.documents, first + _HELD * batch))
        whole = {i: np.concatenate([[end], texts.document(i), [end]]) for i in some}
        order = sorted(some, key=lambda i: -len(whole[i]))
        for start in range(0, len(order), batch):
            yield from _side_by_side(order[start : start + batch], whole, context, end)


def _side_by_side(
    chosen: list[int], whole: dict[int, np.ndarray], context: int, end: int
) -> Iterator[tuple[Batch, np.ndarray]]:
    """Documents in rows, the longest first; rows fall away from below as they end."""
    for at in range(0, len(whole[chosen[0]]) - 1, context):
        rows: list[_Row] = [
            (i, whole[i][at : at + context + 1].astype(np.int64), 0)
            for i in chosen
            if len(whole[i]) - 1 > at
        ]
        for read, owner in _sorted(rows, len(rows), context, end):
            yield replace(read, goes_on=at > 0), owner


def _one_stretch(
    texts: Documents, context: int, end: int, goes_on: bool
) -> Iterator[tuple[Batch, np.ndarray]]:
    """All documents in one row, `context` tokens at a time."""
    ids, owner = np.array([end], dtype=np.int64), np.empty(0, dtype=np.int64)
    for index in range(texts.documents):
        document = np.append(texts.document(index), end).astype(np.int64)
        ids = np.concatenate([ids, document])
        owner = np.concatenate([owner, np.full(len(document), index)])
        last = index == texts.documents - 1
        while len(owner) >= context or (last and len(owner)):
            row, targets = (torch.from_numpy(part[None]) for part in (ids[:-1], ids[1:]))
            yield (
                Batch(row[:, :context], targets[:, :context], goes_on=goes_on),
                owner[None, :context],
            )
            ids, owner, goes_on = ids[context:], owner[context:], True


_Row = tuple[int, np.ndarray, int]
"""Document, ids of one window and the one that follows it, places at its start not to score."""


def _rows(index: int, ids: np.ndarray, context: int, stride: int, end: int) -> Iterator[_Row]:
    whole = np.concatenate([[end], ids, [end]]).astype(np.int64)
    targets = len(whole) - 1
    start = scored = 0
    while scored < targets:
        stop = min(start + context, targets)
        yield index, whole[start : stop + 1], scored - start
        scored, start = stop, start + stride
        if stop < targets <= start + context:  # the last window may as well look further back
            start = max(0, targets - context)


def _sorted(
    rows: list[_Row], batch: int, context: int, end: int
) -> Iterator[tuple[Batch, np.ndarray]]:
    rows = sorted(rows, key=lambda row: -len(row[1]))
    step = max(1, context // 8)
    for first in range(0, len(rows), batch):
        some = rows[first : first + batch]
        longest = len(some[0][1]) - 1
        width = min(context, -(-longest // step) * step)
        ids = np.full((len(some), width), end, dtype=np.int64)
        targets, owner = np.full_like(ids, IGNORE), np.full_like(ids, -1)
        for b, (index, window, known) in enumerate(some):
            length = len(window) - 1
            ids[b, :length] = window[:-1]
            targets[b, known:length] = window[1 + known :]
            owner[b, known:length] = index
        yield Batch(torch.from_numpy(ids), torch.from_numpy(targets)), owner
