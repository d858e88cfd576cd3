"""The GPT-2 class: learned positions, LayerNorm before each part, GELU, biases, tied output.

Source: Radford et al. 2019 (Language Models are Unsupervised Multitask Learners), section 2.3, on
top of Radford et al. 2018 (GPT), section 4.1. Differs from the published code in nothing that
changes a number in float32; `bias=false` leaves all biases out, as many later trainings do.

Shapes: B sequences, T tokens, C width, H heads, D = C/H, V vocabulary.
"""

from math import sqrt
from typing import Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ..tokens.batch import Batch
from .activations import gelu
from .attention import attend
from .dropout import Dropout
from .layers import Cache, Linear, check_length, segment_mask
from .model import CausalModel, ModelSettings, need_vocab

EPS = 1e-5
"""LayerNorm's epsilon; every published GPT-2 has this one."""


class GPT2Settings(ModelSettings):
    """The GPT-2 class (Radford et al. 2019)."""

    kind: Literal["gpt2"] = "gpt2"
    vocab: NonNegativeInt = 0
    """Number of token ids; 0 takes the tokenizer's."""
    context: PositiveInt = Field(default=256, le=2**21)
    """Tokens that the model can read at once."""
    layers: PositiveInt = 6
    """Blocks of attention and feed-forward."""
    heads: PositiveInt = 6
    """Attention heads per block; must divide `width`."""
    width: PositiveInt = 384
    """Numbers that stand for one token between blocks."""
    ff_width: NonNegativeInt = 0
    """Width inside the feed-forward part; 0 takes 4 * width."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of embedding, residual and attention values dropped while training."""
    dropconnect: float = Field(default=0.0, ge=0, lt=1)
    """Share of the linear layers' weights dropped while training (Wan et al. 2013)."""
    tied: bool = True
    """Whether the output uses the embedding's weights."""
    bias: bool = True
    """Whether linear layers and norms have biases."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"width {self.width} is not a multiple of heads {self.heads}; "
                f"set width={self.heads * max(1, round(self.width / self.heads))}"
            )
        return self

    def shape(self) -> str:
        return f"{self.layers} layers, {self.heads} heads, width {self.width}"

    def build(self) -> "GPT2":
        need_vocab(self.vocab)
        return GPT2(self)


class Attention(nn.Module):
    def __init__(self, settings: GPT2Settings, layer: int):
        super().__init__()
        width, bias, dropconnect = settings.width, settings.bias, settings.dropconnect
        self.heads, self.dropout, self.layer = settings.heads, settings.dropout, layer
        self.qkv = Linear(width, 3 * width, bias=bias, dropconnect=dropconnect)
        self.out = Linear(width, width, bias=bias, dropconnect=dropconnect)

    def forward(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, C // self.heads)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))  # each (B, H, T, D), not copied
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)
        y = attend(q, k, v, mask, self.dropout if self.training else 0.0)  # (B, H, T, D)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class FeedForward(nn.Module):
    def __init__(self, settings: GPT2Settings):
        super().__init__()
        width, bias, dropconnect = settings.width, settings.bias, settings.dropconnect
        inside = settings.ff_width or 4 * width
        self.up = Linear(width, inside, bias=bias, dropconnect=dropconnect)
        self.down = Linear(inside, width, bias=bias, dropconnect=dropconnect)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(gelu(self.up(x)))


class Block(nn.Module):
    def __init__(self, settings: GPT2Settings, layer: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(settings.width, EPS, bias=settings.bias)
        self.attention = Attention(settings, layer)
        self.norm2 = nn.LayerNorm(settings.width, EPS, bias=settings.bias)
        self.ff = FeedForward(settings)
        self.drop = Dropout(settings.dropout)

    def forward(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        x = x + self.drop(self.attention(self.norm1(x), mask, cache))
        return x + self.drop(self.ff(self.norm2(x)))


class GPT2(CausalModel):
    """A stack of blocks between learned embeddings and an output layer."""

    def __init__(self, settings: GPT2Settings):
        super().__init__()
        self.settings = settings
        self.embed = nn.Embedding(settings.vocab, settings.width)
        self.drop = Dropout(settings.dropout)
        self.positions = nn.Parameter(torch.empty(settings.context, settings.width))
        self.blocks = nn.ModuleList(Block(settings, layer) for layer in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width, EPS, bias=settings.bias)
        self.head = None if settings.tied else nn.Linear(settings.width, settings.vocab, bias=False)
        self._draw_weights()

    def _draw_weights(self) -> None:
        """Matrices from N(0, 0.02), biases 0, gains 1; what writes to the residual stream is
        smaller by 1/sqrt(2 * layers), its number of writers (GPT-2 paper, section 2.3)."""
        scaled = 0.02 / sqrt(2 * self.settings.layers)
        for name, parameter in self.named_parameters():
            if parameter.ndim >= 2:
                writes = name.endswith(("attention.out.weight", "ff.down.weight"))
                nn.init.normal_(parameter, std=scaled if writes else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def hidden(self, batch: Batch) -> Tensor:
        ids = batch.ids
        T = ids.shape[1]
        check_length(T, self.settings.context)
        if batch.segments is None:
            return self._blocks(self.embed(ids) + self.positions[:T], None, None)
        x = self.embed(ids) + F.embedding(batch.positions(), self.positions)
        return self._blocks(x, segment_mask(batch.segments, x.dtype), None)

    def output_weight(self) -> Tensor:
        return self.embed.weight if self.head is None else self.head.weight

    def new_cache(self, batch: int, length: int) -> Cache:
        """Room to decode `batch` sequences of up to `length` tokens each.

        Raises:
            ShapeError: `length` is more than the model's context.
        """
        s = self.settings
        check_length(length, s.context)
        return Cache(s.layers, batch, s.heads, length, s.width // s.heads, self.embed.weight)

    @torch.no_grad()
    def step(self, ids: Tensor, cache: Cache) -> Tensor:
        """Read `ids` (B, T) behind the cache; scores of what follows the last one, (B, V) float32.

        Raises:
            ShapeError: the tokens do not fit the model's context or the cache.
        """
        T, used = ids.shape[1], cache.used
        check_length(used + T, self.settings.context)
        cache.check(ids)
        x = self.embed(ids) + self.positions[used : used + T]
        x = self._blocks(x, cache.mask(T), cache)
        cache.advance(T)
        return F.linear(x[:, -1], self.output_weight()).float()

    def _blocks(self, x: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        x = self.drop(x)
        for block in self.blocks:
            x = block(x, mask, cache)
        return self.norm(x)

    def flops_per_token(self, context: int) -> float:
        """Floating-point operations of one token's forward pass in a sequence of `context` tokens.

        layers * (8*width^2 + 4*width*ff_width + 4*context*width) + 2*width*vocab: two per weight
        of every matrix product, and the two products of attention over the full square, causal or
        not, as is the custom (Chowdhery et al. 2022, PaLM, appendix B).
        """
        s = self.settings
        ff_width = s.ff_width or 4 * s.width
        block = 8 * s.width**2 + 4 * s.width * ff_width + 4 * context * s.width
        return float(s.layers * block + 2 * s.width * s.vocab)

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        return parameter.ndim >= 2 and name != "positions"
