"""A model finds the answer to a question in a passage.

Source: Devlin et al. 2019 (BERT), sections 4.2 and 4.3: of all stretches of a passage that is given
for which score(first) + score(last) is highest. "No answer" scores what the first place of a row
does, the least of all windows; a stretch of any window may win, wherever in it it stands.

Shapes: W windows, B rows, T places, P tokens of a window.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import DataError
from ..models.bert import Bert
from ..tokens.aligned import aligned
from ..tokens.questions import Windows, need_room, room_of, span_rows, windows
from ..tokens.tokenizer import Tokenizer
from ..train.objectives.span import SpanSettings
from .tell import AT_ONCE


@dataclass(frozen=True)
class Answered:
    """What was found."""

    answer: str
    """As it stands in the passage; empty: the passage does not answer the question."""
    start: int
    """Its first character in the passage; 0 where there is none."""
    stop: int
    """The one behind its last."""
    chance: float
    """How likely the model finds both ends of it in the window where they stand, 0 to 1; of no
    answer, that neither is there."""
    lead: float
    """By how many nats the best answer is likelier than none."""


@dataclass(frozen=True)
class _Found:
    """The best stretch of one window."""

    first: int
    """Its first token in the passage."""
    last: int
    score: float
    chance: float
    none: float
    """What 'no answer' scores."""
    none_chance: float


def answer(
    model: Bert,
    tokenizer: Tokenizer,
    asked: Sequence[tuple[str, str]],
    settings: SpanSettings | None = None,
) -> list[Answered]:
    """The answer to each question.

    Args:
        model: with head span, in evaluation mode.
        tokenizer: the one it was trained with.
        asked: questions with their passages.
        settings: how passages are read, and when no answer is given; None for those of a model from
            elsewhere, whose questions may take a quarter of its context.

    Raises:
        DataError: a question or a passage is empty, or a question too long.
    """
    settings = settings or usual_settings(model.settings.context)
    signs = model.settings.signs(tokenizer)
    need_room(model.settings.context, settings.question, signs)
    room, found = room_of(model.settings.context, signs), []
    for at in range(0, len(asked), AT_ONCE):
        some = asked[at : at + AT_ONCE]
        questions = [_question(tokenizer, question, settings) for question, _ in some]
        passages = [_passage(tokenizer, passage) for _, passage in some]
        sizes = [
            np.array([len(each) for each in ids]) for ids in (questions, [i for i, _ in passages])
        ]
        cut = windows(sizes[0], sizes[1], room, settings.stride)
        best: list[list[_Found]] = [[] for _ in some]
        for i, each in _read(model, tokenizer, questions, [i for i, _ in passages], cut, settings):
            best[i].append(each)
        for (_, passage), (_, spans), of_each in zip(some, passages, best, strict=True):
            found.append(_told(passage, spans, of_each, settings.no_answer))
    return found


def usual_settings(context: int) -> SpanSettings:
    """How a model from elsewhere, of which nobody says it, reads: questions have a quarter of its
    context at most."""
    question = SpanSettings.model_fields["question"].default
    return SpanSettings(question=min(question, max(1, context // 4)))


def _question(tokenizer: Tokenizer, question: str, settings: SpanSettings) -> np.ndarray:
    ids = np.array(tokenizer.encode(question), np.int64)
    if not len(ids):
        raise DataError("the question is empty, so there is nothing to find; ask something")
    if len(ids) > settings.question and not settings.cut:
        raise DataError(
            f"'{question[:40]}...': a question of {len(ids)} tokens is longer than "
            f"train.objective.question={settings.question}; shorten it"
        )
    return ids[: settings.question]


def _passage(tokenizer: Tokenizer, passage: str) -> tuple[np.ndarray, np.ndarray]:
    ids, spans = aligned(tokenizer, passage)
    if not len(ids):
        raise DataError("the passage is empty, so nothing can be found in it; give some text")
    return ids, spans


def _read(
    model: Bert,
    tokenizer: Tokenizer,
    questions: Sequence[np.ndarray],
    passages: Sequence[np.ndarray],
    cut: Windows,
    settings: SpanSettings,
) -> Iterator[tuple[int, _Found]]:
    """(question, its best stretch) of each window, those of like length read together."""
    signs, device = model.settings.signs(tokenizer), next(model.parameters()).device
    sizes = np.array([len(questions[q]) for q in cut.question]) + cut.stop - cut.start
    order = np.argsort(sizes, kind="stable")
    for at in range(0, len(order), AT_ONCE):
        some = order[at : at + AT_ONCE]
        pairs = [
            (questions[q], passages[q][start:stop])
            for q, start, stop in zip(
                cut.question[some], cut.start[some], cut.stop[some], strict=True
            )
        ]
        rows = span_rows(pairs, np.zeros((len(pairs), 2), np.int64), tokenizer.end, signs)
        rows = rows.to(device)
        with torch.no_grad():
            scores = model.span_scores(model.hidden(rows), rows)  # (B, T, 2)
        logs = scores.log_softmax(1).cpu().numpy().astype(np.float64)
        plain = scores.cpu().numpy().astype(np.float64)
        for b, w in enumerate(some.tolist()):
            question, window = pairs[b]
            first = len(signs[0]) + len(question) + len(signs[1])
            places = slice(first, first + len(window))
            a, z = best_stretch(plain[b, places, 0], plain[b, places, 1], settings.longest)
            yield (
                int(cut.question[w]),
                _Found(
                    first=int(cut.start[w]) + a,
                    last=int(cut.start[w]) + z,
                    score=float(plain[b, first + a, 0] + plain[b, first + z, 1]),
                    chance=float(np.exp(logs[b, first + a, 0] + logs[b, first + z, 1])),
                    none=float(plain[b, 0].sum()),
                    none_chance=float(np.exp(logs[b, 0].sum())),
                ),
            )


def best_stretch(first: np.ndarray, last: np.ndarray, longest: int) -> tuple[int, int]:
    """The stretch of at most `longest` places with the highest first[a] + last[z], a <= z; of
    equals the shortest, and of these the earliest.

    Args:
        first: (P,) scores of each place as the first one.
        last: (P,) and as the last one.
        longest: 1 or more.
    """
    best, found = -np.inf, (0, 0)
    for more in range(min(longest, len(first))):
        sums = first[: len(first) - more] + last[more:]
        at = int(sums.argmax())
        if sums[at] > best:
            best, found = float(sums[at]), (at, at + more)
    return found


def _told(
    passage: str, spans: np.ndarray, found: Sequence[_Found], no_answer: float | None
) -> Answered:
    """The best stretch of all windows, unless there is likelier none."""
    best = max(found, key=lambda each: each.score)
    none = min(found, key=lambda each: each.none)
    lead = best.score - none.none
    if no_answer is not None and -lead > no_answer:
        return Answered("", 0, 0, none.none_chance, lead)
    start, stop = int(spans[best.first, 0]), int(spans[best.last, 1])
    text = passage[start:stop]
    start += len(text) - len(text.lstrip())
    return Answered(text.strip(), start, start + len(text.strip()), best.chance, lead)
