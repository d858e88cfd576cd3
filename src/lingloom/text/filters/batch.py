"""Many documents on their way through the quality rules, and what is known of them so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..texts import Texts


@dataclass(frozen=True)
class TextBatch:
    """N documents; what several rules ask for is computed once, when it is first asked for."""

    texts: Texts
    urls: Sequence[str] | None = None
    """Where each document was found; None where the source does not say."""
    sources: Sequence[str] | None = None
    """The file or collection of each document."""

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def strings(self) -> list[str]:
        """Each text as Python keeps it."""
        return [self.texts[i] for i in range(len(self))]
