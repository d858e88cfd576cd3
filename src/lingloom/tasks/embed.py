"""A vector for each text: the mean of what a model's last layer makes of its tokens.

Source: Reimers and Gurevych 2019 (Sentence-BERT), section 3, of which this is the pooling.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DataError, RecipeError
from ..models.model import CausalModel, LabelModel
from ..tokens.batch import IGNORE, Batch, Passages
from ..tokens.tokenizer import Tokenizer

WORD_BY_WORD = {"skip_gram", "cbow", "co_occurrence"}
"""Objectives that teach one vector for each word."""
BATCH = 32
"""Texts read at once."""


@torch.no_grad()
def embed(model: Any, tokenizer: Tokenizer, texts: Sequence[str], normalise: bool = True) -> Tensor:
    """The vectors of `texts`, (N, C) float32.

    A model that reads in both directions sees a text between its signs, where it has some, and they
    count; one that goes on from texts sees it behind END.

    Args:
        model: in evaluation mode; it reads texts in both directions, or goes on from them.
        tokenizer: the one it was trained with.
        texts: at least one.
        normalise: to length 1, so that a product of two is their cosine.

    Raises:
        DataError: there is no text, or nothing in one.
        RecipeError: the model reads no texts, but pairs of them.
        ShapeError: a text does not fit the model's context.
    """
    if not texts:
        raise DataError("no text to make a vector of; give at least one")
    need_reader(model)
    signs = around(model, tokenizer)
    rows = [[*signs[0], *tokenizer.encode(text), *signs[1]] for text in texts]
    for text, row in zip(texts, rows, strict=True):
        if not row:
            raise DataError(f"no token in the text {text!r}; leave it out")
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    for some, hidden, seen in states(model, tokenizer, rows):
        if hidden.ndim == 3:  # else the family makes one vector of a text by itself
            share = seen.float() / seen.sum(1, keepdim=True)
            hidden = torch.einsum("btc,bt->bc", hidden, share)
        for i, vector in zip(some, hidden, strict=True):
            found[i] = vector
    vectors = torch.stack(found)
    return F.normalize(vectors, dim=-1) if normalise else vectors


def need_reader(model: Any, *, places: bool = False) -> None:
    """Refuse a model that reads no texts.

    Args:
        model: of any family.
        places: refuse one that knows words wherever they stand, too.

    Raises:
        RecipeError: it is one.
    """
    kind = model.settings.kind
    if places and hasattr(model, "embed") and set(model.settings.learns()) & WORD_BY_WORD:
        raise RecipeError(
            f"a {kind} model has one vector for each word, wherever it stands; ask without "
            "word=..., or take an encoder (bert) or a model that goes on from texts"
        )
    if not isinstance(model, (CausalModel, LabelModel)):
        raise RecipeError(
            f"a {kind} model makes no vector of a text; take an encoder (bert) or a model that "
            "goes on from texts"
        )


def around(model: Any, tokenizer: Tokenizer) -> tuple[Sequence[int], Sequence[int]]:
    """Ids that stand before a text as `model` reads it, and those behind it."""
    if isinstance(model, CausalModel):
        return [tokenizer.end], []
    signs: tuple[Sequence[int], Sequence[int]] = model.settings.signs(tokenizer)
    return signs


def states(
    model: Any, tokenizer: Tokenizer, rows: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """What the last layer makes of `rows` of ids: the indices of some, their hidden states (B, T,
    C) float32, and where a token stands, (B, T) bool; rows of like length together.

    Raises:
        ShapeError: a row does not fit the model's context.
    """
    causal = isinstance(model, CausalModel)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(rows), BATCH):
        some = order[start : start + BATCH]
        width = len(rows[some[-1]])
        ids = torch.tensor([[*rows[i]] + [tokenizer.end] * (width - len(rows[i])) for i in some])
        seen = torch.arange(width) < torch.tensor([[len(rows[i])] for i in some])
        read = Batch(ids, torch.full_like(ids, IGNORE)) if causal else Passages(ids, seen)
        yield some, model.hidden(read).float(), seen
