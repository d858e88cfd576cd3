"""Time of a run, term by term: measured by the probe, or from typical rates with wide bands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..device import matmul_peak, working_dtype
from ..errors import LingloomError
from ..models.model import ModelSettings
from ..train.settings import TrainSettings
from ..train.workers import rows_at_once
from .band import Band, Term, about, exactly
from .memory import context_of
from .rehearse import Standing

MFU = (0.35, 0.08, 0.85)
"""Share of the matrix peak that training reaches: typical, lowest, highest. Processors whose matrix
unit outruns their memory reach a quarter, others three quarters: benchmarks/train_speed.py."""
OVERHEAD_S = (1.5e-4, 0.3, 3.0)
"""Seconds that each layer's Python takes per micro-batch, forward and backward."""
COMPILE_S = (30.0, 0.5, 4.0)
UPDATE_BYTES_PER_S = 8e9
"""At which the optimizer passes over masters, gradients and moments."""
DISK_BYTES_PER_S = (500e6, 0.3, 6.0)
CLEAN_BYTES_PER_S = (8e6, 0.3, 3.0)
"""Reading, cleaning and dropping duplicates."""
COUNT_S = (1.2e-7, 0.4, 5.0)
"""Of an n-gram model, per token and order."""


@dataclass(frozen=True)
class Rates:
    """What one byte of the user's text costs to tokenise."""

    learn_s: Band
    """Seconds per byte to train the tokenizer."""
    encode_s: Band
    """Seconds per byte to write shards."""
    bytes_per_token: Band
    learn_bytes: Band = Band(30.0, 2.0, 80.0)
    """Memory per byte while the tokenizer is trained: its words and where they stand. It is most
    where clauses of Chinese are words to byte-level BPE."""
    learn_most_bytes: float = 20e6
    """Text that the tokenizer is trained on at most."""


TYPICAL_RATES = Rates(
    learn_s=Band(4e-7, 5e-8, 2e-6),
    encode_s=Band(2e-7, 3e-8, 1e-6),
    bytes_per_token=Band(3.3, 2.2, 5.0),
)
"""For text that nobody has looked at, in subwords."""
BYTES_PER_TOKEN = {
    "bytes": (1.0, 1.0, 1.0),
    "pixels": (3.0, 3.0, 3.0),
    "characters": (1.3, 1.0, 3.0),
    "words": (4.5, 3.0, 6.0),
}
"""Typical, least and most, for English and Chinese; subwords have those of TYPICAL_RATES."""


LEARN_BYTES = {
    "bytes": (0.0, 0.0, 0.0),
    "pixels": (0.0, 0.0, 0.0),
    "characters": (0.0, 0.0, 1.0),
    "words": (5.0, 0.5, 20.0),
    "wordpiece": (10.0, 1.0, 40.0),
}
"""Memory per byte that is read to train a tokenizer, where it is not that of TYPICAL_RATES."""


def typical_rates(kind: str) -> Rates:
    """For text that nobody has looked at and a tokenizer of this kind."""
    rates = TYPICAL_RATES
    if kind in BYTES_PER_TOKEN:
        rates = replace(rates, bytes_per_token=Band(*BYTES_PER_TOKEN[kind]))
    if kind in LEARN_BYTES:
        rates = replace(rates, learn_bytes=Band(*LEARN_BYTES[kind]))
    return rates


@dataclass(frozen=True)
class TextFigures:
    """How much text there is; counted where it is there, estimated where it is not."""

    train_bytes: float
    """UTF-8 bytes to learn from."""
    heldout_bytes: float = 0.0
    """To be scored on."""
    train_tokens: float | None = None
    """None: from bytes, by `rates.bytes_per_token`."""
    heldout_tokens: float | None = None
    watched_bytes: float = 0.0
    """To be looked at while training, where that is other text than what is scored."""
    watched_tokens: float | None = None
    eval_tokens: float | None = None
    """Most tokens of each evaluation while training; None: all that there are."""
    rates: Rates = TYPICAL_RATES
    ready: bool = False
    """Whether the shards are written already."""

    def tokens(self) -> Band:
        """To learn from."""
        return _tokens(self.train_tokens, self.train_bytes, self.rates)

    def heldout(self) -> Band:
        """To be scored on."""
        return _tokens(self.heldout_tokens, self.heldout_bytes, self.rates)

    def watched(self) -> Band:
        """To be looked at while training, where that is other text than what is scored."""
        return _tokens(self.watched_tokens, self.watched_bytes, self.rates)

    def bytes_read(self) -> float:
        """All of it."""
        return self.train_bytes + self.heldout_bytes + self.watched_bytes


def _tokens(counted: float | None, text_bytes: float, rates: Rates) -> Band:
    if counted is not None:
        return exactly(counted)
    per = rates.bytes_per_token
    return Band(text_bytes / per.value, text_bytes / per.high, text_bytes / per.low)


@dataclass(frozen=True)
class StepTime:
    """What one optimizer step takes, and how that is known."""

    seconds: Band
    probed: bool
    """Measured here on this model; otherwise typical of the machine's matrix peak."""


