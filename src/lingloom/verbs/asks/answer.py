"""The model finds the answer to a question in a passage."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ..console import Words, answer, story
from .keys import need_no_decode, second_text

if TYPE_CHECKING:
    from ...api import Model


def run(model: "Model", text: str, words: Words) -> None:
    """Print the answer to the question `text`; an empty line where the passage has none."""
    need_no_decode(words.overrides)
    passage = second_text(words, 'lingloom ask RUN "question" "passage"')
    (found,) = model.answered([(text, passage)])
    if words.json:
        answer({"question": text, **asdict(found)})
        return
    print(found.answer)
    if not found.answer:
        story(f"(no answer in the passage: {-found.lead:.2f} nats likelier than the best one)")
        return
    story(f"(characters {found.start} to {found.stop} of the passage, {found.chance:.1%})")
