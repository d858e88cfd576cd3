"""Chinese text to words by a tagger: each character is the Beginning, Middle or End of a word, or a
word by itself (Single), and the best sequence of these labels is found for a whole chunk of text.

Learnt from segmented text by tagger_training.py. A run of digits or of Latin letters is one unit,
never cut; full-width forms count as their half-width ones.

Source: Collins 2002, "Discriminative Training Methods for Hidden Markov Models" (the averaged
perceptron); Ng and Low 2004, "Chinese Part-of-Speech Tagging: One-at-a-Time or All-at-Once?",
section 3 (labels and features: characters and pairs within two of the labelled one, and classes).
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..errors import DataError, RecipeError

B, M, E, S = range(4)
FORMAT = "lingloom-tagger-1"
HEADER_BYTES = 1 << 16
FAMILIES: dict[str, tuple[int, ...]] = {
    "one": (-2, -1, 0, 1, 2),
    "pair": (-2, -1, 0, 1),
    "skip": (-1,),
    "classes": (0,),
}
"""Families of features, and where each is read, counted from the labelled unit: a unit; two that
stand together; two around a third; the classes of five."""
Span = tuple[int, int]

_AGAIN = "copy the file again, or train the tagger again"
_BORDER = "\n\n"  # as wide as a feature reaches, so no chunk sees another
_CLASSES = {
    1: "0123456789",
    2: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    3: "〇一二三四五六七八九十百千万亿零两",
    4: "年月日时分秒",
}
_DIGIT, _LETTER, _OTHER, _MARK = 1, 2, 5, 6
_RUN_CODES = 0x110000  # above all characters: a run of digits by its length, a run of letters


class Tagger:
    """Weights of the features.

    Args:
        keys: of each family the features that have weights, rising, (n,) uint64.
        weights: of each family, (n, places of the family, 4 labels) float16.
        transitions: from label to label, (4, 4) float16; illegal ones are never looked at.
    """

    def __init__(
        self,
        keys: Mapping[str, np.ndarray],
        weights: Mapping[str, np.ndarray],
        transitions: np.ndarray,
    ):
        self.keys, self.weights, self.transitions = dict(keys), dict(weights), transitions
        self._moves: list[list[float]] = transitions.tolist()
        self._tables = {  # the last row is that of unknown features
            name: np.concatenate([w, np.zeros_like(w[:1], shape=(1, *w.shape[1:]))]).astype("f4")
            for name, w in weights.items()
        }

    def cut(self, text: str) -> list[str]:
        """The words of `text`; white space ends a word and is lost, nothing else is."""
        return [word for words in self.cut_each(text.split()) for word in words]

    def cut_each(self, chunks: Sequence[str]) -> list[list[str]]:
        """The words of each chunk; chunks are not empty and hold no white space."""
        if not chunks:
            return []
        joined, codes, classes, begins = units(chunks)
        scores = self._scores(features(codes, classes), len(codes)).tolist()
        found = []
        for start, end in spans(classes):
            labels = viterbi(scores[start:end], self._moves)
            firsts = [begins[start + i] for i, label in enumerate(labels) if label in (B, S)]
            found.append([joined[a:b] for a, b in pairwise([*firsts, begins[end]])])
        return found

    def save(self, path: str | Path) -> None:
        """Write one safetensors file."""
        Path(path).write_bytes(self.to_bytes())

    @property
    def sha256(self) -> str:
        """Of that file, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The content of that file."""
        tensors = {f"{name}.keys": self.keys[name] for name in FAMILIES}
        tensors |= {f"{name}.weights": self.weights[name] for name in FAMILIES}
        return save({**tensors, "transitions": self.transitions}, {"format": FORMAT})

    def _scores(self, found: Mapping[str, np.ndarray], n: int) -> np.ndarray:
        """Of each unit and label, (n, 4) float32; those of the outermost two are of no use."""
        scores = np.zeros((n, 4), dtype=np.float32)
        for name, places in FAMILIES.items():
            rows = _rows(self.keys[name], found[name])
            for slot, place in enumerate(places):
                scores += self._tables[name][np.roll(rows, -place), slot]
        return scores


def open_tagger(path: str | Path) -> Tagger:
    """The tagger that `Tagger.save` wrote.

    Raises:
        RecipeError: there is no such file.
        DataError: it is cut short, changed, or not of this kind.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise RecipeError(
            f"the tagger '{path}' cannot be read ({error.strerror}); name a file that "
            "Tagger.save wrote"
        ) from None
    problem = _header_problem(data)
    if problem:
        raise DataError(f"{path}: {problem}; {_AGAIN}")
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise DataError(f"{path}: not a whole safetensors file ({error}); {_AGAIN}") from None
    problem = _problem(tensors)
    if problem:
        raise DataError(f"{path}: {problem}; {_AGAIN}")
    keys = {name: tensors[f"{name}.keys"] for name in FAMILIES}
    weights = {name: tensors[f"{name}.weights"] for name in FAMILIES}
    return Tagger(keys, weights, tensors["transitions"])


