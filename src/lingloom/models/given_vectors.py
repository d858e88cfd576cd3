"""An embedding that starts from word vectors in a file."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..errors import DataError, RecipeError
from ..tokens.tokenizer import Tokenizer
from .vector_files import read_vectors


@torch.no_grad()
def fill(embed: nn.Embedding, tokenizer: Tokenizer, path: str) -> Mapping[str, Any]:
    """Set the rows of the words that the file has; how many they are, of how many tokens.

    A token is looked up by its name, and in small letters where that is not there.

    Args:
        embed: rows in the order of the tokenizer's ids; those of other words stay as they are.
        tokenizer: words or characters are of use here, names of subwords seldom are in such files.
        path: see `vector_files.read_vectors`.

    Raises:
        RecipeError: the vectors have another width than the model's.
        DataError: the file is damaged, or has none of the tokens.
    """
    names = [tokenizer.token_of(i) for i in range(tokenizer.vocab)]
    words, vectors = read_vectors(path, {*names, *(name.lower() for name in names)})
    if not words:
        raise DataError(
            f"{path}: has none of the {len(names)} tokens of tokens.kind {tokenizer.kind}; give "
            "vectors of words of this language, with tokens.kind=words"
        )
    if vectors.shape[1] != embed.embedding_dim:
        raise RecipeError(
            f"model.vectors: {path} has vectors of {vectors.shape[1]} numbers, and the model's "
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
