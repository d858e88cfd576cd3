"""Questions and their passages as rows: a sign, the question, a sign, a window of the passage, a
sign. A passage that does not fit is read in several windows, which overlap.

In a window that holds the whole answer, its first and last token are to be pointed at; in any other
the first place of the row.

Source: Devlin et al. 2019 (BERT), sections 4.2 and 4.3; the windows are those of their code.

Shapes: N questions, W windows, B rows, T places.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, RecipeError
from .batch import Passages
from .by_length import ByLength
from .labelled import Signs, paired
from .reading import Reading


@dataclass(frozen=True)
class SpanRows(Passages):
    """Questions with windows of their passages."""

    ends: Tensor = field(kw_only=True)
    """(B, 2) int64: the places of the answer's first and last token; 0 twice where the window does
    not hold it."""


@dataclass(frozen=True)
class Windows:
    """Which windows of its passage each question is read with."""

    question: np.ndarray
    """(W,) int64: the question that each window belongs to, rising."""
    start: np.ndarray
    """(W,) int64: its first token in the passage."""
    stop: np.ndarray
    """(W,) int64: the one behind its last."""


def windows(questions: np.ndarray, passages: np.ndarray, room: int, stride: int) -> Windows:
    """Each passage from its beginning to its end.

    Args:
        questions: (N,) tokens of each question.
        passages: (N,) tokens of each passage.
        room: tokens of a question and a window together; more than any question has.
        stride: how much further each window begins than the one before it, where it is not longer
            than the window.
    """
    size = room - questions
    step = np.minimum(stride, size)
    count = 1 + np.maximum(0, -(-(passages - size) // step))
    question = np.repeat(np.arange(len(questions)), count)
    turn = np.arange(len(question)) - np.repeat(np.cumsum(count) - count, count)
    start = turn * step[question]
    return Windows(question, start, np.minimum(start + size[question], passages[question]))


def room_of(context: int, signs: Signs) -> int:
    """Tokens of a question and a window together that fit."""
    return context - len(signs[0]) - 2 * len(signs[1])


class Questions(ByLength):
    """Rows of questions, and which of them each step reads.

    Args:
        reading: questions with passages and answers.
        context: most tokens of a row, signs included.
        batch: rows per step.
        seed: of the order.
        stride: as in `windows`.
        longest: most tokens of a question.
        cut: leave out what is beyond these, instead of refusing it.
        signs: around the texts.

    Raises:
        DataError: there are no passages or no answers; a text has no tokens; a question is longer
            than it may be.
        RecipeError: there is no room for a passage beside the longest question.
    """

    def __init__(
        self,
        reading: Reading,
        context: int,
        batch: int,
        seed: int,
        *,
        stride: int,
        longest: int,
        cut: bool,
        signs: Signs,
    ):
        if reading.seconds is None or reading.answers is None:
            raise DataError(
                f"{reading.texts.path}: these texts are no questions with passages and answers; "
                "name their fields as text.second_field and text.answer_field, and start a new run"
            )
        self.texts, self.passages, self.answers = reading.texts, reading.seconds, reading.answers
        self.signs, self.end, self.longest = signs, self.texts.end, longest
        need_room(context, longest, signs)
        whole = np.diff(self.texts.starts()) - 1
        sizes, read = np.minimum(whole, longest), np.diff(self.passages.starts()) - 1
        for what, found in (("question", whole), ("passage", read)):
            if not found.all():
                name = self.texts.document_id(int(np.argmin(found)))
                raise DataError(f"{name}: its {what} has no tokens; leave it out of the text")
        self.cut_texts = int((whole > longest).sum())
        """Questions of which the end is left out."""
        if self.cut_texts and not cut:
            name = self.texts.document_id(int(np.argmax(whole > longest)))
            raise DataError(
                f"{name}: a question of {int(whole[whole > longest][0])} tokens is longer than "
                f"train.objective.question={longest}, and {self.cut_texts} of {len(whole)} are so "
                f"long, the longest {whole.max()}; raise it, or read only their beginnings with "
                "train.objective.cut=true"
            )
        self.windows = windows(sizes, read, room_of(context, signs), stride)
        w = self.windows
        super().__init__(sizes[w.question] + w.stop - w.start, batch, seed)

    def document_id(self, row: int) -> str:
        return self.texts.document_id(int(self.windows.question[row]))

    def rows(self, chosen: np.ndarray) -> SpanRows:
        w, starts = self.windows, self.passages.starts()
        pairs, ends = [], np.zeros((len(chosen), 2), np.int64)
        for b, row in enumerate(chosen.tolist()):
            question, start, stop = int(w.question[row]), int(w.start[row]), int(w.stop[row])
            ids = self.texts.document(question)[: self.longest]
            first = int(starts[question])
            pairs.append((ids, self.passages.ids(first + start, first + stop)))
            begin, behind = self.answers.places[question].tolist()
            if start <= begin and behind <= stop:
                ahead = len(self.signs[0]) + len(ids) + len(self.signs[1]) - start
                ends[b] = ahead + begin, ahead + behind - 1
        return span_rows(pairs, ends, self.end, self.signs)


def need_room(context: int, longest: int, signs: Signs) -> None:
    """Refuse a context in which the longest question leaves no room for its passage.

    Raises:
        RecipeError: it is so.
    """
    room = room_of(context, signs) - longest
    if room < 1:
        raise RecipeError(
            f"model.context: {context} has no room for a passage beside a question of "
            f"train.objective.question={longest} tokens and the signs around them; set "
            f"model.context={context - room + 1} or more, or lower train.objective.question"
        )


def span_rows(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], ends: np.ndarray, end: int, signs: Signs
) -> SpanRows:
    """Rows of questions with windows, and the places to point at, (B, 2)."""
    rows = paired(pairs, end, signs)
    return SpanRows(rows.ids, rows.seen, rows.parts, ends=torch.from_numpy(ends))
