"""GloVe: vectors whose products are the logarithms of how often words stand near each other.

Source: Pennington et al. 2014 (GloVe: Global Vectors for Word Representation), equation 7.

Shapes: B pairs of words, C width, V vocabulary.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ..tokens.batch import WordPairs
from .model import ModelSettings, NeuralModel, need_vocab


class GloVeSettings(ModelSettings):
    """Vectors of words (Pennington et al. 2014)."""

    objectives: ClassVar[tuple[str, ...]] = ("co_occurrence",)
    decays: ClassVar[bool] = False
    kind: Literal["glove"] = "glove"
    vocab: NonNegativeInt = Field(default=0, le=2**31)
    """Number of token ids; 0 takes the tokenizer's."""
    context: Literal[2] = 2
    """A row is a pair of words."""
    width: PositiveInt = Field(default=100, le=2**16)
    """Numbers in a vector."""

    def shape(self) -> str:
        return f"2 x {self.vocab:,} vectors x width {self.width}"

    def build(self) -> "GloVe":
        return GloVe(self)


class GloVe(NeuralModel):
    """Two tables that play the same part; a word's vector is the sum of both (section 4.2)."""

    def __init__(self, settings: GloVeSettings):
        super().__init__()
        need_vocab(settings.vocab)
        self.settings = settings
        self.embed = nn.Embedding(settings.vocab, settings.width)
        self.beside = nn.Embedding(settings.vocab, settings.width)
        self.bias = nn.Parameter(torch.empty(settings.vocab))
        self.bias_beside = nn.Parameter(torch.empty(settings.vocab))
        with torch.no_grad():  # as glove.c does
            for parameter in self.parameters():
                parameter.uniform_(-0.5, 0.5).div_(settings.width)

    def hidden(self, batch: WordPairs) -> Tensor:
        """w . w' + b + b' of each pair, (B,)."""
        word, other = batch.ids.unbind(dim=1)
        a, b = (t.weight.index_select(0, i) for t, i in ((self.embed, word), (self.beside, other)))
        bias = self.bias.index_select(0, word) + self.bias_beside.index_select(0, other)
        return (a * b).sum(dim=1) + bias

    def word_vectors(self) -> Tensor:
        """The vector of each word, (V, C)."""
        return self.embed.weight + self.beside.weight

    def flops_per_token(self, context: int) -> float:
        return 2.0 * self.settings.width

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        return False
