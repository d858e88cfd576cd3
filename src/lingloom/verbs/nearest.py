"""`lingloom nearest RUN king - man + woman`: the words nearest to a word, or to a sum of words."""

from pydantic import PositiveInt

from ..errors import RecipeError
from ..settings import Settings
from .asks.nearest import tell
from .console import read_words


class NearestSettings(Settings):
    """Keys of `lingloom nearest`."""

    count: PositiveInt = 10
    """How many words."""


def run(arguments: list[str]) -> int:
    """Print the nearest words; the exit code."""
    words = read_words(
        "nearest", arguments, needs=2, takes=len(arguments), schema=NearestSettings, free=True
    )
    if words is None:
        return 0
    from ..api import load
    from ..loading import load as load_settings

    names = [name for name in words.names if not _is_key(name)]
    keys = [*(name for name in words.names if _is_key(name)), *words.overrides]
    if len(names) < 2:
        raise RecipeError("usage: lingloom nearest RUN WORDS...; write a word behind the run")
    settings = load_settings(NearestSettings, {}, keys)
    tell(load(names[0]), " ".join(names[1:]), settings.count, words.json)
    return 0


def _is_key(word: str) -> bool:
    return word.partition("=")[0] in NearestSettings.model_fields and "=" in word
