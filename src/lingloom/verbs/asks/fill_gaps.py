"""The model says what is missing in a text."""

from typing import TYPE_CHECKING

from ..console import Words, answer, story
from .keys import decode_of

if TYPE_CHECKING:
    from ...api import Model


def run(model: "Model", text: str, words: Words) -> None:
    """Print `text` with its gaps filled."""
    decode = decode_of(model, words.overrides)
    found = model.fill_gaps(text, **decode.model_dump())
    if words.json:
        answer({"prompt": text, "text": found.text, "gaps": found.gaps, "reason": found.reason})
        return
    print(found.text)
    if found.reason == "length":
        story(f"(ended at decode.max_new_tokens={decode.max_new_tokens}, before all was said)")
    elif found.reason == "context":
        story("(ended because the model's context is full)")
