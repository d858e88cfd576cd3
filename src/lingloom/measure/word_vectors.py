"""Word vectors held against what people say: how alike two words are, and what is to what.

Source: Finkelstein et al. 2002 (Placing Search in Context) for likeness by rank correlation;
Mikolov et al. 2013 (Efficient Estimation of Word Representations), section 4.1, for analogies and
their file; Levy and Goldberg 2014 (Linguistic Regularities), sections 3 and 6, for both answers;
Spearman 1904 with equal ranks shared.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..tasks.nearest import By, WordVectors, answers
from .score import LEVEL, Score, with_width

NAMELESS = "without a name"
"""The section of questions before the first that has a name."""
FILE_BYTES = 100_000_000
"""Largest file of questions that is read."""


def likeness(vectors: WordVectors, path: str, *, resamples: int, seed: int) -> Score:
    """Spearman's rank correlation of cosines and people's ratings, its interval over pairs.

    Args:
        vectors: of a model; pairs of which it lacks a word are left out, n counts the rest.
        path: a line for each pair: two words and a number, between blanks or tabs; lines that begin
            with # say nothing.
        resamples: draws of pairs behind the interval.
        seed: of those draws.

    Raises:
        DataError: the file cannot be read, or fewer than three of its pairs are there.
    """
    cosines, ratings, pairs = [], [], 0
    for at, line in _lines(path):
        try:
            a, b, number = line.split()[:3]
            rating = float(number)
        except ValueError:
            raise DataError(
                f"{path}:{at}: not two words and a number: '{line[:60]}'; correct the line"
            ) from None
        pairs += 1
        rows = vectors.find(a), vectors.find(b)
        if rows[0] is not None and rows[1] is not None:
            cosines.append(float(vectors.vectors[rows[0]] @ vectors.vectors[rows[1]]))
            ratings.append(rating)
    if len(cosines) < 3:
        raise DataError(
            f"{path}: of its {pairs} pairs of words only {len(cosines)} have vectors; leave the "
            "file out of measure.similarity, or learn from more text"
        )
    name = f"likeness of words, {Path(path).stem}"
    x, y = np.array(cosines), np.array(ratings)
    low, high = _interval(x, y, resamples, seed)
    of = f"pairs of {pairs}"
    return Score(name, spearman(x, y), "Spearman", len(x), low, high, of, {"file": Path(path).name})


def analogies(
    vectors: WordVectors, path: str, *, resamples: int, seed: int, by: By = "add"
) -> list[Score]:
    """Share of questions `a b c d` that are answered by d: of all, then of each section.

    Args:
        vectors: of a model; questions of which it lacks a word are left out: n counts the rest, and
            `of` says of how many. A section without any has no score, and `of` of the whole names
            it.
        path: four words a line, as in Google's questions-words.txt; lines `: NAME` begin sections.
        resamples: draws of questions behind the interval.
        seed: of those draws.
        by: how they are answered, 3CosAdd or 3CosMul.

    Raises:
        DataError: the file cannot be read, or none of its questions is there.
    """
    sections, rows, asked = _questions(vectors, path)
    if not asked:
        raise DataError(f"{path}: holds no questions; write them as four words a line, a b c d")
    if not len(rows):
        raise DataError(
            f"{path}: of its {sum(asked.values())} questions none has vectors for all words; leave "
            "the file out of measure.analogies, or learn from more text"
        )
    hits = answers(vectors, rows[:, :3], by) == rows[:, 3]
    fixes = {"file": Path(path).name, "by": {"add": "3CosAdd", "mul": "3CosMul"}[by]}
    draws = np.random.default_rng(seed)

    def score(name: str, hits: np.ndarray, of: int) -> Score:
        n, share = len(hits), float(hits.mean())
        # of n answers that are right or wrong, n drawn with replacement
        low, high = _middle(draws.binomial(n, share, resamples) / n) if n > 1 else (None, None)
        return with_width(Score(name, share, "of 1", n, low, high, f"questions of {of}", fixes))

    name = f"analogies{', 3CosMul' * (by == 'mul')}, {Path(path).stem}"
    whole = score(name, hits, sum(asked.values()))
    if len(asked) == 1:
        return [whole]
    parts = {section: sections == section for section in asked}
    if unasked := [section for section, here in parts.items() if not here.any()]:
        whole = replace(whole, of=f"{whole.of}, none of {', '.join(unasked)}")
    return [whole] + [
        score(f"{name}: {section}", hits[here], asked[section])
        for section, here in parts.items()
        if here.any()
    ]


def _questions(vectors: WordVectors, path: str) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Of all questions that can be asked the sections (Q,) and rows (Q, 4) int64; of each section
    how many questions it has."""
    section, asked = NAMELESS, dict[str, int]()
    sections, rows = [], []
    for at, line in _lines(path):
        if line.startswith(":"):
            section = line[1:].strip() or NAMELESS
            continue
        words = line.split()
        if len(words) != 4:
            raise DataError(f"{path}:{at}: not four words: '{line[:60]}'; correct the line")
        asked[section] = asked.get(section, 0) + 1
        found = [row for word in words if (row := vectors.find(word)) is not None]
        if len(found) == 4:
            sections.append(section)
            rows.append(found)
    return np.array(sections), np.array(rows, dtype=np.int64).reshape(-1, 4), asked


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Rank correlation of two (N,) columns, -1 to 1; 0 where one of them never changes."""
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    ordered = np.sort(values)
    left = np.searchsorted(ordered, values, side="left")
    return (left + np.searchsorted(ordered, values, side="right") - 1) / 2


def _interval(
    x: np.ndarray, y: np.ndarray, resamples: int, seed: int
) -> tuple[float | None, float | None]:
    drawn = np.random.default_rng(seed).integers(len(x), size=(resamples, len(x)))
    return _middle([spearman(x[rows], y[rows]) for rows in drawn])


def _middle(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _lines(path: str) -> list[tuple[int, str]]:
    """Numbered lines that say something."""
    try:
        if Path(path).stat().st_size > FILE_BYTES:
            raise DataError(f"{path}: over {FILE_BYTES} bytes is no file of questions; name it")
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({why}); give a file of words in UTF-8") from None
    lines = enumerate(text.split("\n"), start=1)
    return [(i, line) for i, line in lines if line.strip() and not line.startswith("#")]
