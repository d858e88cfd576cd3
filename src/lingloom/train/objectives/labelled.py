"""What the objectives share that learn from labels: each row is a text, read in both directions."""

from collections.abc import Iterator
from typing import ClassVar

from ...models.model import ModelSettings
from ...tokens.batch import Passages
from ...tokens.labelled import Labelled
from ...tokens.reading import Reading
from ..settings import TrainSettings
from .objective import ObjectiveSettings


class LabelledSettings(ObjectiveSettings):
    """Learn from labelled texts."""

    unit: ClassVar[str] = "nats/label"
    fills: ClassVar[bool] = False

    cut: bool = False
    """Read only the beginning of a text that is longer than model.context; else it is refused."""

    def rows(self, reading: Reading, model: ModelSettings, batch: int, seed: int = 0) -> Labelled:
        """Labelled texts as `model` reads them.

        Raises:
            DataError: they have no labels; one does not fit the model's context.
        """
        context: int = model.context  # type: ignore[attr-defined]
        signs = model.signs(reading.tokenizer)
        return Labelled(reading, context, batch, seed, cut=self.cut, signs=signs)

    def order(
        self, reading: Reading, model: ModelSettings, train: TrainSettings, seed: int
    ) -> Labelled:
        return self.rows(reading, model, train.batch, seed)

    def heldout(self, reading: Reading, model: ModelSettings, batch: int) -> Iterator[Passages]:
        rows = self.rows(reading, model, batch)
        return map(rows.rows, rows.each_once())
