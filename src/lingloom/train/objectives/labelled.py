"""What the objectives share whose rows are texts, read in both directions, of which something is
told: a label, the labels of the words, where an answer stands."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from torch import Tensor

from ...errors import DataError
from ...models.model import LabelModel, ModelSettings
from ...tokens.batch import Passages
from ...tokens.by_length import ByLength
from ...tokens.labelled import Labelled
from ...tokens.reading import Reading
from ..settings import TrainSettings
from .objective import ObjectiveSettings


class TellingSettings(ObjectiveSettings):
    """Tell something of texts."""

    fills: ClassVar[bool] = False

    def rows(self, reading: Reading, model: ModelSettings, batch: int, seed: int = 0) -> ByLength:
        """Texts as `model` reads them.

        Raises:
            DataError: they lack what is to be told; one does not fit the model's context.
        """
        raise NotImplementedError

    def order(
        self, reading: Reading, model: ModelSettings, train: TrainSettings, seed: int
    ) -> ByLength:
        return self.rows(reading, model, train.batch, seed)

    def heldout(self, reading: Reading, model: ModelSettings, batch: int) -> Iterator[Passages]:
        rows = self.rows(reading, model, batch)
        return map(rows.rows, rows.each_once())


class LabelledSettings(TellingSettings):
    """Learn from labelled texts."""

    unit: ClassVar[str] = "nats/label"

    cut: bool = False
    """Read only the beginning of a text that is longer than model.context; else it is refused."""

    def rows(self, reading: Reading, model: ModelSettings, batch: int, seed: int = 0) -> Labelled:
        context: int = model.context  # type: ignore[attr-defined]
        signs = model.signs(reading.tokenizer)
        return Labelled(reading, context, batch, seed, cut=self.cut, signs=signs)


@contextmanager
def known_labels(
    labels: Tensor, model: LabelModel, where: str, *, skipped: Sequence[int] = ()
) -> Iterator[None]:
    """Around what scores `labels`: where torch says that some index is out of bounds, say which
    label is none of the model's. Those of our own files were checked when they were written, so no
    step spends time on it.

    Args:
        labels: int64, of any shape.
        model: that learns them.
        where: what holds them, for the message.
        skipped: numbers that stand for no label.

    Raises:
        DataError: a label is none of the model's.
    """
    try:
        yield
    except (IndexError, RuntimeError):
        count: int = model.settings.labels
        wrong = set(labels.flatten().tolist()).difference(range(count), skipped)
        if not wrong:
            raise
        raise DataError(
            f"{where}: label {min(wrong)} is none of the {count} that the model tells apart, "
            f"numbered 0 to {count - 1}; correct it, or build a model of more labels (model.labels)"
        ) from None
