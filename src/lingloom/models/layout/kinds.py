"""Every family's layout; one row per newcomer. Only the family that is asked for is imported."""

from importlib import import_module
from typing import Any

from ...settings import Kinds
from ..kinds import MODELS
from ..model import ModelSettings
from .family import Family, own

PUBLISHED = {"bert": "bert:BERT", "gpt2": "gpt2:GPT2", "llama": "llama:LLAMA", "t5": "t5:T5"}
"""kind -> 'module beside this one:name', of families that others write too."""
OWN = "lingloom_"
"""Begins the model_type of the others."""
SELF = {"ngram": "models.ngram:NGram"}
"""Families without tensors by name, which save and load themselves: kind -> class."""


def layout_of(kind: str) -> Family:
    """How models of `kind` are written."""
    if kind in PUBLISHED:
        module, _, name = PUBLISHED[kind].partition(":")
        found: Any = getattr(import_module(f"{__package__}.{module}"), name)
        assert isinstance(found, Family)
        return found
    settings = Kinds(MODELS).settings_class(kind)
    assert issubclass(settings, ModelSettings)
    return own(settings)


def kind_of(model_type: str) -> str | None:
    """The family that a config.json names; None where we have none of that name."""
    if model_type in PUBLISHED:
        return model_type
    kind = model_type.replace("-", "_").removeprefix(OWN)
    return kind if kind in MODELS and kind not in PUBLISHED and kind != model_type else None


def model_types() -> list[str]:
    """All that `kind_of` knows."""
    return [kind if kind in PUBLISHED else OWN + kind for kind in MODELS]
