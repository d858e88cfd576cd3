"""What a model reads in one go.

Shapes: B sequences, T tokens each.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

IGNORE = -100
"""Target id that is not scored: padding, prompts, masked-out places."""


@dataclass(frozen=True)
class Batch:
    """Token ids, what to predict at each place, and which document each place belongs to."""

    ids: Tensor
    """(B, T) int64."""
    targets: Tensor
    """(B, T) int64; targets[b, t] is what the model should say after ids[b, :t+1]; or IGNORE."""
    segments: Tensor | None = None
    """(B, T) int64, rising along a row; attention stays inside a segment and positions restart
    with it. None: the row is one stretch of text."""
    goes_on: bool = False
    """Whether each row goes on where the same row of the batch before stopped."""
    state: Tensor | None = None
    """(B, N) float32: what a model that carries its state starts from, and where it leaves what it
    came to. None: it starts from nothing."""

    def split(self, micro: int) -> list["Batch"]:
        """The same rows in pieces of at most `micro`."""
        segments = self.segments.split(micro) if self.segments is not None else None
        states = self.state.split(micro) if self.state is not None else None
        return [
            replace(
                self,
                ids=ids,
                targets=targets,
                segments=segments[i] if segments else None,
                state=states[i] if states else None,
            )
            for i, (ids, targets) in enumerate(
                zip(self.ids.split(micro), self.targets.split(micro), strict=True)
            )
        ]

    def to(self, device: torch.device) -> "Batch":
        """The same rows on `device`; nothing is copied when they are there already, and never a
        state, which lives where its model does."""
        segments = None if self.segments is None else self.segments.to(device)
        ids, targets = self.ids.to(device), self.targets.to(device)
        return replace(self, ids=ids, targets=targets, segments=segments)

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
