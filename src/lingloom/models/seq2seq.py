"""A recurrent encoder-decoder whose decoder looks back at the source: additive attention.

Source: Bahdanau et al. 2015 (Neural Machine Translation by Jointly Learning to Align and
Translate), section 3 and appendix A. An encoder reads the source in both directions; h_j is what
both say of its place j. The decoder, in state s before its step, weighs the places by

    e_j = v . tanh(W s + U h_j)    a = softmax(e)    c = sum_j a_j h_j

and reads the token before together with c. What it says next follows from its new state, the token
before and c by one layer of maxout units (Goodfellow et al. 2013).

Differs: the cells are those of `recurrent.py`; further layers may stand on the first, one on each
direction of the encoder and above the decoder's attention; one embedding serves source and target.

Shapes: B pairs, S source tokens, T target tokens, E embedding, C width, A attention width.
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
from ..tokens.batch import PairBatch
from .dropout import Dropout
from .encoder_decoder import padding_mask
from .layers import check_length, check_sources
from .model import ModelSettings, PairModel, need_vocab
from .recurrent import CELLS, Cell, State, later_gradient


class Seq2SeqSettings(ModelSettings):
    """A recurrent encoder-decoder with attention (Bahdanau et al. 2015)."""

    objectives: ClassVar[tuple[str, ...]] = ("pairs",)
    kind: Literal["seq2seq"] = "seq2seq"
    cell: Literal["gru", "lstm"] = "gru"
    """What one step of the encoder, or of the decoder, does."""
    vocab: NonNegativeInt = Field(default=0, le=2**31)
    """Number of token ids; 0 takes the tokenizer's."""
    context: PositiveInt = Field(default=128, le=2**21)
    """Most tokens of a source, and of a target."""
    layers: PositiveInt = Field(default=1, le=100)
    """Recurrent layers of the encoder, each in both directions, and of the decoder."""
    width: PositiveInt = Field(default=512, le=2**20)
    """Numbers in the state of one layer; the encoder's has as many in each direction."""
    embed_width: NonNegativeInt = Field(default=0, le=2**20)
    """Numbers that stand for one token; 0 takes `width`."""
    attention_width: NonNegativeInt = Field(default=0, le=2**20)
    """Numbers by which a place of the source is weighed; 0 takes `width`."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the values of embeddings, between layers and of the output dropped while training;
    never what passes from step to step."""
    forget_bias: float = Field(default=0.0, ge=0, le=10)
    """Added to the bias of forget gates at the start; lstm only."""
    tied: bool = True
    """Whether the output uses the embedding's weights."""

    @model_validator(mode="after")
    def _all_options_have_an_effect(self) -> Self:
        if self.forget_bias and self.cell != "lstm":
            raise ValueError(
                f"forget_bias {self.forget_bias:g} has no effect on cell {self.cell}, which has no "
                "forget gate; leave it out or set cell=lstm"
            )
        return self

    @property
    def entry(self) -> int:
        """The embedding's width, E."""
        return self.embed_width or self.width

    @property
    def weighing(self) -> int:
        """The attention's width, A."""
        return self.attention_width or self.width

    def shape(self) -> str:
        return f"{self.layers} + {self.layers} layers, {self.cell}, width {self.width}"

    def build(self) -> "Seq2Seq":
        need_vocab(self.vocab)
        return Seq2Seq(self)


@dataclass
class Memory:
    """What the encoder made of a source."""

    places: Tensor
    """h, (B, S, 2C): what both directions say of each place."""
    keys: Tensor
    """U h, (B, S, A)."""
    mask: Tensor
    """(B, S), added to scores; hides the padding."""

    def pick(self, rows: Tensor) -> "Memory":
        """These of its rows."""
        return Memory(self.places[rows], self.keys[rows], self.mask[rows])


@dataclass
class Seq2SeqCache:
    """What is remembered while a target is written."""

    memory: Memory
    states: list[State]
    """Of each layer of the decoder."""
    room: int
    """Tokens that a target may still have."""

    def pick(self, rows: Tensor) -> None:
        """Go on with these of its rows, (rows,) int64, in this order."""
        self.memory = self.memory.pick(rows)
        self.states = [tuple(part[rows] for part in state) for state in self.states]


