"""A cleaning recipe's settings in one tree; nothing of training is imported for it."""

from pathlib import Path
from typing import Annotated

from .errors import RecipeError
from .loading import load, read_tree
from .settings import AnyKind, Kinds
from .text.corpus.settings import CorpusSettings
from .tokens.kinds import TOKENIZERS

TRAINING = {"model", "baseline", "train", "measure", "decode"}
"""Sections that only recipes of runs have."""


class CorpusRecipe(CorpusSettings):
    """From piles of raw files to a training corpus."""

    tokens: Annotated[AnyKind | None, Kinds(TOKENIZERS)] = None
    """A tokenizer to train on the corpus, which is then also written as token shards; or null."""

    @property
    def settings(self) -> CorpusSettings:
        """What the stages need; workers read it without knowing of recipes."""
        fields = {name: getattr(self, name) for name in CorpusSettings.model_fields}
        return CorpusSettings.model_construct(**fields)


def read_corpus(recipe: str | Path, overrides: list[str]) -> CorpusRecipe:
    """The cleaning recipe of a YAML file with `key=value` on top, and its folder settled."""
    trains = sorted(TRAINING & set(read_tree(recipe)))
    if trains:
        raise RecipeError(
            f"{recipe}: is a recipe that trains (it has {', '.join(trains)}); train with: "
            f"lingloom train {recipe}, or take its 'text' into a recipe that cleans"
        )
    settings = load(CorpusRecipe, recipe, overrides)
    if settings.out:
        return settings
    return settings.model_copy(update={"out": f"corpora/{Path(recipe).stem}"})
