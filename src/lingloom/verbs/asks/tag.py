"""The model says what each word of a text is."""

from typing import TYPE_CHECKING

from ..console import Words, answer, story
from .keys import need_no_decode, say_cut

if TYPE_CHECKING:
    from ...api import Model


def run(model: "Model", text: str, words: Words) -> None:
    """Print a line for each word: the word, a tab, its label; and what the labels mark."""
    need_no_decode(words.overrides)
    (found,) = model.tagged([text])
    stretches = found.stretches
    if words.json:
        told = [vars(word) for word in found.words]
        marked = [vars(each) for each in stretches]
        left_out = {"left_out": found.left_out}
        answer({"text": text, "words": told, "stretches": marked, **left_out})
        return
    for word in found.words:
        print(f"{word.word}\t{word.label}")
    say_cut(model, found.left_out, "words")
    if stretches:
        story(", ".join(f"{each.kind}: {each.text}" for each in stretches))
