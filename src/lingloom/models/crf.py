"""A tagger: word vectors, a network that reads them in both directions, labels told together.

Source: Huang et al. 2015 (Bidirectional LSTM-CRF Models for Sequence Tagging), section 2.5; Lample
et al. 2016 (Neural Architectures for Named Entity Recognition), sections 2 and 4. Differs: no
vectors made from characters (subwords may stand in: a word's first one carries its label).

Shapes: B texts, T tokens, C width, L labels.
"""

from math import sqrt
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ..tokens.batch import Passages
from .chained import ChainedModel, Constraint, check_chain, check_names
from .dropout import Dropout
from .layers import check_length
from .linear_chain import LinearChain
from .model import ModelSettings, need_labels, need_vocab, without_gone_keys
from .recurrent import LSTM


class CRFSettings(ModelSettings):
    """A conditional random field over a bidirectional LSTM (Huang et al. 2015)."""

    objectives: ClassVar = ("tag",)

    kind: Literal["crf"] = "crf"
    vocab: NonNegativeInt = 0
    """Number of token ids; 0 takes the tokenizer's."""
    context: PositiveInt = Field(default=256, le=2**21)
    """Tokens of the longest text."""
    labels: NonNegativeInt = 0
    """Number of labels; 0 takes the data's."""
    label_names: list[str] = []
    """Their names, which `constraint` goes by; the data give them."""
    layers: NonNegativeInt = Field(default=1, le=100)
    """Bidirectional LSTMs, one above the other; 0: a word's scores follow from itself alone."""
    width: PositiveInt = Field(default=200, le=2**20)
    """Numbers that stand for a token in each direction."""
    embed_width: PositiveInt = Field(default=100, le=2**20)
    """Numbers of a word vector."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the word vectors' and of each layer's values dropped while training."""
    chain: bool = True
    """Whether labels are told together (CRF) or each by itself."""
    constraint: Constraint = "none"
    """bio: give I-x behind B-x or I-x only; it changes what is answered, not what is learnt."""

    _earlier_keys = model_validator(mode="before")(without_gone_keys)

    @model_validator(mode="after")
    def _labels_fit(self) -> Self:
        check_chain(self.chain, self.constraint)
        check_names(self.labels, self.label_names)
        return self

    @property
    def smooths(self) -> bool:
        return not self.chain

    def shape(self) -> str:
        above = "CRF" if self.chain else "softmax"
        return f"{self.layers} bidirectional layers, width {self.width}, {above}"

    def build(self) -> "CRF":
        need_vocab(self.vocab)
        need_labels(self.labels)
        return CRF(self)


class CRF(ChainedModel):
    """Word vectors, LSTMs in both directions, and a chain of labels."""

    def __init__(self, settings: CRFSettings):
        super().__init__()
        s = self.settings = settings
        self.embed = nn.Embedding(s.vocab, s.embed_width)
        self.drop = Dropout(s.dropout)
        widths = [s.embed_width, *[2 * s.width] * s.layers]
        self.forwards = nn.ModuleList(_lstm(width, s.width) for width in widths[:-1])
        self.backwards = nn.ModuleList(_lstm(width, s.width) for width in widths[:-1])
        self.out = nn.Linear(widths[-1], s.labels)
        self.chain = LinearChain(s.labels) if s.chain else None
        self._draw_weights()

    def _draw_weights(self) -> None:
        """Uniform within sqrt(3 / width) of a vector (Lample et al. 2016, section 5.1's lookup
        table), LSTMs within 1/sqrt(width), their forget gates' biases 1 more; the chain 0."""
        s = self.settings
        nn.init.uniform_(self.embed.weight, -sqrt(3 / s.embed_width), sqrt(3 / s.embed_width))
        for lstm in [*self.forwards, *self.backwards]:
            for parameter in lstm.parameters():
                nn.init.uniform_(parameter, -1 / sqrt(s.width), 1 / sqrt(s.width))
            with torch.no_grad():  # gates lie in the order input, forget, candidate, output
                lstm.bias_ih.chunk(4)[1].add_(1.0)  # type: ignore[operator, union-attr]
        nn.init.xavier_uniform_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def hidden(self, batch: Passages) -> Tensor:
        """Both directions' last layers side by side, (B, T, 2C) in the working precision."""
        T = batch.ids.shape[1]
        check_length(T, self.settings.context)
        x = self.drop(self.embed(batch.ids))
        turned = _turned(batch.seen)
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            y = _read(back, _taken(x, turned))
            x = self.drop(torch.cat([_read(ahead, x), _taken(y, turned)], dim=2))
        return x

    def label_scores(self, hidden: Tensor, rows: Passages) -> Tensor:
        return F.linear(hidden, self.out.weight, self.out.bias).float()

    def flops_per_token(self, context: int) -> float:
        """Two per weight of the LSTMs and the layer above, and of the chain's steps."""
        weights = sum(
            lstm.weight_ih.numel() + lstm.weight_hh.numel()  # type: ignore[operator, union-attr]
            for lstm in [*self.forwards, *self.backwards]
        )
        chain = 0.0 if self.chain is None else self.chain.flops_per_word()
        return 2.0 * (weights + self.out.weight.numel()) + chain


def _lstm(inputs: int, width: int) -> LSTM:
    return LSTM(inputs, width, dropconnect=0.0, recurrent_dropout=0.0)


def _read(lstm: nn.Module, x: Tensor) -> Tensor:
    """The states of every step from zero on, (B, T, C)."""
    assert isinstance(lstm, LSTM)
    width = lstm.weight_hh.shape[1]
    start = x.new_zeros(len(x), width)
    y, _ = lstm(x.transpose(0, 1), (start, start), None)
    return y.transpose(0, 1)


def _turned(seen: Tensor) -> Tensor:
    """(B, T) int64: the tokens of each row from its last to its first, then its padding."""
    place = torch.arange(seen.shape[1], device=seen.device)
    sizes = seen.sum(1, keepdim=True)
    return torch.where(place < sizes, sizes - 1 - place, place)


def _taken(x: Tensor, place: Tensor) -> Tensor:
    """The places of `x` (B, T, C) in another order."""
    return x.gather(1, place[..., None].expand_as(x))
