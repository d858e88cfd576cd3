"""BERT: a Transformer that reads a text in both directions at once.

Source: Devlin et al. 2019 (BERT), section 3 and appendix A; the layers are those of Vaswani et al.
2017, section 3.1, with the norm behind each part, learned positions and the exact GELU. Differs
from the published code in nothing that changes a number in float32 but the first weights, which are
drawn from a normal distribution that is not cut off.

Shapes: B rows, T places, C width, H heads, D = C/H, V vocabulary, N places picked from a batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ShapeError
from ..tokens.batch import Passages
from ..tokens.tokenizer import Tokenizer, signs
from .attention import look
from .chained import ChainedModel, Constraint, check_chain, check_names
from .dropout import Dropout
from .layers import check_length
from .linear_chain import LinearChain
from .model import ModelSettings, need_labels, need_vocab
from .start import start_from

EPS = 1e-12
"""LayerNorm's epsilon; every published BERT has this one."""
Head = Literal["masked", "next_sentence", "classify", "tag", "span", "pooled", "none"]
_LEARNS = {
    "masked": "masked_token",
    "next_sentence": "masked_token",
    "classify": "classify",
    "tag": "tag",
    "span": "span",
}
"""head -> the objective that teaches it."""
_SIZES = {
    **{f"model.{name}": name for name in ("context", "layers", "heads", "width", "parts")},
    "model.ff_width": "inside",
}
"""Key of a recipe -> the attribute in which a model and the one it starts from must agree."""
MASKED_FRAC = 0.15
"""Share of the places that training hides, by which the cost of the head is reckoned."""
_Part = TypeVar("_Part", bound=nn.Module)


