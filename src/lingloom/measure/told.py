"""How often labels are right: accuracy, F1 of labels and of stretches of words, confusion.

Every score is a function of counts summed over texts; its interval comes of texts drawn with
replacement, since the words of one text are not independent of each other.

Source of F1: van Rijsbergen 1979 (Information Retrieval), chapter 7.

Shapes: N texts, K counts, L labels, R resamples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from ..tasks.spans import mark_spans, spans
from .ranking import area_under_roc
from .score import LEVEL, Score, with_width

Statistic = Callable[[np.ndarray], np.ndarray]
"""Sums of counts (R, K) -> a number for each, (R,); NaN where there is nothing to divide by."""


@dataclass(frozen=True)
class Told:
    """What was said of each text, or of each of its words, and what is true."""

    names: Sequence[str]
    ids: Sequence[str]
    """(N,) names of the texts."""
    said: Sequence[np.ndarray]
    """(N,) arrays of label numbers: of a text one, or one for each of its words."""
    true: Sequence[np.ndarray]
    """In the same way."""
    chances: Sequence[np.ndarray] = ()
    """(N,) arrays (L,): how likely each label is of each text; empty where that is not known."""
    cut_texts: int = 0
    """Texts of which only the beginning was read."""

    def confusion(self) -> np.ndarray:
        """How often what is true (rows) was said to be what (columns), (L, L) int64."""
        size = len(self.names)
        pairs = np.concatenate(self.true) * size + np.concatenate(self.said)
        return np.bincount(pairs, minlength=size * size).reshape(size, size)


def label_scores(
    told: Told, *, resamples: int = 1000, seed: int = 0, fixes: Mapping[str, Any] | None = None
) -> list[Score]:
    """Accuracy and macro-F1 of the labels; where they mark stretches of words, first F1, precision
    and recall of these; where there are two labels and their chances, the area under the ROC curve.

    Macro-F1 is the mean over all labels that are true or said somewhere.

    Raises:
        DataError: there is no text.
    """
    if not told.ids:
        raise DataError("accuracy: no text to measure; give at least one text with its label")

    def score(name: str, counts: np.ndarray, statistic: Statistic) -> Score:
        value, low, high = _with_interval(counts, statistic, resamples, seed)
        return with_width(Score(name, value, "", len(told.ids), low, high, fixes=fixes or {}))

    found = []
    if mark_spans(told.names):
        counts = _span_counts(told)
        found += [
            score("entity F1", counts, lambda c: _divided(2 * c[:, 0], c[:, 1] + c[:, 2])),
            score("entity precision", counts, lambda c: _divided(c[:, 0], c[:, 1])),
            score("entity recall", counts, lambda c: _divided(c[:, 0], c[:, 2])),
        ]
    right = np.array(
        [[(s == t).sum(), len(t)] for s, t in zip(told.said, told.true, strict=True)], np.float64
    )
    found.append(score("accuracy", right, lambda c: _divided(c[:, 0], c[:, 1])))
    found.append(score("macro-F1", _label_counts(told), _macro_f1))
    if len(told.chances) and len(told.names) == 2:
        true = np.concatenate(told.true) == 1  # it is the same area for either of two labels
        if true.any() and not true.all():
            chances = np.stack(told.chances)[:, 1]
            found.append(area_under_roc(chances, true, resamples=resamples, seed=seed, fixes=fixes))
    return found


def label_table(told: Told) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and number of each label; of one that was never said or is nowhere
    true, what has nothing to divide by is 0."""
    counts = _label_counts(told).sum(0).reshape(3, -1)
    rows = {}
    for name, (right, said, true) in zip(told.names, counts.T, strict=True):
        rows[name] = {
            "precision": float(right / said) if said else 0.0,
            "recall": float(right / true) if true else 0.0,
            "f1": float(2 * right / (said + true)) if said + true else 0.0,
            "n": int(true),
        }
    return rows


def _with_interval(
    counts: np.ndarray, statistic: Statistic, resamples: int, seed: int
) -> tuple[float, float | None, float | None]:
    """A statistic of summed `counts` (N, K), and the middle 95% of what resamples of texts give."""
    value = float(np.nan_to_num(statistic(counts.sum(0, keepdims=True))[0]))
    texts = len(counts)
    if texts < 2:
        return value, None, None
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, counts.shape[1]))
    for r in range(resamples):
        drawn = np.bincount(rng.integers(texts, size=texts), minlength=texts)
        sums[r] = drawn @ counts
    found = statistic(sums)
    found = found[~np.isnan(found)]
    if not len(found):
        return value, None, None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return value, float(low), float(high)


def _span_counts(told: Told) -> np.ndarray:
    """(N, 3): stretches that are right, said and true. Right are place and kind."""
    rows = []
    for said, true in zip(told.said, told.true, strict=True):
        ours = set(spans([told.names[i] for i in said]))
        theirs = set(spans([told.names[i] for i in true]))
        rows.append((len(ours & theirs), len(ours), len(theirs)))
    return np.array(rows, np.float64)


def _label_counts(told: Told) -> np.ndarray:
    """(N, 3 L): how often each label is right, said and true."""
    size = len(told.names)
    rows = np.zeros((len(told.ids), 3, size))
    for i, (said, true) in enumerate(zip(told.said, told.true, strict=True)):
        rows[i, 0] = np.bincount(true[said == true], minlength=size)
        rows[i, 1] = np.bincount(said, minlength=size)
        rows[i, 2] = np.bincount(true, minlength=size)
    return rows.reshape(len(told.ids), 3 * size)


def _macro_f1(sums: np.ndarray) -> np.ndarray:
    right, said, true = np.split(sums, 3, axis=1)
    with np.errstate(invalid="ignore"):
        each = 2 * right / (said + true)  # NaN of labels that are nowhere
    there = (said + true > 0).sum(1)
    return _divided(np.nansum(each, axis=1), there)


def _divided(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        out: np.ndarray = np.where(bottom > 0, top / bottom, np.nan)
    return out
