"""TextCNN: windows of words, each matched by many filters, of which the best match counts.

Source: Kim 2014 (Convolutional Neural Networks for Sentence Classification), sections 2 and 3.
Vectors are random or given (CNN-rand, -non-static), left as given (-static: train.embed_frozen), or
both beside each other (-multichannel), where a filter has weights of its own for each channel, as
in images. Differs: optimizer and schedule are the recipe's. A text is surrounded by zeros, so that
each of its words stands at every place of a window; what a row is padded with changes nothing.

Shapes: B texts, T tokens, C width of a vector, M filters of each window, W windows, L labels.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ..tokens.batch import Passages
from .dropout import Dropout
from .layers import check_length
from .model import LabelModel, ModelSettings, need_labels, need_vocab, without_gone_keys


class TextCNNSettings(ModelSettings):
    """Convolutions over words (Kim 2014)."""

    objectives: ClassVar = ("classify",)

    kind: Literal["textcnn"] = "textcnn"
    vocab: NonNegativeInt = 0
    """Number of token ids; 0 takes the tokenizer's."""
    context: PositiveInt = Field(default=256, le=2**21)
    """Tokens of the longest text."""
    labels: NonNegativeInt = 0
    """Number of labels; 0 takes the data's."""
    width: PositiveInt = Field(default=300, le=2**20)
    """Numbers that stand for one token."""
    windows: list[PositiveInt] = Field(default=[3, 4, 5], min_length=1)
    """Tokens that a filter sees at once, for each group of filters."""
    filters: PositiveInt = 100
    """Filters of each window."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the best matches dropped while training."""
    max_norm: NonNegativeFloat = 3.0
    """Largest 2-norm of the weights of one label, kept after each update; 0: any."""
    multichannel: bool = False
    """Read every token by two tables that train.embed_from fills: one learns, one stays as it was
    given (CNN-multichannel)."""

    _earlier_keys = model_validator(mode="before")(without_gone_keys)

    def shape(self) -> str:
        windows = ", ".join(map(str, self.windows))
        channels = "two channels of " if self.multichannel else ""
        return f"windows of {windows}, {self.filters} filters each, {channels}width {self.width}"

    def build(self) -> "TextCNN":
        need_vocab(self.vocab)
        need_labels(self.labels)
        return TextCNN(self)


class TextCNN(LabelModel):
    """Filters over word vectors, the best match of each, and a layer that scores the labels."""

    def __init__(self, settings: TextCNNSettings):
        super().__init__()
        s = self.settings = settings
        self.embed = nn.Embedding(s.vocab, s.width)
        self.drop = Dropout(s.dropout)
        self.given = nn.Embedding(s.vocab, s.width) if s.multichannel else None
        channels = s.width if self.given is None else 2 * s.width
        self.filters = nn.ModuleList(nn.Conv1d(channels, s.filters, size) for size in s.windows)
        self.out = nn.Linear(s.filters * len(s.windows), s.labels)
        self._draw_weights()

    def _draw_weights(self) -> None:
        """Vectors uniform within 0.25, as published, the same in both tables; filters as in Glorot
        and Bengio 2010, equation 16; biases 0."""
        nn.init.uniform_(self.embed.weight, -0.25, 0.25)
        if self.given is not None:
            with torch.no_grad():
                self.given.weight.copy_(self.embed.weight)
            self.given.weight.requires_grad_(False)
        for layer in self._filters():
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.xavier_uniform_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def _filters(self) -> list[nn.Conv1d]:
        return [layer for layer in self.filters if isinstance(layer, nn.Conv1d)]

    def input_tables(self) -> list[nn.Embedding]:
        return [self.embed] if self.given is None else [self.embed, self.given]

    def hidden(self, batch: Passages) -> Tensor:
        """The best match of every filter, (B, W*M) in the working precision."""
        T = batch.ids.shape[1]
        check_length(T, self.settings.context)
        x = torch.cat([table(batch.ids) for table in self.input_tables()], dim=2)
        x = x.masked_fill(~batch.seen[..., None], 0).transpose(1, 2)  # (B, C, T)
        sizes = batch.seen.sum(1)[:, None, None]
        best = []
        for layer, window in zip(self._filters(), self.settings.windows, strict=True):
            matches = F.conv1d(
                x, layer.weight, layer.bias, padding=window - 1
            )  # (B, M, T+window-1)
            places = torch.arange(T + window - 1, device=x.device)
            beyond = places >= sizes + window - 1  # the window holds padding only
            best.append(matches.masked_fill(beyond, -torch.inf).amax(2).relu())
        return torch.cat(best, dim=1)

    def label_scores(self, hidden: Tensor, rows: Passages) -> Tensor:
        x = self.drop(hidden)
        return F.linear(x, self.out.weight, self.out.bias).float()

    def row_limits(self) -> dict[str, float]:
        return {"out.weight": self.settings.max_norm} if self.settings.max_norm else {}

    def flops_per_token(self, context: int) -> float:
        """Two per weight of every filter for each place of its window, and the layer above."""
        places = [context + window - 1 for window in self.settings.windows]
        weights = [layer.weight.numel() for layer in self._filters()]
        filters = sum(n * weight for n, weight in zip(places, weights, strict=True))
        return 2.0 * (filters + self.out.weight.numel()) / context
