"""The model goes on from a prompt, and is heard as it speaks."""

from typing import TYPE_CHECKING

from ..console import Words, answer, story
from .keys import decode_of

if TYPE_CHECKING:
    from ...api import Model


def run(model: "Model", prompt: str, words: Words) -> None:
    """Print the continuation of `prompt` as it is made."""
    decode = decode_of(model, words.overrides)
    if not prompt:
        story("(an empty prompt: the model begins a text of its own)")
    stream = model.stream(prompt, **decode.model_dump())
    if words.json:
        text = "".join(stream)
        answer({"prompt": prompt, "text": text, "reason": stream.reason})
        return
    wrote = False
    for piece in stream:
        wrote = wrote or bool(piece)
        print(piece, end="", flush=True)
    print()
    if not wrote and stream.reason == "end":
        story("(the model ended the text at once)")
    if stream.reason in ("context", "length"):
        story(_why(str(stream.reason), decode.max_new_tokens))


def _why(reason: str, limit: int) -> str:
    if reason == "length":
        return f"(ended at decode.max_new_tokens={limit})"
    return "(ended because the model's context is full)"
