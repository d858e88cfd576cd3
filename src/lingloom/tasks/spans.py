"""From labels of words to the stretches that they mark, such as names of people and places."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_TAG = re.compile(r"O|[BIES]-.+")


class Span(NamedTuple):
    """A stretch of words."""

    kind: str
    start: int
    """Its first word."""
    stop: int
    """Behind its last word."""


def mark_spans(names: Iterable[str]) -> bool:
    """Whether labels mark stretches: all are O, or B, I, E or S with a kind, and not all are O."""
    names = set(names)
    return all(_TAG.fullmatch(name) for name in names) and names != {"O"}


def spans(tags: Sequence[str]) -> list[Span]:
    """The stretches that `tags` mark, in the order in which they begin.

    B-x and S-x begin one; so does I-x or E-x behind a tag that cannot go on into it. E-x and S-x
    end one; so does whatever cannot go on. This takes in BIO and BIOES, and repairs what follows
    neither.

    Source: conlleval (Tjong Kim Sang and Buchholz 2000), as seqeval has it by default.
    """
    found: list[Span] = []
    kind, start = "", -1  # of the stretch that is open; "" where none is
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        goes_on = prefix in ("I", "E") and kind == name
        if kind and not goes_on:
            found.append(Span(kind, start, i))
            kind = ""
        if prefix != "O" and not goes_on:
            kind, start = name, i
        if prefix in ("E", "S"):
            found.append(Span(name, start, i + 1))
            kind = ""
    return found
