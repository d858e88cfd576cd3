"""Answers to a question, where they stand in the passage that answers it.

Source of the form: Rajpurkar et al. 2016 (SQuAD), section 3; that a question may have no answer in
its passage is of Rajpurkar et al. 2018 (SQuAD 2.0), section 3.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

LOST = "cleaning takes the answer away"
"""Why a question is dropped: none of its answers stands in the cleaned passage."""
_FORMS = "a text, a list of texts, or {text: [...], answer_start: [...]}"


class Answer(NamedTuple):
    """One of the answers that people gave."""

    text: str
    start: int
    """Its first character in the passage, from 0; -1 where it does not stand there."""


def placed(told: Any, passage: str) -> list[Answer]:
    """The answers of a row, each where it stands: where the row says, or at the nearest place to
    it; where the row does not say, at the first. [] where the row says that there is none.

    Args:
        told: a text, a list of texts, a list of {text, answer_start}, or {text: [...],
            answer_start: [...]}; empty ones and null stand for no answer.
        passage: as it was read.

    Raises:
        ValueError: it is of another form, or none of the answers stands in the passage.
    """
    found = [
        Answer(text.strip(), _nearest(passage, text.strip(), start))
        for text, start in _pairs(told)
        if text.strip()
    ]
    if found and all(answer.start < 0 for answer in found):
        raise ValueError(f"answer '{found[0].text[:40]}' does not stand in the passage")
    return found


def moved(
    answers: Sequence[Answer], texts: Sequence[str], passage: str, cleaned: str
) -> list[Answer]:
    """The same answers in the cleaned passage.

    Args:
        answers: in `passage`.
        texts: the answers, cleaned.
        passage: as it was read.
        cleaned: the same, cleaned.
    """
    if passage == cleaned and all(a.text == text for a, text in zip(answers, texts, strict=True)):
        return list(answers)
    return [_moved(a, text, passage, cleaned) for a, text in zip(answers, texts, strict=True)]


def _moved(answer: Answer, text: str, passage: str, cleaned: str) -> Answer:
    """An answer that stands several times keeps its turn among them, if none of them is lost."""
    there = list(_all(cleaned, text)) if text else []
    if answer.start < 0 or not there:
        return Answer(text, -1)
    before = list(_all(passage, answer.text))
    if len(before) == len(there):
        return Answer(text, there[before.index(answer.start)])
    about = answer.start * len(cleaned) / max(1, len(passage))
    return Answer(text, min(there, key=lambda start: abs(start - about)))


def to_text(answers: Sequence[Answer]) -> str:
    """Answers as a document's meta keeps them."""
    return json.dumps(answers, ensure_ascii=False)


def from_text(kept: str) -> list[Answer]:
    """What `to_text` wrote."""
    return [Answer(*each) for each in json.loads(kept)]


def _pairs(told: Any) -> Iterator[tuple[str, int | None]]:
    for each in told if isinstance(told, list) else [told]:
        if not isinstance(each, Mapping):
            yield _text(each), None
            continue
        texts, starts = each.get("text"), each.get("answer_start")
        unknown = sorted({str(key) for key in each} - {"text", "answer_start", "id"})
        if unknown and (starts is None or "text" not in each):  # it may be what says where
            raise ValueError(f"an answer with '{unknown[0]}'; answers are {_FORMS}")
        if "text" not in each:
            raise ValueError(f"an answer without 'text'; answers are {_FORMS}")
        texts = texts if isinstance(texts, list) else [texts]
        starts = starts if isinstance(starts, list) or starts is None else [starts]
        starts = starts or [None] * len(texts)
        if len(texts) != len(starts):
            raise ValueError(f"{len(texts)} answers and {len(starts)} places of them")
        for text, start in zip(texts, starts, strict=True):
            yield _text(text), _start(start) if text else None


def _text(told: Any) -> str:
    """The text of an answer; null is none, as an empty one."""
    if isinstance(told, bool) or not isinstance(told, str | int | float | None):
        raise ValueError(f"an answer of the form {str(told)[:40]}; answers are {_FORMS}")
    return "" if told is None else str(told)


def _start(told: Any) -> int | None:
    """Where an answer begins; whole numbers may be written as fractions (18.0) or in a text."""
    if isinstance(told, str) and told.strip().isdecimal() and len(told) < 20:
        return int(told)
    if isinstance(told, float) and told.is_integer():
        return int(told)
    if told is None or (isinstance(told, int) and not isinstance(told, bool)):
        return told
    raise ValueError(f"answer_start {str(told)[:40]!r} is no number of a character, from 0")


def _nearest(passage: str, text: str, start: int | None) -> int:
    if start is None:
        return passage.find(text)
    start = max(0, start)
    before, after = passage.rfind(text, 0, start + len(text)), passage.find(text, start)
    if before < 0 or (after >= 0 and after - start < start - before):
        return after
    return before


def _all(passage: str, text: str) -> Iterator[int]:
    start = passage.find(text)
    while start >= 0:
        yield start
        start = passage.find(text, start + 1)
