"""The model makes a vector of a text."""

from typing import TYPE_CHECKING

from ..console import Words, answer
from .keys import need_no_decode

if TYPE_CHECKING:
    from ...api import Model


def run(model: "Model", text: str, words: Words) -> None:
    """Print the vector's numbers."""
    need_no_decode(words.overrides)
    vector = [round(number, 6) for number in model.embed([text])[0].tolist()]
    if words.json:
        answer({"text": text, "vector": vector})
        return
    print(" ".join(f"{number:.6f}" for number in vector))
