"""What a model that was taught by hidden tokens puts in the place of the mask."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ..errors import DataError
from ..models.bert import Bert
from ..tokens.batch import Passages
from ..tokens.subwords import CONTINUES
from ..tokens.tokenizer import MASKS, Tokenizer, signs, special_id

WRITTEN = "[MASK]"
"""How a place to fill is shown; `<mask>` is read too."""
_PLACE = re.compile("|".join(map(re.escape, MASKS)))
_BLANK_AHEAD = ("bpe", "unigram")
"""Kinds whose tokens carry the blank before a word, so that the one to be filled in brings its."""


@dataclass(frozen=True)
class Choice:
    """One token for a place."""

    token: str
    """As text; a piece that goes on with a word of a WordPiece vocabulary begins with ##."""
    chance: float
    """0 to 1."""


@dataclass(frozen=True)
class Unmasked:
    """A text without gaps."""

    text: str
    """With the likeliest token at each place."""
    choices: list[list[Choice]]
    """For each place in turn, the likeliest first."""


def fill(model: Bert, tokenizer: Tokenizer, text: str, best: int = 5) -> Unmasked:
    """The likeliest tokens at each [MASK] of `text`, each place by itself.

    Args:
        model: with a head for hidden tokens, in evaluation mode.
        tokenizer: the one it was trained with.
        text: with [MASK] or <mask> where a token is missing.
        best: tokens for each place.

    Raises:
        DataError: there is no such place, or no such token.
        ShapeError: the text does not fit the model's context.
    """
    parts = _PLACE.split(text)
    if len(parts) == 1:
        raise DataError(
            f"no {WRITTEN} in '{text[:40]}'; write it where a word is missing, as in: "
            f"'the {WRITTEN} sat'"
        )
    mask = special_id(tokenizer, MASKS)
    if mask is None:
        raise DataError(
            f"the tokenizer (tokens.kind {tokenizer.kind}) has no token {MASKS[0]}; the model was "
            "not taught by hidden tokens"
        )
    ids: list[int] = []
    for i, part in enumerate(parts):
        ahead = i < len(parts) - 1 and tokenizer.kind in _BLANK_AHEAD
        ids += tokenizer.encode(part.rstrip(" ") if ahead else part)
        ids += [mask] if i < len(parts) - 1 else []
    return filled(model, tokenizer, ids, mask, best)


@torch.no_grad()
def filled(
    model: Bert, tokenizer: Tokenizer, ids: Sequence[int], mask: int, best: int = 5
) -> Unmasked:
    """`fill` of ids among which `mask` stands where one is missing."""
    begin, end = signs(tokenizer)
    read = torch.tensor([[begin, *ids, end]])
    hidden = model.hidden(Passages(read, torch.ones_like(read, dtype=torch.bool)))[0, 1:-1]
    places = [i for i, token in enumerate(ids) if token == mask]
    features = model.masked_features(hidden[places])
    scores = F.linear(features, model.output_weight(), model.output_bias()).float()
    written = torch.from_numpy(tokenizer.token_bytes > 0)
    scores[:, : len(written)].masked_fill_(~written, -torch.inf)
    scores[:, len(written) :] = -torch.inf  # a vocabulary may be rounded up
    chances, tokens = scores.softmax(-1).topk(min(best, int(written.sum())))
    whole = list(ids)
    for place, token in zip(places, tokens[:, 0].tolist(), strict=True):
        whole[place] = token
    choices = [
        [
            Choice(tokenizer.decode([token]).strip(), chance)
            for token, chance in zip(*row, strict=True)
        ]
        for row in zip(tokens.tolist(), chances.tolist(), strict=True)
    ]
    return Unmasked(tokenizer.decode(whole), choices)


def with_gaps(tokenizer: Tokenizer, ids: Sequence[int], mask: int) -> str:
    """The text of `ids` with [MASK] wherever `mask` stands."""
    stretches: list[list[int]] = [[]]
    for token in ids:
        if token == mask:
            stretches.append([])
        else:
            stretches[-1].append(token)
    first, *rest = (tokenizer.decode(stretch).strip() for stretch in stretches)
    for text in rest:  # what goes on with a word stands close to it
        goes_on = text.startswith(CONTINUES)
        first += f" {WRITTEN}{text.removeprefix(CONTINUES)}" if goes_on else f" {WRITTEN} {text}"
    return first.strip()
