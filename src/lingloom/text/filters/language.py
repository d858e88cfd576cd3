"""The rule on languages: which to keep, and how sure one must be."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from .batch import TextBatch
from .filter import FilterSettings, Fraction, Verdicts, first_reason, is_one_of


class LanguageSettings(FilterSettings):
    """Documents in other languages than those wanted.

    Source: FineWeb keeps English at 0.65 (Penedo et al. 2024, section 3.1), FineWeb-2 Chinese at
    0.692 (its `configs/cmn_Hani.yml`), both with fastText models.
    """

    kind: Literal["language"] = "language"
    keep: Annotated[list[str], Field(min_length=1)]
    """Languages to keep, such as [en, zh]; zh is short for zh-Hans and zh-Hant."""
    min_score: Fraction = 0.65
    """How sure one must be."""

    @property
    def asks_language(self) -> bool:
        return True

    def judge(self, batch: TextBatch) -> Verdicts:
        found = batch.languages
        other = [not is_one_of(language, self.keep) for language, _ in found]
        unsure = [score < self.min_score for _, score in found]
        rules = [
            (f"not {' or '.join(self.keep)}", np.array(other, bool)),
            (f"less sure than {self.min_score:g}", np.array(unsure, bool)),
        ]
        return first_reason("language", rules)
