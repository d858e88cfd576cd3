"""The quality rules of Gopher: what looks like prose."""

from typing import Annotated, Literal

from pydantic import AfterValidator, NonNegativeFloat, NonNegativeInt, PositiveInt

from ..statistics import MOST_STOP_WORDS, share, words_of
from .batch import TextBatch
from .filter import FilterSettings, Fraction, Verdicts, first_reason

STOP_WORDS = ["the", "be", "to", "of", "and", "that", "have", "with"]


def _can_be_found(words: list[str]) -> list[str]:
    for word in words:
        if words_of(word) != [word]:
            parts = " ".join(words_of(word))
            raise ValueError(f"{word!r} is not one word but '{parts}'; give single words")
    if len(words) > MOST_STOP_WORDS:
        raise ValueError(f"{len(words)} words; give at most {MOST_STOP_WORDS}")
    return words


StopWords = Annotated[list[str], AfterValidator(_can_be_found)]
"""The type of a list of stop words: single words, at most MOST_STOP_WORDS."""


class GopherQualitySettings(FilterSettings):
    """Documents whose words and lines are not those of prose.

    Source: Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training
    Gopher", appendix A.1.1, "Quality Filtering". Where the paper leaves a count open it is
    datatrove's: the number and the length of words leave single marks out, ratios are per word
    with them; lines are those of `str.splitlines`.
    """

    kind: Literal["gopher_quality"] = "gopher_quality"
    min_words: NonNegativeInt = 50
    """Fewer words are too few."""
    max_words: PositiveInt = 100_000
    """More words are too many."""
    min_word_chars: NonNegativeFloat = 3
    """Shortest mean word, in characters."""
    max_word_chars: NonNegativeFloat = 10
    """Longest mean word, in characters."""
    max_symbols_frac: NonNegativeFloat = 0.1
    """Most signs '#' per word, and most ellipses per word."""
    max_bullet_lines_frac: Fraction = 0.9
    """Most lines that begin with a bullet or a hyphen."""
    max_ellipsis_lines_frac: Fraction = 0.3
    """Most lines that end with an ellipsis."""
    min_alpha_words_frac: Fraction = 0.8
    """Fewest words with a letter in them."""
    min_stop_words: NonNegativeInt = 2
    """Fewest different stop words."""
    stop_words: StopWords = STOP_WORDS
    """The stop words, compared as they are written."""

    def judge(self, batch: TextBatch) -> Verdicts:
        found = batch.statistics(self.stop_words)
        words, proper, lines = found.words, found.proper_words, found.lines
        length = share(found.proper_chars, proper)
        hashes, ellipses = share(found.hashes, words), share(found.ellipses, words)
        bullets, ends = share(found.bullet_lines, lines), share(found.ellipsis_lines, lines)
        alpha, most, stops = (
            share(found.alpha_words, words),
            self.max_symbols_frac,
            found.stop_words,
        )
        most_bullets, most_ends = self.max_bullet_lines_frac, self.max_ellipsis_lines_frac
        least = self.min_alpha_words_frac
        rules = [
            (f"fewer than {self.min_words} words", proper < self.min_words),
            (f"more than {self.max_words} words", proper > self.max_words),
            (f"mean word under {self.min_word_chars:g} characters", length < self.min_word_chars),
            (f"mean word over {self.max_word_chars:g} characters", length > self.max_word_chars),
            (f"over {most:g} hash signs per word", hashes > most),
            (f"over {most:g} ellipses per word", ellipses > most),
            (f"over {most_bullets:g} of lines begin with a bullet", bullets > most_bullets),
            (f"over {most_ends:g} of lines end with an ellipsis", ends > most_ends),
            (f"under {least:g} of words have a letter", alpha < least),
            (f"fewer than {self.min_stop_words} stop words", stops < self.min_stop_words),
        ]
        return first_reason("gopher", rules)
