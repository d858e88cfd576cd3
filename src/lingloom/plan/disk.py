"""Disk that a run takes, term by term: all counted, but for the number of tokens where unknown."""

from ..train.settings import TrainSettings
from .band import Band, Term, exactly, total
from .minutes import TextFigures
from .rehearse import Standing

LOG_BYTES_PER_STEP = 300
NGRAM_BYTES_PER_TOKEN = (50.0, 8.0, 90.0)
"""Of a stored n-gram model, per token that it was fitted on, at order 5."""


def checkpoint_bytes(holding: Standing) -> int:
    """One checkpoint: masters, optimizer, averages and best weights."""
    return (
        holding.masters_bytes + holding.optimizer_bytes + holding.average_bytes + holding.best_bytes
    )


def text_terms(text: TextFigures, vocab: int) -> list[Term]:
    """Shards, and the documents that wait to become shards."""
    if text.ready:
        return []
    id_bytes = 2 if vocab <= 1 << 16 else 4
    size, tokens = text.bytes_read(), text.tokens() + text.heldout() + text.watched()
    return [
        Term("shards", tokens.times(id_bytes)),
        Term("documents set by", Band(1.05 * size, size, 1.2 * size)),
    ]


def learning_terms(train: TrainSettings, holding: Standing) -> list[Term]:
    """Checkpoints at the moment when one more is being written, the model, the log."""
    written = -(-train.steps // (train.checkpoint.every or train.steps))
    at_once = min(train.checkpoint.keep + 1, written)
    return [
        Term("checkpoints", exactly(at_once * checkpoint_bytes(holding))),
        Term("model", exactly(holding.masters_bytes)),
        Term("log", exactly(LOG_BYTES_PER_STEP * train.steps)),
    ]


def nearest_changes(
    train: TrainSettings, holding: Standing, others: list[Term], budget: float
) -> list[str]:
    """Changes of checkpoints, as `key=value`, under which a run fits; mildest first.

    Args:
        train: how it is trained.
        holding: what it holds.
        others: what else goes to the disk.
        budget: bytes that may be used.
    """
    found = []
    for key, update in (("keep", {"keep": 1}), ("every", {"every": 0, "keep": 1})):
        checkpoint = train.checkpoint.model_copy(update=update)
        less = train.model_copy(update={"checkpoint": checkpoint})
        if total([*others, *learning_terms(less, holding)]).value <= budget:
            found.append(f"train.checkpoint.{key}={update[key]}")
    return found


def counting_term(order: int, text: TextFigures) -> Term:
    """A stored n-gram model."""
    tokens = text.tokens()
    usual, least, most = (order / 5 * rate for rate in NGRAM_BYTES_PER_TOKEN)
    return Term("n-gram", Band(usual * tokens.value, least * tokens.low, most * tokens.high))
