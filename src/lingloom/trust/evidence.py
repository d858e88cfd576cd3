"""What the self-tests are given, and what each of them answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..measure.perplexity import StoredText
from ..models.decode import DecodeSettings
from ..tokens.reading import Order
from ..tokens.tokenizer import Tokenizer
from ..train.objectives.objective import ObjectiveSettings, objective_of
from ..train.settings import TrainSettings
from .facts import ProofRow


@dataclass(frozen=True)
class Evidence:
    """A trained run, opened: everything that the proofs try things on. Nothing in it is changed."""

    model: Any
    """Of any family, float32."""
    tokenizer: Tokenizer
    heldout: StoredText
    train: TrainSettings
    seed: int = 0
    decode: DecodeSettings = DecodeSettings()
    open_order: Callable[[], Order] | None = None
    """Opens the training data from scratch; None for a model that was not trained in steps."""

    @property
    def objective(self) -> ObjectiveSettings:
        """What the model was taught."""
        return objective_of(self.model.settings, self.train)


@dataclass(frozen=True)
class Proof:
    """One claim about the run and what came of trying it."""

    name: str
    """Such as 'resumed = straight'."""
    claim: str
    """What was tried, in a sentence."""
    passed: bool | None
    """None: it could not be tried here; `numbers` says why under 'skipped'."""
    numbers: Mapping[str, Any]
    """What was seen."""
    tolerance: float = 0.0
    """The largest difference that passes; 0 asks for equal bits."""
    seconds_s: float = 0.0

    def row(self) -> ProofRow:
        """The same as the report shows it."""
        told = ", ".join(f"{name} {_shown(value)}" for name, value in self.numbers.items())
        limit = f" (at most {self.tolerance:g} passes)" if self.tolerance else ""
        return ProofRow(self.name, self.claim, self.passed, told + limit)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " / ".join(_shown(v) for v in value)
    return f"{value:.9g}" if isinstance(value, float) else str(value)
