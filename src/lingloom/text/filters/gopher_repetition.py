"""The repetition rules of Gopher: what says the same again and again."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat

from ..statistics import share
from .batch import TextBatch
from .filter import FilterSettings, Fraction, Verdicts, first_reason

Three = Annotated[list[NonNegativeFloat], Field(min_length=3, max_length=3)]
Six = Annotated[list[NonNegativeFloat], Field(min_length=6, max_length=6)]


class GopherRepetitionSettings(FilterSettings):
    """Documents with too many repeated lines, paragraphs or sequences of words.

    Source: Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training
    Gopher", appendix A.1.1, "Repetition Removal", and table A1. Where the paper leaves a count open
    it is datatrove's: characters are a share of all of the text's, blanks included; the most
    frequent sequence counts with the blanks inside, repeated sequences without, from left to right
    and without overlap. Sequences are the same when all their words are.
    """

    kind: Literal["gopher_repetition"] = "gopher_repetition"
    max_paragraphs_frac: Fraction = 0.30
    """Most paragraphs that stood in the document before."""
    max_paragraph_chars_frac: Fraction = 0.20
    """Most characters in them."""
    max_lines_frac: Fraction = 0.30
    """Most lines that stood in the document before."""
    max_line_chars_frac: Fraction = 0.20
    """Most characters in them."""
    max_top_frac: Three = [0.20, 0.18, 0.16]
    """Most characters in the most frequent sequence of 2, 3 and 4 words."""
    count_blanks: bool = True
    """Count one blank between the words of that sequence, as in English."""
    max_repeated_frac: Six = [0.15, 0.14, 0.13, 0.12, 0.11, 0.10]
    """Most characters in repeated sequences of 5, 6, 7, 8, 9 and 10 words."""

    def judge(self, batch: TextBatch) -> Verdicts:
        found = batch.repetition
        rules = [
            (f"over {most:g} of {what} repeat", share(part, whole) > most)
            for what, part, whole, most in (
                (
                    "paragraphs",
                    found.repeated_paragraphs,
                    found.paragraphs,
                    self.max_paragraphs_frac,
                ),
                (
                    "characters in paragraphs",
                    found.repeated_paragraph_chars,
                    found.chars,
                    self.max_paragraph_chars_frac,
                ),
                ("lines", found.repeated_lines, found.lines, self.max_lines_frac),
                (
                    "characters in lines",
                    found.repeated_line_chars,
                    found.chars,
                    self.max_line_chars_frac,
                ),
            )
        ]
        for n, most in enumerate(self.max_top_frac, 2):
            top_chars = found.top_chars[:, n - 2]
            if self.count_blanks:
                top_chars = top_chars + (n - 1) * found.top_times[:, n - 2]
            top = share(top_chars, found.chars)
            rules.append((f"over {most:g} of characters in one sequence of {n} words", top > most))
        for n, most in enumerate(self.max_repeated_frac, 5):
            again = share(found.repeated_chars[:, n - 5], found.chars)
            rules.append(
                (f"over {most:g} of characters in repeated sequences of {n} words", again > most)
            )
        return first_reason("repetition", rules)
