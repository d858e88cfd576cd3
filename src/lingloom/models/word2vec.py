"""Word2vec: two tables of vectors, of words as they are read and of words as they are foretold.

Source: Mikolov et al. 2013a (Efficient Estimation of Word Representations in Vector Space), figure
1; Mikolov et al. 2013b (Distributed Representations of Words and Phrases), section 2. What is
foretold from what, and how the loss is cut short, is the objective: skip_gram.py, cbow.py.
Differs: nothing; with hierarchical softmax the second table holds the tree's inner nodes, and its
last row none.

Shapes: B stretches, T places each, C width, V vocabulary.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ..errors import ShapeError
from ..tokens.batch import WordRows
from .model import ModelSettings, NeuralModel, need_vocab

SCORED = 70
"""About as many scores for one word of running text as the objectives form with their defaults."""


class Word2VecSettings(ModelSettings):
    """Vectors of words (Mikolov et al. 2013)."""

    objectives: ClassVar[tuple[str, ...]] = ("skip_gram", "cbow")
    decays: ClassVar[bool] = False
    kind: Literal["word2vec"] = "word2vec"
    vocab: NonNegativeInt = Field(default=0, le=2**31)
    """Number of token ids; 0 takes the tokenizer's."""
    context: PositiveInt = Field(default=512, le=2**21)
    """Words of the stretch of text that makes a row; windows do not reach beyond it."""
    width: PositiveInt = Field(default=100, le=2**16)
    """Numbers in a vector."""

    def shape(self) -> str:
        return f"2 x {self.vocab:,} vectors x width {self.width}"

    def build(self) -> "Word2Vec":
        return Word2Vec(self)


class Word2Vec(NeuralModel):
    """`embed` holds the vectors that are kept, `output` what they are learnt against."""

    def __init__(self, settings: Word2VecSettings):
        super().__init__()
        need_vocab(settings.vocab)
        self.settings = settings
        self.embed = nn.Embedding(settings.vocab, settings.width)
        self.output = nn.Embedding(settings.vocab, settings.width)
        with torch.no_grad():  # as word2vec.c does
            self.embed.weight.uniform_(-0.5, 0.5).div_(settings.width)
            self.output.weight.zero_()

    def hidden(self, batch: WordRows) -> Tensor:
        """The vector of the word at each place, (B, T, C)."""
        if batch.ids.shape[1] > self.settings.context:
            raise ShapeError(
                f"{batch.ids.shape[1]} words do not fit model.context {self.settings.context}; "
                "split the text or raise it"
            )
        vectors: Tensor = self.embed(batch.ids)
        return vectors

    def outputs(self, ids: Tensor) -> Tensor:
        """What words, or inner nodes, are foretold by: (..., C) for ids (...)."""
        vectors: Tensor = self.output(ids)
        return vectors

    def flops_per_token(self, context: int) -> float:
        return 2.0 * self.settings.width * SCORED

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        return False  # the length of a vector says how often its word is there
