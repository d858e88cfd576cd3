"""The model says what a text is, or two texts together."""

from typing import TYPE_CHECKING

from ..console import Words, answer, story
from .keys import need_no_decode, need_one_text, say_cut, second_text

if TYPE_CHECKING:
    from ...api import Model
    from ...tasks.classify import Classified

SHOWN = 5
"""Labels told beside the likeliest."""


def run(model: "Model", text: str, words: Words) -> None:
    """Print the likeliest label of `text`, and how likely it and others are."""
    need_no_decode(words.overrides)
    told: str | tuple[str, str] = text
    if model.labels.pairs:
        told = text, second_text(words, 'lingloom ask RUN "one text" "the other"')
    else:
        need_one_text(words)
    (found,) = model.classified([told])
    if words.json:
        second = {} if isinstance(told, str) else {"second": told[1]}
        told_of = {"label": found.label, "chances": found.chances, "left_out": found.left_out}
        answer({"text": text, **second, **told_of})
        return
    print(found.label)
    say_cut(model, found.left_out, "tokens")
    story(chances_text(found))


def chances_text(found: "Classified") -> str:
    """The likeliest labels with their probabilities."""
    some = list(found.chances.items())[: SHOWN + 1]
    more = ", ..." if len(found.chances) > len(some) else ""
    return ", ".join(f"{label} {chance:.1%}" for label, chance in some) + more
