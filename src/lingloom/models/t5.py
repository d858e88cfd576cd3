"""T5: an encoder and a decoder that turn any text into any other.

Source: Raffel et al. 2020 (Exploring the Limits of Transfer Learning with a Unified Text-to-Text
Transformer), sections 2.1 and 3.1.1; Shaw et al. 2018 for positions as distances between tokens.
`ff=gated_gelu tied=false` gives version 1.1 of its published code: a gated feed-forward part
(Shazeer 2020) and an output layer of its own, not scaled. There are no biases, norms do not shift
(RMSNorm), and attention scores are not divided by sqrt(D): queries start that much smaller instead.

Shapes: B pairs, S source tokens, T target tokens, C width, H heads, D = head_width, V vocabulary.
"""

from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from ..tokens.batch import PairBatch
from .activations import gelu
from .distances import Distances
from .dropout import Dropout, dropout
from .encoder_decoder import EncoderDecoder, Memory, padding_mask
from .layers import Cache, check_length
from .model import ModelSettings, need_vocab
from .rmsnorm import RMSNorm


class T5Settings(ModelSettings):
    """T5 (Raffel et al. 2020), and its version 1.1."""

    objectives: ClassVar[tuple[str, ...]] = ("span_corruption", "pairs")
    kind: Literal["t5"] = "t5"
    vocab: NonNegativeInt = 0
    """Number of token ids; 0 takes the tokenizer's."""
    context: PositiveInt = Field(default=256, le=2**21)
    """Most tokens of a source, and of a target."""
    start: NonNegativeInt | None = None
    """Id of the token that begins what is written, in models from elsewhere; null: END, as all
    learn it here."""
    layers: PositiveInt = 4
    """Blocks of the encoder, and of the decoder unless `decoder_layers` is set."""
    decoder_layers: NonNegativeInt = 0
    """Blocks of the decoder; 0 takes `layers`."""
    heads: PositiveInt = 6
    """Attention heads per block."""
    width: PositiveInt = 384
    """Numbers that stand for one token between blocks."""
    head_width: NonNegativeInt = 0
    """Numbers per head; 0 takes width/heads, which `heads` must then divide."""
    ff: Literal["relu", "gated_gelu"] = "relu"
    """What the feed-forward part does; gated_gelu is version 1.1's."""
    ff_width: NonNegativeInt = 0
    """Width inside the feed-forward part; 0 takes 4 * width, or 8/3 * width rounded up to a
    multiple of 64 where it is gated."""
    buckets: int = Field(default=32, ge=4)
    """Kinds of distance between two tokens; even."""
    distance: PositiveInt = 128
    """Distances from here on are all of one kind."""
    norm_eps: PositiveFloat = 1e-6
    """Added to the mean square in RMSNorm."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of embedding, residual, feed-forward and attention values dropped while training."""
    tied: bool = True
    """Whether the output uses the embedding's weights, times width**-0.5; false in version 1.1."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if not self.head_width and self.width % self.heads:
            raise ValueError(
                f"width {self.width} is not a multiple of heads {self.heads}; "
                f"set width={self.heads * max(1, round(self.width / self.heads))} or head_width"
            )
        if self.buckets % 2:
            raise ValueError(
                f"buckets {self.buckets} is odd, and half of them are for tokens to the right; "
                f"set buckets={self.buckets + 1}"
            )
        if self.distance <= self.buckets // 2:
            raise ValueError(
                f"distance {self.distance} leaves no ranges for buckets {self.buckets}, of which "
                f"half stand for one distance each; set distance above {self.buckets // 2}"
            )
        return self

    @property
    def inner(self) -> int:
        """Numbers of all heads together, H * D."""
        return self.heads * (self.head_width or self.width // self.heads)

    @property
    def inside(self) -> int:
        """Width inside the feed-forward part, with the default resolved."""
        gated = -(-8 * self.width // (3 * 64)) * 64
        return self.ff_width or (4 * self.width if self.ff == "relu" else gated)

    @property
    def depth(self) -> int:
        """Blocks of the decoder, with the default resolved."""
        return self.decoder_layers or self.layers

    def shape(self) -> str:
        return f"{self.layers} + {self.depth} layers, {self.heads} heads, width {self.width}"

    def build(self) -> "T5":
        need_vocab(self.vocab)
        return T5(self)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, rate: float) -> Tensor:
    """softmax(q k^T + bias) v of (B, H, T, D) over (B, H, S, D), heads joined: (B, T, H * D)."""
    scores = q @ k.transpose(2, 3)  # (B, H, T, S)
    scores += bias
    chances = torch.softmax(scores, -1)
    y = dropout(chances, rate) @ v  # (B, H, T, D)
    return y.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    def __init__(self, settings: T5Settings, layer: int):
        super().__init__()
        self.heads, self.dropout, self.layer = settings.heads, settings.dropout, layer
        self.qkv = nn.Linear(settings.width, 3 * settings.inner, bias=False)
        self.out = nn.Linear(settings.inner, settings.width, bias=False)

    def forward(self, x: Tensor, bias: Tensor, cache: Cache | None) -> Tensor:
        B, T, _ = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, -1)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))  # each (B, H, T, D)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)
        return self.out(attend(q, k, v, bias, self.dropout if self.training else 0.0))


class CrossAttention(nn.Module):
    """Places of the target look at those of the source."""

    def __init__(self, settings: T5Settings):
        super().__init__()
        self.heads, self.dropout = settings.heads, settings.dropout
        self.q = nn.Linear(settings.width, settings.inner, bias=False)
        self.kv = nn.Linear(settings.width, 2 * settings.inner, bias=False)
        self.out = nn.Linear(settings.inner, settings.width, bias=False)

    def forward(self, x: Tensor, held: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        q = self.q(x).view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, H, T, D)
        return self.out(attend(q, *held, mask, self.dropout if self.training else 0.0))

    def hold(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of what the encoder made of the source, (B, H, S, D) each."""
        kv = self.kv(memory).view(*memory.shape[:2], 2, self.heads, -1)
        k, v = (part.transpose(1, 2) for part in kv.unbind(2))
        return k, v


