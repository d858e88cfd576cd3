"""The Llama class: RMSNorm before each part, rotary positions, grouped-query heads, SwiGLU.

Source: Touvron et al. 2023 (LLaMA), section 2.2; Zhang and Sennrich 2019 (RMSNorm); Su et al. 2021
(RoPE), section 3.2, in the half-split layout of the published weights; Ainslie et al. 2023 (GQA);
Shazeer 2020 (GLU variants). There are no biases. Dropout and DropConnect are ours, off by default.

Shapes: B sequences, T tokens, C width, H heads, K key-value heads, D = C/H, V vocabulary.
"""

from collections.abc import Callable
from math import pi, sqrt
from typing import Any, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ..settings import Settings
from ..tokens.batch import Batch
from .activations import swiglu
from .attention import attend
from .dropout import Dropout
from .layers import Cache, Linear, check_length, segment_mask
from .model import CausalModel, ModelSettings, need_vocab
from .rmsnorm import RMSNorm


class RopeStretch(Settings):
    """How rotary angles are slowed to reach past the context that a model was first trained on.

    Source: Dubey et al. 2024 (Llama 3), section 3.4.2, and its published code.
    """

    factor: PositiveFloat = 8.0
    """Slow frequencies are divided by this."""
    low: PositiveFloat = 1.0
    """Frequencies that turn fewer times than this over `context` are divided in full."""
    high: PositiveFloat = 4.0
    """Frequencies that turn more often than this over `context` stay; between, a blend."""
    context: PositiveInt = 8192
    """The context of the first training."""

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if self.low >= self.high:
            raise ValueError(
                f"low {self.low:g} is not below high {self.high:g}, and nothing is left to blend "
                "between them; lower low or raise high"
            )
        return self


class LlamaSettings(ModelSettings):
    """The Llama class (Touvron et al. 2023)."""

    kind: Literal["llama"] = "llama"
    vocab: NonNegativeInt = 0
    """Number of token ids; 0 takes the tokenizer's."""
    context: PositiveInt = Field(default=256, le=2**21)
    """Tokens that the model can read at once."""
    layers: PositiveInt = 6
    """Blocks of attention and feed-forward."""
    heads: PositiveInt = 6
    """Attention heads per block; must divide `width`."""
    kv_heads: NonNegativeInt = 0
    """Heads of keys and values, each shared by heads/kv_heads queries; 0 takes `heads`."""
    width: PositiveInt = 384
    """Numbers that stand for one token between blocks."""
    ff_width: NonNegativeInt = 0
    """Width inside the feed-forward part; 0 takes 8/3 * width, rounded up to a multiple of 64."""
    rope_base: PositiveFloat = 10_000.0
    """The slowest rotary angle turns about once in 2 pi * rope_base tokens."""
    rope_stretch: RopeStretch | None = None
    """Slower rotary angles for a context longer than the first training's; none by default."""
    norm_eps: PositiveFloat = 1e-5
    """Added to the mean square in RMSNorm."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of embedding, residual and attention values dropped while training."""
    dropconnect: float = Field(default=0.0, ge=0, lt=1)
    """Share of the linear layers' weights dropped while training (Wan et al. 2013)."""
    tied: bool = True
    """Whether the output uses the embedding's weights."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"width {self.width} is not a multiple of heads {self.heads}; "
                f"set width={self.heads * max(1, round(self.width / self.heads))}"
            )
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(
                f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}; "
                f"set kv_heads to a divisor of heads, or 0 for one per head"
            )
        if self.head_width % 2:
            raise ValueError(
                f"width {self.width} / heads {self.heads} = {self.head_width} is odd, and rotary "
                f"positions turn pairs of numbers; set width to a multiple of {2 * self.heads}"
            )
        return self

    @property
    def head_width(self) -> int:
        """Numbers per head."""
        return self.width // self.heads

    @property
    def key_heads(self) -> int:
        """Heads of keys and values, with the default resolved."""
        return self.kv_heads or self.heads

    @property
    def inside(self) -> int:
        """Width inside the feed-forward part, with the default resolved."""
        return self.ff_width or -(-8 * self.width // (3 * 64)) * 64

    def shape(self) -> str:
        return f"{self.layers} layers, {self.heads} heads, width {self.width}"

    def build(self) -> "Llama":
        need_vocab(self.vocab)
        return Llama(self)


def rotary_table(settings: LlamaSettings, device: torch.device) -> tuple[Tensor, Tensor]:
    """What `rotate` multiplies with at each place, two tables of (context, 1, D) float32."""
    pairs = torch.arange(0, settings.head_width, 2, device=device, dtype=torch.float32)
    speeds = 1.0 / settings.rope_base ** (pairs / settings.head_width)
    if (stretch := settings.rope_stretch) is not None:
        turns = stretch.context * speeds / (2 * pi)
        keep = ((turns - stretch.low) / (stretch.high - stretch.low)).clamp(0, 1)
        speeds = keep * speeds + (1 - keep) * speeds / stretch.factor
    places = torch.arange(settings.context, device=device, dtype=torch.float32)
    angles = torch.outer(places, speeds)[:, None]  # (context, 1, D/2) in radians
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (x[i], x[i + D/2]) of x (B, T, H, D) by its angle; tables (T, 1, D).

    Whole rows, with the halves swapped by one roll, go faster than four products of half rows.
    """
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)


