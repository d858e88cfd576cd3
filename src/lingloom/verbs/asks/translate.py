"""The model writes a text for another one: for the words given, or for each line of the input."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ..console import Words, answer, story
from .keys import decode_of

if TYPE_CHECKING:
    from ...api import Model


def run(model: "Model", text: str, words: Words) -> None:
    """Print what is written for `text`, or for each of its lines where it was read from standard
    input."""
    decode = decode_of(model, words.overrides)
    given = len(words.names) > 1
    sources = [text] if given else [line for line in text.split("\n") if line.strip()]
    found = model.translations(sources, **decode.model_dump())
    if words.json:
        rows = [asdict(each) for each in found]
        answer(rows[0] if given else rows)
        return
    for each in found:
        print(each.text)
    cut_off = [each for each in found if each.reason in ("length", "context")]
    if cut_off:
        limit = min(decode.max_new_tokens, int(model.model.settings.context))
        story(f"({len(cut_off)} of {len(found)} ended at {limit} tokens, unfinished)")