class BothWays(nn.Module):
    """Two layers of cells that read a sequence from either end."""

    def __init__(self, cell: type[Cell], inputs: int, width: int):
        super().__init__()
        self.forth = cell(inputs, width, dropconnect=0.0, recurrent_dropout=0.0)
        self.back = cell(inputs, width, dropconnect=0.0, recurrent_dropout=0.0)

    def forward(self, x: Tensor, mirror: Tensor) -> Tensor:
        """(S, B, I) -> (S, B, 2C); `mirror` (S, B, 1) turns each row's tokens around, its padding
        stays behind them."""
        start = (x.new_zeros(x.shape[1], self.forth.weight_hh.shape[1]),) * self.forth.parts
        ahead, _ = self.forth(x, start, None)
        behind, _ = self.back(x.gather(0, mirror.expand_as(x)), start, None)
        return torch.cat((ahead, behind.gather(0, mirror.expand_as(behind))), dim=2)


class Attention(nn.Module):
    """How much each place of the source counts for what comes next."""

    def __init__(self, state: int, places: int, width: int):
        super().__init__()
        self.query = nn.Linear(state, width)  # W, and the one bias that W s + U h_j needs
        self.key = nn.Linear(places, width, bias=False)  # U
        self.score = nn.Linear(width, 1, bias=False)  # v

    def forward(self, state: Tensor, memory: Memory) -> Tensor:
        """Weights a of the places for `state` (B, C), (B, S); they add up to 1."""
        agrees = (self.query(state)[:, None] + memory.keys).tanh()  # (B, S, A)
        return torch.softmax(self.score(agrees).squeeze(2) + memory.mask, dim=1)


