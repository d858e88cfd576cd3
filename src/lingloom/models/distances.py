"""Positions as distances between tokens, in attention that adds a weight for each kind of distance.

Source: Raffel et al. 2020 (T5), section 2.1; Shaw et al. 2018 (Self-Attention with Relative
Position Representations).
"""

from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def bucket(distance: Tensor, both_sides: bool, buckets: int, furthest: int) -> Tensor:
    """Which kind of distance it is to each place, int64 in 0..buckets-1.

    Half of a side's buckets stand for one distance each, the others for ranges that grow by one
    factor, up to `furthest`, from where on all distances are one kind.

    Args:
        distance: place looked at minus place that looks, any shape; negative is to the left.
        both_sides: the upper half of the buckets is for places to the right; otherwise there is
            nothing to the right.
        buckets: of both sides together.
        furthest: more than the distances that have a bucket each.

    Source: Raffel et al. 2020, section 2.1, with the ranges of the published code, which computes
    them in float32.
    """
    side = torch.zeros_like(distance)
    if both_sides:
        buckets //= 2
        side = (distance > 0) * buckets
        away = distance.abs()
    else:
        away = (-distance).clamp(min=0)
    single = buckets // 2
    share = (away.clamp(min=1).float() / single).log() / log(furthest / single)  # 0 to 1
    ranged = (single + (share * (buckets - single)).long()).clamp(max=buckets - 1)
    return side + torch.where(away < single, away, ranged)


class Distances(nn.Module):
    """What attention adds to its scores for how far apart two places are: one weight per head and
    kind of distance.

    Args:
        buckets: kinds of distance.
        heads: H.
        furthest: from here on all distances are of one kind.
        both_sides: whether there are places to the right.
    """

    def __init__(self, buckets: int, heads: int, furthest: int, *, both_sides: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(buckets, heads))
        self.both_sides, self.furthest = both_sides, furthest

    def forward(self, queries: int, keys: int) -> Tensor:
        """(H, T, S) for the last `queries` T of `keys` S places."""
        away = torch.arange(1 - keys, queries, device=self.weight.device)
        kind = bucket(away, self.both_sides, len(self.weight), self.furthest)
        row = F.embedding(kind, self.weight).T  # (H, S + T - 1), from the leftmost on
        return row.unfold(1, keys, 1).flip(1)  # each query further right looks one further left
