"""What a family of quality rules is: settings that judge a batch of documents."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from ...settings import Settings
from ..texts import Texts
from .batch import TextBatch

Verdicts = list[str | None]
"""Of each document None, which keeps it, or the rule that drops it. A reason names the family and
the limit, never the document's own value, so that reasons are few and can be counted."""


Fraction = Annotated[float, Field(ge=0, le=1)]
"""The type of a limit between 0 and 1; a limit of 1 on what is at most so drops nothing."""


class FilterSettings(Settings):
    """One published family of rules."""

    kind: str
    only: list[str] = []
    """Languages of the documents that these rules are for, such as [zh]; others pass; [] is all."""

    def edit(self, texts: Texts) -> Texts:
        """The texts as this family would have them; `texts` itself where it changes none."""
        return texts

    def files_read(self) -> list[Path]:
        """The files on which the verdicts depend besides the settings."""
        return []

    def located(self) -> Self:
        """The same rules, their files named so that they are found from every folder."""
        return self

    @property
    def asks_language(self) -> bool:
        """Whether the languages of the documents are looked at."""
        return bool(self.only)

    def judge(self, batch: TextBatch) -> Verdicts:
        """Keep or a reason for each document of `batch`, whose texts were edited before."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sifted:
    """What the rules made of a batch."""

    texts: Texts
    """As edited by the families; of dropped documents too."""
    verdicts: Verdicts
    languages: list[str] | None
    """Of each document, where a family asked: as the last that did saw it."""


def sift(filters: Sequence[FilterSettings], batch: TextBatch) -> Sifted:
    """Each family in turn edits and judges the documents it is for; the first reason counts."""
    verdicts: Verdicts = [None] * len(batch)
    languages = None
    for rules in filters:
        if rules.asks_language:
            languages = [language for language, _ in batch.languages]
        rows: Sequence[int] = range(len(batch))
        if rules.only:
            rows = [i for i, (lang, _) in enumerate(batch.languages) if is_one_of(lang, rules.only)]
        chosen = batch if len(rows) == len(batch) else batch.take(rows)
        edited = rules.edit(chosen.texts)
        if edited is not chosen.texts:
            batch = batch.edited(rows, edited)
            chosen = replace(chosen, texts=edited)
        for row, reason in zip(rows, rules.judge(chosen), strict=True):
            verdicts[row] = verdicts[row] or reason
    return Sifted(batch.texts, verdicts, languages)


def is_one_of(language: str, wanted: Sequence[str]) -> bool:
    """Whether a language is named; zh stands for zh-Hans and zh-Hant."""
    return language in wanted or language.partition("-")[0] in wanted


def first_reason(family: str, rules: Sequence[tuple[str, np.ndarray]]) -> Verdicts:
    """Of each document the first rule that it breaks, as 'family: rule'.

    Args:
        family: the word before the colon.
        rules: (rule, bool (N): which documents break it), in order of precedence; at least one.
    """
    verdicts: Verdicts = [None] * len(rules[0][1])
    for rule, broken in reversed(rules):
        for i in np.flatnonzero(broken):
            verdicts[i] = f"{family}: {rule}"
    return verdicts
