"""Answers from a passage: say where in it the answer to a question begins and ends.

Source: Devlin et al. 2019 (BERT), sections 4.2 (SQuAD 1.1) and 4.3 (SQuAD 2.0: no answer).

Shapes: B rows, T places.
"""

from typing import ClassVar, Literal

import torch
from pydantic import PositiveInt
from torch import Tensor
from torch.nn import functional as F

from ...errors import DataError
from ...models.bert import Bert
from ...models.model import ModelSettings
from ...tokens.questions import Questions, SpanRows, need_room
from ...tokens.reading import Reading
from ..settings import TrainSettings
from .labelled import TellingSettings


class SpanSettings(TellingSettings):
    """Find the answer to a question in a passage. A passage that does not fit beside its question
    is read in windows; the best answer of all of them is given."""

    unit: ClassVar[str] = "nats/end"
    smooths: ClassVar[bool] = False
    seconds: ClassVar = "must"
    learns_answers: ClassVar[bool] = True

    kind: Literal["span"] = "span"
    stride: PositiveInt = 128
    """How many tokens further each window of a passage begins than the one before it, or as many as
    it has, where these are fewer."""
    question: PositiveInt = 64
    """Most tokens of a question."""
    cut: bool = False
    """Read only the beginning of a longer question; else it is refused."""
    longest: PositiveInt = 30
    """Most tokens of an answer that is given."""
    no_answer: float | None = None
    """By how many nats 'no answer' must be likelier than the best answer for none to be given;
    null: one is always given. It can be changed when a run is finished."""

    def need_effect(self, model: ModelSettings, train: TrainSettings) -> None:
        """As every objective; and refuse a context without room for a passage."""
        super().need_effect(model, train)
        sign = (0,)  # every model that learns this has one before the texts, and one behind each
        need_room(model.context, self.question, (sign, sign))  # type: ignore[attr-defined]

    def rows(self, reading: Reading, model: ModelSettings, batch: int, seed: int = 0) -> Questions:
        context: int = model.context  # type: ignore[attr-defined]
        found = Questions(
            reading,
            context,
            batch,
            seed,
            stride=self.stride,
            longest=self.question,
            cut=self.cut,
            signs=model.signs(reading.tokenizer),
        )
        if self.no_answer is None and found.answers.without:
            raise DataError(
                f"{reading.texts.path}: {found.answers.without} of {len(found.answers.places)} "
                "questions have no answer, and with train.objective.no_answer=null one is always "
                "given; set it to 0, or leave these questions out"
            )
        return found

    def loss(self, model: Bert, rows: SpanRows, label_smoothing: float = 0.0) -> tuple[Tensor, int]:
        """Summed cross-entropy of both ends of all answers in nats, and the number of ends."""
        scores = model.span_scores(model.hidden(rows), rows)  # (B, T, 2)
        nats = F.cross_entropy(
            scores.transpose(1, 2).flatten(0, 1), rows.ends.flatten(), reduction="sum"
        )
        return nats, rows.ends.numel()

    def pretended(
        self, model: ModelSettings, train: TrainSettings, rows: int, context: int
    ) -> SpanRows:
        chance = torch.Generator().manual_seed(0)
        vocab: int = model.vocab  # type: ignore[attr-defined]
        ids = torch.randint(vocab, (rows, context), generator=chance)
        return SpanRows(
            ids,
            torch.ones(rows, context, dtype=torch.bool),
            torch.ones_like(ids),
            ends=torch.zeros(rows, 2, dtype=torch.int64),
        )