class BertSettings(ModelSettings):
    """BERT (Devlin et al. 2019)."""

    objectives = ("masked_token", "classify", "tag", "span")

    kind: Literal["bert"] = "bert"
    vocab: NonNegativeInt = 0
    """Number of token ids; 0 takes the tokenizer's."""
    context: PositiveInt = Field(default=128, le=2**21)
    """Places that the model can read at once, the signs around a text included."""
    layers: PositiveInt = 4
    """Blocks of attention and feed-forward."""
    heads: PositiveInt = 4
    """Attention heads per block; must divide `width`."""
    width: PositiveInt = 256
    """Numbers that stand for one token between blocks."""
    ff_width: NonNegativeInt = 0
    """Width inside the feed-forward part; 0 takes 4 * width."""
    parts: PositiveInt = 2
    """How many texts a row may hold that are told apart by an embedding of their own."""
    head: Head = "masked"
    """What stands above the blocks, and with it what is learnt. masked: hidden tokens;
    next_sentence: also whether one text follows the other; classify: a label for each text; tag:
    one for each word; span: where in a passage the answer to a question stands; pooled: one layer
    above the first place; none: nothing."""
    labels: NonNegativeInt = 0
    """Number of labels; 0 takes those of the data. For classify and tag."""
    label_names: list[str] = []
    """What the labels are called; empty takes the names of the data. `constraint` goes by them."""
    chain: bool = False
    """Whether labels are told together (CRF) or each by itself. For tag."""
    constraint: Constraint = "none"
    """bio: give I-x behind B-x or I-x only; it changes what is answered, not what is learnt."""
    start_from: str = ""
    """A run, or the folder of a model, whose weights training begins with; heads that it lacks
    begin with random ones. Empty: all weights are random."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of embedding, residual and attention values dropped while training."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"width {self.width} is not a multiple of heads {self.heads}; "
                f"set width={self.heads * max(1, round(self.width / self.heads))}"
            )
        return self

    @model_validator(mode="after")
    def _two_texts_are_told_apart(self) -> Self:
        if self.head in ("next_sentence", "span") and self.parts < 2:
            raise ValueError(
                f"parts {self.parts} cannot tell the two texts of head={self.head} apart; set "
                "parts=2"
            )
        return self

    @model_validator(mode="after")
    def _labels_have_an_effect(self) -> Self:
        if self.label_names and self.head not in ("classify", "tag"):
            raise ValueError(
                f"label_names has no effect on head={self.head}, which tells no labels; leave it "
                "out, or set head=classify or head=tag"
            )
        if self.labels and self.head not in ("classify", "tag"):
            raise ValueError(
                f"labels {self.labels} has no effect on head={self.head}, which tells none; leave "
                "it out, or set head=classify or head=tag"
            )
        check_names(self.labels, self.label_names)
        return self

    @model_validator(mode="after")
    def _chain_has_an_effect(self) -> Self:
        if self.chain and self.head != "tag":
            raise ValueError(
                f"chain is about the labels of words, and head={self.head} tells none; leave it "
                "out, or set head=tag"
            )
        check_chain(self.chain, self.constraint)
        return self

    @property
    def inside(self) -> int:
        """Width inside the feed-forward part, with the default resolved."""
        return self.ff_width or 4 * self.width

    @property
    def reads_pairs(self) -> bool:
        return self.parts > 1

    @property
    def smooths(self) -> bool:
        return not self.chain

    def learns(self) -> tuple[str, ...]:
        return (_LEARNS[self.head],) if self.head in _LEARNS else ()

    def signs(self, tokenizer: Tokenizer) -> tuple[Sequence[int], Sequence[int]]:
        begin, end = signs(tokenizer)
        return (begin,), (end,)

    def shape(self) -> str:
        above = ", CRF" if self.chain else ""
        return f"{self.layers} layers, {self.heads} heads, width {self.width}{above}"

    def build(self) -> "Bert":
        need_vocab(self.vocab)
        if self.head in ("classify", "tag"):
            need_labels(self.labels)
        return Bert(self)


class Attention(nn.Module):
    def __init__(self, settings: BertSettings):
        super().__init__()
        self.heads, self.dropout = settings.heads, settings.dropout
        self.qkv = nn.Linear(settings.width, 3 * settings.width)
        self.out = nn.Linear(settings.width, settings.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, C // self.heads)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))  # each (B, H, T, D), not copied
        rate = self.dropout if self.training else 0.0
        y = look(q, k, v, mask, rate)  # (B, H, T, D)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class FeedForward(nn.Module):
    def __init__(self, settings: BertSettings):
        super().__init__()
        self.up = nn.Linear(settings.width, settings.inside)
        self.down = nn.Linear(settings.inside, settings.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


class Block(nn.Module):
    def __init__(self, settings: BertSettings):
        super().__init__()
        self.attention = Attention(settings)
        self.norm1 = nn.LayerNorm(settings.width, EPS)
        self.ff = FeedForward(settings)
        self.norm2 = nn.LayerNorm(settings.width, EPS)
        self.drop = Dropout(settings.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.norm1(x + self.drop(self.attention(x, mask)))
        return self.norm2(x + self.drop(self.ff(x)))


class MaskedHead(nn.Module):
    """What tells hidden tokens, but for the embedding that it shares with the input."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.dense = nn.Linear(settings.width, settings.width)
        self.norm = nn.LayerNorm(settings.width, EPS)
        self.bias = nn.Parameter(torch.empty(settings.vocab))
        """(V,)"""

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.gelu(self.dense(x)))


