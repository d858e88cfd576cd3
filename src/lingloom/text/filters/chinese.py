"""Rules for Chinese: those of Gopher and FineWeb with limits that were set on Chinese text."""

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from .batch import TextBatch
from .filter import FilterSettings, Fraction, Verdicts
from .fineweb import FineWebSettings
from .gopher_quality import GopherQualitySettings, StopWords
from .gopher_repetition import GopherRepetitionSettings, Six, Three

_STOP_WORDS = list("的年在月是和日了於·為有被人中为他與後也而由")


class ChineseSettings(FilterSettings):
    """Documents that do not look like Chinese prose or verse.

    A Han character is a word here and Chinese marks end a line: the English rules with characters
    for words.

    Source: Penedo et al. 2025, "FineWeb2: One Pipeline to Scale Them All", whose limits for Chinese
    (`configs/cmn_Hani.yml`) are the defaults of all keys but those that say otherwise. They were
    set on the words of a segmenter, 1 to 2 characters long. As there, no rule looks at paragraphs,
    at short lines, or, besides FineWeb's, at characters in repeated lines.
    """

    kind: Literal["chinese"] = "chinese"
    min_words: NonNegativeInt = 50
    """Fewest characters and other words, without marks. Gopher's number, which FineWeb-2 kept."""
    max_words: PositiveInt = 200_000
    """Most. Twice Gopher's number, as a Chinese word has nearly two characters."""
    max_word_chars: NonNegativeFloat = 5
    """Longest mean word: drops what is no Chinese."""
    min_alpha_words_frac: Fraction = 0.735
    """Fewest words with a letter or Han character in them."""
    min_stop_words: NonNegativeInt = 2
    """Fewest different stop words."""
    stop_words: StopWords = _STOP_WORDS
    """The stop words: simplified and traditional."""
    min_terminal_lines_frac: Fraction = 0.106
    """Fewest lines that end a sentence."""
    more_terminals: str = "…；：”’」』）"
    """Characters that end a sentence besides those of Unicode. Ours: verse and speech end so."""
    max_ellipsis_lines_frac: Fraction = 0.3
    """Most lines that end with an ellipsis. Gopher's number, which FineWeb-2 kept."""
    max_repeated_chars_frac: Fraction = 0.1
    """Most characters in lines that stood in the document before."""
    max_newlines_per_word: NonNegativeFloat = 0.178
    """Most line feeds per word."""
    max_lines_frac: Fraction = 0.287
    """Most lines that stood in the document before."""
    max_top_frac: Three = [0.256, 0.201, 0.171]
    """Most characters in the most frequent sequence of 2, 3 and 4 words."""
    max_repeated_frac: Six = [0.198, 0.182, 0.167, 0.154, 0.14, 0.127]
    """Most characters in repeated sequences of 5, 6, 7, 8, 9 and 10 words."""

    def judge(self, batch: TextBatch) -> Verdicts:
        families: list[FilterSettings] = [
            GopherRepetitionSettings(
                max_paragraphs_frac=1,
                max_paragraph_chars_frac=1,
                max_line_chars_frac=1,
                max_lines_frac=self.max_lines_frac,
                count_blanks=False,
                max_top_frac=self.max_top_frac,
                max_repeated_frac=self.max_repeated_frac,
            ),
            FineWebSettings(
                min_terminal_lines_frac=self.min_terminal_lines_frac,
                more_terminals=self.more_terminals,
                max_short_lines_frac=1,
                max_repeated_chars_frac=self.max_repeated_chars_frac,
                max_newlines_per_word=self.max_newlines_per_word,
            ),
            GopherQualitySettings(
                min_words=self.min_words,
                max_words=self.max_words,
                min_word_chars=1,
                max_word_chars=self.max_word_chars,
                max_ellipsis_lines_frac=self.max_ellipsis_lines_frac,
                min_alpha_words_frac=self.min_alpha_words_frac,
                min_stop_words=self.min_stop_words,
                stop_words=self.stop_words,
            ),
        ]
        each = [family.judge(batch) for family in families]
        reasons = [next(filter(None, found), None) for found in zip(*each, strict=True)]
        return [reason and f"chinese: {reason.partition(': ')[2]}" for reason in reasons]
