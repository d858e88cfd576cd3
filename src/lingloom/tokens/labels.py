"""What each text is, or each of its words: the names of the labels, and a number for each place.

labels.json        the names, what they are given to, how often each occurs; written last
train.labels.bin   int32, little-endian: one number per text; or one per token of train.bin, END
                   included: a word's first token carries its label, all others IGNORE
heldout.labels.bin the same for text that is not trained on; and so on for each split

The names are those of all splits, as the scheme of a labelled corpus is known beforehand; a label
that occurs only in held-out text is never learnt, counts as a mistake, and is told.
"""

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    cut: bool = False
    """Whether only the beginning is read of what the model has no room for (else it is refused)."""

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
            "cut": self.cut,
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
    options = (bool(tree.get(key, False)) for key in ("pairs", "cut"))
    return LabelSet(tuple(tree["names"]), tree["of"], tree["han_apart"], *options)


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


BLOCK = 1 << 20
"""Labels that are given their numbers at once."""


class _Writing:
    """The labels of one split on their way to the disk, by the order in which they were met."""

    def __init__(self, place: Path):
        self.place, self.aside = place, place.with_name(f".{place.name}.part")
        self.counts: Counter[int] = Counter()
        self._file = open(self.aside, "w+b")  # noqa: SIM115 - closed by `discard`

    def add(self, numbers: np.ndarray) -> None:
        self._file.write(numbers.astype("<i4").tobytes())

    def finish(self, order: np.ndarray) -> None:
        """Put the file in its place, label i of those met being number `order[i]`."""
        self._file.flush()
        met = np.memmap(self.aside, "<i4", mode="r+")
        for start in range(0, len(met), BLOCK):
            some = met[start : start + BLOCK]
            some[:] = np.where(some == IGNORE, IGNORE, order[np.maximum(some, 0)])
        met.flush()
        os.replace(self.aside, self.place)

    def discard(self) -> None:
        """Leave nothing behind that is not in its place."""
        self._file.close()
        self.aside.unlink(missing_ok=True)


def write_labels(
    documents: Iterable[tuple[str, Document]],
    of: Of,
    folder: Path,
    encode: WordByWord,
    *,
    cut: bool = False,
) -> LabelSet:
    """Write the labels of (split, document) pairs, whose meta has a `label` each.

    Args:
        documents: in the order in which their shards were written.
        of: whether a label is given to a text, or one to each of its words, divided by blanks.
        folder: where the shards are.
        encode: as the shards were encoded, where labels are given to words.
        cut: whether a model will read only the beginning of what it has no room for.

    Raises:
        DataError: a document has no label, or another number of them than of words; there is only
            one label; there are nearly as many as texts.
    """
    splits: dict[str, _Writing] = {}
    try:
        labels, met = _met(documents, of, folder, encode, splits)
        labels = replace(labels, cut=cut)
        order = np.empty(len(met), "<i4")
        order[[met[name] for name in labels.names]] = np.arange(len(met))
        for writing in splits.values():
            writing.finish(order)
    finally:
        for writing in splits.values():
            writing.discard()
    counts = {
        split: {name: found for name in labels.names if (found := writing.counts[met[name]])}
        for split, writing in splits.items()
    }
    labels.save(folder, counts)
    return labels


def _met(
    documents: Iterable[tuple[str, Document]],
    of: Of,
    folder: Path,
    encode: WordByWord,
    splits: dict[str, _Writing],
) -> tuple[LabelSet, dict[str, int]]:
    """Give every label the number under which it was met first, and write these to `splits`."""
    met: dict[str, int] = {}
    texts, han_apart, han, pairs = 0, True, False, False
    for split, document in documents:
        if split not in splits:
            splits[split] = _Writing(folder / f"{split}.labels.bin")
        writing, label = splits[split], _label(document)
        texts += 1
        pairs = "second" in document.meta
        if of == "text":
            number = met.setdefault(regular(label), len(met))
            writing.add(np.array([number]))
            writing.counts[number] += 1
            continue
        words, tags = document.text.split(), label.split()
        if len(words) != len(tags):
            raise DataError(
                f"{document.id}: {len(words)} words and {len(tags)} labels; each word, divided by "
                "blanks, needs one label: correct the text"
            )
        found = [met.setdefault(regular(tag), len(met)) for tag in tags]
        writing.counts.update(found)
        writing.add(_on_first_tokens(found, encode.words(words)))
        if split == "train":
            han = han or any(re.match(f"[{HAN}]", word) for word in words)
            han_apart = han_apart and not any(_HAN_WORD.search(word) for word in words)
    _refuse_odd(list(met), of, texts)
    return LabelSet(tuple(sorted(met, key=_place)), of, han and han_apart, pairs), met


def _label(document: Document) -> str:
    label = document.meta.get("label")
    if label is None:
        raise DataError(
            f"{document.id}: has no label; name the field that holds it as text.label_field, or of "
            "images the file as text.labels"
        )
    return str(label)


def never_learnt(folder: Path) -> dict[str, int]:
    """Labels that held-out text has and training text has not, with how often."""
    counts = _tree(folder)["counts"]
    there, held = counts.pop("train", {}), Counter[str]()
    for found in counts.values():
        held.update(found)
    return {name: n for name, n in held.items() if name not in there}


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
