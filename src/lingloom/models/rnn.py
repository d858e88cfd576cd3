"""Recurrent language models: Elman's network, LSTM with and without peepholes, GRU.

From Mikolov et al. 2010 (Recurrent neural network based language model) and Zaremba et al. 2014
(Recurrent Neural Network Regularization), section 3; `recurrent.py` has the cells and their
formulas. Dropout falls on what passes between layers, never on what passes between steps, as in
Zaremba et al.; `variational` gives all steps of a row one mask, and `recurrent_dropout` one for the
state too (Gal and Ghahramani 2016); `dropconnect` drops recurrent weights, once for a whole row
(Merity et al. 2017, section 2). A tied output gives the last layer the embedding's width (Merity et
al. 2017, section 4.5).

`context` is how far gradients flow back in training; reading and writing may go on for ever.

Shapes: B sequences, T tokens, C width, V vocabulary, N numbers of all layers' states together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ShapeError
from ..tokens.batch import Batch
from .dropout import dropout
from .model import CausalModel, ModelSettings, need_vocab
from .recurrent import CELLS, Cell

GATED = ("lstm", "peephole")
"""Cells with a forget gate of the LSTM's kind."""


class RNNSettings(ModelSettings):
    """Recurrent networks (Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014)."""

    carries: ClassVar[bool] = True
    kind: Literal["rnn"] = "rnn"
    cell: Literal["elman_tanh", "elman_relu", "elman_sigmoid", "lstm", "peephole", "gru"] = "lstm"
    """What one step does; peephole is the LSTM whose gates see its memory."""
    vocab: NonNegativeInt = Field(default=0, le=2**31)
    """Number of token ids; 0 takes the tokenizer's."""
    context: PositiveInt = Field(default=128, le=2**21)
    """Tokens that gradients flow back through; decoding goes on beyond it."""
    layers: PositiveInt = Field(default=2, le=1000)
    """Recurrent layers, one above the other."""
    width: PositiveInt = Field(default=512, le=2**20)
    """Numbers in the state of one layer (an LSTM remembers as many again)."""
    embed_width: NonNegativeInt = Field(default=0, le=2**20)
    """Numbers that stand for one token; 0 takes `width`. A tied output gives the last layer as
    many."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the values between layers, embedding and output included, dropped while training."""
    variational: bool = False
    """Whether all steps of a row drop the same values; needs dropout."""
    recurrent_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of a state's values hidden from the next step while training, the same at every step;
    it takes the slower path without the library's fused kernels."""
    dropconnect: float = Field(default=0.0, ge=0, lt=1)
    """Share of the recurrent weights dropped while training, the same at every step of a row."""
    tied: bool = True
    """Whether the output uses the embedding's weights."""
    output_bias: bool = False
    """Whether the output adds a bias to each token's score; not where it is tied."""
    init_range: float = Field(default=0.0, ge=0, le=1)
    """All weights start uniform between plus and minus this; 0 takes 1/sqrt(width)."""
    forget_bias: float = Field(default=0.0, ge=0, le=10)
    """Added to the bias of forget gates at the start (Gers et al. 2000; 1 in Jozefowicz et al.
    2015, section 5); lstm and peephole only."""

    @model_validator(mode="after")
    def _all_options_have_an_effect(self) -> Self:
        if self.tied and self.output_bias:
            raise ValueError("output_bias needs an output of its own; set tied=false or leave it")
        if self.variational and not self.dropout:
            raise ValueError("variational has no effect without dropout; set dropout or leave it")
        if self.forget_bias and self.cell not in GATED:
            raise ValueError(
                f"forget_bias {self.forget_bias:g} has no effect on cell {self.cell}, which has no "
                f"forget gate; leave it out or set cell=lstm"
            )
        return self

    @property
    def entry(self) -> int:
        """The embedding's width."""
        return self.embed_width or self.width

    def widths(self) -> list[int]:
        """Of every layer's state."""
        return [self.width] * (self.layers - 1) + [self.entry if self.tied else self.width]

    def shape(self) -> str:
        return f"{self.layers} layers, {self.cell}, width {self.width}"

    def build(self) -> "RNN":
        need_vocab(self.vocab)
        return RNN(self)


@dataclass
class RNNCache:
    """What decoding remembers: however much was read, a state of one size."""

    state: Tensor
    """(B, N) float32."""


