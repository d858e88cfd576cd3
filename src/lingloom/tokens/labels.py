"""What each text is, or each of its words: the names of the labels, and a number for each place.

labels.json        the names, what they are given to, how often each occurs; written last
train.labels.bin   int32, little-endian: one number per text; or one per token of train.bin, END
                   included: a word's first token carries its label, all others IGNORE
heldout.labels.bin the same for text that is not trained on; and so on for each split

The names are those of all splits, as the scheme of a labelled corpus is known beforehand; a label
that occurs only in held-out text is never learnt, counts as a mistake, and is told.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..errors import DataError
from ..runs import write_whole
from ..text.document import Document
from .batch import IGNORE
from .shards import Shards
from .spaces import HAN
from .word_by_word import WordByWord

LABELS = "labels.json"
FORMAT = 1
MANY = 20
"""Below so many different labels nothing is suspected."""
_HAN_WORD = re.compile(f"[{HAN}].|.[{HAN}]")

Of = Literal["text", "word"]


@dataclass(frozen=True)
class LabelSet:
    """The labels that a model tells apart; a label's number is its place."""

    names: tuple[str, ...]
    of: Of
    """What one label is given to."""
    han_apart: bool = False
    """Whether each Chinese character was a word of its own in the text that was labelled, so that
    Chinese text is to be cut in this way."""
    pairs: bool = False
    """Whether a label is given to two texts together."""

    def save(self, folder: Path, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Write labels.json.

        Args:
            folder: it is there.
            counts: split -> label -> how often.
        """
        tree = {
            "format": FORMAT,
            "of": self.of,
            "han_apart": self.han_apart,
            "pairs": self.pairs,
            "names": self.names,
            "counts": counts,
        }
        write_whole(folder / LABELS, json.dumps(tree, ensure_ascii=False, indent=1))


def open_label_set(folder: str | Path) -> LabelSet:
    """The labels that `folder` keeps: of a run's data, or of a model.

    Raises:
        DataError: there are none, or the file is not what was written.
    """
    return _label_set(_tree(Path(folder)))


def _label_set(tree: Mapping[str, Any]) -> LabelSet:
    pairs = tree.get("pairs", False)
    return LabelSet(tuple(tree["names"]), tree["of"], tree["han_apart"], pairs)


class Labels:
    """The labels of one split, beside its texts."""

    def __init__(self, folder: Path, split: str, texts: Shards):
        tree = _tree(folder)
        self.set = _label_set(tree)
        self.counts: dict[str, int] = tree["counts"].get(split, {})
        """Label -> how often it occurs in this split."""
        path = folder / f"{split}.labels.bin"
        count = texts.documents if self.set.of == "text" else texts.tokens
        try:
            found = path.stat().st_size
        except FileNotFoundError:
            raise DataError(f"{path}: no such file, though {LABELS} is there; {_AGAIN}") from None
        if found != 4 * count:
            raise DataError(
                f"{path}: {found} bytes, but the texts ask for {4 * count}: cut short or of other "
                f"texts; {_AGAIN}"
            )
        self._numbers = np.memmap(path, "<i4", mode="r") if count else np.empty(0, "<i4")

    def of_text(self, index: int) -> int:
        """The label of a text as a whole."""
        return int(self._numbers[index])

    def of_tokens(self, start: int, stop: int) -> np.ndarray:
        """A label for each token of a stretch of the split, (stop - start,) int64; IGNORE where a
        token begins no word."""
        return self._numbers[start:stop].astype(np.int64)


# --------------------------------------------------------------------------- writing


@dataclass
class _Split:
    numbers: list[np.ndarray] = field(default_factory=list)
    """In the order in which the labels were met."""
    counts: Counter[int] = field(default_factory=Counter)


def write_labels(
    documents: Iterable[tuple[str, Document]], of: Of, folder: Path, encode: WordByWord
) -> LabelSet:
    """Write the labels of (split, document) pairs, whose meta has a `label` each.

    Args:
        documents: in the order in which their shards were written.
        of: whether a label is given to a text, or one to each of its words, divided by blanks.
        folder: where the shards are.
        encode: as the shards were encoded, where labels are given to words.

    Raises:
        DataError: a document has no label, or another number of them than of words; there is only
            one label; there are nearly as many as texts.
    """
    met: dict[str, int] = {}
    splits: dict[str, _Split] = {}
    texts, han_apart, han, pairs = 0, True, False, False
    for split, document in documents:
        label = document.meta.get("label")
        if label is None:
            raise DataError(
                f"{document.id}: has no label; name the field that holds it as text.label_field, "
                "or of images the file as text.labels"
            )
        kept = splits.setdefault(split, _Split())
        texts += 1
        pairs = "second" in document.meta
        if of == "text":
            number = met.setdefault(regular(label), len(met))
            kept.numbers.append(np.array([number], "<i4"))
            kept.counts[number] += 1
            continue
        words, tags = document.text.split(), label.split()
        if len(words) != len(tags):
            raise DataError(
                f"{document.id}: {len(words)} words and {len(tags)} labels; each word, divided by "
                "blanks, needs one label: correct the text"
            )
        found = [met.setdefault(regular(tag), len(met)) for tag in tags]
        kept.counts.update(found)
        kept.numbers.append(_on_first_tokens(found, encode.words(words)))
        if split == "train":
            han = han or any(re.match(f"[{HAN}]", word) for word in words)
            han_apart = han_apart and not any(_HAN_WORD.search(word) for word in words)
    _refuse_odd(list(met), of, texts)
    names = sorted(met, key=_place)
    labels = LabelSet(tuple(names), of, han and han_apart, pairs)
    order = np.empty(len(names), "<i4")
    order[[met[name] for name in names]] = np.arange(len(names))
    for split, kept in splits.items():
        numbers = np.concatenate(kept.numbers)
        numbers = np.where(numbers == IGNORE, IGNORE, order[np.maximum(numbers, 0)]).astype("<i4")
        numbers.tofile(folder / f"{split}.labels.bin")
    counts = {
        split: {name: kept.counts[met[name]] for name in names if kept.counts[met[name]]}
        for split, kept in splits.items()
    }
    labels.save(folder, counts)
    return labels


def never_learnt(folder: Path) -> dict[str, int]:
    """Labels that held-out text has and training text has not, with how often."""
    counts = _tree(folder)["counts"]
    there = counts.get("train", {})
    return {name: n for name, n in counts.get("heldout", {}).items() if name not in there}


def _on_first_tokens(labels: Sequence[int], words: Sequence[np.ndarray]) -> np.ndarray:
    """A number for each token of a text and for the END behind it."""
    sizes = np.array([len(ids) for ids in words])
    numbers = np.full(int(sizes.sum()) + 1, IGNORE, "<i4")
    numbers[np.cumsum(sizes) - sizes] = labels
    return numbers


def regular(label: Any) -> str:
    return unicodedata.normalize("NFC", str(label)).strip()


def _place(name: str) -> tuple[bool, int, str]:
    """Numbers by their value, then words by their code points."""
    number = name.isascii() and name.isdigit()
    return (not number, int(name) if number else 0, name)


def _refuse_odd(names: Sequence[str], of: Of, texts: int) -> None:
    if len(names) < 2:
        raise DataError(
            f"text.label_field: every {of} of {texts} texts is labelled '{names[0]}', so there is "
            "nothing to tell apart; read text with other labels too, or name another field"
        )
    if of == "text" and len(names) > MANY and 2 * len(names) > texts:
        raise DataError(
            f"text.label_field: {len(names)} different labels in {texts} texts, such as "
            f"'{names[0][:40]}'; name the field that holds what a text is"
        )


def _tree(folder: Path) -> dict[str, Any]:
    path = folder / LABELS
    try:
        tree = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file, so nothing says what the labels are; give the folder of a "
            "model that was trained on labels"
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}") from None
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise DataError(f"{path}: not labels of format {FORMAT}; {_AGAIN}")
    names, counts = tree.get("names"), tree.get("counts")
    whole = (
        isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and tree.get("of") in get_args(Of)
        and isinstance(tree.get("han_apart"), bool)
        and isinstance(tree.get("pairs", False), bool)
        and isinstance(counts, dict)
        and all(isinstance(count, dict) for count in counts.values())
    )
    if not whole:
        raise DataError(f"{path}: damaged; {_AGAIN}")
    return tree


_AGAIN = "train in a new folder to write it anew"


def cut_words(text: str, labels: LabelSet) -> list[str]:
    """The words of `text` as those of the labelled text were: divided by blanks, and Chinese
    characters from each other where each was a word of its own."""
    if not labels.han_apart:
        return text.split()
    return list(_words(text))


def _words(text: str) -> Iterator[str]:
    for chunk in text.split():
        yield from re.findall(f"[{HAN}]|[^{HAN}]+", chunk)