def typical_step(model: ModelSettings, train: TrainSettings, holding: Standing) -> StepTime:
    """A step from arithmetic and the matrix peak alone; nothing is built."""
    context = context_of(model)
    dtype = working_dtype(train.precision)
    micros = -(-train.batch // rows_at_once(model, train, context))
    arithmetic = 3 * holding.flops_per_token * train.batch * context / matmul_peak(dtype)
    usual, least, most = MFU
    layers = int(getattr(model, "layers", 8))
    moved = 2 * (holding.masters_bytes + holding.gradients_bytes + holding.optimizer_bytes)
    seconds = (
        Band(arithmetic / usual, arithmetic / most, arithmetic / least)
        + about(*OVERHEAD_S).times(layers * micros)
        + about(moved / UPDATE_BYTES_PER_S, 0.3, 3.0)
    )
    return StepTime(seconds, probed=False)


def learning_terms(
    train: TrainSettings, step: StepTime, text: TextFigures, context: int, checkpoint_bytes: float
) -> list[Term]:
    """Training, evaluation, checkpoints and the final scoring."""
    per_token = step.seconds.times(1 / (3 * train.batch * context))  # forward only: a third
    careful = Band(per_token.value, 0.5 * per_token.low, 2 * per_token.high)
    evaluations = _times(train.steps, train.eval_every)
    scored = text.heldout()
    most = float("inf") if text.eval_tokens is None else text.eval_tokens
    watched = text.watched() if text.watched().high else scored
    each = Band(*(min(most, count) for count in (watched.value, watched.low, watched.high)))
    saves = _times(train.steps, train.checkpoint.every)
    patience, least = train.regularise.patience, 1.0
    if patience and train.eval_every:  # it may stop as soon as so many evaluations bring nothing
        least = min(1.0, (patience + 1) * train.eval_every / train.steps)
    learning = step.seconds.times(train.steps)
    usual, slow, fast = DISK_BYTES_PER_S
    waited = 0.2 if train.checkpoint.background else 1.0
    write_s = checkpoint_bytes / usual
    terms = [
        Term("training", Band(learning.value, least * learning.low, learning.high)),
        Term("evaluation", _product(careful, each).times(evaluations)),
        Term("checkpoints", about(write_s * waited, 0.1, 1 / slow).times(saves)),
        Term("scoring", _product(careful, scored).times(1.5)),
    ]
    if train.compile:
        terms.append(Term("compiling", about(*COMPILE_S)))
    return [term for term in terms if term.amount.high > 0]


def text_terms(text: TextFigures) -> list[Term]:
    """Reading, training the tokenizer, writing shards."""
    if text.ready:
        return []
    size = text.bytes_read()
    usual, low, high = CLEAN_BYTES_PER_S
    return [
        Term("reading and cleaning", Band(size / usual, size / usual / high, size / usual / low)),
        Term("tokenizer", text.rates.learn_s.times(text.train_bytes)),
        Term("shards", text.rates.encode_s.times(size)),
    ]


def counting_term(order: int, text: TextFigures) -> Term:
    """Fitting an n-gram model, and scoring the held-out text with it."""
    tokens = text.tokens() + text.heldout().times(3)
    return Term("n-gram", _product(about(*COUNT_S), tokens).times(order))


def measure_rates(sample: Sequence[str], tokens: Any, vocab_like: float | None = None) -> Rates:
    """What the user's own text costs to tokenise, from a sample of it; typical rates without one.

    Args:
        sample: some of the documents, a megabyte or so.
        tokens: the tokenizer family's settings, with `train(texts)`.
        vocab_like: bytes of the whole text where the sample is only a part of it.
    """
    import time

    size = sum(len(text.encode()) for text in sample)
    if not size:
        return TYPICAL_RATES
    start = time.perf_counter()
    try:
        tokenizer = tokens.train(iter(sample))
    except LingloomError:  # a sample may be too small for the vocabulary that the whole supports
        return TYPICAL_RATES
    learnt = time.perf_counter()
    count = sum(len(ids) for ids in tokenizer.encode_batch(list(sample)))
    encode_s = (time.perf_counter() - learnt) / size
    learn_s = (learnt - start) / size
    share = 1.0 if not vocab_like else min(1.0, size / vocab_like)
    per_token = size / max(1, count)
    # merges are learnt on distinct words, of which a larger text has relatively fewer
    return Rates(
        learn_s=Band(learn_s * share**0.3, learn_s * share**0.6 * 0.5, learn_s * 1.5),
        encode_s=Band(encode_s * 1.5, encode_s * 0.7, encode_s * 4),
        bytes_per_token=about(per_token, 0.85, 1.15),
    )


def _times(steps: int, every: int) -> int:
    """How often something due every so many steps, and at the end, happens."""
    return (-(-steps // every)) if every else 1


def _product(one: Band, other: Band) -> Band:
    return Band(one.value * other.value, one.low * other.low, one.high * other.high)
