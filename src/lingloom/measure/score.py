"""A number with its unit, its n, its interval, and what pins it: nothing is reported without them.

Intervals are percentile bootstraps over documents: whole documents are drawn with replacement,
since the tokens of one document are not independent of each other.

Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapters 13 (percentile
interval) and 16; paired differences: Koehn 2004, "Statistical Significance Tests for Machine
Translation Evaluation".
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import DataError

LEVEL = 0.95
"""Share of the resamples that lie inside an interval."""
Z = 1.959964
"""Deviations to either side of the mean within which a normal number lies with that chance."""
ROOM = 4_000_000
"""Draws held in memory at once, 8 bytes each."""


@dataclass(frozen=True)
class Score:
    """One measured number."""

    name: str
    value: float
    unit: str
    """Such as 'bits/byte'; empty for a number without one."""
    n: int
    """How many things were drawn from: the sample that the interval speaks of."""
    low: float | None = None
    high: float | None = None
    """The 95% interval; None where one thing alone was measured."""
    of: str = "documents"
    """What n counts."""
    fixes: Mapping[str, Any] = field(default_factory=dict)
    """What must be equal for two such scores to be comparable: text, context, stride."""

    def __str__(self) -> str:
        """`bits per byte 1.234 [1.201, 1.268] (95%, n=312 documents)`."""
        unit = "" if self.unit.replace("/", " per ") == self.name else self.unit
        number = f"{self.name} {self.shown(self.value)}{' ' + unit if unit else ''}"
        if self.low is None or self.high is None:
            return f"{number} (no interval, n={self.n} {self.of})"
        interval = f"[{self.shown(self.low)}, {self.shown(self.high)}]"
        return f"{number} {interval} ({LEVEL:.0%}, n={self.n} {self.of})"

    def shown(self, number: float) -> str:
        """`number` with the decimals that give this score four significant digits."""
        size = max(abs(end) for end in (self.value, self.low, self.high) if end is not None)
        if not math.isfinite(size) or not math.isfinite(number):
            return f"{number:.4g}"
        decimals = 3 - math.floor(math.log10(size)) if size else 3
        return f"{number:,.{min(max(decimals, 0), 6)}f}"

    def through(self, name: str, unit: str, rising: Callable[[float], float]) -> "Score":
        """The score of a rising function of this one; a percentile interval goes along with it."""
        ends = [None if end is None else rising(end) for end in (self.low, self.high)]
        value = rising(self.value)
        return replace(self, name=name, unit=unit, value=value, low=ends[0], high=ends[1])

    def to_json(self) -> dict[str, Any]:
        """Plain values that strict JSON can hold: a number that is not finite becomes its name."""
        tree = asdict(self) | {"fixes": dict(self.fixes)}
        for key in ("value", "low", "high"):
            if tree[key] is not None and not math.isfinite(tree[key]):
                tree[key] = str(tree[key])
        return tree

    @staticmethod
    def from_json(tree: Mapping[str, Any]) -> "Score":
        """The score that `to_json` wrote.

        Raises:
            DataError: a field is missing, unknown or not a number.
        """
        try:
            numbers = {
                key: None if tree[key] is None else float(tree[key]) for key in ("low", "high")
            }
            return Score(**{**tree, **numbers, "value": float(tree["value"])})
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"a stored score cannot be read: {error}; it has {', '.join(map(repr, tree))} "
                "-- run `lingloom measure` again to write it anew"
            ) from None


@dataclass(frozen=True)
class Tally:
    """One measure, document by document: the score is sum(top) / sum(bottom)."""

    ids: Sequence[str]
    """(N,) names of the documents."""
    top: np.ndarray
    """(N,) float64, such as bits."""
    bottom: np.ndarray
    """(N,) float64, such as bytes; not negative, and not all zero."""


def ratio(
    tally: Tally,
    name: str,
    unit: str,
    *,
    resamples: int = 1000,
    seed: int = 0,
    fixes: Mapping[str, Any] | None = None,
) -> Score:
    """sum(top) / sum(bottom) with its bootstrap interval over documents.

    Raises:
        DataError: there is no document, or the bottoms sum to zero.
    """
    _refuse_empty(tally, name)
    value = float(tally.top.sum() / tally.bottom.sum())
    drawn = _resampled([tally.top, tally.bottom], resamples, seed)
    low, high = _interval(drawn[0], drawn[1])
    return Score(name, value, unit, len(tally.top), low, high, fixes=fixes or {})


def with_width(share: Score) -> Score:
    """A share of things that are right: where it is none or all, resamples are all alike, and the
    interval is Wilson's, between 0 and z^2 / (n + z^2) or as far below 1.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if share.value not in (0, 1) or share.low is None:
        return share
    far = Z * Z / (share.n + Z * Z)
    return replace(share, low=0.0, high=far) if share.value == 0 else replace(share, low=1 - far)


def compare(
    a: Tally, b: Tally, name: str, unit: str, *, resamples: int = 1000, seed: int = 0
) -> Score:
    """Score of `a` minus score of `b` on the same documents, each resample drawn for both.

    An interval that leaves out 0 says that they differ. Pairing takes out what makes a document
    hard for both, so it finds far smaller differences than two separate intervals do.

    Raises:
        DataError: the documents are not the same, in the same order.
    """
    _refuse_empty(a, name)
    _refuse_empty(b, name)
    if list(a.ids) != list(b.ids):
        at = next((i for i, (x, y) in enumerate(zip(a.ids, b.ids, strict=False)) if x != y), None)
        where = (
            f"{len(a.ids)} against {len(b.ids)} documents"
            if at is None
            else f"document {at} is '{a.ids[at]}' in one and '{b.ids[at]}' in the other"
        )
        raise DataError(f"{name}: {where}; measure both runs on the same text to compare them")
    value = float(a.top.sum() / a.bottom.sum() - b.top.sum() / b.bottom.sum())
    drawn = _resampled([a.top, a.bottom, b.top, b.bottom], resamples, seed)
    low, high = _interval(drawn[0], drawn[1], drawn[2], drawn[3])
    return Score(name, value, unit, len(a.ids), low, high)


def _refuse_empty(tally: Tally, name: str) -> None:
    if not len(tally.top) or not tally.bottom.sum() > 0:
        raise DataError(
            f"{name}: nothing to measure in {len(tally.top)} documents; "
            "give text that is not empty (measure needs at least one document)"
        )


def _resampled(columns: Sequence[np.ndarray], resamples: int, seed: int) -> np.ndarray:
    """Sums of each column over documents drawn with replacement, (columns, resamples)."""
    n = len(columns[0])
    sums = np.empty((len(columns), resamples if n > 1 else 0))
    rng = np.random.default_rng(seed)
    rows = max(1, ROOM // n)
    for start in range(0, sums.shape[1], rows):
        stop = min(start + rows, sums.shape[1])
        drawn = rng.integers(n, size=(stop - start, n))
        for c, column in enumerate(columns):
            sums[c, start:stop] = column[drawn].sum(axis=1)
    return sums


def _interval(
    top: np.ndarray,
    bottom: np.ndarray,
    less_top: np.ndarray | None = None,
    less_bottom: np.ndarray | None = None,
) -> tuple[float | None, float | None]:
    """The middle 95% of the resampled ratios; resamples without anything in them are left out."""
    whole = bottom > 0 if less_bottom is None else (bottom > 0) & (less_bottom > 0)
    values = top[whole] / bottom[whole]
    if less_top is not None and less_bottom is not None:
        values = values - less_top[whole] / less_bottom[whole]
    if not len(values):
        return None, None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
