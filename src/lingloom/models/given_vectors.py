"""Vectors of tokens: what a model has, and an embedding that starts from those of others.

Shapes: N tokens with a vector, C width, V vocabulary.
"""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import DataError, RecipeError
from ..runs import find_run
from ..tokens.open import open_tokenizer
from ..tokens.tokenizer import Tokenizer
from .port import load_model
from .vector_files import read_vectors


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


@torch.no_grad()
def fill(
    embed: nn.Embedding, tokenizer: Tokenizer, path: str, key: str = "model.vectors"
) -> Mapping[str, Any]:
    """Set the rows of the tokens that a file or a run has; how many they are, of how many.

    A token is looked up by its name, and in small letters where that is not there.

    Args:
        embed: rows in the order of the tokenizer's ids; those of other words stay as they are.
        tokenizer: words or characters are of use here, names of subwords seldom are in such files.
        path: a file as `vector_files.read_vectors` reads it, a run, or the folder of a model.
        key: which asks for it.

    Raises:
        RecipeError: the vectors have another width than the model's.
        DataError: the file is damaged, or has none of the tokens.
        RunError: there is no such run.
    """
    names = [tokenizer.token_of(i) for i in range(tokenizer.vocab)]
    words, vectors = _read(path, {*names, *(name.lower() for name in names)})
    if not words:
        raise DataError(
            f"{path}: has none of the {len(names)} tokens of tokens.kind {tokenizer.kind}; give "
            "vectors of words of this language, with tokens.kind=words"
        )
    if vectors.shape[1] != embed.embedding_dim:
        raise RecipeError(
            f"{key}: {path} has vectors of {vectors.shape[1]} numbers, and the model's "
            f"have {embed.embedding_dim}; set the width of the model's embedding to "
            f"{vectors.shape[1]}"
        )
    rows = {word: i for i, word in reversed(list(enumerate(words)))}
    found = 0
    for token, name in enumerate(names):
        row = rows.get(name, rows.get(name.lower()))
        if row is not None:
            embed.weight[token] = torch.from_numpy(vectors[row])
            found += 1
    return {"vectors": path, "found": found, "tokens": len(names)}


def _read(path: str, keep: Container[str]) -> tuple[list[str], np.ndarray]:
    """Words and vectors of a file; of a run its tokens' names and theirs."""
    if Path(path).is_file():
        return read_vectors(path, keep)
    folder = Path(path) if Path(path, "config.json").is_file() else find_run(path).model
    vectors, tokenizer = token_vectors(load_model(folder)), open_tokenizer(folder)
    names = [tokenizer.token_of(i) for i in range(tokenizer.vocab)]
    kept = [i for i, name in enumerate(names) if name in keep]
    return [names[i] for i in kept], vectors[kept]