class Attention(nn.Module):
    def __init__(self, settings: LlamaSettings, layer: int):
        super().__init__()
        width, dropconnect = settings.width, settings.dropconnect
        self.heads, self.key_heads = settings.heads, settings.key_heads
        self.dropout, self.layer = settings.dropout, layer
        rows = (self.heads + 2 * self.key_heads) * settings.head_width
        self.qkv = Linear(width, rows, bias=False, dropconnect=dropconnect)
        self.out = Linear(width, width, bias=False, dropconnect=dropconnect)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, -1, C // self.heads)  # (B, T, H + 2K, D)
        qk, v = qkv.split((self.heads + self.key_heads, self.key_heads), dim=2)
        qk, v = rotate(qk, *turn).transpose(1, 2), v.transpose(1, 2)  # queries and keys in one go
        q, k = qk.split((self.heads, self.key_heads), dim=1)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)
        y = attend(q, k, v, mask, self.dropout if self.training else 0.0)  # (B, H, T, D)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class FeedForward(nn.Module):
    def __init__(self, settings: LlamaSettings):
        super().__init__()
        width, dropconnect = settings.width, settings.dropconnect
        self.gate_up = Linear(width, 2 * settings.inside, bias=False, dropconnect=dropconnect)
        self.down = Linear(settings.inside, width, bias=False, dropconnect=dropconnect)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(swiglu(self.gate_up(x)))


class Block(nn.Module):
    def __init__(self, settings: LlamaSettings, layer: int):
        super().__init__()
        self.norm1 = RMSNorm(settings.width, settings.norm_eps)
        self.attention = Attention(settings, layer)
        self.norm2 = RMSNorm(settings.width, settings.norm_eps)
        self.ff = FeedForward(settings)
        self.drop = Dropout(settings.dropout)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        x = x + self.drop(self.attention(self.norm1(x), turn, mask, cache))
        return x + self.drop(self.ff(self.norm2(x)))


class Llama(CausalModel):
    """A stack of blocks between embeddings and an output layer; positions turn queries and keys."""

    cos: Tensor
    sin: Tensor

    def __init__(self, settings: LlamaSettings):
        super().__init__()
        self.settings = settings
        self.embed = nn.Embedding(settings.vocab, settings.width)
        self.drop = Dropout(settings.dropout)
        self.blocks = nn.ModuleList(Block(settings, layer) for layer in range(settings.layers))
        self.norm = RMSNorm(settings.width, settings.norm_eps)
        self.head = None if settings.tied else nn.Linear(settings.width, settings.vocab, bias=False)
        cos, sin = rotary_table(settings, self.embed.weight.device)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._draw_weights()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Casting the weights to bf16 must not round the rotary tables, so they are made anew."""
        super()._apply(fn, recurse)
        self.cos, self.sin = rotary_table(self.settings, self.embed.weight.device)
        return self

    def _draw_weights(self) -> None:
        """Matrices from N(0, 0.02), gains 1; what writes to the residual stream is smaller by
        1/sqrt(2 * layers). The paper leaves this open; this is GPT-2's rule."""
        scaled = 0.02 / sqrt(2 * self.settings.layers)
        for name, parameter in self.named_parameters():
            if parameter.ndim >= 2:
                writes = name.endswith(("attention.out.weight", "ff.down.weight"))
                nn.init.normal_(parameter, std=scaled if writes else 0.02)

    def hidden(self, batch: Batch) -> Tensor:
        ids = batch.ids
        check_length(ids.shape[1], self.settings.context)
        x = self.embed(ids)
        if batch.segments is None:
            return self._blocks(x, self._turn(slice(ids.shape[1]), x), None, None)
        mask = segment_mask(batch.segments, x.dtype)
        return self._blocks(x, self._turn(batch.positions(), x), mask, None)

    def output_weight(self) -> Tensor:
        return self.embed.weight if self.head is None else self.head.weight

    def new_cache(self, batch: int, length: int) -> Cache:
        """Room to decode `batch` sequences of up to `length` tokens each.

        Raises:
            ShapeError: `length` is more than the model's context.
        """
        s = self.settings
        check_length(length, s.context)
        return Cache(s.layers, batch, s.key_heads, length, s.head_width, self.embed.weight)

    @torch.no_grad()
    def step(self, ids: Tensor, cache: Cache) -> Tensor:
        """Read `ids` (B, T) behind the cache; scores of what follows the last one, (B, V) float32.

        Raises:
            ShapeError: the tokens do not fit the model's context or the cache.
        """
        T, used = ids.shape[1], cache.used
        check_length(used + T, self.settings.context)
        cache.check(ids)
        x = self.embed(ids)
        x = self._blocks(x, self._turn(slice(used, used + T), x), cache.mask(T), cache)
        cache.advance(T)
        return F.linear(x[:, -1], self.output_weight()).float()

    def _turn(self, places: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        """The rotary tables at `places` in x's precision, (T, 1, D) or (B, T, 1, D) each."""
        return self.cos[places].to(x.dtype), self.sin[places].to(x.dtype)

    def _blocks(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        x = self.drop(x)
        for block in self.blocks:
            x = block(x, turn, mask, cache)
        return self.norm(x)

    def flops_per_token(self, context: int) -> float:
        """Floating-point operations of one token's forward pass in a sequence of `context` tokens.

        layers * (4*width^2 * (1 + kv_heads/heads) + 6*width*ff_width + 4*context*width)
        + 2*width*vocab: two per weight of every matrix product, and the two products of attention
        over the full square, causal or not, as is the custom (Chowdhery et al. 2022, PaLM,
        appendix B).
        """
        s = self.settings
        attention = 4 * s.width**2 * (1 + s.key_heads / s.heads) + 4 * context * s.width
        block = attention + 6 * s.width * s.inside
        return float(s.layers * block + 2 * s.width * s.vocab)
