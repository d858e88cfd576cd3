"""The quality rules that FineWeb adds to those of Gopher and C4."""

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt

from ..statistics import share
from .batch import TextBatch
from .filter import FilterSettings, Fraction, Verdicts, first_reason


class FineWebSettings(FilterSettings):
    """Documents that are lists or scraps: few lines end a sentence, many are short or repeat.

    Source: Penedo et al. 2024, "The FineWeb Datasets: Decanting the Web for the Finest Text Data at
    Scale", section 3.6, with the limits of the code that made the dataset (datatrove's
    FineWebQualityFilter): it drops from 0.01 of repeated characters where the paper prints 0.1, and
    counts line feeds per word, which the paper does not mention. Blank lines do not count.
    """

    kind: Literal["fineweb"] = "fineweb"
    min_terminal_lines_frac: Fraction = 0.12
    """Fewest lines whose last character ends a sentence."""
    more_terminals: str = ""
    """Characters that end a sentence besides those of Unicode, such as '…；'."""
    max_short_lines_frac: Fraction = 0.67
    """Most short lines."""
    short_chars: NonNegativeInt = 30
    """Characters of the longest line that is short."""
    max_repeated_chars_frac: Fraction = 0.01
    """Most characters in lines that stood in the document before."""
    max_newlines_per_word: NonNegativeFloat = 0.3
    """Most line feeds per word."""

    def judge(self, batch: TextBatch) -> Verdicts:
        found = batch.statistics((), self.short_chars, self.more_terminals)
        lines = found.filled_lines
        ends, short = share(found.terminal_lines, lines), share(found.short_lines, lines)
        again = share(found.repeated_filled_chars, found.chars - found.newlines)
        feeds = share(found.newlines, found.words)
        least_ends, most_short = self.min_terminal_lines_frac, self.max_short_lines_frac
        most_again, most_feeds = self.max_repeated_chars_frac, self.max_newlines_per_word
        rules = [
            ("empty", lines == 0),
            (f"under {least_ends:g} of lines end a sentence", ends < least_ends),
            (
                f"over {most_short:g} of lines have {self.short_chars} characters or fewer",
                short > most_short,
            ),
            (f"over {most_again:g} of characters in repeated lines", again > most_again),
            (f"over {most_feeds:g} line feeds per word", feeds > most_feeds),
        ]
        return first_reason("fineweb", rules)
