"""Lingloom (织语): from raw text to a language model that is trained, measured and explained."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Model, estimate, load, prove, run
    from .errors import (
        DataError,
        FieldError,
        LingloomError,
        MissingError,
        RecipeError,
        RunError,
        ShapeError,
    )

__version__ = "0.1.0"
__all__ = [
    "DataError",
    "FieldError",
    "LingloomError",
    "MissingError",
    "Model",
    "RecipeError",
    "RunError",
    "ShapeError",
    "estimate",
    "load",
    "prove",
    "run",
]


def __getattr__(name: str) -> Any:
    """Public names are fetched on first use, so that `import lingloom` stays light."""
    if name not in __all__:
        raise AttributeError(f"module 'lingloom' has no attribute '{name}'")
    return getattr(import_module(".errors" if name.endswith("Error") else ".api", __name__), name)