def viterbi(scores: Sequence[Sequence[float]], moves: Sequence[Sequence[float]]) -> list[int]:
    """The legal label sequence of the greatest sum of scores; of equals, the later label wins.

    Args:
        scores: of each unit, one for each of B, M, E, S; at least one unit.
        moves: (from, to) added for each pair of neighbours; only the eight legal ones are read.
    """
    to_m, to_e = (moves[B][M], moves[M][M]), (moves[B][E], moves[M][E])
    to_b, to_s = (moves[E][B], moves[S][B]), (moves[E][S], moves[S][S])
    never = float("-inf")
    begin, middle, end, single = scores[0][B], never, never, scores[0][S]
    back = []
    for at_b, at_m, at_e, at_s in scores[1:]:
        b1, b2 = end + to_b[0], single + to_b[1]
        m1, m2 = begin + to_m[0], middle + to_m[1]
        e1, e2 = begin + to_e[0], middle + to_e[1]
        s1, s2 = end + to_s[0], single + to_s[1]
        back.append(
            (E if b1 > b2 else S, B if m1 > m2 else M, B if e1 > e2 else M, E if s1 > s2 else S)
        )
        begin = at_b + (b1 if b1 > b2 else b2)
        middle = at_m + (m1 if m1 > m2 else m2)
        end = at_e + (e1 if e1 > e2 else e2)
        single = at_s + (s1 if s1 > s2 else s2)
    labels = [E if end > single else S]
    for before in reversed(back):
        labels.append(before[labels[-1]])
    return labels[::-1]


def units(chunks: Sequence[str]) -> tuple[str, np.ndarray, np.ndarray, list[int]]:
    """Chunks without white space, cut into units, each chunk between borders.

    Returns:
        the chunks joined by borders; of each unit its code and its class (0 in a border), (n,)
        int64 and int8; where each unit begins in the joined text.
    """
    joined = _BORDER + _BORDER.join(chunks) + _BORDER
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(int)
    wide = (points > 0xFF00) & (points < 0xFF5F)
    points[wide] -= 0xFEE0
    classes = _class_of()[points]
    runs = (classes == _DIGIT) | (classes == _LETTER)
    inside = np.zeros(len(points), dtype=bool)
    inside[1:] = runs[1:] & (classes[1:] == classes[:-1])
    begins = np.flatnonzero(~inside)
    lengths = np.minimum(np.diff(begins, append=len(points)), 4)
    codes, classes = points[begins], classes[begins]
    codes = np.where(classes == _DIGIT, _RUN_CODES + lengths, codes)
    codes[classes == _LETTER] = _RUN_CODES
    return joined, codes, classes, begins.tolist()


def spans(classes: np.ndarray) -> Iterator[Span]:
    """First unit and end of each chunk."""
    edges = np.flatnonzero(np.diff((classes != 0).astype(np.int8))) + 1
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def features(codes: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Of each family the feature at each unit, (n,) uint64; places as in FAMILIES."""
    one = codes.astype(np.uint64)
    kinds = classes.astype(np.uint64)
    five = np.zeros_like(one)
    for place in range(-2, 3):
        five = five * np.uint64(8) + np.roll(kinds, -place)
    high = one << np.uint64(21)
    return {
        "one": one,
        "pair": high | np.roll(one, -1),
        "skip": high | np.roll(one, -2),
        "classes": five,
    }


@cache
def _class_of() -> np.ndarray:
    """Class of each code point, (0x110000,) int8; 0 is a border."""
    table = np.full(0x110000, _OTHER, dtype=np.int8)
    for start, end in ((33, 0x300), (0x2000, 0x2070), (0x3001, 0x3005), (0x3008, 0x3021)):
        table[start:end] = _MARK
    for number, members in _CLASSES.items():
        table[[ord(c) for c in members]] = number
    table[ord("\n")] = 0
    return table


def _rows(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each wanted key stands among `keys`; their number if it does not."""
    rows = np.searchsorted(keys, wanted)
    known = rows < len(keys)
    known[known] = keys[rows[known]] == wanted[known]
    return np.where(known, rows, len(keys))


def _header_problem(data: bytes) -> str:
    if len(data) < 8:
        return f"{len(data)} bytes are no safetensors file"
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(HEADER_BYTES, len(data) - 8):
        return f"header claims {length} bytes of {len(data)}, at most {HEADER_BYTES} are read"
    return "" if FORMAT.encode() in data[8 : 8 + length] else f"not a tagger ('{FORMAT}')"


def _problem(tensors: Mapping[str, np.ndarray]) -> str:
    """What is wrong with the tensors of a file, or nothing."""
    wanted = {f"{n}.{part}" for n in FAMILIES for part in ("keys", "weights")} | {"transitions"}
    if set(tensors) != wanted:
        return f"holds {', '.join(sorted(tensors)) or 'nothing'}, not what a tagger does"
    if tensors["transitions"].shape != (4, 4):
        return f"transitions are {tensors['transitions'].shape}, not (4, 4)"
    for name, places in FAMILIES.items():
        keys, weights = tensors[f"{name}.keys"], tensors[f"{name}.weights"]
        if keys.ndim != 1 or weights.shape != (len(keys), len(places), 4):
            return f"{name}: {keys.shape} keys with weights of {weights.shape}"
        if keys.dtype != np.uint64 or not (keys[1:] > keys[:-1]).all():
            return f"{name}: keys do not rise"
    floats = [tensors["transitions"], *(tensors[f"{name}.weights"] for name in FAMILIES)]
    if any(f.dtype != np.float16 or not np.isfinite(f).all() for f in floats):
        return "weights are not finite float16"
    return ""
