"""A model says what a text is."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ShapeError
from ..models.model import LabelModel
from ..tokens.labels import LabelSet
from ..tokens.tokenizer import Tokenizer
from .tell import AT_ONCE, Told, rows_of_texts, text_chances


@dataclass(frozen=True)
class Classified:
    """What a text was said to be."""

    label: str
    """The likeliest."""
    chances: dict[str, float]
    """Probability of every label, the likeliest first."""
    left_out: int = 0
    """Tokens at its end that were not read, for the model has no room for them."""


def classify(
    model: LabelModel, tokenizer: Tokenizer, labels: LabelSet, texts: Sequence[Told]
) -> list[Classified]:
    """What each text is, or each pair of texts where the labels are given to pairs.

    Raises:
        DataError: a text is empty; or it comes alone, or with another, where `labels` do not.
        ShapeError: a text does not fit the model's context, and training did not cut such; or an
            image has more pixels.
    """
    if tokenizer.kind == "pixels":
        _need_pixels(model, texts)
    found = []
    for at in range(0, len(texts), AT_ONCE):
        rows, left_out = rows_of_texts(model, tokenizer, texts[at : at + AT_ONCE], labels)
        for chances, beyond in zip(text_chances(model, rows).tolist(), left_out, strict=True):
            named = sorted(zip(labels.names, chances, strict=True), key=lambda each: -each[1])
            found.append(Classified(named[0][0], dict(named), beyond))
    return found


def _need_pixels(model: LabelModel, images: Sequence[Told]) -> None:
    """Refuse images larger than those that were learnt from; the model refuses smaller ones."""
    context: int = model.settings.context
    for image in images:
        if len(image) > context:
            raise ShapeError(
                f"{len(image)} pixels are not the {context} of model.context; give images of the "
                "size that was learnt from"
            )
