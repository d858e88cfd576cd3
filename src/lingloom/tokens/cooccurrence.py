"""How often words stand near each other, counted on disk in bounded memory.

Every pair of words of a document at a distance of at most `window` counts one part in its distance,
both ways. Words that are unknown are left out before distances are taken. Sums are kept as whole
multiples of 1 / lcm(1..window), so they are the same however much memory there was.

Source: Pennington et al. 2014 (GloVe), sections 3 and 4.2; sorted runs and their merge as in the
cooccur.c that they published.

Shapes: N pairs of words with a count, V vocabulary.
"""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..errors import DataError
from ..runs import unwritable
from .shards import Shards
from .tokenizer import Tokenizer
from .windows import count_words

PAIR = np.dtype([("word", "<i4"), ("other", "<i4"), ("count", "<f4")])
_COUNTED = np.dtype([("key", "<u8"), ("parts", "<u8")])
"""key = smaller id * V + larger id; parts of 1 / lcm."""
_CHUNK = 1 << 17
"""Tokens looked at together."""
_SORTING = 8
"""Times the room of the counts held that sorting, joining and merging them take, as measured."""


def counted_pairs(
    texts: Shards, tokenizer: Tokenizer, window: int, memory_bytes: int
) -> np.ndarray:
    """(N,) PAIR, each pair of words in both orders, on disk beside the text; counted on first use.

    Args:
        texts: the split that is counted; known are the words of the split 'train' beside it.
        tokenizer: that made the ids.
        window: greatest distance that counts, at most 20.
        memory_bytes: room for counts; of more, sorted runs are written and merged.

    Raises:
        DataError: no two known words stand near each other.
        RunError: the disk is full or cannot be written to.
    """
    path = texts.path.with_name(f"{texts.path.stem}.pairs-{window}-{texts.sha256[:12]}.bin")
    if not path.is_file():
        known = count_words(Shards.open(texts.path.parent, "train"), tokenizer) > 0
        try:
            with TemporaryDirectory(prefix=".pairs-", dir=path.parent) as folder:
                aside = Path(folder, "pairs.bin")
                _count(texts, known, window, memory_bytes, aside)
                os.replace(aside, path)
        except OSError as error:
            raise unwritable(path, error) from None
    if not path.stat().st_size:
        raise DataError(
            f"{texts.path}: no two known words stand within {window} of each other; read more text"
        )
    return np.memmap(path, PAIR, mode="r")


def _count(texts: Shards, known: np.ndarray, window: int, memory_bytes: int, path: Path) -> None:
    vocab, unit = len(known), math.lcm(*range(1, window + 1))
    most = max(1 << 12, memory_bytes // (_SORTING * _COUNTED.itemsize))
    runs: list[Path] = []
    held: list[np.ndarray] = []
    for counted in _chunks(texts, known, window, unit):
        held.append(counted)
        if sum(map(len, held)) > most:
            held = [_joined(held)]
            if len(held[0]) > most // 2:
                runs.append(path.with_name(f"run-{len(runs)}"))
                held[0].tofile(runs[-1])
                held = []
    with path.open("wb") as file:
        for part in _merged([*map(_Run, runs), _joined(held)], most):
            _both_ways(part, vocab, unit).tofile(file)
        file.flush()
        os.fsync(file.fileno())


def _chunks(texts: Shards, known: np.ndarray, window: int, unit: int) -> Iterator[np.ndarray]:
    """The counts of each stretch of the text; pairs across a border belong to the later one."""
    vocab, documents, words = len(known), 0, 0
    ids = places = np.empty(0, dtype=np.int64)
    for start in range(0, texts.tokens, _CHUNK):
        new = texts.ids(start, min(texts.tokens, start + _CHUNK))
        document = documents + np.cumsum(new == texts.end)
        documents = int(document[-1])
        kept = known[new]
        before = len(ids)
        ids = np.concatenate([ids, new[kept]])
        # a gap between documents, so that only words of one are as far apart as they should be
        own = words + np.arange(int(kept.sum())) + document[kept] * window
        words += int(kept.sum())
        places = np.concatenate([places, own])
        keys, parts = [], []
        for distance in range(1, min(window, len(ids) - 1) + 1):
            first = max(0, before - distance)
            a, b = ids[first : len(ids) - distance], ids[first + distance :]
            near = places[first + distance :] - places[first : len(ids) - distance] == distance
            a, b = a[near], b[near]
            keys.append(np.minimum(a, b) * vocab + np.maximum(a, b))
            parts.append(np.full(len(a), unit // distance, dtype=np.uint64))
        found = np.empty(sum(map(len, keys)), dtype=_COUNTED)
        if keys:
            found["key"], found["parts"] = np.concatenate(keys), np.concatenate(parts)
        yield _joined([found])
        ids, places = ids[-window:], places[-window:]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """All counts in the order of keys, each key once."""
    whole = np.concatenate([np.empty(0, dtype=_COUNTED), *parts])
    whole = whole[np.argsort(whole["key"], kind="stable")]
    starts = np.flatnonzero(np.diff(whole["key"], prepend=np.uint64((1 << 64) - 1)))
    out = whole[starts]
    if len(out):
        out["parts"] = np.add.reduceat(whole["parts"], starts)
    return out


class _Run:
    """Sorted counts in a file, read piece by piece: mapped into memory they would stay there."""

    def __init__(self, path: Path):
        self.path, self.length = path, path.stat().st_size // _COUNTED.itemsize

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, part: slice) -> np.ndarray:
        start, stop, _ = part.indices(self.length)
        offset = start * _COUNTED.itemsize
        return np.fromfile(self.path, _COUNTED, stop - start, offset=offset)


def _merged(runs: Sequence[_Run | np.ndarray], most: int) -> Iterator[np.ndarray]:
    """Joined counts of all runs, at most about `most` at a time, in the order of keys."""
    at = [0] * len(runs)
    while left := [i for i, run in enumerate(runs) if at[i] < len(run)]:
        step = max(1, most // len(left))
        held = [runs[i][at[i] : at[i] + step] for i in left]
        last = min(part["key"][-1] for part in held)
        taken = [p[: np.searchsorted(p["key"], last, side="right")] for p in held]
        for i, part in zip(left, taken, strict=True):
            at[i] += len(part)
        yield _joined(taken)


def _both_ways(counted: np.ndarray, vocab: int, unit: int) -> np.ndarray:
    """PAIR in both orders; a word beside itself is one pair that counts both ways."""
    small, large = np.divmod(counted["key"], np.uint64(vocab))
    number = counted["parts"] / unit
    other = small != large
    pairs = np.empty(len(counted) + int(other.sum()), dtype=PAIR)
    pairs["word"] = np.concatenate([small, large[other]])
    pairs["other"] = np.concatenate([large, small[other]])
    pairs["count"] = np.concatenate([np.where(other, number, 2 * number), number[other]])
    return pairs
