"""What a model makes of pairs: what targets cost when their sources are known, and how much its own
targets are like them.

Pairs with the same source stand together: their targets are the references of what is written for
it, and whole sources are drawn for the intervals.

Source: Papineni et al. 2002 (BLEU) and Popovic 2015 (chrF), as sacrebleu computes them (Post 2018,
A Call for Clarity in Reporting BLEU Scores); intervals by bootstrap over sources (Koehn 2004).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..errors import MissingError
from ..models.decode import DecodeSettings
from ..models.model import PairModel
from ..tasks.translate import Translation, translate
from ..tokens.pairs import Fitting, ordered_batches
from ..tokens.reading import Reading
from ..tokens.spaces import HAN
from ..train.objectives.cross_entropy import token_nats
from .perplexity import DocumentTable, MeasureSettings
from .score import LEVEL, Score, ratio

_HAN = re.compile(f"[{HAN}]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff]")
"""Letters of other scripts without blanks between words: Thai, Lao, Burmese, Khmer, kana."""


@dataclass(frozen=True)
class PairsMeasured:
    """Scores and what they are made of."""

    scores: list[Score]
    """Bits per byte and nats per token of the targets; BLEU and chrF, where targets were
    written."""
    table: DocumentTable
    """One row for each different source, by the name of its first pair."""
    written: list[tuple[Translation, list[str]]]
    """What was written for some sources, and the targets that they have."""


def need_sacrebleu() -> None:
    """Refuse to go on without what targets are compared by.

    Raises:
        MissingError: it is not installed.
    """
    if find_spec("sacrebleu") is None:
        raise MissingError("sacrebleu", "tasks", "BLEU and chrF (measure.decoded=0 does without)")


def measure_pairs(
    model: PairModel,
    reading: Reading,
    found: Fitting,
    settings: MeasureSettings,
    decode: DecodeSettings,
    fixes: Mapping[str, Any] | None = None,
) -> PairsMeasured:
    """Score `model` on stored pairs.

    Args:
        model: is put into evaluation mode.
        reading: texts and their targets.
        found: which of them the model can read.
        settings: how much is scored, and in which batches.
        decode: how targets are written.
        fixes: what else pins the scores, such as where the pairs are from.

    Raises:
        MissingError: sacrebleu is not installed, and `settings.decoded` is not 0.
    """
    if settings.decoded:
        need_sacrebleu()
    if settings.documents:
        found = found.spread(settings.documents)
    sources = _by_source(reading, found)
    model.eval()
    table = _costs(model, reading, found, sources, settings.batch)
    pinned: dict[str, Any] = {
        "pairs": len(found.chosen),
        "target_bytes": int(table.text_bytes.sum()),
        "tokenizer": f"{reading.tokenizer.kind} {reading.tokenizer.vocab}",
        **(fixes or {}),
    }
    if found.left_out:
        pinned["left_out"] = found.left_out
    rest: dict[str, Any] = {"resamples": settings.resamples, "seed": settings.seed}
    costs = [
        ratio(table.bits_per_byte(), "bits per byte", "bits/byte", **rest, fixes=pinned),
        ratio(table.nats_per_token(), "nats per token", "nats/token", **rest, fixes=pinned),
    ]
    scores = [replace(score, of="sources") for score in costs]
    written = []
    if settings.decoded:
        some = _spread(sources, settings.decoded)
        written = _write(model, reading, some, decode)
        pinned = {
            **pinned,
            "decoded": f"{len(some)} of {len(sources)} sources",
            "decode": decode.model_dump(mode="json"),
        }
        if not reading.tokenizer.lossless:
            pinned["references"] = f"as {reading.tokenizer.kind} spell them"
        scores += compare(
            [each.text for each, _ in written],
            [targets for _, targets in written],
            settings,
            pinned,
        )
    return PairsMeasured(scores, table, written)


def _by_source(reading: Reading, found: Fitting) -> list[list[int]]:
    """Indices of the pairs of each different source, in the order in which they first come."""
    groups: dict[bytes, list[int]] = {}
    for i in found.chosen.tolist():
        groups.setdefault(reading.texts.document(i).tobytes(), []).append(i)
    return list(groups.values())


def _spread(sources: list[list[int]], count: int) -> list[list[int]]:
    """`count` of the sources, evenly spread over all."""
    count = min(count, len(sources))
    return [sources[i * len(sources) // count] for i in range(count)]


def _costs(
    model: PairModel, reading: Reading, found: Fitting, sources: list[list[int]], batch: int
) -> DocumentTable:
    assert reading.targets is not None
    owner = {pair: row for row, pairs in enumerate(sources) for pair in pairs}
    nats, targets = np.zeros(len(sources)), np.zeros(len(sources), dtype=np.int64)
    text_bytes, unspelt = np.zeros_like(targets), np.zeros_like(targets)
    device = model.output_weight().device
    for rows, pairs in ordered_batches(reading, found, batch):
        cost = token_nats(model, rows.to(device)).double().sum(1).tolist()
        for pair, paid in zip(pairs.tolist(), cost, strict=True):
            row, ids = owner[pair], reading.targets.document(pair)
            size = reading.targets.document_bytes(pair)
            nats[row] += paid
            targets[row] += len(ids) + 1
            text_bytes[row] += size
            unspelt[row] += max(0, size - int(reading.tokenizer.token_bytes[ids].sum()))
    names = [reading.texts.document_id(pairs[0]) for pairs in sources]
    return DocumentTable(names, nats, targets, text_bytes, unspelt)


def _write(
    model: PairModel, reading: Reading, sources: list[list[int]], decode: DecodeSettings
) -> list[tuple[Translation, list[str]]]:
    assert reading.targets is not None
    spell, targets = reading.tokenizer.decode, reading.targets
    texts = [spell(reading.texts.document(pairs[0]).tolist()) for pairs in sources]
    ids = [reading.texts.document(pairs[0]).tolist() for pairs in sources]
    found = translate(model, reading.tokenizer, texts, decode, ids)
    return [
        (each, [spell(targets.document(pair).tolist()) for pair in pairs])
        for each, pairs in zip(found, sources, strict=True)
    ]


def compare(
    texts: Sequence[str],
    references: Sequence[Sequence[str]],
    settings: MeasureSettings | None = None,
    fixes: Mapping[str, Any] | None = None,
) -> list[Score]:
    """BLEU and chrF of `texts`, 0 to 100, each with sacrebleu's signature among its fixes.

    BLEU counts words as the language of the references has them: Chinese is cut into characters.

    Args:
        texts: what was written.
        references: one or more for each text; their number may differ.
        settings: draws of texts behind each 95% interval, and their seed.
        fixes: what else pins the scores.

    Raises:
        MissingError: sacrebleu is not installed.
    """
    need_sacrebleu()
    from sacrebleu.metrics import BLEU, CHRF  # type: ignore[attr-defined]

    settings = settings or MeasureSettings()
    most = max(len(each) for each in references)
    columns: Any = [
        [each[i] if i < len(each) else None for each in references] for i in range(most)
    ]
    scores = []
    for name, metric in (
        ("BLEU", BLEU(tokenize=_words_of([each[0] for each in references]))),
        ("chrF", CHRF()),
    ):
        value = float(metric.corpus_score(list(texts), columns).score)
        counts = np.array(metric._extract_corpus_statistics(list(texts), columns))
        low, high = _interval(metric, counts, settings) if len(texts) > 1 else (None, None)
        pinned = {**(fixes or {}), "sacrebleu": str(metric.get_signature())}
        scores.append(Score(name, value, "", len(texts), low, high, "sources", pinned))
    return scores


def _interval(metric: Any, counts: np.ndarray, settings: MeasureSettings) -> tuple[float, float]:
    """The middle 95% of the scores of texts drawn with replacement.

    sacrebleu's own bootstrap gives a mean and a half width, and fails where only some of the
    resampled scores are 0.

    Args:
        metric: of sacrebleu.
        counts: (texts, K), what each text adds to those that the score is made of.
        settings: how many draws, and their seed.
    """
    chance = np.random.default_rng(settings.seed)
    drawn = (
        counts[chance.integers(len(counts), size=len(counts))] for _ in range(settings.resamples)
    )
    found = [float(metric._compute_score_from_stats(some.sum(0).tolist()).score) for some in drawn]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return float(low), float(high)


def _words_of(texts: Sequence[str]) -> str:
    """The tokenizer of sacrebleu for the language of `texts`."""
    letters = [c for text in texts for c in text if c.isalpha()]
    joined = "".join(letters)
    if 10 * len(_UNSPACED.findall(joined)) > len(letters):
        return "char"
    return "zh" if 2 * len(_HAN.findall(joined)) > len(letters) else "13a"
