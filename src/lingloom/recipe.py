"""Every section's settings in one tree.

A recipe states only what differs from the defaults; the run folder keeps all of it.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, NonNegativeInt, model_validator

from .corpus_recipe import CorpusRecipe
from .errors import RecipeError
from .loading import load, read_tree
from .measure.perplexity import MeasureSettings, need_measured
from .models.decode import DecodeSettings, need_decoded
from .models.given_vectors import need_given
from .models.kinds import MODELS
from .models.model import need_carrying
from .settings import AnyKind, Kinds, Settings
from .text.places import OutFolder, require_apart
from .text.read import TextSettings
from .tokens.kinds import TOKENIZERS
from .train.objectives.objective import (
    need_all_words,
    need_labels_in,
    need_seconds_in,
    need_targets_in,
    objective_of,
)
from .train.settings import TrainSettings

_TOKENS = Kinds(TOKENIZERS, "bpe")
_MODEL = Kinds(MODELS, "llama")


class Recipe(Settings):
    """From raw text to a measured model."""

    text: TextSettings
    """Where the text is and how it is cleaned and split."""
    tokens: Annotated[AnyKind, _TOKENS] = Field(default_factory=_TOKENS.build_default)
    """How text becomes token ids."""
    model: Annotated[AnyKind, _MODEL] = Field(default_factory=_MODEL.build_default)
    """What is trained."""
    baseline: Annotated[AnyKind | None, Kinds(MODELS)] = None
    """A model that learns by counting, trained on the same tokens for comparison; or null."""
    train: TrainSettings = TrainSettings()
    """How it is trained."""
    measure: MeasureSettings = MeasureSettings()
    """How it is scored."""
    decode: DecodeSettings = DecodeSettings()
    """How it is asked."""
    seed: NonNegativeInt = 0
    """Everything random follows from this number."""
    out: OutFolder = ""
    """The run folder; empty: runs/ and the recipe's name."""

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Self:
        objective = objective_of(self.model, self.train)  # type: ignore[arg-type]
        objective.need_effect(self.model, self.train)  # type: ignore[arg-type]
        if self.baseline is not None and objective.kind != "next_token":  # type: ignore[attr-defined]
            raise RecipeError(
                f"baseline: counts what comes next, and cannot be compared with objective "
                f"{objective.kind}; leave it out"  # type: ignore[attr-defined]
            )
        need_labels_in(self.text, objective)
        need_targets_in(self.text, objective)
        need_seconds_in(self.text, objective, self.model)  # type: ignore[arg-type]
        need_all_words(self.tokens, objective)  # type: ignore[arg-type]
        need_decoded(self.decode, objective.kind)  # type: ignore[attr-defined]
        if self.model.mixes_rows and self.train.micro:  # type: ignore[attr-defined]
            raise RecipeError(
                f"train.micro: {self.train.micro} cannot be with batch norm, for which a batch is "
                "computed whole; leave it out, and lower train.batch to save memory"
            )
        if self.train.packing == "carried":
            need_carrying(self.model, "train.packing=carried")
        need_measured(self.measure, objective.kind)  # type: ignore[attr-defined]
        need_given(self.model, self.train.embed_from, self.train.embed_frozen)  # type: ignore[arg-type]
        if self.measure.carried:
            need_carrying(self.model, "measure.carried=true")
        return self


def read(recipe: str | Path, overrides: list[str]) -> Recipe:
    """The recipe of a YAML file with `key=value` on top, and its run folder settled."""
    if is_of_a_corpus(recipe):
        raise RecipeError(
            f"{recipe}: is a recipe that cleans; make its corpus with: lingloom clean {recipe}, "
            "and train on that with: lingloom train RECIPE text.read=CORPUS"
        )
    settings = load(Recipe, recipe, overrides)
    if not settings.out:
        settings = settings.model_copy(update={"out": f"runs/{Path(recipe).stem}"})
    require_apart(settings.text.all_entries, settings.out)
    return settings


def is_of_a_corpus(recipe: str | Path) -> bool:
    """Whether a YAML file is a cleaning recipe: it has a section that only those have."""
    return bool(
        set(read_tree(recipe)) & (set(CorpusRecipe.model_fields) - set(Recipe.model_fields))
    )