class Seq2Seq(PairModel):
    """An encoder, attention, and a decoder over one embedding."""

    def __init__(self, settings: Seq2SeqSettings):
        super().__init__()
        self.settings = settings
        s, cell = settings, CELLS[settings.cell]
        C, E = s.width, s.entry
        self.embed = nn.Embedding(s.vocab, E)
        self.encoder = nn.ModuleList(
            BothWays(cell, E if layer == 0 else 2 * C, C) for layer in range(s.layers)
        )
        self.attention = Attention(C, 2 * C, s.weighing)
        self.start = nn.Linear(C, s.layers * cell.parts * C)
        self.decoder = nn.ModuleList(
            cell(E + 2 * C if layer == 0 else C, C, dropconnect=0.0, recurrent_dropout=0.0)
            for layer in range(s.layers)
        )
        said = E if s.tied else C
        self.say = nn.Linear(C + E + 2 * C, 2 * said)  # pairs of which maxout takes the larger
        self.head = None if s.tied else nn.Linear(C, s.vocab, bias=False)
        self.drop = Dropout(s.dropout)
        self._draw_weights()

    def _draw_weights(self) -> None:
        """All uniform between plus and minus 1/sqrt(C), biases too, as in torch.nn."""
        limit = 1 / sqrt(self.settings.width)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -limit, limit)
        if self.settings.forget_bias:
            for cell in (m for m in self.modules() if isinstance(m, Cell)):
                with torch.no_grad():  # gates lie in the order input, forget, candidate, output
                    cell.bias_ih.chunk(4)[1].add_(self.settings.forget_bias)

    # ------------------------------------------------------------------ reading

    def encode(self, source: Tensor, source_seen: Tensor) -> Memory:
        S = source.shape[1]
        check_length(S, self.settings.context)
        place = torch.arange(S, device=source.device)[:, None]
        last = source_seen.sum(1) - 1  # (B,)
        mirror = torch.where(place <= last, last - place, place)[:, :, None]  # (S, B, 1)
        x = self.embed(source.T)  # (S, B, E)
        for layer in self.encoder:
            x = layer(self.drop(x), mirror)
        places = x.transpose(0, 1).contiguous()  # (B, S, 2C): in one piece for every step
        mask = padding_mask(source_seen, x.dtype).flatten(1)  # (B, S)
        return Memory(places, self.attention.key(places), mask)

    def hidden(self, batch: PairBatch) -> Tensor:
        check_length(batch.ids.shape[1], self.settings.context)
        memory = self.encode(batch.source, batch.source_seen)
        said, _, _ = self._write(batch.ids, memory, self._begin(memory))
        return said

    @torch.no_grad()
    def alignment(self, batch: PairBatch) -> Tensor:
        """How much each place of the source counted for each token of the target, (B, T, S): the
        weights a of all steps, as figure 3 of the paper shows them. Row t is of targets[:, t]."""
        memory = self.encode(batch.source, batch.source_seen)
        _, _, weights = self._write(batch.ids, memory, self._begin(memory))
        return weights

    # ------------------------------------------------------------------ writing

    def _begin(self, memory: Memory) -> list[State]:
        """The decoder's first states, from what the backward direction says of the first place."""
        first = memory.places[:, 0, self.settings.width :]
        parts = self.start(first).tanh().split(self.settings.width, dim=1)
        each = len(parts) // self.settings.layers
        return [tuple(parts[i : i + each]) for i in range(0, len(parts), each)]

    def _write(
        self, ids: Tensor, memory: Memory, states: list[State]
    ) -> tuple[Tensor, list[State], Tensor]:
        """What is made of each token (B, T, ...), the states behind the last, and weights
        (B, T, S)."""
        before = self.drop(self.embed(ids.T))  # (T, B, E)
        x, contexts, weights, state = self._look_back(before, memory, states[0])
        ends = [state]
        for layer, start in zip(list(self.decoder)[1:], states[1:], strict=True):
            x, end = layer(self.drop(x), start, None)
            ends.append(tuple(end))
        said = torch.maximum(*self.say(torch.cat((x, before, contexts), dim=2)).chunk(2, dim=2))
        return self.drop(said).transpose(0, 1), ends, weights

    def _look_back(
        self, before: Tensor, memory: Memory, state: State
    ) -> tuple[Tensor, Tensor, Tensor, State]:
        """The decoder's first layer, step by step: states (T, B, C), contexts (T, B, 2C), weights
        (B, T, S), and the state behind the last step."""
        cell, E = self.decoder[0], self.settings.entry
        assert isinstance(cell, Cell)
        given = F.linear(before, cell.weight_ih[:, :E])  # (T, B, G*C)
        seen: list[Tensor] = []
        looked: list[Tensor] = []
        bias_hh, weight_hh = later_gradient(cell.weight_hh, cell.bias_hh, seen, given)
        bias_ih, weight_ih = later_gradient(cell.weight_ih[:, E:], cell.bias_ih, looked, given)
        outputs, contexts, weights = [], [], []
        for t, now in enumerate(given.unbind(0)):
            a = self.attention(state[0], memory)
            c = (a[:, None] @ memory.places).squeeze(1)  # (B, 2C)
            seen.append(state[0].detach())
            looked.append(c.detach())
            now = now + torch.addmm(bias_ih[t], c, weight_ih.T)
            state = cell.step(now, torch.addmm(bias_hh[t], state[0], weight_hh.T), state)
            outputs.append(state[0])
            contexts.append(c)
            weights.append(a)
        return torch.stack(outputs), torch.stack(contexts), torch.stack(weights, dim=1), state

    def output_weight(self) -> Tensor:
        return self.embed.weight if self.head is None else self.head.weight

    def new_cache(self, memory: Memory, batch: int, length: int) -> Seq2SeqCache:
        check_length(length, self.settings.context)
        check_sources(batch, len(memory.mask))
        return Seq2SeqCache(memory, self._begin(memory), length)

    @torch.no_grad()
    def step(self, ids: Tensor, cache: Seq2SeqCache) -> Tensor:
        B, T = ids.shape
        if len(cache.memory.mask) != B:
            raise ShapeError(
                f"{B} sequences do not fit a cache made for {len(cache.memory.mask)}; "
                f"call new_cache(batch={B}, ...)"
            )
        if cache.room < T:
            raise ShapeError(
                f"{T} tokens do not fit a cache that has room for {cache.room} more; "
                "call new_cache with a larger length"
            )
        x, cache.states, _ = self._write(ids, cache.memory, cache.states)
        cache.room -= T
        return F.linear(x[:, -1], self.output_weight()).float()

    # ------------------------------------------------------------------ what it costs

    def flops_per_token(self, context: int) -> float:
        """Floating-point operations of a forward pass, per token of source and target together,
        where both have `context` tokens: half of the encoder's and of the decoder's for one token.

        Two per weight of every matrix product; attention multiplies 2 * context * (A + 2C) too.
        """
        s = self.settings
        weights = sum(p.numel() for p in self._multiplied())
        return (2.0 * weights + 2 * context * (s.weighing + 2 * s.width) - 2 * s.weighing) / 2

    def _multiplied(self) -> Iterator[Tensor]:
        """Weights of the products that are formed once for each token."""
        for part in self.modules():
            if isinstance(part, Cell):
                yield from (part.weight_ih, part.weight_hh)
            elif isinstance(part, nn.Linear) and part is not self.start:
                yield part.weight
        if self.head is None:
            yield self.embed.weight
