"""Texts with gaps, and what was in the gaps: how T5 is taught from running text.

Runs of tokens are hidden. The source is the text with one sentinel token for each run; the target
names each sentinel and says what it stands for:

    text    Thank you for inviting me to your party last week
    source  Thank you <X> me to your party <Y> week
    target  <X> for inviting <Y> last <Z>

As in the published code the text begins with what is kept and ends with what is hidden, so that no
sentinel <Z> is needed behind it; END closes the source, and the target.

Source: Raffel et al. 2020 (T5), section 3.1.4 and figure 2; the lengths of runs are those of the
published code, which cuts both what is kept and what is hidden at random places, all equally
likely.

Shapes: B rows, L tokens of text, S of source, T of target.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import DataError
from .batch import PairBatch
from .batches import Batches
from .order import draw, numbers
from .reading import Reading
from .shards import Shards

SENTINEL = "<extra_id_{}>"
"""Names of sentinels, counted from 0: those of the published vocabulary."""


@dataclass(frozen=True)
class Lengths:
    """How a text of so many tokens is shared out; the same for every row of a batch."""

    tokens: int
    """Of the text, 2 or more."""
    hidden: int
    """Of these, 1 or more, but not all."""
    spans: int
    """Runs of hidden tokens, and runs of kept ones."""

    @property
    def source(self) -> int:
        """Tokens of the source, END included: S."""
        return self.tokens - self.hidden + self.spans + 1

    @property
    def target(self) -> int:
        """Tokens of the target, END included: T."""
        return self.hidden + self.spans + 1


@dataclass(frozen=True)
class Noise:
    """How much of a text is hidden."""

    frac: float
    """Share of the tokens, between 0 and 1."""
    mean_span: float
    """Tokens of a run, on average."""

    def lengths(self, tokens: int) -> Lengths:
        """What comes nearest to this in a text of so many `tokens`."""
        hidden = min(max(round(tokens * self.frac), 1), tokens - 1)
        spans = min(max(round(hidden / self.mean_span), 1), tokens - hidden)
        return Lengths(tokens, hidden, spans)

    def filling(self, places: int) -> Lengths:
        """Of the longest text whose source and target each fit into so many `places`, 3 or more."""
        found = self.lengths(2)
        while max((longer := self.lengths(found.tokens + 1)).source, longer.target) <= places:
            found = longer
        return found


def hide(lengths: Lengths, keys: Sequence[int]) -> np.ndarray:
    """Which tokens are hidden in each row, (B, L) bool; each row follows from its key alone.

    All ways to share the hidden tokens out among the runs are equally likely, and so are all ways
    to share out the kept ones.
    """
    kept = _shares(lengths.tokens - lengths.hidden, lengths.spans, [draw(1 << 64, k) for k in keys])
    hidden = _shares(lengths.hidden, lengths.spans, [draw(1 << 64, k, 1) for k in keys])
    runs = np.stack((kept, hidden), axis=2).reshape(len(keys), -1)  # kept, hidden, kept, ...
    ends = runs.cumsum(1)[:, :-1]
    border = np.zeros((len(keys), lengths.tokens), dtype=np.int64)
    np.put_along_axis(border, ends, 1, axis=1)
    return border.cumsum(1) % 2 == 1


def _shares(items: int, parts: int, keys: Sequence[int]) -> np.ndarray:
    """`items` shared out among `parts`, each of which gets one at least, (B, parts)."""
    chances = np.stack([numbers(items - 1, key) for key in keys])
    cuts = np.sort(np.argsort(chances, axis=1)[:, : parts - 1] + 1, axis=1)
    return np.diff(cuts, axis=1, prepend=0, append=items)


def split(ids: np.ndarray, hidden: np.ndarray, sentinels: Sequence[int]) -> tuple[np.ndarray, ...]:
    """Source (B, S-1) and target (B, T-1) of texts, without the END of either.

    Args:
        ids: (B, L); each row begins with a token that is kept.
        hidden: (B, L) bool, with as many runs and as many hidden tokens in each row.
        sentinels: their ids, at least as many as there are runs.
    """
    return _gaps(ids, hidden, sentinels), _gaps(ids, ~hidden, sentinels)


def _gaps(ids: np.ndarray, away: np.ndarray, sentinels: Sequence[int]) -> np.ndarray:
    """`ids` with the n-th run of those that are `away` replaced by the n-th sentinel."""
    first = away.copy()
    first[:, 1:] &= ~away[:, :-1]
    nth = first.cumsum(1) - 1
    found = np.where(first, np.asarray(sentinels)[nth * first], ids)
    return found[~away | first].reshape(len(ids), -1)


def filled(source: Sequence[int], target: Sequence[int], sentinels: Sequence[int]) -> list[int]:
    """The text again: each sentinel of `source` replaced by what `target` says behind it, nothing
    where it says nothing."""
    known, run = set(sentinels), list[int]()
    said: dict[int, list[int]] = {}
    for token in target:
        if token in known:
            run = said.setdefault(token, [])
        else:
            run.append(token)
    found: list[int] = []
    for token in source:
        found += said.get(token, []) if token in known else [token]
    return found


class SpanOrder:
    """What a model that fills gaps reads at each step: windows of the running text, in the order of
    `Batches`, with gaps of their own in every epoch.

    Args:
        texts: the training text.
        lengths: of each window.
        batch: rows per step.
        seed: of the order and the gaps.
        sentinels: their ids.

    Raises:
        DataError: the text does not fill one window.
    """

    def __init__(
        self, texts: Shards, lengths: Lengths, batch: int, seed: int, *, sentinels: Sequence[int]
    ):
        if texts.tokens < lengths.tokens + 1:
            raise DataError(
                f"{texts.path}: {texts.tokens} tokens do not fill one row, which takes "
                f"{lengths.tokens + 1} under model.context {lengths.source}; read more text, or "
                "lower model.context"
            )
        self.windows = Batches(texts, lengths.tokens, batch, seed)
        self.lengths, self.seed, self.sentinels = lengths, seed, sentinels

    @property
    def steps_per_epoch(self) -> float:
        return self.windows.steps_per_epoch

    def at(self, step: int) -> PairBatch:
        """The rows of `step`, counted from 0; epochs follow each other without a gap."""
        ids = self.windows.at(step).targets.numpy()  # (B, L)
        first = step * len(ids)
        keys = [draw(1 << 64, self.seed, row) for row in range(first, first + len(ids))]
        return pairs(ids, hide(self.lengths, keys), self.sentinels, self.windows.shards.end)

    def document_ids(self, step: int) -> list[str]:
        """Names of the documents that the rows of `step` touch."""
        return self.windows.document_ids(step)


def pairs(ids: np.ndarray, hidden: np.ndarray, sentinels: Sequence[int], end: int) -> PairBatch:
    """Sources and targets of texts (B, L), each closed by END; END begins what is written too."""
    source, target = split(ids, hidden, sentinels)
    closed = np.full((len(ids), 1), end)
    source, target = np.hstack((source, closed)), np.hstack((target, closed))
    written = np.hstack((closed, target[:, :-1]))
    return PairBatch(
        torch.from_numpy(written),
        torch.from_numpy(target),
        torch.from_numpy(source),
        torch.ones(source.shape, dtype=torch.bool),
    )


def heldout_spans(
    reading: Reading, noise: Noise, places: int, batch: int, *, sentinels: Sequence[int]
) -> Iterator[PairBatch]:
    """The whole text in order, in windows with the same gaps every time; the last window is as long
    as what is left (and left out where that is one token).

    Args:
        reading: what is held out.
        noise: how much is hidden.
        places: of a source.
        batch: rows at once; changes speed and memory, not the rows.
        sentinels: their ids.
    """
    texts, size = reading.texts, noise.filling(places).tokens
    starts = np.arange(0, texts.tokens - 1, size)
    whole = int((starts + size <= texts.tokens).sum())
    for rows in [
        *(starts[i : min(i + batch, whole)] for i in range(0, whole, batch)),
        starts[whole:],
    ]:
        if len(rows):
            tokens = min(size, texts.tokens - int(rows[0]))
            hidden = hide(noise.lengths(tokens), rows.tolist())
            ids = texts.take(rows[:, None] + np.arange(tokens))
            yield pairs(ids, hidden, sentinels, texts.end)
