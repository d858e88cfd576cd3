"""The rule for short documents of SlimPajama."""

import re
import string
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt

from .batch import TextBatch
from .filter import FilterSettings, Verdicts, first_reason

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_BLANKS = re.compile(r"\s+")


class ShortSettings(FilterSettings):
    """Documents with little left of them once punctuation and blanks are taken out.

    Source: Soboleva et al. 2023, "SlimPajama: A 627B token cleaned and deduplicated version of
    RedPajama", and its published `preprocessing/filter.py`: in lower case, ASCII punctuation
    deleted, every run of white space one space, both ends stripped.
    """

    kind: Literal["short"] = "short"
    min_chars: PositiveInt = 200
    """Fewer characters are too short; SlimPajama's number."""

    cjk_chars: Annotated[float, Field(ge=1)] = 1
    """For how many characters a Han or kana one counts: 1 as published; 3.6 asks for as much to
    read in Chinese as in English, by the lengths of translated sentences (Tatoeba)."""

    def judge(self, batch: TextBatch) -> Verdicts:
        more = (self.cjk_chars - 1) * batch.statistics().cjk_chars if self.cjk_chars != 1 else 0.0
        lengths = [_length(text, self.min_chars) for text in batch.strings]
        short = np.array(lengths, float) + more < self.min_chars
        return first_reason("short", [(f"fewer than {self.min_chars} characters", short)])


def _length(text: str, enough: int) -> int:
    """Characters that count, or some number that is at least `enough`."""
    # twice as much text nearly always has enough; the rest need not be looked at
    for part in (text[: 2 * enough], text):
        bare = part.lower().translate(_PUNCTUATION)
        size = len(_BLANKS.sub(" ", bare.strip()))
        if size >= enough:
            return size
    return size
