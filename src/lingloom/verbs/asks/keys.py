"""The keys of `lingloom ask`, and what those of a run's recipe are."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import PositiveInt

from ...errors import DataError, RecipeError
from ...loading import COMMAND_LINE
from ...models.decode import DecodeSettings
from ...settings import Settings
from ..console import Words, story

if TYPE_CHECKING:
    from ...api import Model


class AskSettings(Settings):
    """Keys of `lingloom ask`."""

    decode: DecodeSettings = DecodeSettings()
    """How it is asked, where it writes; the run's recipe gives the defaults."""
    at: PositiveInt | None = None
    """Number of the image that is asked about, from 1, where the model reads images and the text is
    an idx file of them; empty: the first few."""


def only_at(overrides: Sequence[str]) -> int | None:
    """The number of the image that is asked about.

    Raises:
        RecipeError: another key is given, or something that is no number.
    """
    from ...loading import load

    need_no_decode([word for word in overrides if not word.startswith("at=")])
    return load(AskSettings, {}, list(overrides)).at


def need_no_image(overrides: Sequence[str]) -> None:
    """Refuse to choose among images for a model that reads none.

    Raises:
        RecipeError: one is chosen.
    """
    if any(word.startswith("at=") for word in overrides):
        raise RecipeError(
            f"at ({COMMAND_LINE}): has no effect, this model reads no images; leave it out"
        )


def decode_of(model: "Model", overrides: Sequence[str]) -> DecodeSettings:
    """How `model` is asked to write, with the `key=value` words on top of its own defaults."""
    from ...loading import load

    tree = {"decode": model.decode.model_dump(mode="json")}
    return load(AskSettings, tree, list(overrides)).decode


def second_text(words: Words, usage: str) -> str:
    """The second text of a model that reads two: the last of the words, or standard input.

    Args:
        words: as they were read.
        usage: how to ask such a model.

    Raises:
        DataError: there is no second text, or not even a first.
    """
    if len(words.names) > 2:
        return words.names[2]
    if len(words.names) < 2 or sys.stdin.isatty():
        raise DataError(f"this model reads two texts at once; write both, as in: {usage}")
    return sys.stdin.read().rstrip("\n")


def need_one_text(words: Words) -> None:
    """Refuse a second text for a model that reads one.

    Raises:
        RecipeError: there is one.
    """
    if len(words.names) > 2:
        raise RecipeError(
            f"'{words.names[2]}' ({COMMAND_LINE}): this model reads one text at a time; leave the "
            "second out, or put quotes around all of the text"
        )


def need_no_decode(overrides: Sequence[str]) -> None:
    """Refuse keys of `decode` for a model that does not write, and texts beyond those it reads.

    Raises:
        RecipeError: there is one.
    """
    for key, equals, _ in (word.partition("=") for word in overrides):
        if not equals:
            raise RecipeError(
                f"'{key}' ({COMMAND_LINE}): is one text more than this model reads; put quotes "
                "around each text"
            )
        raise RecipeError(
            f"{key} ({COMMAND_LINE}): has no effect, this model does not write; leave it out"
        )


def say_cut(model: "Model", left_out: int, what: str) -> None:
    """Tell that the end of a text was not read, if it was not."""
    if left_out:
        story(
            f"(only the beginning was read: the last {left_out} {what} do not fit model.context "
            f"{model.model.settings.context})"
        )
