"""One split of a run's data, as objectives read it."""

from dataclasses import dataclass
from typing import Protocol

from .answers import Answers
from .batch import Rows
from .labels import Labels
from .shards import Shards
from .tokenizer import Tokenizer


@dataclass(frozen=True)
class Reading:
    """Stored texts, and what stands beside each of them."""

    texts: Shards
    tokenizer: Tokenizer
    targets: Shards | None = None
    """The text that belongs to each text, in the same order, where text.target_field names one."""
    labels: Labels | None = None
    """What each text is, or each of its words, where an objective learns to tell."""
    seconds: Shards | None = None
    """The second text that is read with each text, in the same order, where text.second_field names
    one."""
    answers: Answers | None = None
    """Where the answer to each text, which is a question, stands in its second one."""


class Order(Protocol):
    """What training reads at each step: the same for the same step, at any time."""

    @property
    def steps_per_epoch(self) -> float:
        """Steps in which everything is read once."""

    def at(self, step: int) -> Rows:
        """The rows of `step`, counted from 0; epochs follow each other without a gap."""

    def document_ids(self, step: int) -> list[str]:
        """Names of the documents that the rows of `step` are from."""
