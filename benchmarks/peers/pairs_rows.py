"""Batches of pairs as sentences have them, the same for all; sorted by length or as they come."""

import argparse

import numpy as np

from lingloom.models.transformer import TransformerSettings
from lingloom.tokens.batch import PairBatch
from lingloom.tokens.pairs import by_length, padded_pairs

SMOOTHING, CLIP, POOL = 0.1, 1.0, 32


def settings_of(a: argparse.Namespace) -> TransformerSettings:
    """The model that both train."""
    names = ("layers", "heads", "width", "context", "vocab")
    return TransformerSettings(dropout=0.1, **{name: getattr(a, name) for name in names})


def said(rows: PairBatch) -> int:
    """Tokens that are no padding."""
    return rows.scored() + int(rows.source_seen.sum())


def batches(a: argparse.Namespace) -> list[PairBatch]:
    """Rows of lengths as sentences have them: a median of 12 tokens."""
    chance, count = np.random.default_rng(0), a.batch * POOL
    source = np.clip(np.exp(chance.normal(2.5, 0.5, count)), 2, 60).astype(int)
    target = np.clip(source * np.exp(chance.normal(0, 0.2, count)), 2, 60).astype(int)
    sources, targets = ([chance.integers(1, a.vocab, n) for n in side] for side in (source, target))
    order = np.arange(count)
    if a.order == "sorted":
        order = by_length(order, np.stack([source, target], axis=1))
    cut = [
        order[i * a.batch : (i + 1) * a.batch] for i in np.random.default_rng(1).permutation(POOL)
    ]
    return [padded_pairs([sources[i] for i in c], [targets[i] for i in c], 0) for c in cut]
