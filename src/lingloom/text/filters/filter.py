"""What a family of quality rules is: settings that judge a batch of documents."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...settings import Settings
from ..texts import Texts
from .batch import TextBatch

Verdicts = list[str | None]
"""Of each document None, which keeps it, or the rule that drops it. A reason names the family and
the limit, never the document's own value, so that reasons are few and can be counted."""


class FilterSettings(Settings):
    """One published family of rules."""

    kind: str

    def edit(self, texts: Texts) -> Texts:
        """The texts as this family would have them; `texts` itself where it changes none."""
        return texts

    def judge(self, batch: TextBatch) -> Verdicts:
        """Keep or a reason for each document of `batch`, whose texts were edited before."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sifted:
    """What the rules made of a batch."""

    texts: Texts
    """As edited by the families; of dropped documents too."""
    verdicts: Verdicts


def sift(filters: Sequence[FilterSettings], batch: TextBatch) -> Sifted:
    """Each family in turn edits and judges all of `batch`; of several reasons the first counts."""
    verdicts: Verdicts = [None] * len(batch)
    for rules in filters:
        edited = rules.edit(batch.texts)
        if edited is not batch.texts:
            batch = replace(batch, texts=edited)
        judged = rules.judge(batch)
        verdicts = [old or new for old, new in zip(verdicts, judged, strict=True)]
    return Sifted(batch.texts, verdicts)


def first_reason(documents: int, rules: Sequence[tuple[str, np.ndarray]]) -> Verdicts:
    """Of each document the first rule that it breaks.

    Args:
        documents: how many there are.
        rules: (reason, bool array of the documents that break the rule), in order of precedence.
    """
    verdicts: Verdicts = [None] * documents
    for reason, broken in reversed(rules):
        for i in np.flatnonzero(broken):
            verdicts[i] = reason
    return verdicts
