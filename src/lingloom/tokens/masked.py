"""Rows in which some tokens are hidden, for models that learn to tell them.

Of the tokens of each row a share is chosen; most of these are replaced by the mask, some by a token
drawn from the vocabulary, and some stay, so that the model has to make sense of every place. Which
ones follows from (seed, epoch, row) alone: another choice in every epoch, or the same in all.

Source: Devlin et al. 2019 (BERT), section 3.1 and appendix A.1; choosing anew is the dynamic
masking of Liu et al. 2019 (RoBERTa), section 4.1.

Shapes: B rows, T places, M hidden places of the row that has most.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from .batch import IGNORE, Passages
from .order import draw, numbers, permute
from .stretches import SentencePairs, Stretch, Stretches
from .tokenizer import MASKS, Tokenizer, special_id
from .whole_words import Words

_UNIT = 2.0**-64


@dataclass(frozen=True)
class Masked(Passages):
    """Passages with hidden tokens; `labels` are 1 where the second text does not follow the first,
    and None where there is one text."""

    places: Tensor = field(kw_only=True)
    """(B, M) int64: the hidden places, rising; 0 behind a row's last one, where the target is
    IGNORE. `targets` is (B, M) too: what stood there."""


@dataclass(frozen=True)
class Shares:
    """How much is hidden, and how."""

    hidden: float = 0.15
    """Of the tokens of a row; one at least."""
    mask: float = 0.8
    """Of the hidden ones, those that the mask replaces."""
    random: float = 0.1
    """Of the hidden ones, those that any other token replaces; the rest stay as they are."""

    def hidden_of(self, tokens: int) -> int:
        """Tokens that are hidden of so many."""
        return max(1, round(self.hidden * tokens))


class Hider:
    """Chooses the tokens that are hidden.

    Args:
        tokenizer: made the ids, and has a mask.
        shares: how much is hidden.
        words: where given, the tokens of a word are hidden all or none.

    Raises:
        DataError: the tokenizer has no mask.
    """

    def __init__(self, tokenizer: Tokenizer, shares: Shares, words: Words | None = None):
        mask = special_id(tokenizer, MASKS)
        if mask is None:
            raise DataError(
                f"the tokenizer (tokens.kind {tokenizer.kind}) has no token {MASKS[0]} to hide "
                "others behind; start a new run, whose tokenizer gets one"
            )
        self.mask, self.shares, self.words = mask, shares, words
        self._ordinary = np.flatnonzero(tokenizer.token_bytes)
        self._text = tokenizer.token_bytes > 0
        if tokenizer.unknown is not None:
            self._text[tokenizer.unknown] = True

    def hide(self, ids: np.ndarray, key: int) -> tuple[np.ndarray, np.ndarray]:
        """The row as it is read, (L,) int64, and the hidden places, rising, (M,) int64; M is 1 or
        more. Both follow from `ids` and `key` alone.

        Raises:
            DataError: the row has no token that could be hidden.
        """
        text = np.flatnonzero(self._text[ids])
        if not len(text):
            raise DataError(
                f"a row of {len(ids)} places holds no token of text to hide, only signs; raise "
                "model.context, or look at the text"
            )
        budget = self.shares.hidden_of(len(text))
        if self.words is None:
            chosen = text[np.argsort(numbers(len(text), draw(1 << 64, key, 0)))[:budget]]
        else:
            chosen = text[_whole(self.words.of(ids)[text], budget, draw(1 << 64, key, 0))]
        places = np.sort(chosen)
        chance = numbers(len(places), draw(1 << 64, key, 1)) * _UNIT
        drawn = numbers(len(places), draw(1 << 64, key, 2)) % np.uint64(len(self._ordinary))
        read, shares = ids.copy(), self.shares
        any_token = self._ordinary[drawn.astype(np.int64)]
        instead = np.where(chance < shares.mask + shares.random, any_token, ids[places])
        read[places] = np.where(chance < shares.mask, self.mask, instead)
        return read, places


def _whole(words: np.ndarray, budget: int, key: int) -> np.ndarray:
    """Which tokens are hidden: whole words in a drawn order, each that still fits into `budget`, or
    the shortest word where none does.

    Args:
        words: the word of each token, rising.
        budget: tokens.
        key: decides the order.
    """
    _, word, sizes = np.unique(words, return_inverse=True, return_counts=True)
    order = np.argsort(numbers(len(sizes), key))
    taken, left = np.zeros(len(sizes), dtype=bool), budget
    for index in order.tolist():
        if sizes[index] <= left:
            taken[index] = True
            left -= int(sizes[index])
            if not left:
                break
    if left == budget:
        taken[order[np.argmin(sizes[order])]] = True
    return np.flatnonzero(taken[word])


class MaskedOrder:
    """What is read at each step.

    Args:
        rows: the text, cut into rows.
        hider: hides tokens of them.
        batch: rows per step.
        seed: of the order, the masks, and whatever else is drawn.
        static: hide the same tokens of the same rows in every epoch.
        pad: id that fills short rows.
    """

    def __init__(
        self,
        rows: Stretches | SentencePairs,
        hider: Hider,
        batch: int,
        seed: int,
        *,
        static: bool = False,
        pad: int = 0,
    ):
        self.rows, self.hider, self.batch = rows, hider, batch
        self.seed, self.static, self.pad = seed, static, pad

    @property
    def steps_per_epoch(self) -> float:
        return self.rows.count / self.batch

    def at(self, step: int) -> Masked:
        """The rows of `step`, counted from 0; epochs follow each other without a gap."""
        return self._read(self._rows_of(step))

    def document_ids(self, step: int) -> list[str]:
        """Names of the documents that the rows of `step` touch, each once."""
        stretches = (self._stretch(epoch, index) for epoch, index in self._rows_of(step))
        return list(dict.fromkeys(name for s in stretches for name in s.documents))

    def in_order(self) -> Iterator[Masked]:
        """Every row once, in the order of the text, as in the first epoch of static masks."""
        for start in range(0, self.rows.count, self.batch):
            stop = min(start + self.batch, self.rows.count)
            yield self._read([(0, index) for index in range(start, stop)])

    def _rows_of(self, step: int) -> list[tuple[int, int]]:
        """Epoch and index of each row; static rows are those of one epoch, 0."""
        rows = step * self.batch + np.arange(self.batch)
        epochs, within = np.divmod(rows, self.rows.count)
        found: list[tuple[int, int]] = []
        for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
            key = draw(1 << 64, self.seed, epoch)
            indices = permute(within[epochs == epoch], self.rows.count, key).tolist()
            found += [(0 if self.static else epoch + 1, index) for index in indices]
        return found

    def _stretch(self, epoch: int, index: int) -> Stretch:
        return self.rows.row(index, draw(1 << 64, self.seed, epoch, 1) if epoch else 0)

    def _read(self, chosen: Sequence[tuple[int, int]]) -> Masked:
        stretches = [self._stretch(epoch, index) for epoch, index in chosen]
        hidden = [
            self.hider.hide(stretch.ids, draw(1 << 64, self.seed, epoch, index, 2))
            for stretch, (epoch, index) in zip(stretches, chosen, strict=True)
        ]
        width = max(len(s.ids) for s in stretches)
        most = max(len(places) for _, places in hidden)
        ids = np.full((len(stretches), width), self.pad, dtype=np.int64)
        parts, places = np.zeros_like(ids), np.zeros((len(stretches), most), dtype=np.int64)
        targets = np.full_like(places, IGNORE)
        for b, (stretch, (read, where)) in enumerate(zip(stretches, hidden, strict=True)):
            ids[b, : len(read)] = read
            parts[b, stretch.second : len(read)] = 1
            places[b, : len(where)] = where
            targets[b, : len(where)] = stretch.ids[where]
        sizes = np.array([[len(s.ids)] for s in stretches])
        pairs = isinstance(self.rows, SentencePairs)
        return Masked(
            torch.from_numpy(ids),
            torch.from_numpy(np.arange(width) < sizes),
            torch.from_numpy(parts) if pairs else None,
            torch.from_numpy(targets),
            torch.tensor([s.other for s in stretches]) if pairs else None,
            places=torch.from_numpy(places),
        )
