"""What skip-gram and continuous bag-of-words share: who stands near whom, and what a guess costs.

The words that are drawn by chance are shared by all places of a row, and the places of a row are
taken together in blocks, so that all scores come from products of matrices rather than of pairs of
vectors. Source of the idea: Ji et al. 2016 (Parallelizing Word2Vec in Shared and Distributed
Memory), section 3, who share them within a window.

Shapes: B stretches, T places each, C width, K words drawn, W window, N blocks of S places.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor
from torch.nn import functional as F

from ...models.model import ModelSettings
from ...models.word2vec import Word2Vec
from ...tokens.batch import WordRows
from ...tokens.reading import Reading
from ...tokens.windows import Looking, Windows, WordReader
from ..settings import TrainSettings
from .objective import ObjectiveSettings

BLOCK = 32
"""Places that are scored against their surroundings in one product."""
PATH = 24
"""Steps of the longest path in a tree of words that is supposed before the words are counted."""


class NearWordsSettings(ObjectiveSettings):
    """Word vectors from words that stand near each other."""

    smooths: ClassVar[bool] = False
    unit: ClassVar[str] = "nats/pair"
    window: PositiveInt = Field(default=5, le=100)
    """Most words to either side; each place looks 1 to this many words far."""
    sample: float = Field(default=1e-3, ge=0, le=1)
    """Share of the text above which a word is thinned out; 0: none is."""
    softmax: Literal["negative", "hierarchical"] = "negative"
    """How the sum over the vocabulary is avoided: 'negative' tells the word from words drawn by
    chance, 'hierarchical' foretells its path in Huffman's tree."""
    negatives: PositiveInt = Field(default=5, le=1000)
    """How much words drawn by chance weigh for each that is there; with 'negative' only."""
    shared: PositiveInt = Field(default=64, le=65536)
    """Words drawn by chance for a row, shared by its places; with 'negative' only."""

    @model_validator(mode="after")
    def _all_options_have_an_effect(self) -> Self:
        given = self.model_fields_set & {"negatives", "shared"}
        if self.softmax == "hierarchical" and any(
            getattr(self, name) != type(self).model_fields[name].default for name in given
        ):
            raise ValueError(
                "negatives and shared have no effect with softmax=hierarchical, which draws no "
                "words; leave them out"
            )
        return self

    def order(
        self, reading: Reading, model: ModelSettings, train: TrainSettings, seed: int
    ) -> Windows:
        return Windows(self._reader(reading, model, seed), train.batch, seed)

    def heldout(self, reading: Reading, model: ModelSettings, batch: int) -> Iterator[WordRows]:
        return self._reader(reading, model, seed=0).all(batch)

    def _reader(self, reading: Reading, model: ModelSettings, seed: int) -> WordReader:
        context: int = model.context  # type: ignore[attr-defined]
        chance = self.shared if self.softmax == "negative" else 0
        looking = Looking(self.window, self.sample, chance)
        return WordReader(reading.texts, reading.tokenizer, context, seed, looking)

    def pretended(
        self, model: ModelSettings, train: TrainSettings, rows: int, context: int
    ) -> WordRows:
        vocab: int = model.vocab  # type: ignore[attr-defined]
        chance = torch.Generator().manual_seed(0)
        ids = torch.randint(vocab, (rows, context), generator=chance)
        by_chance = self.softmax == "negative"
        return WordRows(
            ids,
            torch.arange(context).expand(rows, context),
            torch.randint(1, self.window + 1, (rows, context), generator=chance),
            torch.randint(vocab, (rows, self.shared), generator=chance) if by_chance else None,
            None if by_chance else torch.randint(1, vocab, (rows, context, PATH), generator=chance),
            read=context,
        )


def blocks(values: Tensor, window: int, filler: float = 0) -> tuple[Tensor, Tensor]:
    """(places (B, N, S, ...), surroundings (B, N, S + 2 W, ...)) of `values` (B, T, ...).

    The surroundings of a block are its places and `window` places to either side; what lies beyond
    the row is `filler`.
    """
    block = max(BLOCK, window)
    length = values.shape[1] + -values.shape[1] % block
    rest = length - values.shape[1]
    sides = [0, 0] * (values.ndim - 2)
    wide = F.pad(values, (*sides, window, window + rest), value=filler)  # (B, T' + 2 W, ...)
    left, within, right = (
        wide[:, start : start + length].unflatten(1, (-1, block))
        for start in (0, window, 2 * window)
    )  # each (B, N, S, ...)
    around = torch.cat((left[:, :, :window], within, right[:, :, block - window :]), dim=2)
    return within, around


def near(rows: WordRows, window: int) -> Tensor:
    """Whether each place of the surroundings stands in the window of each place of a block, (B, N,
    S, S + 2 W) bool."""
    place, around = blocks(rows.place, window, filler=-(1 << 40))
    reach, _ = blocks(rows.reach, window)
    distance = (place[..., None] - around[:, :, None]).abs()
    return (distance > 0) & (distance <= reach[..., None])


def foretold(model: Word2Vec, rows: WordRows) -> tuple[Tensor, Tensor]:
    """(output vectors of the words (B, T, C), of those drawn by chance (B, K, C))."""
    assert rows.chance is not None
    both = model.outputs(torch.cat((rows.ids, rows.chance), dim=1))  # one gradient of the table
    words, drawn = both.split((rows.ids.shape[1], rows.chance.shape[1]), dim=1)
    return words, drawn


def told_from_chance(inputs: Tensor, drawn: Tensor, weight: Tensor) -> Tensor:
    """Cost of telling by each of `inputs` (B, T, C) that words drawn by chance are not there, whose
    output vectors are `drawn` (B, K, C): the sum of log(1 + exp(score)), each place with its
    `weight` (B, T).

    A word drawn by chance may be the one that is there, as in equation 4 of Mikolov et al. 2013b.
    """
    scores = inputs @ drawn.transpose(1, 2)  # (B, T, K)
    return (F.softplus(scores).sum(dim=2) * weight).sum()
