"""A tagger learnt from segmented text: the averaged perceptron over whole sentences.

Source: Collins 2002, "Discriminative Training Methods for Hidden Markov Models", figure 1 and
section 2.5 (averaging).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError, RecipeError
from .places import PACKAGE, in_package
from .tagger import FAMILIES, B, E, M, S, Tagger, features, spans, units, viterbi

EPOCHS = 12
"""Passes over the text: 2 of them reach F .947 on the People's Daily, 8 .956, 16 .958."""
LONGEST_WORD = 40
"""Units; a longer word means that the text is not segmented, as does a mean above MEAN_WORD."""
MEAN_WORD = 6

_SENTENCE_ENDS = tuple(map(ord, "。!?;"))  # as units() folds them


def read_segmented(file: str | Path) -> list[list[str]]:
    """The words of each line of a UTF-8 file, separated by spaces, as word/tag or without tags.

    Args:
        file: a path, or package:NAME/FILE for a data file of an installed package.

    Raises:
        RecipeError: there is no such file.
        MissingError: the package is not installed.
        DataError: it is not UTF-8, holds no words, or is not segmented.
    """
    if str(file).startswith(PACKAGE):
        found = in_package(str(file), "segmented text")
        return [line for place in found if place.path for line in read_segmented(place.path)]
    try:
        lines = [line.split() for line in Path(file).read_text("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: not UTF-8 ({error.reason} at byte {error.start}); convert the segmented text"
        ) from None
    except OSError as error:
        raise RecipeError(
            f"the segmented text '{file}' cannot be read ({error.strerror}); name a file whose "
            "words are separated by spaces"
        ) from None
    bare = [[_without_tag(word) for word in line] for line in lines]
    words = sum(map(len, lines))
    tagged = sum(
        a != b
        for line, other in zip(lines, bare, strict=True)
        for a, b in zip(line, other, strict=True)
    )
    lines = bare if tagged > words / 2 else lines
    _check_segmented(file, lines)
    return [line for line in lines if line]


def _without_tag(word: str) -> str:
    """word/tag without the tag, which is Latin letters."""
    bare, _, tag = word.rpartition("/")
    return bare if bare and tag.isascii() and tag.isalpha() else word


def _check_segmented(file: str | Path, lines: list[list[str]]) -> None:
    lengths = [len(word) for line in lines for word in line]
    if not lengths:
        raise DataError(f"{file}: no words to learn from; give text with spaces between its words")
    for number, line in enumerate(lines, start=1):
        longest = max(line, key=len, default="")
        if len(longest) > LONGEST_WORD and _unit_count(longest) > LONGEST_WORD:
            raise DataError(
                f"{file}:{number}: a word of {len(longest)} characters, '{longest[:8]}...'; "
                f"separate the words by spaces, none longer than {LONGEST_WORD}"
            )
    mean = sum(lengths) / len(lengths)
    if mean > MEAN_WORD:
        raise DataError(
            f"{file}: its words have {mean:.1f} characters in the mean, more than {MEAN_WORD}; "
            "separate the words by spaces"
        )


def _unit_count(word: str) -> int:
    return int(np.count_nonzero(units([word])[1]))


def train_tagger(lines: Iterable[Sequence[str]], *, epochs: int = EPOCHS, seed: int = 0) -> Tagger:
    """A tagger that agrees with `lines`, each the words of some text in their order.

    All is held in memory, about 300 bytes a character. The same lines and seed give the same bytes.

    Args:
        lines: words without white space.
        epochs: passes, each in an order of its own.
        seed: of these orders.

    Raises:
        DataError: there are no words.
    """
    segmented = [[*line] for line in lines if line]
    if not segmented:
        raise DataError(
            "there are no words to train a tagger on; give text with spaces between its words"
        )
    _, codes, classes, begins = units(["".join(line) for line in segmented])
    gold = _labels(segmented, classes, begins)
    keys, ids, sizes = _number(codes, classes)
    weights, moves = _learn(ids, gold, sum(sizes), _sentences(codes, classes, gold), epochs, seed)
    kept_keys, kept_weights, start = {}, {}, 0
    for (name, places), size in zip(FAMILIES.items(), sizes, strict=True):
        table = weights[start : start + size].reshape(-1, len(places), 4).astype(np.float16)
        used = table.any(axis=(1, 2))
        kept_keys[name], kept_weights[name] = keys[name][used], table[used]
        start += size
    return Tagger(kept_keys, kept_weights, moves.astype(np.float16))


def _labels(segmented: list[list[str]], classes: np.ndarray, begins: list[int]) -> np.ndarray:
    """Gold label of each unit, (n,) int8; words that part a unit count as one."""
    starts = np.zeros(begins[-1] + 2, dtype=bool)
    at = 0
    for line in segmented:
        at += 2  # the border
        starts[at] = True
        for word in line:
            at += len(word)
            starts[at] = True
    first = starts[begins]
    last = np.append(first[1:], True)
    labels = np.select([first & last, first, last], [S, B, E], M).astype(np.int8)
    labels[classes == 0] = S
    return labels


def _number(
    codes: np.ndarray, classes: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray, list[int]]:
    """(keys of each family, the number of each feature of each unit (n, 11) int32, features of
    each family): a feature is a key at a place."""
    keys: dict[str, np.ndarray] = {}
    columns: list[np.ndarray] = []
    sizes: list[int] = []
    for name, found in features(codes, classes).items():
        keys[name], rows = np.unique(found, return_inverse=True)
        places = FAMILIES[name]
        for slot, place in enumerate(places):
            columns.append(sum(sizes) + np.roll(rows, -place) * len(places) + slot)
        sizes.append(len(keys[name]) * len(places))
    return keys, np.stack(columns, axis=1).astype(np.int32), sizes


def _sentences(codes: np.ndarray, classes: np.ndarray, gold: np.ndarray) -> list[tuple[int, int]]:
    """First unit and end of each stretch that one update looks at."""
    ends = set(np.flatnonzero(np.isin(codes, _SENTENCE_ENDS) & (gold >= E)).tolist())
    found = []
    for start, end in spans(classes):
        begin = start
        for at in range(start, end):
            if at in ends or at == end - 1:
                found.append((begin, at + 1))
                begin = at + 1
    return found


def _learn(
    ids: np.ndarray,
    gold: np.ndarray,
    size: int,
    sentences: list[tuple[int, int]],
    epochs: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Averaged weights (size, 4) and moves (4, 4), float64. All sums are of whole numbers, so
    they are exact; `late` holds each change times the steps before it, which the mean lacks."""
    weights, late = np.zeros((size, 4), dtype=np.int32), np.zeros((size, 4), dtype=np.int64)
    moves, late_moves = np.zeros((4, 4), dtype=np.int64), np.zeros((4, 4), dtype=np.int64)
    order, step = np.random.default_rng(seed), 0
    answers = [gold[start:end].tolist() for start, end in sentences]
    for _ in range(epochs):
        for i in order.permutation(len(sentences)).tolist():
            start, end = sentences[i]
            rows = ids[start:end]
            scores = weights.take(rows, axis=0).sum(axis=1)
            guess, answer = viterbi(scores.tolist(), moves.tolist()), answers[i]
            if guess != answer:
                right, wrong = np.array(answer), np.array(guess)
                missed = np.flatnonzero(right != wrong)
                for labels, change in ((right, 1), (wrong, -1)):
                    at = rows[missed] * 4 + labels[missed, None]
                    np.add.at(weights.reshape(-1), at, change)
                    np.add.at(late.reshape(-1), at, change * step)
                    np.add.at(moves, (labels[:-1], labels[1:]), change)
                    np.add.at(late_moves, (labels[:-1], labels[1:]), change * step)
            step += 1
    return weights - late / step, moves - late_moves / step
