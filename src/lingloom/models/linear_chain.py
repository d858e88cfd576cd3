"""A layer that scores all labels of a text together: a conditional random field in a line.

A path of labels y over a text scores the sum of its words' scores s and of how well each label
follows the one before:

    score(y) = first[y_1] + sum_t s[t, y_t] + sum_t follow[y_(t-1), y_t] + last[y_n]
    p(y) = exp(score(y)) / Z        Z = sum over all paths of exp(score)

Z comes from the forward algorithm, the best path from Viterbi's. The gradient of log Z by a score
is the probability of that label there, so that of -log p is expected minus observed counts; the
forward algorithm is differentiated for it, which is the backward algorithm.

Source: Lafferty et al. 2001 (Conditional Random Fields), section 3; Lample et al. 2016 (Neural
Architectures for Named Entity Recognition), section 2.2.

Shapes: B texts, T places, L labels. Words stand on the left: `there` (B, T) bool says where.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..tokens.batch import IGNORE

NEVER = -1e4
"""Score of a step that is not allowed."""
_LEAST = 1e-37
"""So that a label which nothing leads to has a finite score, and no gradient."""


class Words(NamedTuple):
    """The places of words among those of tokens, pushed together on the left."""

    place: Tensor
    """(B, T) int64: the token that each word begins with; behind the words, the others."""
    there: Tensor
    """(B, T) bool: where a word stands."""

    def of(self, values: Tensor) -> Tensor:
        """What belongs to the words, of values (B, T) or (B, T, L) of all tokens."""
        place = self.place if values.ndim == 2 else self.place[..., None].expand_as(values)
        return values.gather(1, place)

    def back(self, values: Tensor) -> Tensor:
        """Values of words, each at its token again."""
        place = self.place if values.ndim == 2 else self.place[..., None].expand_as(values)
        return torch.zeros_like(values).scatter(1, place, values)


def words_among(tokens: Tensor) -> Words:
    """The words among tokens; `tokens` (B, T) bool says which begin one."""
    place = (~tokens).long().argsort(dim=1, stable=True)
    there = torch.arange(tokens.shape[1], device=tokens.device) < tokens.sum(1, keepdim=True)
    return Words(place, there)


class LinearChain(nn.Module):
    """Scores of labels that follow each other; all sums are taken in float32."""

    def __init__(self, labels: int):
        super().__init__()
        self.follow = nn.Parameter(torch.zeros(labels, labels))
        """[i, j]: how well label j follows label i."""
        self.first = nn.Parameter(torch.zeros(labels))
        self.last = nn.Parameter(torch.zeros(labels))

    def nats(self, scores: Tensor, labels: Tensor, there: Tensor) -> Tensor:
        """-log p of each text's labels, (B,).

        Args:
            scores: (B, T, L) float32.
            labels: (B, T) int64; any where `there` is False.
            there: (B, T), as the head of the file has it; a text without words costs nothing.
        """
        return self.log_partition(scores, there) - self.path(scores, labels, there)

    def path(self, scores: Tensor, labels: Tensor, there: Tensor) -> Tensor:
        """The score of one path, (B,); arguments as of `nats`."""
        labels = labels.masked_fill(labels == IGNORE, 0)
        words = scores.gather(2, labels[..., None])[..., 0]
        steps = self.follow.float()[labels[:, :-1], labels[:, 1:]]
        end = labels.gather(1, (there.sum(1, keepdim=True) - 1).clamp(min=0))[:, 0]
        ends = self.first.float()[labels[:, 0]] + self.last.float()[end]
        return (words * there).sum(1) + (steps * there[:, 1:]).sum(1) + ends * there[:, 0]

    def log_partition(self, scores: Tensor, there: Tensor, allowed: Tensor | None = None) -> Tensor:
        """log Z of each text, (B,); 0 where there is no word.

        Args:
            scores: (B, T, L) float32.
            there: (B, T).
            allowed: see `best`.
        """
        first, follow, last = self._parts(allowed)
        step = follow.exp()
        reached = first + scores[:, 0]  # (B, L): log of the sum over all paths that end in a label
        for t in range(1, scores.shape[1]):
            most = reached.detach().amax(1, keepdim=True)
            sums = ((reached - most).exp() @ step).clamp_min(_LEAST)
            now = sums.log() + most + scores[:, t]
            reached = torch.where(there[:, t, None], now, reached)
        return (reached + last).logsumexp(1) * there[:, 0]

    def best(self, scores: Tensor, there: Tensor, allowed: Tensor | None = None) -> Tensor:
        """The path of the highest score, (B, T) int64; 0 where there is no word.

        Args:
            scores: (B, T, L) float32.
            there: (B, T).
            allowed: (L + 1, L) bool, whether label j may follow label i; the last row says with
                which a text may begin. None: all may.

        Source: Viterbi 1967; Forney 1973, section III.
        """
        first, follow, last = self._parts(allowed)
        reached = first + scores[:, 0]
        origin = []
        for t in range(1, scores.shape[1]):
            most, before = (reached[:, :, None] + follow).max(1)  # over the label before
            stays = torch.arange(before.shape[1], device=before.device).expand_as(before)
            here = there[:, t, None]
            reached = torch.where(here, most + scores[:, t], reached)
            origin.append(torch.where(here, before, stays))
        label = (reached + last).argmax(1)
        path = [label]
        for before in reversed(origin):
            label = before.gather(1, label[:, None])[:, 0]
            path.append(label)
        return torch.stack(path[::-1], dim=1) * there

    def chances(self, scores: Tensor, there: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Probability of each label at each word, over all paths, (B, T, L); arguments as of
        `best`."""
        with torch.enable_grad():
            given = scores.detach().requires_grad_()
            total = self.log_partition(given, there, allowed).sum()
            (found,) = torch.autograd.grad(total, given)
        return found

    def flops_per_word(self) -> float:
        """Of a step of the forward algorithm."""
        return 2.0 * self.follow.numel()

    def _parts(self, allowed: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        first, follow = self.first.float(), self.follow.float()
        if allowed is not None:
            first = first.masked_fill(~allowed[-1], NEVER)
            follow = follow.masked_fill(~allowed[:-1], NEVER)
        return first, follow, self.last.float()


def allowed_in_bio(names: list[str]) -> Tensor:
    """(L + 1, L) bool: I-x follows B-x or I-x only, and begins no text; all else may.

    Source: Ramshaw and Marcus 1995, in the form IOB2 (Tjong Kim Sang and Veenstra 1999, section 2).
    """
    rows = [[_may_follow(before, name) for name in names] for before in [*names, ""]]
    return torch.tensor(rows)


def _may_follow(before: str, name: str) -> bool:
    return not name.startswith("I-") or before in (name, "B-" + name[2:])
