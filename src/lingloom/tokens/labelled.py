"""Labelled texts as rows, in the order of by_length.py: each text is one row, or each pair of texts
that has a label together.

Shapes: B rows, T tokens of the longest.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..errors import DataError
from .batch import IGNORE, Passages
from .by_length import ByLength
from .reading import Reading

Signs = tuple[Sequence[int], Sequence[int]]
"""Ids that stand before each text, and those behind it; behind a second text the last again."""


class Labelled(ByLength):
    """Rows of labelled texts, for any numbers of texts; and which of them each step reads.

    Args:
        reading: texts with labels; with second texts where a label is of two.
        context: most tokens of a row, signs included.
        batch: rows per step.
        seed: of the order.
        cut: leave out what is beyond the context, instead of refusing it; of two texts the end of
            the longer one.
        signs: around the texts.

    Raises:
        DataError: the texts have no labels; one is longer than the context, and not to be cut.
    """

    def __init__(
        self,
        reading: Reading,
        context: int,
        batch: int,
        seed: int,
        *,
        cut: bool = False,
        signs: Signs = ((), ()),
    ):
        if reading.labels is None:
            raise DataError(
                f"{reading.texts.path}: these texts have no labels; name the field that holds them "
                "as text.label_field, and start a new run"
            )
        self.texts, self.labels, self.seconds = reading.texts, reading.labels, reading.seconds
        self.end, self.signs = self.texts.end, signs
        self.around = len(signs[0]) + len(signs[1]) * (1 if self.seconds is None else 2)
        """Places of a row that signs take."""
        self.room = context - self.around
        """Tokens of a text that fit, or of two together."""
        if self.room < 1:
            raise DataError(
                f"model.context {context} has no room for a text between its {self.around} signs; "
                "raise it"
            )
        self._starts = self.texts.starts()
        sizes = np.diff(self._starts) - 1
        if self.seconds is not None:
            sizes = sizes + np.diff(self.seconds.starts()) - 1
        super().__init__(sizes, batch, seed)
        self.cut_texts = int((sizes > self.room).sum())
        """Texts of which the end is left out."""
        if self.cut_texts and not cut:
            self._refuse(context)

    def _refuse(self, context: int) -> None:
        first = int(np.flatnonzero(self.sizes > self.room)[0])
        many, whole = ("pairs", "of both texts ") if self.seconds is not None else ("texts", "")
        raise DataError(
            f"{self.texts.document_id(first)}: {self.sizes[first]} tokens {whole}"
            f"{f'and {self.around} signs around them ' if self.around else ''}do not fit "
            f"model.context {context}, and {self.cut_texts} of {self.texts.documents} {many} are "
            f"so long, the longest {self.sizes.max()}; raise model.context, or read only their "
            "beginnings with train.objective.cut=true"
        )

    def document_id(self, row: int) -> str:
        return self.texts.document_id(row)

    def rows(self, chosen: np.ndarray) -> Passages:
        if self.seconds is not None:
            pairs = [(self.texts.document(int(i)), self.seconds.document(int(i))) for i in chosen]
            rows = paired([fitted(a, b, self.room) for a, b in pairs], self.end, self.signs)
            return replace(rows, labels=self._labels(chosen))
        lines, marks = [], []
        for i in chosen:
            start = int(self._starts[i])
            stop = start + min(int(self.sizes[i]), self.room)
            lines.append(self.texts.ids(start, stop))
            if self.labels.set.of == "word":
                marks.append(self.labels.of_tokens(start, stop))
        rows = passages(lines, self.end, signs=self.signs, marks=marks or None)
        return rows if marks else replace(rows, labels=self._labels(chosen))

    def _labels(self, chosen: np.ndarray) -> torch.Tensor:
        return torch.tensor([self.labels.of_text(int(i)) for i in chosen])


def fitted(a: np.ndarray, b: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
    """The beginnings of two texts that have `room` tokens together: the longer one is cut until
    they fit (Devlin et al. 2019, as their code does it)."""
    first = min(len(a), max(room - len(b), room - room // 2))
    return a[:first], b[: room - first]


def passages(
    lines: Sequence[np.ndarray],
    end: int,
    *,
    signs: Signs = ((), ()),
    marks: Sequence[np.ndarray] | None = None,
) -> Passages:
    """Rows of ids, padded on the right with END.

    Args:
        lines: ids of each row.
        end: id of END.
        signs: ids that stand before each row's, and behind them.
        marks: a target for each of the ids.
    """
    before, behind = (np.array(part, np.int64) for part in signs)
    rows = padded([np.concatenate([before, line, behind]) for line in lines], end)
    if marks is None:
        return rows
    targets = np.full(rows.ids.shape, IGNORE, np.int64)
    for b, (line, mark) in enumerate(zip(lines, marks, strict=True)):
        targets[b, len(before) : len(before) + len(line)] = mark
    return replace(rows, targets=torch.from_numpy(targets))


def paired(pairs: Sequence[tuple[np.ndarray, np.ndarray]], end: int, signs: Signs) -> Passages:
    """Rows of two texts each: signs, the first, signs, the second, signs. What belongs to the
    second, and the signs behind it, is part 1.

    Args:
        pairs: ids of both texts of each row.
        end: id of END, which fills short rows.
        signs: ids before the first, and those behind each of the two.
    """
    before, behind = (np.array(part, np.int64) for part in signs)
    rows = padded([np.concatenate([before, a, behind, b, behind]) for a, b in pairs], end)
    firsts = np.array([len(before) + len(a) + len(behind) for a, _ in pairs])[:, None]
    parts = torch.from_numpy(np.arange(rows.context) >= firsts) & rows.seen
    return replace(rows, parts=parts.long())


def padded(lines: Sequence[np.ndarray], end: int) -> Passages:
    """Rows of these ids, END behind the shorter ones."""
    sizes = np.array([len(line) for line in lines])
    width = max(1, int(sizes.max()))
    ids = np.full((len(lines), width), end, np.int64)
    for b, line in enumerate(lines):
        ids[b, : len(line)] = line
    seen = torch.from_numpy(np.arange(width) < sizes[:, None])
    return Passages(torch.from_numpy(ids), seen)
