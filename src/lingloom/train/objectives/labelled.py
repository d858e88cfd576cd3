"""What the objectives share whose rows are texts, read in both directions, of which something is
told: a label, the labels of the words, where an answer stands."""

from collections.abc import Iterator
from typing import ClassVar

from ...models.model import ModelSettings
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
