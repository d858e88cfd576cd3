"""How often answers from passages are right, and how much of them.

Spaced scripts as SQuAD's script has it (Rajpurkar et al. 2016, section 6.1): small letters, no
punctuation and no articles (a, an, the); F1 of the words that both answers have. Chinese as that of
CMRC 2018 (Cui et al. 2019, section 4): small letters, no punctuation; F1 of the longest run that
both answers have, in characters and in words of other scripts. Each answer counts as what it comes
to beside the nearest of the gold ones; where there is none, no answer is right.

Differs: a word of another script in Chinese text is a run of letters and digits, where the
published script asks a library for English words.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..tokens.spaces import HAN
from .score import Score, Tally, ratio, with_width

Way = Literal["SQuAD", "CMRC"]
Judge = Callable[[str, str], tuple[float, float]]
"""(answer, gold) -> (1 where they are the same, F1), both 0 to 1."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_SIGNS = str.maketrans("", "", string.punctuation)
_HAN = re.compile(f"[{HAN}]")
_CHINESE_SIGNS = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_PARTS = re.compile(rf"[{HAN}]|[^\W{HAN}]+|[^\w\s]")


@dataclass(frozen=True)
class Judged:
    """A question with the answer that was given."""

    passage: str
    question: str
    golds: Sequence[str]
    """The answers that people gave; [] where the passage has none."""
    answer: str
    """Empty: none was given."""


def way_of(golds: Sequence[str]) -> Way:
    """How answers are compared: as CMRC where most letters of the gold ones are Han characters."""
    letters = [c for gold in golds for c in gold if c.isalpha()]
    return "CMRC" if 2 * sum(map(bool, map(_HAN.match, letters))) > len(letters) else "SQuAD"


def answer_scores(
    judged: Sequence[Judged],
    *,
    resamples: int = 1000,
    seed: int = 0,
    fixes: Mapping[str, Any] | None = None,
) -> list[Score]:
    """Exact match and F1, 0 to 1; where some questions have no answer, also of those that have one
    and of those that have none. Intervals come of passages drawn with replacement, since the
    questions of one passage are not independent of each other.

    Raises:
        DataError: there is no question.
    """
    way = way_of([gold for each in judged for gold in each.golds])
    values = np.array([compared(each.answer, each.golds, way) for each in judged]).reshape(-1, 2)
    answered = np.array([bool(each.golds) for each in judged], bool)
    names = [each.passage for each in judged]
    parts = {"": np.ones(len(judged), bool)}
    if answered.any() and not answered.all():
        parts |= {" where there is an answer": answered, " where there is none": ~answered}
    found = []
    for where, chosen in parts.items():
        for name, column in (("exact match", 0), ("F1", 1)):
            tally = _by_passage(names, values[:, column], chosen)
            pinned = {**(fixes or {}), "questions": int(chosen.sum())}
            score = ratio(
                tally, name + where, f"({way})", resamples=resamples, seed=seed, fixes=pinned
            )
            found.append(with_width(replace(score, of="passages")))
    return found[:5] + found[6:]  # of questions without an answer both are the same


def _by_passage(names: Sequence[str], values: np.ndarray, chosen: np.ndarray) -> Tally:
    sums: dict[str, list[float]] = {}
    for name, value, counts in zip(names, values.tolist(), chosen.tolist(), strict=True):
        if counts:
            row = sums.setdefault(name, [0.0, 0.0])
            row[0], row[1] = row[0] + value, row[1] + 1
    top, bottom = np.array([*sums.values()]).reshape(-1, 2).T
    return Tally([*sums], top, bottom)


def compared(answer: str, golds: Sequence[str], way: Way) -> tuple[float, float]:
    """Exact match and F1 of an answer, each beside the gold one that gives most."""
    if not golds:
        right = float(not answer)
        return right, right
    compare = {"SQuAD": by_words, "CMRC": by_runs}[way]
    each = [compare(answer, gold) for gold in golds]
    return max(same for same, _ in each), max(f1 for _, f1 in each)


def by_words(answer: str, gold: str) -> tuple[float, float]:
    """Exact match and F1 as SQuAD's script has them."""
    ours, theirs = (_plain(text).split() for text in (answer, gold))
    shared = sum((Counter(ours) & Counter(theirs)).values())
    if not ours or not theirs:
        return float(ours == theirs), float(ours == theirs)
    return float(ours == theirs), 2 * shared / (len(ours) + len(theirs))


def _plain(text: str) -> str:
    return _ARTICLES.sub(" ", text.lower().translate(_SIGNS))


def by_runs(answer: str, gold: str) -> tuple[float, float]:
    """Exact match and F1 as CMRC's script has them."""
    ours, theirs = (text.lower().strip().translate(_CHINESE_SIGNS) for text in (answer, gold))
    parts = [_PARTS.findall(text) for text in (ours, theirs)]
    run = longest_run(*parts)
    return float(ours == theirs), 2 * run / (len(parts[0]) + len(parts[1])) if run else 0.0


def longest_run(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest run of parts that stands in both."""
    best, before = 0, [0] * (len(b) + 1)
    for x in a:
        now = [0] * (len(b) + 1)
        for j, y in enumerate(b, start=1):
            if x == y:
                now[j] = before[j - 1] + 1
        best, before = max(best, *now), now
    return best