class Bert(ChainedModel):
    """A stack of blocks above learned embeddings, and a head."""

    def __init__(self, settings: BertSettings):
        super().__init__()
        self.settings = settings
        head, width = settings.head, settings.width
        self.embed = nn.Embedding(settings.vocab, width)
        self.drop = Dropout(settings.dropout)
        self.positions = nn.Parameter(torch.empty(settings.context, width))
        self.parts = nn.Parameter(torch.empty(settings.parts, width))
        self.norm = nn.LayerNorm(width, EPS)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.masked = MaskedHead(settings) if head in ("masked", "next_sentence") else None
        pools = head in ("next_sentence", "classify", "pooled")
        self.pooler = nn.Linear(width, width) if pools else None
        self.follows = nn.Linear(width, 2) if head == "next_sentence" else None
        labels = settings.labels
        self.classifier = nn.Linear(width, labels) if head in ("classify", "tag") else None
        self.ends = nn.Linear(width, 2) if head == "span" else None
        self._draw_weights()
        self.chain = LinearChain(labels) if settings.chain else None  # begins with zeros

    def _draw_weights(self) -> None:
        """Matrices from N(0, 0.02), biases 0, gains 1 (BERT paper, appendix A.2)."""
        for name, parameter in self.named_parameters():
            if parameter.ndim >= 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def begin(self, tokenizer: Tokenizer) -> Mapping[str, Any]:
        where = self.settings.start_from
        return start_from(self, where, tokenizer, _SIZES) if where else {}

    def hidden(self, batch: Passages) -> Tensor:
        """The last block's output, (B, T, C) in the working precision; no place sees padding."""
        B, T = batch.ids.shape
        check_length(T, self.settings.context)
        x = self.embed(batch.ids) + self.positions[:T]
        x = x + (self.parts[0] if batch.parts is None else F.embedding(batch.parts, self.parts))
        x = self.drop(self.norm(x))
        hides = torch.zeros((), dtype=x.dtype, device=x.device) - torch.inf
        mask = torch.where(batch.seen, torch.zeros_like(hides), hides)[:, None, None]  # (B,1,1,T)
        for block in self.blocks:
            x = block(x, mask)
        return x

    def masked_features(self, x: Tensor) -> Tensor:
        """What scores of hidden tokens are formed from, (N, C) -> (N, C): the scores are this times
        `output_weight().T` plus `output_bias()`.

        Raises:
            ShapeError: the model has no such head.
        """
        return _need(self.masked, "masked")(x)

    def output_weight(self) -> Tensor:
        """(V, C), the embedding's."""
        return self.embed.weight

    def output_bias(self) -> Tensor:
        """(V,)"""
        return _need(self.masked, "masked").bias

    def masked_logits(self, batch: Passages) -> Tensor:
        """Scores of every token at every place, (B, T, V) float32."""
        x = self.masked_features(self.hidden(batch))
        return F.linear(x, self.output_weight(), self.output_bias()).float()

    def pooled(self, x: Tensor) -> Tensor:
        """One vector for a row, made from its first place: hidden (B, T, C) -> (B, C)."""
        return torch.tanh(_need(self.pooler, "pooled")(x[:, 0]))

    def next_sentence_logits(self, x: Tensor) -> Tensor:
        """Scores of 'it follows' and 'it does not', in this order: hidden (B, T, C) -> (B, 2)."""
        return _need(self.follows, "next_sentence")(self.pooled(x)).float()

    def label_scores(self, hidden: Tensor, rows: Passages) -> Tensor:
        """Scores of the labels, (B, L) or (B, T, L) float32, as the head has it.

        Raises:
            ShapeError: the model has no such head.
        """
        classifier = _need(self.classifier, "classify or tag")
        x = hidden if self.pooler is None else self.pooled(hidden)
        return classifier(self.drop(x)).float()

    def span_scores(self, hidden: Tensor, rows: Passages) -> Tensor:
        """Scores of each place as an answer's first and as its last, (B, T, 2) float32; -inf in the
        padding.

        Raises:
            ShapeError: the model has no such head.
        """
        scores = _need(self.ends, "span")(hidden).float()
        return scores.masked_fill(~rows.seen[..., None], -torch.inf)

    def flops_per_token(self, context: int) -> float:
        """Floating-point operations of one token's forward pass in a row of `context` places.

        layers * (8*width^2 + 4*width*ff_width + 4*context*width); at MASKED_FRAC of the places the
        head that tells hidden tokens, 2*width^2 + 2*width*vocab; two for each weight of what stands
        above every place, and of what stands above the first of a row alone.
        """
        s = self.settings
        block = 8 * s.width**2 + 4 * s.width * s.inside + 4 * context * s.width
        masked = 2 * s.width**2 + 2 * s.width * s.vocab if self.masked is not None else 0
        every, first = [self.ends], [self.pooler, self.follows]
        (every if self.pooler is None else first).append(self.classifier)
        above = _weights(every) + _weights(first) / context
        chain = 0.0 if self.chain is None else self.chain.flops_per_word()
        return s.layers * block + MASKED_FRAC * masked + 2.0 * above + chain

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        return parameter.ndim >= 2 and name not in ("positions", "parts")


def _weights(parts: Sequence[nn.Linear | None]) -> int:
    return sum(part.weight.numel() for part in parts if part is not None)


def _need(part: _Part | None, head: str) -> _Part:
    """`part`, which the model must have been given.

    Raises:
        ShapeError: it has no such head.
    """
    if part is None:
        raise ShapeError(
            f"this bert has no layers for it above its blocks; take one with model.head={head}"
        )
    return part