class RNN(CausalModel):
    """Recurrent layers between an embedding and an output layer."""

    endless = True

    def __init__(self, settings: RNNSettings):
        super().__init__()
        self.settings = settings
        s, widths = settings, settings.widths()
        cell = CELLS[s.cell]
        self.embed = nn.Embedding(s.vocab, s.entry)
        self.layers = nn.ModuleList(
            cell(inputs, width, dropconnect=s.dropconnect, recurrent_dropout=s.recurrent_dropout)
            for inputs, width in zip([s.entry, *widths], widths, strict=False)
        )
        columns = widths[-1] + s.output_bias  # the last column is the bias
        self.head = None if s.tied else nn.Linear(columns, s.vocab, bias=False)
        self.parts = [width for width in widths for _ in range(cell.parts)]
        """Widths of all tensors that make up a state; they add up to N."""
        self._draw_weights()

    def _draw_weights(self) -> None:
        """All uniform, as in Zaremba et al. 2014, section 4.1, biases and embedding included."""
        limit = self.settings.init_range or 1 / sqrt(self.settings.width)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -limit, limit)
        if self.settings.forget_bias:
            for cell in self._cells():
                with torch.no_grad():  # gates lie in the order input, forget, candidate, output
                    cell.bias_ih.chunk(4)[1].add_(self.settings.forget_bias)

    def _cells(self) -> Iterator[Cell]:
        return (layer for layer in self.layers if isinstance(layer, Cell))

    def hidden(self, batch: Batch) -> Tensor:
        """The last layer's output, (B, T, C) in the working precision; T is not limited.

        It starts from `batch.state` where there is one, and leaves there what the last step came to
        (without gradient); each new segment starts from zero.
        """
        restarts = None
        if batch.segments is not None:
            segments = batch.segments.T
            restarts = torch.zeros_like(segments, dtype=torch.bool)
            restarts[1:] = segments[1:] != segments[:-1]
        state = batch.state
        if state is None:
            state = torch.zeros(len(batch.ids), sum(self.parts), device=batch.ids.device)
        x, ends = self._read(batch.ids, state, restarts)
        if batch.state is not None:
            with torch.no_grad():
                batch.state.copy_(ends)
        if self.settings.output_bias:
            x = torch.cat((x, x.new_ones(*x.shape[:2], 1)), dim=-1)
        return x.transpose(0, 1)

    def _read(self, ids: Tensor, state: Tensor, restarts: Tensor | None) -> tuple[Tensor, Tensor]:
        """Outputs of the last layer, (T, B, C), and the state after the last step, (B, N)."""
        x = self._drop(self.embed(ids.T))
        parts = state.to(x.dtype, copy=True).split(self.parts, dim=1)
        each, ends = len(parts) // len(self.layers), []
        for i, layer in enumerate(self.layers):
            x, end = layer(x, parts[i * each : (i + 1) * each], restarts)
            x = self._drop(x)
            ends += end
        return x, torch.cat([end.detach() for end in ends], dim=1)

    def _drop(self, x: Tensor) -> Tensor:
        rate = self.settings.dropout if self.training else 0.0
        if rate and self.settings.variational:
            return x * dropout(x.new_ones(x.shape[1:]), rate)
        return dropout(x, rate)

    def output_weight(self) -> Tensor:
        return self.embed.weight if self.head is None else self.head.weight

    def state_width(self) -> int:
        return sum(self.parts)

    def new_cache(self, batch: int, length: int) -> RNNCache:
        """Room to decode `batch` sequences of any length."""
        return RNNCache(torch.zeros(batch, sum(self.parts), device=self.embed.weight.device))

    @torch.no_grad()
    def step(self, ids: Tensor, cache: RNNCache) -> Tensor:
        """Read `ids` (B, T) behind the cache; scores of what follows the last one, (B, V) float32.

        Raises:
            ShapeError: the cache was made for another number of sequences.
        """
        if len(ids) != len(cache.state):
            raise ShapeError(
                f"{len(ids)} sequences do not fit a cache made for {len(cache.state)}; "
                f"call new_cache(batch={len(ids)}, ...)"
            )
        x = self.hidden(Batch(ids, ids, state=cache.state))
        return F.linear(x[:, -1], self.output_weight()).float()

    def flops_per_token(self, context: int) -> float:
        """Floating-point operations of one token's forward pass; the context makes no difference.

        Two per weight of every matrix product: 2 * gates * width * (inputs + width) for each layer,
        and 2 * width * vocab.
        """
        layers = sum(c.weight_ih.numel() + c.weight_hh.numel() for c in self._cells())
        return 2.0 * (layers + self.output_weight().numel())
