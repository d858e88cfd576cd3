"""Running text as word vectors are learnt from it: stretches of words, and how far each looks.

A row is a stretch of the text. Of its words the unknown ones and a share of the frequent ones are
left out, and windows are laid over what remains, so they reach farther where words are left out;
they end with the document, and with the stretch. Which words are left out, how far each looks and
which words are drawn by chance follows from (seed, row).

Source: Mikolov et al. 2013 (Distributed Representations of Words and Phrases), sections 2.2
(words drawn by chance) and 2.3 (frequent words); word2vec.c for the share that is kept, and for the
reach, any of 1 to `window` with equal chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import DataError
from .batch import WordRows
from .batches import Batches
from .huffman import huffman_paths
from .order import draw, draw_each
from .shards import Shards
from .tokenizer import Tokenizer

POWER = 0.75
"""Words are drawn by chance in proportion to this power of their count."""
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Looking:
    """How text is read."""

    window: int
    """Most words to either side."""
    sample: float
    """Share of the text above which a word is thinned out; 0: none is."""
    chance: int
    """Words drawn by chance for each row; 0: each word's path through Huffman's tree instead."""


class WordReader:
    """Turns stretches of `texts` into rows.

    Args:
        texts: the split that is read; words are counted in the split 'train' beside it.
        tokenizer: that made the ids.
        context: words of a stretch, those included that are left out.
        seed: of everything random.
        looking: see there.

    Raises:
        DataError: there is no word to be counted.
    """

    def __init__(
        self, texts: Shards, tokenizer: Tokenizer, context: int, seed: int, looking: Looking
    ):
        self.texts, self.context, self.looking = texts, context, looking
        self.key = draw(1 << 64, seed, 1)
        counts = count_words(Shards.open(texts.path.parent, "train"), tokenizer)
        self.keep = _kept(counts, looking.sample)
        if looking.chance:
            powers = counts**POWER
            self.chances = np.cumsum(powers / powers.sum())
        else:
            self.paths = huffman_paths(counts)

    def all(self, batch: int) -> Iterator[WordRows]:
        """Every stretch of the text once, in order, `batch` at a time; the same every time."""
        last = self.texts.tokens - 1
        for first in range(0, last + 1, batch * self.context):
            starts = np.arange(first, min(last + 1, first + batch * self.context), self.context)
            places = starts[:, None] + np.arange(self.context)
            ids = self.texts.take(np.minimum(places, last))  # the text ends with an END
            yield self.rows(ids, starts // self.context)

    def rows(self, ids: np.ndarray, numbers: np.ndarray) -> WordRows:
        """The rows of stretches (B, context), thinned out; chance hangs on their `numbers` (B,)."""
        window = self.looking.window
        each = numbers[:, None] * self.context + np.arange(self.context)
        kept = draw_each(each, self.key, 0) < self.keep[ids]
        lengths = kept.sum(axis=1)
        column = np.arange(max(1, lengths.max()))
        there = column < lengths[:, None]
        segment = np.cumsum(ids == self.texts.end, axis=1)
        reach = 1 + draw_each(each, self.key, 1) % np.uint64(window)

        def packed(values: np.ndarray, filler: int) -> np.ndarray:
            out = np.full(there.shape, filler, dtype=np.int64)
            out[there] = values[kept]
            return out

        apart = np.where(there, column + packed(segment, 0) * window, -1 - window)
        ids = packed(ids, self.texts.end)
        return WordRows(
            torch.from_numpy(ids),
            torch.from_numpy(apart),
            torch.from_numpy(packed(reach.astype(np.int64), 0)),
            chance=torch.from_numpy(self._by_chance(numbers)) if self.looking.chance else None,
            paths=None if self.looking.chance else torch.from_numpy(self.paths[ids]),
            read=self.context,
        )

    def _by_chance(self, numbers: np.ndarray) -> np.ndarray:
        """Words drawn for each row, (B, K) int64."""
        each = numbers[:, None] * self.looking.chance + np.arange(self.looking.chance)
        uniform = draw_each(each, self.key, 2) / 2.0**64
        drawn = np.searchsorted(self.chances, uniform, side="right")
        return np.minimum(drawn, len(self.chances) - 1)


class Windows:
    """What is read at each step, in the order of `Batches`.

    Args:
        reader: of the training text.
        batch: stretches per step.
        seed: of the order.

    Raises:
        DataError: the text does not fill one stretch.
    """

    def __init__(self, reader: WordReader, batch: int, seed: int):
        self.reader, self.batch = reader, batch
        self.stretches = Batches(reader.texts, reader.context, batch, seed)

    @property
    def steps_per_epoch(self) -> float:
        return self.stretches.steps_per_epoch

    def at(self, step: int) -> WordRows:
        """The rows of `step`, counted from 0; epochs follow each other without a gap."""
        places = self.stretches.starts(step)[:, None] + np.arange(self.reader.context)
        ids = self.reader.texts.take(places % self.reader.texts.tokens)
        return self.reader.rows(ids, step * self.batch + np.arange(self.batch))

    def document_ids(self, step: int) -> list[str]:
        """Names of the documents that the rows of `step` touch."""
        return self.stretches.document_ids(step)


def count_words(texts: Shards, tokenizer: Tokenizer) -> np.ndarray:
    """How often each token id is there, (V,) int64; END and unknown words count as never.

    Raises:
        DataError: there is no word.
    """
    counts = np.zeros(tokenizer.vocab, dtype=np.int64)
    for start in range(0, texts.tokens, _CHUNK):
        ids = texts.ids(start, min(texts.tokens, start + _CHUNK))
        counts += np.bincount(ids, minlength=len(counts))
    counts[[i for i in (tokenizer.end, tokenizer.unknown) if i is not None]] = 0
    if not counts.any():
        raise DataError(
            f"{texts.path}: {texts.tokens} tokens, and none is a known word; read more text, or "
            "lower tokens.min_count"
        )
    return counts


def _kept(counts: np.ndarray, sample: float) -> np.ndarray:
    """The number that a draw must be below for the word to stay, (V,) uint64: of a word with the
    share f of the text sqrt(sample / f) + sample / f stay, and none of what is no word."""
    never, always = np.uint64(0), np.uint64((1 << 64) - 1)
    if not sample:
        return np.where(counts > 0, always, never)
    frequency = np.maximum(counts, 1) / counts.sum()
    share = np.sqrt(sample / frequency) + sample / frequency
    below = (np.minimum(share, 1 - 2.0**-53) * 2.0**64).astype(np.uint64)
    return np.where(counts > 0, np.where(share < 1, below, always), never)
