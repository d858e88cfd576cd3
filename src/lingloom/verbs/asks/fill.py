"""The model says what stands at each [MASK] of a text."""

from typing import TYPE_CHECKING

from ..console import Words, answer, story
from .keys import need_no_decode

if TYPE_CHECKING:
    from ...api import Model


def run(model: "Model", text: str, words: Words) -> None:
    """Print the text without gaps, and what else might have stood at each."""
    need_no_decode(words.overrides)
    filled = model.fill(text)
    if words.json:
        choices = [[vars(choice) for choice in place] for place in filled.choices]
        answer({"text": text, "filled": filled.text, "choices": choices})
        return
    print(filled.text)
    for i, place in enumerate(filled.choices, start=1):
        story(f"[MASK] {i}: " + ", ".join(f"{c.token} {c.chance:.1%}" for c in place))
