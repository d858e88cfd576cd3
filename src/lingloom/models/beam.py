"""A text after another: the likeliest by beam search, or one token after the other.

A beam search keeps the likeliest beginnings side by side. One that ends leaves the beam for those
that are finished; the search is over once no beginning can still become better than the best of
these, which is always so in the end, for going on never makes a text likelier. With one beam it is
greedy decoding.

Source: Sutskever et al. 2014, section 3.2; length penalty: Wu et al. 2016 (Google's Neural Machine
Translation System), equation 14, without coverage; when to stop: Huang et al. 2017 (When to Finish?
Optimal Beam Search for Neural Text Generation), section 3.1.

Shapes: B sources of S tokens, R beginnings of all sources together, V vocabulary.
"""

from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from .decode import DecodeSettings, Reason, choose
from .model import PairCache, PairModel


@dataclass(frozen=True)
class Written:
    """What was written after one source."""

    ids: tuple[int, ...]
    """Without END."""
    log_probability: float
    """Of the ids, and of the END that follows them; in nats."""
    score: float
    """The same over the length penalty: what a beam search compares."""
    reason: Reason
    """Why it ends."""


@dataclass(frozen=True)
class _Begun:
    """A beginning that is still in the beam."""

    source: int
    ids: tuple[int, ...] = ()
    log_probability: float = 0.0


def length_penalty(tokens: int, alpha: float) -> float:
    """((5 + tokens) / 6) ** alpha: what a log probability is divided by.

    Args:
        tokens: of a target, its END included.
        alpha: 0 compares probabilities as they are, 1 nearly their mean over tokens.
    """
    return float(((5 + tokens) / 6) ** alpha)


@torch.no_grad()
def write(
    model: PairModel, source: Tensor, seen: Tensor, end: int, settings: DecodeSettings
) -> list[Written]:
    """A target for each source.

    Every source is written for as if it were alone (up to rounding, which padding can change).

    Args:
        model: is put into evaluation mode.
        source: (B, S) int64, padded on the right, each closed by END.
        seen: (B, S) bool, False in the padding.
        end: id of END, which begins and ends a target.
        settings: with one beam tokens are chosen by temperature and its limits; `stop` is left to
            whoever spells the ids.

    Raises:
        ShapeError: a source is longer than the model's context.
    """
    model.eval()
    limit = min(settings.max_new_tokens, int(model.settings.context))
    cache = model.new_cache(model.encode(source, seen), len(source), limit)
    writing = _Writing(model, cache, end, settings, limit)
    begun = [_Begun(b) for b in range(len(source))]
    if settings.beams == 1:
        return writing.by_token(begun)
    return writing.by_beam(begun, settings.beams)


class _Writing:
    """One call of `write`."""

    def __init__(
        self, model: PairModel, cache: PairCache, end: int, settings: DecodeSettings, limit: int
    ):
        self.model, self.cache, self.end = model, cache, end
        self.settings, self.limit = settings, limit

    def by_token(self, begun: list[_Begun]) -> list[Written]:
        """One token after the other, each final once it is chosen."""
        # one generator each, so that a source's target does not depend on its neighbours
        draws = [torch.Generator().manual_seed(self.settings.seed) for _ in begun]
        done: list[Written | None] = [None] * len(begun)
        scores = self._first(begun)
        for made in range(1, self.limit + 1):
            rows, left = [], []
            for row, (one, given) in enumerate(zip(begun, scores, strict=True)):
                token = choose(given, one.ids, self.settings, draws[one.source])
                now = one.log_probability + float(given[token] - given.logsumexp(0))
                if token == self.end:
                    done[one.source] = self._ended(replace(one, log_probability=now))
                    continue
                longer = _Begun(one.source, (*one.ids, token), now)
                if made == self.limit:
                    done[one.source] = self._cut_off(longer)
                rows.append(row)
                left.append(longer)
            if made == self.limit or not rows:
                break
            begun = left
            scores = self._next(rows, begun)
        return [written for written in done if written is not None]

    def by_beam(self, begun: list[_Begun], beams: int) -> list[Written]:
        """The best of the texts that ended among the `beams` likeliest beginnings."""
        best: list[Written | None] = [None] * len(begun)
        scores = self._first(begun)
        for made in range(1, self.limit + 1):
            top = scores.topk(min(beams, scores.shape[1]))
            added = top.values.double() - scores.double().logsumexp(1, keepdim=True)
            found = self._expanded(begun, added.tolist(), top.indices.tolist())
            rows, left = [], []
            for source, longer in found.items():
                kept = sorted(longer, key=lambda item: -item[1].log_probability)[:beams]
                open_ones = []
                for row, one in kept:
                    if one.ids[-1] == self.end:
                        best[source] = _better(best[source], self._ended(_without_last(one)))
                    else:
                        open_ones.append((row, one))
                if not open_ones or self._settled(best[source], open_ones[0][1]):
                    continue
                if made == self.limit:
                    best[source] = best[source] or self._cut_off(open_ones[0][1])
                    continue
                rows += [row for row, _ in open_ones]
                left += [one for _, one in open_ones]
            if not rows:
                break
            begun = left
            scores = self._next(rows, begun)
        return [written for written in best if written is not None]

    def _expanded(
        self, begun: list[_Begun], added: list[list[float]], tokens: list[list[int]]
    ) -> dict[int, list[tuple[int, _Begun]]]:
        """For each source, its beginnings made longer by one token, each with the row it is of."""
        found: dict[int, list[tuple[int, _Begun]]] = {}
        for row, one in enumerate(begun):
            found.setdefault(one.source, []).extend(
                (row, _Begun(one.source, (*one.ids, token), one.log_probability + more))
                for more, token in zip(added[row], tokens[row], strict=True)
                if more > -inf
            )
        return found

    def _settled(self, best: Written | None, likeliest: _Begun) -> bool:
        """Whether nothing that is still in the beam can become better than `best`."""
        alpha = self.settings.length_penalty
        bound = likeliest.log_probability / length_penalty(self.limit, alpha)
        return best is not None and best.score >= bound

    def _first(self, begun: list[_Begun]) -> Tensor:
        start = torch.full((len(begun), 1), self.model.begins_with(self.end))
        return self._scores(start)

    def _next(self, rows: list[int], begun: list[_Begun]) -> Tensor:
        """Scores of what follows each of `begun`, which goes on from the row beside it; (R, V)."""
        self.cache.pick(torch.tensor(rows, device=self._device))
        return self._scores(torch.tensor([[one.ids[-1]] for one in begun]))

    def _scores(self, ids: Tensor) -> Tensor:
        return self.model.step(ids.to(self._device), self.cache).float().cpu()

    @property
    def _device(self) -> torch.device:
        return self.model.output_weight().device

    def _ended(self, one: _Begun) -> Written:
        return self._written(one, len(one.ids) + 1, "end")

    def _cut_off(self, one: _Begun) -> Written:
        full = self.limit < self.settings.max_new_tokens
        return self._written(one, len(one.ids), "context" if full else "length")

    def _written(self, one: _Begun, tokens: int, reason: Reason) -> Written:
        penalty = length_penalty(tokens, self.settings.length_penalty)
        return Written(one.ids, one.log_probability, one.log_probability / penalty, reason)


def _without_last(one: _Begun) -> _Begun:
    return replace(one, ids=one.ids[:-1])


def _better(one: Written | None, other: Written) -> Written:
    return other if one is None or other.score > one.score else one
