"""The model says what the images of a file are."""

from typing import TYPE_CHECKING

from ...errors import DataError
from ..console import Words, answer, story
from .classify import chances_text
from .keys import need_one_text, only_at

if TYPE_CHECKING:
    from ...api import Model

FEW = 5
"""Images that are asked about where none is named."""


def run(model: "Model", words: Words) -> None:
    """Print the likeliest label of each image, one a line; the image itself, and how likely this
    and other labels are, beside them.

    Raises:
        DataError: there is no file, or no such image in it.
    """
    from ...tasks.images import images_of

    if len(words.names) < 2:
        raise DataError(
            "no image: this model reads them from idx files; name one after the run, as in: "
            "lingloom ask RUN t10k-images-idx3-ubyte.gz at=7"
        )
    need_one_text(words)
    file, at = words.names[1], only_at(words.overrides)
    there, images = images_of(file, at or 1, 1 if at else FEW)
    found = model.classified([image.text for image in images])
    if words.json:
        told = [
            {
                "image": image.number,
                "label": each.label,
                "chances": each.chances,
                "true": image.label or None,
            }
            for image, each in zip(images, found, strict=True)
        ]
        answer({"file": file, "images": told})
        return
    for image, each in zip(images, found, strict=True):
        story(f"image {image.number} of {there:,} · 第 {image.number} 幅，共 {there:,} 幅")
        for line in image.drawn():
            story(f"  {line}")
        print(each.label, flush=True)
        true = f"      true · 实为: {image.label}" if image.label else ""
        story(f"  chances · 概率: {chances_text(each)}{true}")
    if not at and there > len(images):
        story(f"(at=7 asks about image 7 alone · at=7 只问第 7 幅; 1 to {there:,})")
