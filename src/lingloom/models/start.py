"""Weights that training begins with: those of an earlier run, or of a model from elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import RecipeError
from ..runs import find_run
from ..tokens.open import open_tokenizer
from ..tokens.tokenizer import Tokenizer
from .model import NeuralModel
from .port import load_model


def start_from(
    model: NeuralModel, where: str, tokenizer: Tokenizer, sizes: Mapping[str, str]
) -> dict[str, Any]:
    """Give `model` every weight that the model in `where` has too; what came of it.

    Args:
        model: all else in it stays as it is.
        where: a run, or the folder of a model.
        tokenizer: of the texts; it must be the one that the weights were trained with.
        sizes: what must be equal in both: key of the recipe -> attribute of the settings.

    Raises:
        RecipeError: another family, other sizes or another tokenizer; every difference is named.
        RunError, DataError: there is no model there, or it is damaged.
    """
    folder = Path(where) if (Path(where) / "config.json").is_file() else find_run(where).model
    if not (folder / "config.json").is_file():
        raise RecipeError(
            f"model.start_from: {where} has no finished model; go on with: lingloom train {where}"
        )
    other: NeuralModel = load_model(folder, torch.float32)
    ours, theirs = model.settings, other.settings
    if ours.kind != theirs.kind:
        raise RecipeError(
            f"model.start_from: {where} is a {theirs.kind} and model.kind is {ours.kind}; start "
            "from a model of the same family"
        )
    wrong = []
    same_tokens = not (folder / "tokenizer.json").is_file() or (
        open_tokenizer(folder).fingerprint() == tokenizer.fingerprint()
    )
    if ours.vocab != theirs.vocab or not same_tokens:
        wrong.append(
            f"model.vocab: the tokenizer here has {ours.vocab} ids, and that of {where} "
            f"{'other ' * (ours.vocab == theirs.vocab)}{theirs.vocab}; take its tokenizer: "
            f"tokens={{kind: stored, folder: {folder}}}"
        )
    for key, name in sizes.items():
        here, there = getattr(ours, name), getattr(theirs, name)
        if here != there:
            wrong.append(f"{key}: {here}, and {where} has {there}; set {key}={there}")
    if wrong:
        raise RecipeError("\n".join(wrong))
    given, own = dict(other.named_parameters()), dict(model.named_parameters())
    with torch.no_grad():
        taken = {name for name in own.keys() & given.keys() if own[name].shape == given[name].shape}
        for name in taken:
            own[name].copy_(given[name])
    fresh = sorted(own.keys() - taken)  # heads that it lacks, or has for other labels
    return {"start_from": str(folder), "taken": len(own) - len(fresh), "random": fresh}
