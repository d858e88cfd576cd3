"""The rule on words that a document must not have."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field

from .batch import TextBatch
from .filter import FilterSettings, Verdicts, first_reason
from .lists import check_list, entries

_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f\U00020000-\U00033fff]")
_WORD = re.compile(r"\w+")


class WordsSettings(FilterSettings):
    """Documents with a word or a phrase of the user's lists.

    Upper and lower case are the same. An entry stands for itself between characters that are no
    part of a word; in Chinese, Japanese and Thai anywhere.

    Source: Raffel et al. 2020 (C4), section 2.2, whose code published the rule for scripts without
    blanks.
    """

    kind: Literal["words"] = "words"
    files: Annotated[list[Annotated[str, AfterValidator(check_list)]], Field(min_length=1)]
    """Lists with one word or phrase a line."""

    def files_read(self) -> list[Path]:
        return [Path(name) for name in self.files]

    def located(self) -> Self:
        return self.model_copy(update={"files": [str(p.absolute()) for p in self.files_read()]})

    def judge(self, batch: TextBatch) -> Verdicts:
        listed = _Listed.of(tuple(entry for name in self.files for entry in entries(name)))
        hits = [listed.stands_in(text.lower()) for text in batch.strings]
        return first_reason("words", [("a word of the list", np.array(hits, bool))])


class _Listed:
    """Entries by how they are looked for: words as a set, the few others one by one."""

    def __init__(self, listed: tuple[str, ...]):
        self.words = {entry for entry in listed if _WORD.fullmatch(entry)}
        self.parts = [entry for entry in listed if _CJK.search(entry)]
        self.words.difference_update(self.parts)
        phrases = [e for e in listed if e not in self.words and e not in self.parts]
        self.phrases = [(e, re.compile(rf"(?<!\w){re.escape(e)}(?!\w)")) for e in phrases]

    @classmethod
    @lru_cache(8)
    def of(cls, listed: tuple[str, ...]) -> "_Listed":
        return cls(listed)

    def stands_in(self, text: str) -> bool:
        return (
            not self.words.isdisjoint(_WORD.findall(text))
            or any(part in text for part in self.parts)
            or any(phrase in text and whole.search(text) for phrase, whole in self.phrases)
        )
