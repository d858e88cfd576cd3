"""The words nearest to a word, or to a sum of words."""

from typing import TYPE_CHECKING

from ..console import Words, answer
from .keys import need_no_decode

if TYPE_CHECKING:
    from ...api import Model


def run(model: "Model", text: str, words: Words) -> None:
    """Print the words nearest to `text`."""
    need_no_decode(words.overrides)
    tell(model, text, 10, words.json)


def tell(model: "Model", text: str, count: int, as_json: bool) -> None:
    """Print the `count` words nearest to `text`, with their cosines."""
    found = model.nearest(text, count)
    if as_json:
        answer({"words": text, "nearest": [vars(near) for near in found]})
        return
    for near in found:
        print(f"{near.similarity:.3f}  {near.word}")
