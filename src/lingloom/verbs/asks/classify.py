"""The model says what a text is."""

from typing import TYPE_CHECKING

from ..console import Words, answer, story
from .keys import need_no_decode

if TYPE_CHECKING:
    from ...api import Model

SHOWN = 5
"""Labels told beside the likeliest."""


def run(model: "Model", text: str, words: Words) -> None:
    """Print the likeliest label of `text`, and how likely it and others are."""
    need_no_decode(words.overrides)
    (found,) = model.classified([text])
    if words.json:
        answer({"text": text, "label": found.label, "chances": found.chances})
        return
    print(found.label)
    some = list(found.chances.items())[: SHOWN + 1]
    more = ", ..." if len(found.chances) > len(some) else ""
    story(", ".join(f"{label} {chance:.1%}" for label, chance in some) + more)
