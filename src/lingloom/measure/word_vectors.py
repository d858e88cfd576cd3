"""Word vectors held against what people say: how alike two words are, and what is to what.

Source: Finkelstein et al. 2002 (Placing Search in Context) for likeness by rank correlation;
Mikolov et al. 2013 (Efficient Estimation of Word Representations), section 4.1, for analogies;
Spearman 1904 with equal ranks shared.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..tasks.nearest import WordVectors, analogy
from .score import LEVEL, Score

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


def analogies(vectors: WordVectors, path: str, *, resamples: int, seed: int) -> Score:
    """Share of questions `a b c d` whose nearest word to b - a + c is d.

    Args:
        vectors: of a model; questions of which it lacks a word are left out, n counts the rest.
        path: four words a line; lines that begin with a colon name sections.
        resamples: draws of questions behind the interval.
        seed: of those draws.

    Raises:
        DataError: the file cannot be read, or none of its questions is there.
    """
    right, asked = [], 0
    for at, line in _lines(path):
        if line.startswith(":"):
            continue
        words = line.split()
        if len(words) != 4:
            raise DataError(f"{path}:{at}: not four words: '{line[:60]}'; correct the line")
        asked += 1
        if all(vectors.find(word) is not None for word in words):
            a, b, c, d = words
            found = analogy(vectors, a, b, c, 1)
            right.append(bool(found) and vectors.find(d) == vectors.ids[found[0].word])
    if not right:
        raise DataError(
            f"{path}: of its {asked} questions none has vectors for all words; leave the file out "
            "of measure.analogies, or learn from more text"
        )
    hits = np.array(right, dtype=float)
    drawn = np.random.default_rng(seed).integers(len(hits), size=(resamples, len(hits)))
    low, high = _middle(hits[drawn].mean(axis=1)) if len(hits) > 1 else (None, None)
    name, of = f"analogies, {Path(path).stem}", f"questions of {asked}"
    fixes = {"file": Path(path).name}
    return Score(name, float(hits.mean()), "of 1", len(hits), low, high, of, fixes)


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
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({why}); give a file of words in UTF-8") from None
    lines = enumerate(text.split("\n"), start=1)
    return [(i, line) for i, line in lines if line.strip() and not line.startswith("#")]
