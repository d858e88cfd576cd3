"""The keys of `lingloom ask`, and what those of a run's recipe are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import RecipeError
from ...loading import COMMAND_LINE
from ...models.decode import DecodeSettings
from ...settings import Settings

if TYPE_CHECKING:
    from ...api import Model


class AskSettings(Settings):
    """Keys of `lingloom ask`."""

    decode: DecodeSettings = DecodeSettings()
    """How it is asked, where it writes; the run's recipe gives the defaults."""


def decode_of(model: "Model", overrides: Sequence[str]) -> DecodeSettings:
    """How `model` is asked to write, with the `key=value` words on top of its own defaults."""
    from ...loading import load

    tree = {"decode": model.decode.model_dump(mode="json")}
    return load(AskSettings, tree, list(overrides)).decode


def need_no_decode(overrides: Sequence[str]) -> None:
    """Refuse keys of `decode` for a model that does not write.

    Raises:
        RecipeError: there is one.
    """
    for key in (word.partition("=")[0] for word in overrides):
        raise RecipeError(
            f"{key} ({COMMAND_LINE}): has no effect, this model does not write; leave it out"
        )
