"""Many documents on their way through the quality rules, and what is known of them so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..language import identify
from ..statistics import Repetition, Statistics, repetition, statistics
from ..texts import Texts

_Asked = tuple[tuple[str, ...], int, str]


@dataclass(frozen=True)
class TextBatch:
    """N documents; what several rules ask for is computed once, when it is first asked for."""

    texts: Texts
    urls: Sequence[str | None] | None = None
    """Where each document was found; None where its source does not say, or no source does."""
    sources: Sequence[str] | None = None
    """The file or collection of each document."""
    _statistics: dict[_Asked, Statistics] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> "TextBatch":
        """The documents at `rows` alone."""
        urls = None if self.urls is None else [self.urls[i] for i in rows]
        sources = None if self.sources is None else [self.sources[i] for i in rows]
        return TextBatch(Texts.of_strings([self.texts[i] for i in rows]), urls, sources)

    def edited(self, rows: Sequence[int], texts: Texts) -> "TextBatch":
        """The same documents with other `texts` at `rows`."""
        strings = list(self.strings)
        for row, i in zip(rows, range(len(texts)), strict=True):
            strings[row] = texts[i]
        return TextBatch(Texts.of_strings(strings), self.urls, self.sources)

    @cached_property
    def strings(self) -> list[str]:
        """Each text as Python keeps it."""
        return [self.texts[i] for i in range(len(self))]

    def statistics(
        self, stop_words: Sequence[str] = (), short_chars: int = 30, more_terminals: str = ""
    ) -> Statistics:
        """How many words, lines and characters each text has; see `statistics.statistics`."""
        asked = (tuple(stop_words), short_chars, more_terminals)
        if asked not in self._statistics:
            self._statistics[asked] = statistics(self.texts, *asked)
        return self._statistics[asked]

    @cached_property
    def languages(self) -> list[tuple[str, float]]:
        """(language, how sure from 0 to 1) of each text; see `language.identify`."""
        return identify(self.strings)

    @cached_property
    def repetition(self) -> Repetition:
        """How much of each text repeats."""
        return repetition(self.texts)
