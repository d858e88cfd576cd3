"""Where the answer to each question stands among the tokens of its passage.

SPLIT.answers.bin   int32, little-endian: for each document the first token of its first answer that
                    stands in the passage and the one behind its last; -1 twice where it has none
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..text.answers import from_text
from ..text.document import Document
from .aligned import aligned
from .shards import Shards
from .tokenizer import Tokenizer


class Answers:
    """The answers of one split, beside its questions and passages.

    Args:
        folder: where the shards are.
        split: of the questions.
        passages: of the same split.

    Raises:
        DataError: the file is not there, or of other texts.
    """

    def __init__(self, folder: Path, split: str, passages: Shards):
        path = folder / f"{split}.answers.bin"
        try:
            self.places = np.fromfile(path, "<i4").astype(np.int64).reshape(-1, 2)
            """(questions, 2)"""
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}") from None
        sizes = np.diff(passages.starts()) - 1
        if len(self.places) != len(sizes) or (self.places[:, 1] > sizes).any():
            raise DataError(
                f"{path}: {len(self.places)} answers of other texts than the {len(sizes)} here; "
                f"{_AGAIN}"
            )

    @property
    def without(self) -> int:
        """Questions that have none."""
        return int((self.places[:, 0] < 0).sum())


def write_answers(
    documents: Iterable[tuple[str, Document]], tokenizer: Tokenizer, folder: Path
) -> None:
    """Write the answers of (split, document) pairs, whose meta has `second` and `answers` each.

    Args:
        documents: in the order in which their shards were written.
        tokenizer: made these.
        folder: where they are.
    """
    found = dict[str, list[tuple[int, int]]]()
    passage, spans = "", np.empty((0, 2), np.int64)
    for split, document in documents:
        if (
            document.meta["second"] != passage
        ):  # the questions of a passage mostly follow each other
            passage = document.meta["second"]
            _, spans = aligned(tokenizer, passage)
        found.setdefault(split, []).append(_place(document, spans))
    for split, places in found.items():
        np.array(places, "<i4").tofile(folder / f"{split}.answers.bin")


def _place(document: Document, spans: np.ndarray) -> tuple[int, int]:
    """The tokens that hold the first answer that the passage holds.

    Raises:
        DataError: no token stands for it.
    """
    answers = from_text(document.meta["answer"])
    if not answers:
        return -1, -1
    answer = next(each for each in answers if each.start >= 0)
    stop = answer.start + len(answer.text)
    inside = np.flatnonzero((spans[:, 1] > answer.start) & (spans[:, 0] < stop))
    if not len(inside):
        raise DataError(
            f"{document.id}: no token stands for the answer '{answer.text[:40]}'; choose another "
            "tokens.kind, or leave the question out"
        )
    return int(inside[0]), int(inside[-1]) + 1


_AGAIN = "train in a new folder to write it anew"
