"""How well a model tells hidden tokens, and whether one text follows another.

Masks are fixed, so that scores of two models with one tokenizer compare. A stretch of text is one
row as the model reads it; intervals are over stretches.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ..models.bert import Bert
from ..tokens.batch import IGNORE
from ..tokens.masked import Masked
from ..train.objectives.cross_entropy import chunk_rows
from ..train.objectives.masked_token import hidden_places
from .score import Score, Tally, ratio


@torch.no_grad()
def masked_scores(
    model: Bert,
    batches: Iterable[Masked],
    *,
    resamples: int = 1000,
    seed: int = 0,
    fixes: Mapping[str, Any] | None = None,
) -> list[Score]:
    """Nats per masked token and the share that is told right; where rows hold two texts, also the
    share of which it is told right whether the second follows.

    Args:
        model: in evaluation mode.
        batches: with fixed masks.
        resamples: draws behind each interval.
        seed: of these draws.
        fixes: what else pins the scores.

    Raises:
        DataError: there is nothing to measure.
    """
    device = model.embed.weight.device
    counts: list[np.ndarray] = []
    nats: list[np.ndarray] = []
    right: list[np.ndarray] = []
    follows: list[np.ndarray] = []
    for batch in batches:
        rows = batch.to(device)
        hidden = model.hidden(rows)
        each = _of_places(model, *hidden_places(hidden, rows))
        assert rows.targets is not None
        there = rows.targets != IGNORE
        for found, values in ((nats, each[0]), (right, each[1])):
            table = torch.zeros(there.shape, device=device)
            table[there] = values
            found.append(table.sum(1).double().cpu().numpy())
        counts.append(there.sum(1).double().cpu().numpy())
        if rows.labels is not None:
            told = model.next_sentence_logits(hidden).argmax(-1)
            follows.append((told == rows.labels).double().cpu().numpy())
    tables = [
        ("nats per masked token", "nats/token", nats, counts),
        ("accuracy of masked tokens", "", right, counts),
    ]
    if follows:
        tables.append(
            ("accuracy of next sentences", "", follows, [np.ones_like(f) for f in follows])
        )
    scores = []
    for name, unit, top, bottom in tables:
        tally = Tally(range(0), _whole(top), _whole(bottom))  # type: ignore[arg-type]
        score = ratio(tally, name, unit, resamples=resamples, seed=seed, fixes=fixes)
        scores.append(replace(score, of="stretches"))
    return scores


def _of_places(
    model: Bert, picked: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Cost in nats, and whether it is told right, of each of N places: (N,) float32 twice."""
    weight, bias = model.output_weight(), model.output_bias()
    costs, right = [], []
    rows = chunk_rows(weight.shape[0])
    for x, y in zip(model.masked_features(picked).split(rows), targets.split(rows), strict=True):
        scores = F.linear(x, weight, bias).float()
        costs.append(F.cross_entropy(scores, y, reduction="none"))
        right.append((scores.argmax(-1) == y).float())
    return torch.cat(costs), torch.cat(right)


def _whole(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0)
