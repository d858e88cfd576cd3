"""Interpolated Kneser-Ney: from counts to probabilities (Chen and Goodman 1999, section 3).

For a word w after a context h, with a(hw) the adjusted count and h' being h without its first word:

    p(w | h) = (a(hw) - D(a(hw))) / sum_v a(hv)  +  g(h) p(w | h')

g(h) is the mass that the discounts D took away; below the unigrams stands the uniform 1 / vocab.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from .backoff import Level, Table
from .counts import Grams, adjusted


@dataclass(frozen=True)
class Discounts:
    """What is taken from counts of 1, 2, and 3 or more at one order."""

    one: float
    two: float
    three: float
    fallback: bool
    """The text was too small or too regular for the closed form, so standard values were taken."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


FALLBACK = {"modified": (0.5, 1.0, 1.5), "single": (0.75, 0.75, 0.75)}
"""Discounts where counts of 1 to 4 do not all occur, as with KenLM's --discount_fallback; 0.75 for
one discount (Chen and Goodman 1999 find values near it at every size of text)."""


def discounts(counts: np.ndarray, kind: Literal["modified", "single"]) -> Discounts:
    """The closed form from the numbers n1..n4 of n-grams counted once to four times.

    Y = n1 / (n1 + 2 n2); single: D = Y; modified: D_k = k - (k + 1) Y n_{k+1} / n_k, k = 1, 2, 3
    (Chen and Goodman 1999, equation 26).
    """
    n1, n2, n3, n4 = (int(n) for n in np.bincount(counts[counts <= 4], minlength=5)[1:])
    if kind == "single":
        if n1 == 0 or n2 == 0:
            return Discounts(*FALLBACK[kind], fallback=True)
        y = n1 / (n1 + 2 * n2)
        return Discounts(y, y, y, fallback=False)
    if 0 in (n1, n2, n3, n4):
        return Discounts(*FALLBACK[kind], fallback=True)
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if any(not 0 <= d <= k for k, d in enumerate(found, start=1)):
        return Discounts(*FALLBACK[kind], fallback=True)
    return Discounts(*found, fallback=False)


def estimate(
    levels: list[Grams],
    *,
    kind: Literal["modified", "single"],
    prune: list[int],
    mass: Literal["interpolate", "backoff"],
) -> tuple[Table, list[Discounts]]:
    """Probabilities and back-off factors of every order.

    Args:
        levels: what `count` found.
        kind: three discounts per order, or one.
        prune: per order; n-grams seen at most this often are dropped. Not falling, the first 0.
        mass: where the probability of a dropped n-gram goes: to the interpolation of its whole
            context (KenLM), or to the words not kept after it, by normalising (SRILM).
    """
    vocab = len(levels[0].keys) - 1
    counts = adjusted(levels)
    found = [discounts(c, kind) for c in counts]
    taken = _taken(counts[0], found[0])
    total = max(int(counts[0].sum()), 1)
    p = (counts[0] - taken) / total + (taken.sum() / total) / vocab
    p[vocab] = 0.0  # the begin symbol is a context, never a prediction
    log_p = np.full(vocab + 1, -np.inf)
    log_p[:vocab] = np.log(p[:vocab])
    out = [Level(levels[0].keys, log_p, np.zeros(0))]
    kept: np.ndarray | None = None  # id before pruning -> id after it or -1; None: all stay
    for n in range(1, len(levels)):
        grams = levels[n]
        keep = grams.counts > prune[n]
        prefixes, words = np.divmod(grams.keys, vocab + 1)
        p, backoff = _interpolate(prefixes, grams.suffixes, counts[n], keep, found[n], p, mass)
        lower = out[-1]
        backoff = backoff if kept is None else backoff[kept >= 0]
        out[-1] = Level(lower.keys, lower.log_p, np.log(backoff))
        if kept is None and keep.all():
            out.append(Level(grams.keys, np.log(p), np.zeros(0)))
            continue
        prefixes = prefixes[keep] if kept is None else kept[prefixes[keep]]
        keys = prefixes * (vocab + 1) + words[keep]
        out.append(Level(keys, np.log(p[keep]), np.zeros(0)))
        kept = np.where(keep, np.cumsum(keep) - 1, -1)
    return Table(out, vocab), found


def _taken(counts: np.ndarray, found: Discounts) -> np.ndarray:
    """The discount of each count, (grams,) float64."""
    by_count = np.array([0.0, found.one, found.two, found.three])
    taken: np.ndarray = by_count[np.minimum(counts, 3)]
    return taken


def _interpolate(
    prefixes: np.ndarray,
    suffixes: np.ndarray,
    counts: np.ndarray,
    keep: np.ndarray,
    found: Discounts,
    lower: np.ndarray,
    mass: Literal["interpolate", "backoff"],
) -> tuple[np.ndarray, np.ndarray]:
    """(p of each n-gram, back-off factor of each n-gram of the order below), before pruning.

    `lower` is p of every n-gram of the order below.
    """
    fresh = np.ones(len(prefixes), dtype=bool)
    np.not_equal(prefixes[1:], prefixes[:-1], out=fresh[1:])
    starts = np.flatnonzero(fresh)
    context = np.cumsum(fresh, dtype=np.int32) - 1  # which run of equal prefixes
    totals = np.add.reduceat(counts, starts)
    taken = _taken(counts, found)
    if mass == "interpolate":
        taken[~keep] = counts[~keep]
    freed = np.add.reduceat(taken, starts) / totals
    below = lower[suffixes]
    p = (counts - taken) / totals[context] + freed[context] * below
    if mass == "backoff" and not keep.all():
        unseen = 1 - np.add.reduceat(np.where(keep, p, 0.0), starts)
        below_unseen = 1 - np.add.reduceat(np.where(keep, below, 0.0), starts)
        lost = np.logical_or.reduceat(~keep, starts)
        np.divide(unseen, below_unseen, out=freed, where=lost)
    backoff = np.ones(len(lower))
    backoff[prefixes[starts]] = freed
    return p, backoff
