"""What a model reads in one go.

Shapes: B rows, T tokens each, S tokens of a source.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Self

import torch
from torch import Tensor

IGNORE = -100
"""Target id that is not scored: padding, prompts, masked-out places."""


@dataclass(frozen=True)
class Rows:
    """Rows that are learnt from together and may be taken apart anywhere.

    Every tensor of a subclass has one entry per row in its first dimension.
    """

    ids: Tensor
    """(B, T) int64: what is read; where a source is read first, what is read after it."""

    def split(self, micro: int) -> list[Self]:
        """The same rows in pieces of at most `micro`."""
        cut = {name: part.split(micro) for name, part in self.tensors().items()}
        pieces = -(-len(self.ids) // micro)
        return [replace(self, **{name: cut[name][i] for name in cut}) for i in range(pieces)]

    def to(self, device: torch.device) -> Self:
        """The same rows on `device`; nothing is copied when they are there already, and never a
        state, which lives where its model does."""
        stays = {f.name for f in fields(self) if f.metadata.get("stays")}
        return replace(
            self, **{n: part.to(device) for n, part in self.tensors().items() if n not in stays}
        )

    @property
    def context(self) -> int:
        """Places of a row, by which micro-batches are measured: T, or S where that is more."""
        return self.ids.shape[1]

    @property
    def tokens(self) -> int:
        """Places of all rows, padding included: what speed is counted in."""
        return self.ids.numel()

    def tensors(self) -> dict[str, Tensor]:
        """All that it holds, by name."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in held.items() if isinstance(value, Tensor)}


@dataclass(frozen=True)
class Batch(Rows):
    """Text to go on from: what to predict at each place, and which document it belongs to."""

    targets: Tensor
    """(B, T) int64; targets[b, t] is what the model should say after ids[b, :t+1]; or IGNORE."""
    segments: Tensor | None = None
    """(B, T) int64, rising along a row; attention stays inside a segment and positions restart
    with it. None: the row is one stretch of text."""
    goes_on: bool = False
    """Whether each row goes on where the same row of the batch before stopped."""
    state: Tensor | None = field(default=None, metadata={"stays": True})
    """(B, N) float32: what a model that carries its state starts from, and where it leaves what it
    came to. None: it starts from nothing."""

    def scored(self) -> int:
        """Number of targets that count."""
        return int((self.targets != IGNORE).sum())

    def positions(self) -> Tensor:
        """Place of each token in its segment, (B, T) int64."""
        B, T = self.ids.shape
        place = torch.arange(T, device=self.ids.device).expand(B, T)
        if self.segments is None:
            return place
        starts = torch.ones_like(self.segments, dtype=torch.bool)
        starts[:, 1:] = self.segments[:, 1:] != self.segments[:, :-1]
        return place - torch.where(starts, place, 0).cummax(dim=1).values


@dataclass(frozen=True)
class PairBatch(Rows):
    """A source, and the target that a decoder writes after reading it: `ids` are the target's
    tokens behind a beginning sign, padded on the right."""

    targets: Tensor
    """(B, T) int64; targets[b, t] is what comes after ids[b, :t+1]; IGNORE in the padding."""
    source: Tensor
    """(B, S) int64, padded on the right."""
    source_seen: Tensor
    """(B, S) bool: where a token of the source stands, and no padding."""

    @property
    def context(self) -> int:
        return max(self.ids.shape[1], self.source.shape[1])

    @property
    def tokens(self) -> int:
        return self.ids.numel() + self.source.numel()

    def scored(self) -> int:
        """Number of targets that count."""
        return int((self.targets != IGNORE).sum())


@dataclass(frozen=True)
class Passages(Rows):
    """Texts that are read in both directions, padded on the right."""

    seen: Tensor
    """(B, T) bool: where a token stands, and no padding."""
    parts: Tensor | None = None
    """(B, T) int64, 0 or 1: which of two texts each place belongs to. None: there is one text."""
    targets: Tensor | None = None
    """(B, T) int64: what each place stands for (a hidden token, a tag); IGNORE where none is."""
    labels: Tensor | None = None
    """(B,) int64: what the row as a whole is."""


@dataclass(frozen=True)
class WordRows(Rows):
    """Running text as word vectors are learnt from it: each place a word, and how far it looks."""

    place: Tensor
    """(B, T) int64: the place of each word; two words of a document are as far apart as their
    places, words of different documents farther than any window reaches."""
    reach: Tensor
    """(B, T) int64: how far the word's window reaches to either side; 0 in the padding."""
    chance: Tensor | None = None
    """(B, K) int64: words drawn by chance, for all places of the row to be told from."""
    paths: Tensor | None = None
    """(B, T, L) int64: the way from the root of a tree of words to this one. n and -n stand for
    inner node n - 1 and its two branches; 0 is padding."""
    read: int = 0
    """Words of running text behind each row, those left out included."""

    @property
    def tokens(self) -> int:
        return len(self.ids) * self.read


@dataclass(frozen=True)
class WordPairs(Rows):
    """Pairs of words, and how often each stands near the other: `ids` are (B, 2)."""

    counts: Tensor
    """(B,) float32, above 0."""

    @property
    def tokens(self) -> int:
        return len(self.ids)
