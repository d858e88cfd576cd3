"""A run opened for its self-tests."""

from typing import Any

from ..errors import RunError
from ..models.port import load_model
from ..recipe import Recipe
from ..runs import RunFolder
from ..trust.evidence import Evidence
from .prepare import Data, open_data
from .train import order_of


def evidence(run: RunFolder, recipe: Recipe, data: Data) -> Evidence:
    """What the proofs try things on.

    Raises:
        RunError: the run has no finished model.
    """
    if not (run.model / "config.json").is_file():
        raise RunError(
            f"{run.path}: has no finished model to prove anything on; go on with: "
            f"lingloom train {run.path}"
        )
    settings: Any = recipe.model
    counts = settings.kind == "ngram"
    return Evidence(
        load_model(run.model),
        data.tokenizer,
        data.heldout,
        recipe.train,
        recipe.seed,
        recipe.decode,
        None if counts else lambda: order_of(recipe, open_data(run)),
    )
