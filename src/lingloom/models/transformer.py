"""The Transformer of Vaswani et al. 2017: an encoder reads the source, a decoder writes the target.

Source: Vaswani et al. 2017 (Attention Is All You Need), section 3; dropout as in section 5.4, on
what each part adds and on the embedded input. `norm=post` is the paper's order, LayerNorm(x +
part(x)); `norm=pre` is x + part(LayerNorm(x)), with a norm behind each stack (Xiong et al. 2020, On
Layer Normalization in the Transformer Architecture, section 3), which trains without a warm-up.
Differs: linear layers of attention have biases, as in the published code.

Shapes: B pairs, S source tokens, T target tokens, C width, H heads, D = C/H, V vocabulary.
"""

from collections.abc import Callable
from math import log, sqrt
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from .attention import attend, look
from .dropout import Dropout
from .encoder_decoder import EncoderDecoder, Memory, padding_mask
from .layers import Cache, check_length
from .model import ModelSettings, need_vocab

EPS = 1e-5
"""LayerNorm's epsilon."""


class TransformerSettings(ModelSettings):
    """The encoder-decoder Transformer (Vaswani et al. 2017)."""

    objectives: ClassVar[tuple[str, ...]] = ("pairs",)
    kind: Literal["transformer"] = "transformer"
    vocab: NonNegativeInt = 0
    """Number of token ids, of sources and targets together; 0 takes the tokenizer's."""
    context: PositiveInt = Field(default=128, le=2**21)
    """Most tokens of a source, and of a target, END included."""
    layers: PositiveInt = 3
    """Blocks of the encoder, and of the decoder unless `decoder_layers` is set."""
    decoder_layers: NonNegativeInt = 0
    """Blocks of the decoder; 0 takes `layers`."""
    heads: PositiveInt = 4
    """Attention heads per block; must divide `width`."""
    width: PositiveInt = 256
    """Numbers that stand for one token between blocks."""
    ff_width: NonNegativeInt = 0
    """Width inside the feed-forward part; 0 takes 4 * width."""
    norm: Literal["post", "pre"] = "post"
    """Where LayerNorm stands: behind each part and what it adds to, or before each part."""
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    """How a token's place is told: by waves of fixed lengths, or by learnt vectors."""
    scale_embed: bool = True
    """Whether embeddings are multiplied by sqrt(width)."""
    shared: bool = True
    """Whether source and target have one embedding."""
    tied: bool = True
    """Whether the output uses the target embedding's weights."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the embedded input, and of what each part adds, dropped while training."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"width {self.width} is not a multiple of heads {self.heads}; "
                f"set width={self.heads * max(1, round(self.width / self.heads))}"
            )
        if self.positions == "sinusoidal" and self.width % 2:
            raise ValueError(
                f"width {self.width} is odd, and sinusoidal positions come in pairs of sine and "
                f"cosine; set width={self.width + 1} or positions=learned"
            )
        return self

    @property
    def depth(self) -> int:
        """Blocks of the decoder, with the default resolved."""
        return self.decoder_layers or self.layers

    @property
    def inside(self) -> int:
        """Width inside the feed-forward part, with the default resolved."""
        return self.ff_width or 4 * self.width

    def shape(self) -> str:
        return f"{self.layers} + {self.depth} layers, {self.heads} heads, width {self.width}"

    def build(self) -> "Transformer":
        need_vocab(self.vocab)
        return Transformer(self)


def sinusoids(context: int, width: int, device: torch.device) -> Tensor:
    """sin(place / 10000^(2i/width)) at 2i, the cosine of the same at 2i + 1: (context, width).

    Source: Vaswani et al. 2017, section 3.5.
    """
    places = torch.arange(context, dtype=torch.float32, device=device)
    pairs = torch.arange(0, width, 2, dtype=torch.float32, device=device)
    angles = torch.outer(places, torch.exp(pairs * (-log(10_000.0) / width)))
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)


class SelfAttention(nn.Module):
    """Places of one text look at each other."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (B, H, T, D) each."""
        qkv = self.qkv(x).view(*x.shape[:2], 3, self.heads, -1)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        return q, k, v

    def join(self, y: Tensor) -> Tensor:
        """What the heads say together: (B, H, T, D) -> (B, T, C)."""
        return self.out(y.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Places of the target look at those of the source."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def hold(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the source, (B, H, S, D) each."""
        kv = self.kv(memory).view(*memory.shape[:2], 2, self.heads, -1)
        k, v = (part.transpose(1, 2) for part in kv.unbind(2))
        return k, v

    def forward(self, x: Tensor, held: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        q = self.q(x).view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, H, T, D)
        y = look(q, *held, mask)
        return self.out(y.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """max(0, x W + b) W + b, place by place (section 3.3)."""

    def __init__(self, width: int, inside: int):
        super().__init__()
        self.up = nn.Linear(width, inside)
        self.down = nn.Linear(inside, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x).relu())


class Around(nn.Module):
    """What stands around each part of a block: the residual sum, the norm and dropout."""

    def __init__(self, settings: TransformerSettings):
        super().__init__()
        self.norm = nn.LayerNorm(settings.width, EPS)
        self.pre, self.drop = settings.norm == "pre", Dropout(settings.dropout)

    def forward(self, x: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        added = self.drop(part(self.norm(x) if self.pre else x))
        return x + added if self.pre else self.norm(x + added)


class EncoderBlock(nn.Module):
    def __init__(self, settings: TransformerSettings):
        super().__init__()
        self.attention = SelfAttention(settings.width, settings.heads)
        self.ff = FeedForward(settings.width, settings.inside)
        self.around1, self.around2 = Around(settings), Around(settings)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        def look_around(x: Tensor) -> Tensor:
            return self.attention.join(look(*self.attention.project(x), mask))

        return self.around2(self.around1(x, look_around), self.ff)


class DecoderBlock(nn.Module):
    def __init__(self, settings: TransformerSettings, layer: int):
        super().__init__()
        self.layer = layer
        self.attention = SelfAttention(settings.width, settings.heads)
        self.cross = CrossAttention(settings.width, settings.heads)
        self.ff = FeedForward(settings.width, settings.inside)
        self.around1, self.around2, self.around3 = (Around(settings) for _ in range(3))

    def forward(
        self, x: Tensor, held: tuple[Tensor, Tensor], mask: Tensor, cache: Cache | None
    ) -> Tensor:
        def look_back(x: Tensor) -> Tensor:
            q, k, v = self.attention.project(x)
            behind = None
            if cache is not None:
                behind = cache.mask(q.shape[2])
                k, v = cache.extend(self.layer, k, v)
            return self.attention.join(attend(q, k, v, behind, 0.0))

        x = self.around1(x, look_back)
        x = self.around2(x, lambda x: self.cross(x, held, mask))
        return self.around3(x, self.ff)


class Transformer(EncoderDecoder):
    """Two stacks of blocks; the decoder looks at what it wrote and at the encoder's output."""

    waves: Tensor

    def __init__(self, settings: TransformerSettings):
        super().__init__()
        self.settings = s = settings
        self.embed = nn.Embedding(s.vocab, s.width)
        self.drop = Dropout(s.dropout)
        self.source_embed = None if s.shared else nn.Embedding(s.vocab, s.width)
        if s.positions == "learned":
            self.positions = nn.Parameter(torch.empty(s.context, s.width))
            self.source_positions = nn.Parameter(torch.empty(s.context, s.width))
        self.encoder = nn.ModuleList(EncoderBlock(s) for _ in range(s.layers))
        self.decoder = nn.ModuleList(DecoderBlock(s, layer) for layer in range(s.depth))
        if s.norm == "pre":
            self.encoder_norm = nn.LayerNorm(s.width, EPS)
            self.decoder_norm = nn.LayerNorm(s.width, EPS)
        self.head = None if s.tied else nn.Linear(s.width, s.vocab, bias=False)
        self.register_buffer("waves", self._waves(), persistent=False)
        self._draw_weights()

    def _waves(self) -> Tensor:
        rows = self.settings.context if self.settings.positions == "sinusoidal" else 0
        return sinusoids(rows, self.settings.width, self.embed.weight.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Casting the weights to bf16 must not round the waves, so they are made anew."""
        super()._apply(fn, recurse)
        self.waves = self._waves()
        return self

    def _draw_weights(self) -> None:
        """Matrices uniform by Glorot and Bengio 2010, equation 16, with queries, keys and values
        taken for one matrix; embeddings and positions from N(0, 1/width); biases 0, gains 1."""
        width = self.settings.width
        for name, parameter in self.named_parameters():
            if "embed" in name or "positions" in name:
                nn.init.normal_(parameter, std=width**-0.5)
            elif parameter.ndim >= 2:
                joined = name.endswith(("qkv.weight", "cross.q.weight", "cross.kv.weight"))
                outputs = 3 * width if joined else parameter.shape[0]
                limit = sqrt(6 / (outputs + parameter.shape[1]))
                nn.init.uniform_(parameter, -limit, limit)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def encode(self, source: Tensor, source_seen: Tensor) -> Memory:
        check_length(source.shape[1], self.settings.context)
        embed = self.embed if self.source_embed is None else self.source_embed
        places = getattr(self, "source_positions", self.waves)
        x = self._embedded(embed(source), places[: source.shape[1]])
        mask = padding_mask(source_seen, x.dtype)
        for block in self.encoder:
            x = block(x, mask)
        x = self.encoder_norm(x) if self.settings.norm == "pre" else x
        blocks = (block for block in self.decoder if isinstance(block, DecoderBlock))
        return Memory([block.cross.hold(x) for block in blocks], mask)

    def written(self, ids: Tensor, memory: Memory, cache: Cache | None) -> Tensor:
        used = 0 if cache is None else cache.used
        places = getattr(self, "positions", self.waves)
        x = self._embedded(self.embed(ids), places[used : used + ids.shape[1]])
        for block, held in zip(self.decoder, memory.held, strict=True):
            x = block(x, held, memory.mask, cache)
        return self.decoder_norm(x) if self.settings.norm == "pre" else x

    def _embedded(self, x: Tensor, places: Tensor) -> Tensor:
        """Embeddings (B, T, C) with their places (T, C)."""
        scale = sqrt(self.settings.width) if self.settings.scale_embed else 1.0
        return self.drop(torch.add(places.to(x.dtype), x, alpha=scale))

    def flops_per_token(self, context: int) -> float:
        """Floating-point operations of the forward pass of a pair of two texts of `context` tokens,
        for each of their 2 * context tokens.

        (layers * (8*width^2 + 4*width*ff_width + 4*context*width)
        + decoder_layers * (16*width^2 + 4*width*ff_width + 8*context*width)
        + 2*width*vocab) / 2: two per weight of every matrix product, and the two products of each
        attention over the full rectangle, causal or not (Chowdhery et al. 2022, appendix B).
        """
        s = self.settings
        one = 8 * s.width**2 + 4 * context * s.width
        inside = 4 * s.width * s.inside
        return (s.layers * (one + inside) + s.depth * (2 * one + inside)) / 2 + s.width * s.vocab

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        return parameter.ndim >= 2 and not name.endswith("positions")