class FeedForward(nn.Module):
    def __init__(self, settings: T5Settings):
        super().__init__()
        self.gated = settings.ff == "gated_gelu"
        width, inside = settings.width, settings.inside
        self.up = nn.Linear(width, inside * (2 if self.gated else 1), bias=False)
        self.down = nn.Linear(inside, width, bias=False)
        self.drop = Dropout(settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(x)
        if self.gated:
            gate, x = x.chunk(2, dim=-1)
            x = gelu(gate) * x
        else:
            x = x.relu()
        return self.down(self.drop(x))


class EncoderBlock(nn.Module):
    def __init__(self, settings: T5Settings, layer: int):
        super().__init__()
        self.norm1 = RMSNorm(settings.width, settings.norm_eps)
        self.attention = SelfAttention(settings, layer)
        self.norm2 = RMSNorm(settings.width, settings.norm_eps)
        self.ff = FeedForward(settings)
        self.drop = Dropout(settings.dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = x + self.drop(self.attention(self.norm1(x), bias, None))
        return x + self.drop(self.ff(self.norm2(x)))


class DecoderBlock(nn.Module):
    def __init__(self, settings: T5Settings, layer: int):
        super().__init__()
        self.norm1 = RMSNorm(settings.width, settings.norm_eps)
        self.attention = SelfAttention(settings, layer)
        self.norm2 = RMSNorm(settings.width, settings.norm_eps)
        self.cross = CrossAttention(settings)
        self.norm3 = RMSNorm(settings.width, settings.norm_eps)
        self.ff = FeedForward(settings)
        self.drop = Dropout(settings.dropout)

    def forward(
        self,
        x: Tensor,
        bias: Tensor,
        held: tuple[Tensor, Tensor],
        mask: Tensor,
        cache: Cache | None,
    ) -> Tensor:
        x = x + self.drop(self.attention(self.norm1(x), bias, cache))
        x = x + self.drop(self.cross(self.norm2(x), held, mask))
        return x + self.drop(self.ff(self.norm3(x)))


class T5(EncoderDecoder):
    """Two stacks of blocks over one embedding; the second looks at what the first made."""

    def __init__(self, settings: T5Settings):
        super().__init__()
        self.settings = settings
        s = settings
        self.embed = nn.Embedding(s.vocab, s.width)
        self.encoder = nn.ModuleList(EncoderBlock(s, layer) for layer in range(s.layers))
        self.encoder_distances = Distances(s.buckets, s.heads, s.distance, both_sides=True)
        self.encoder_norm = RMSNorm(s.width, s.norm_eps)
        self.decoder = nn.ModuleList(DecoderBlock(s, layer) for layer in range(s.depth))
        self.decoder_distances = Distances(s.buckets, s.heads, s.distance, both_sides=False)
        self.norm = RMSNorm(s.width, s.norm_eps)
        self.head = None if s.tied else nn.Linear(s.width, s.vocab, bias=False)
        self.drop = Dropout(s.dropout)
        self._draw_weights()

    def _draw_weights(self) -> None:
        """Embeddings from N(0, 1), matrices from N(0, 1/inputs), those of queries smaller by
        1/sqrt(D), as the published code does; gains 1."""
        s = self.settings
        for name, parameter in self.named_parameters():
            if name.endswith("distances.weight"):
                nn.init.normal_(parameter, std=s.width**-0.5)
            elif parameter.ndim == 2:
                std = 1.0 if name == "embed.weight" else parameter.shape[1] ** -0.5
                nn.init.normal_(parameter, std=std)
        with torch.no_grad():
            for part in self.modules():
                if isinstance(part, SelfAttention):
                    part.qkv.weight[: s.inner] *= (s.inner // s.heads) ** -0.5
                elif isinstance(part, CrossAttention):
                    part.q.weight *= (s.inner // s.heads) ** -0.5

    def begins_with(self, end: int) -> int:
        return end if self.settings.start is None else self.settings.start

    def encode(self, source: Tensor, source_seen: Tensor) -> Memory:
        S = source.shape[1]
        check_length(S, self.settings.context)
        x = self.drop(self.embed(source))
        mask = padding_mask(source_seen, x.dtype)
        bias = self.encoder_distances(S, S) + mask  # (B, H, S, S)
        for block in self.encoder:
            x = block(x, bias)
        x = self.drop(self.encoder_norm(x))
        blocks = (block for block in self.decoder if isinstance(block, DecoderBlock))
        return Memory([block.cross.hold(x) for block in blocks], mask)

    def written(self, ids: Tensor, memory: Memory, cache: Cache | None) -> Tensor:
        T, used = ids.shape[1], 0 if cache is None else cache.used
        bias = self.decoder_distances(T, used + T)  # (H, T, used + T)
        bias = bias + torch.full_like(bias[0], -torch.inf).triu(used + 1)  # hides the future
        x = self.drop(self.embed(ids))
        for block, held in zip(self.decoder, memory.held, strict=True):
            x = block(x, bias, held, memory.mask, cache)
        x = self.drop(self.norm(x))
        return x * self.settings.width**-0.5 if self.head is None else x

    def flops_per_token(self, context: int) -> float:
        """Floating-point operations of a forward pass, per token of source and target together,
        where both have `context` tokens: half of the encoder's and of the decoder's for one token.

        Two per weight of every matrix product, and the two products of attention over the full
        square, causal or not, as is the custom (Chowdhery et al. 2022, PaLM, appendix B).
        """
        return self._flops(context, context) / (2 * context)

    def flops_of(self, rows: PairBatch) -> float:
        return len(rows.ids) * self._flops(rows.source.shape[1], rows.ids.shape[1])

    def _flops(self, S: int, T: int) -> float:
        """Of a pair of S and T tokens: what is made of a source, keys and values for the decoder
        among it, costs S times as much as one token, all else T times."""
        s, source, target = self.settings, 0, self.output_weight().numel()
        for name, part in self.named_modules():
            if isinstance(part, nn.Linear) and part is not self.head:
                if name.startswith("encoder.") or name.endswith("cross.kv"):
                    source += part.weight.numel()
                else:
                    target += part.weight.numel()
        looked = 4.0 * s.inner * (S * S * s.layers + (T * T + S * T) * s.depth)
        return 2.0 * (S * source + T * target) + looked

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        return parameter.ndim >= 2 and not name.endswith("distances.weight")
