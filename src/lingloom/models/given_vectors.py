"""Vectors of tokens: what a model has, and an embedding that starts from those of others.

Shapes: N tokens with a vector, C width, V vocabulary.
"""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import DataError, RecipeError
from ..runs import find_run
from ..tokens.open import open_tokenizer
from ..tokens.tokenizer import Tokenizer
from .model import ModelSettings, NeuralModel
from .port import load_model
from .vector_files import is_vector_file, read_vectors, vectors_width


def token_vectors(model: Any) -> np.ndarray:
    """A vector for each token id, (V, C) float32: those the model was made for, or else its input
    embedding.

    Raises:
        RecipeError: the model has none.
    """
    own = getattr(model, "word_vectors", None)
    table = own() if own else getattr(getattr(model, "embed", None), "weight", None)
    if table is None:
        raise RecipeError(
            f"model.kind {model.settings.kind} has no vectors of tokens; ask a run of another "
            "kind, such as word2vec"
        )
    found: np.ndarray = table.detach().float().cpu().numpy()
    return found


def named_vectors(model: Any, tokenizer: Tokenizer) -> tuple[list[str], np.ndarray]:
    """(names, vectors (N, C) float32) of all tokens but special ones, in the order of ids.

    A token is called by its text, or by its name where that is no text of its own, such as a part
    of a character.

    Raises:
        RecipeError: the model has none.
    """
    vectors = token_vectors(model)
    ids = np.flatnonzero(tokenizer.token_bytes).tolist()
    texts = [tokenizer.decode([i]) for i in ids]
    names = [
        text if text and "\ufffd" not in text else tokenizer.token_of(i)
        for i, text in zip(ids, texts, strict=True)
    ]
    return names, vectors[ids]


def need_given(model: ModelSettings, path: str, frozen: bool) -> None:
    """Refuse a recipe whose input embedding cannot begin, or stay, as it asks.

    Args:
        model: settings of any family.
        path: `train.embed_from`.
        frozen: `train.embed_frozen`.

    Raises:
        RecipeError: vectors are asked for and not given; or they cannot be left as they are.
    """
    two = getattr(model, "multichannel", False)
    if two and not path:
        raise RecipeError(
            "model.multichannel: one of its two tables of vectors stays as it is given, and none "
            "is given; set train.embed_from to a file of vectors or a run, or leave it out"
        )
    if two and frozen:
        raise RecipeError(
            "train.embed_frozen: model.multichannel has one table that learns and one that does "
            "not, and would have two that do not; leave one of the two keys out"
        )
    if frozen and (getattr(model, "tied", False) or "masked_token" in model.learns()):
        mend = "set model.tied=false" if hasattr(model, "tied") else "take a family with two tables"
        raise RecipeError(
            f"train.embed_frozen: the input embedding of this {model.kind} is its output too, "  # type: ignore[attr-defined]
            f"which has to learn; {mend}, or leave train.embed_frozen out"
        )


def freeze(model: NeuralModel) -> None:
    """Leave the tables in which tokens are looked up as they are, whatever is learnt."""
    for table in model.input_tables():
        table.weight.requires_grad_(False)


def need_vectors(path: str, settings: ModelSettings) -> None:
    """Look, before any work is done, whether there are vectors at `path` that a model can have.

    Args:
        path: as of `begin_from`.
        settings: of the model, with `vocab` and labels settled, to any number.

    Raises:
        RecipeError: the model looks no tokens up, or the vectors have another width than its own.
        DataError: it is named like a file of vectors, and is not there.
        RunError: it is named like a run, and there is none.
    """
    if is_vector_file(path) and not Path(path).is_file():
        raise DataError(
            f"{path}: there is no such file of vectors; correct train.embed_from, which takes a "
            "file as word2vec or GloVe writes it, or a run"
        )
    if not Path(path).is_file() and not Path(path, "config.json").is_file():
        find_run(path)
    with torch.device("meta"):
        network = settings.build()
    found = vectors_width(path) if Path(path).is_file() else _of_model(path)[1].shape[1]
    _need_fit(path, network, found)


def _need_fit(path: str, model: Any, found: int) -> None:
    """Refuse vectors of `found` numbers, 0 if there are none, for a model of another width."""
    tables = model.input_tables() if isinstance(model, NeuralModel) else []
    if not tables:
        raise RecipeError(
            f"train.embed_from: this {model.settings.kind} has no input embedding; leave "
            "train.embed_from out"
        )
    if found and found != (width := tables[0].embedding_dim):
        raise RecipeError(
            f"train.embed_from: {path} has vectors of {found} numbers, and the model's "
            f"have {width}; set the width of the model's embedding to {found}"
        )


@torch.no_grad()
def begin_from(model: NeuralModel, tokenizer: Tokenizer, path: str) -> Mapping[str, Any]:
    """Set the vectors of the tokens that a file or a run has; how many they are, of how many.

    A token is looked up by its name, and in small letters where that is not there.

    Args:
        model: its tables have rows in the order of the tokenizer's ids; those of other words stay
            as they are.
        tokenizer: words or characters are of use here, names of subwords seldom are in such files.
        path: a file as `vector_files.read_vectors` reads it, a run, or the folder of a model.

    Raises:
        RecipeError: the model looks no tokens up, or the vectors have another width than its own.
        DataError: the file is damaged, or has none of the tokens.
        RunError: there is no such run.
    """
    names = [tokenizer.token_of(i) for i in range(tokenizer.vocab)]
    words, vectors = _read(path, {*names, *(name.lower() for name in names)})
    _need_fit(path, model, vectors.shape[1])
    if not words:
        raise DataError(
            f"{path}: has none of the {len(names)} tokens of tokens.kind {tokenizer.kind}; give "
            "vectors of words of this language, with tokens.kind=words"
        )
    rows = {word: i for i, word in reversed(list(enumerate(words)))}
    found = 0
    for token, name in enumerate(names):
        row = rows.get(name, rows.get(name.lower()))
        if row is not None:
            for table in model.input_tables():
                table.weight[token] = torch.from_numpy(vectors[row])
            found += 1
    return {"vectors": path, "found": found, "tokens": len(names)}


def _of_model(path: str) -> tuple[Path, np.ndarray]:
    """The folder of the model of a run, or of a model, and the vectors of its tokens, (V, C)."""
    folder = Path(path) if Path(path, "config.json").is_file() else find_run(path).model
    return folder, token_vectors(load_model(folder))


def _read(path: str, keep: Container[str]) -> tuple[list[str], np.ndarray]:
    """Words and vectors of a file; of a run its tokens' names and theirs."""
    if Path(path).is_file():
        return read_vectors(path, keep)
    folder, vectors = _of_model(path)
    tokenizer = open_tokenizer(folder)
    names = [tokenizer.token_of(i) for i in range(tokenizer.vocab)]
    kept = [i for i, name in enumerate(names) if name in keep]
    return [names[i] for i in kept], vectors[kept]
