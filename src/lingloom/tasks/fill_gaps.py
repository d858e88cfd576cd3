"""Say what is missing in a text: each `___` in it is filled.

The model writes what it has learnt to write for a text with gaps (tokens/spans.py): a sentinel and
what it stands for, one after the other. It is held to that form: the sentinels come in their order,
and END comes behind the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import torch
from torch import Tensor

from ..errors import DataError, RecipeError, ShapeError
from ..models.decode import DecodeSettings, Reason, choose
from ..models.model import PairModel
from ..tokens.spans import SENTINEL, filled
from ..tokens.tokenizer import Tokenizer

GAP = "___"
"""Stands in a text for what is missing; the blank before it is part of the gap."""


@dataclass(frozen=True)
class WithoutGaps:
    """A text without gaps."""

    text: str
    gaps: list[str]
    """What was put into each, without white space around it."""
    reason: Reason
    """Why it ends: 'end', or what stopped it before all gaps were filled."""


def fill_gaps(
    model: PairModel, tokenizer: Tokenizer, text: str, settings: DecodeSettings
) -> WithoutGaps:
    """`text` with each GAP filled.

    Raises:
        DataError: there is no gap, or there are more than the tokenizer has sentinels.
        RecipeError: `settings` ask for what has no effect here.
        ShapeError: the text is longer than the model's context.
    """
    _refuse_idle(settings)
    sentinels = sentinels_of(tokenizer)
    parts = text.split(GAP)
    if not 1 < len(parts) <= len(sentinels) + 1:
        raise DataError(
            f"{len(parts) - 1} gaps in the text; write {GAP} for what is missing, once to "
            f"{len(sentinels)} times, as in: Thank you {GAP} me to your party {GAP} week"
        )
    source: list[int] = []
    for nth, part in enumerate(parts):
        last = nth == len(parts) - 1
        source += tokenizer.encode(part if last else part.removesuffix(" "))
        source += [] if last else [sentinels[nth]]
    if len(source) + 1 > model.settings.context:
        raise ShapeError(
            f"{len(source) + 1} tokens do not fit model.context {model.settings.context}; fill the "
            "gaps of a shorter text"
        )
    said, reason = write_gaps(model, source, tokenizer.end, sentinels, settings)
    whole = tokenizer.decode(filled(source, said, sentinels))
    return WithoutGaps(
        whole, [tokenizer.decode(run).strip() for run in runs(said, sentinels)], reason
    )


@torch.no_grad()
def write_gaps(
    model: PairModel,
    source: Sequence[int],
    end: int,
    sentinels: Sequence[int],
    settings: DecodeSettings,
) -> tuple[list[int], Reason]:
    """What the model says of a source with gaps, sentinels included, and why it ends.

    Args:
        model: is put into evaluation mode.
        source: ids, without the END that closes them.
        end: id of END.
        sentinels: those of the source come first, in this order.
        settings: how each token is chosen.
    """
    model.eval()
    ids = torch.tensor([[*source, end]])
    gaps = sum(token in set(sentinels) for token in source)
    room = min(settings.max_new_tokens, int(model.settings.context))
    cache = model.new_cache(model.encode(ids, torch.ones_like(ids).bool()), 1, room)
    draws = torch.Generator().manual_seed(settings.seed)
    said: list[int] = []
    read, named = model.begins_with(end), 0
    while len(said) < room:
        scores = model.step(torch.tensor([[read]]), cache)[0].float().cpu()
        scores = _in_form(scores, named, gaps, end, sentinels)
        read = choose(scores, said, settings, draws)
        if read == end:
            return said, "end"
        said.append(read)
        named += named < gaps and read == sentinels[named]
    return said, "length" if room == settings.max_new_tokens else "context"


def _in_form(scores: Tensor, named: int, gaps: int, end: int, sentinels: Sequence[int]) -> Tensor:
    """`scores` (V,) with what may not come now at -inf, after `named` of the gaps were named."""
    if not named:
        only = torch.full_like(scores, -torch.inf)
        only[sentinels[0]] = 0.0
        return only
    barred = list(sentinels) if named == gaps else [s for s in sentinels if s != sentinels[named]]
    if named < gaps:
        barred.append(end)
    return scores.index_fill(0, torch.tensor(barred), -torch.inf)


def runs(said: Sequence[int], sentinels: Sequence[int]) -> list[list[int]]:
    """What stands behind each sentinel of a target."""
    known = set(sentinels)
    places = [i for i, token in enumerate(said) if token in known]
    return [list(said[a + 1 : b]) for a, b in pairwise([*places, len(said)])]


def sentinels_of(tokenizer: Tokenizer) -> list[int]:
    """Ids of the tokens that stand for gaps, in their order.

    Raises:
        DataError: the tokenizer has none.
    """
    found = []
    for nth in count():
        if (index := tokenizer.id_of(SENTINEL.format(nth))) is None:
            break
        found.append(index)
    if not found:
        raise DataError(
            f"the tokenizer has no token {SENTINEL.format(0)}, which stands for a gap; train the "
            "model with train.objective.kind=span_corruption, which adds them"
        )
    return found


def _refuse_idle(settings: DecodeSettings) -> None:
    for name, off in (("beams", 1), ("stop", ())):
        if (value := getattr(settings, name)) != off:
            raise RecipeError(
                f"decode.{name}: {value!r} has no effect on gaps, which are filled token by token; "
                "leave it out"
            )
