"""Write a text for each of several texts: translations, summaries, answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DataError
from ..models.beam import Written, write
from ..models.decode import DecodeSettings, Reason, stream_text
from ..models.model import PairModel
from ..tokens.pairs import padded_sources
from ..tokens.tokenizer import Tokenizer

ROWS = 64
"""Beginnings that are written side by side: beams of all sources together."""


@dataclass(frozen=True)
class Translation:
    """What was written for one text."""

    source: str
    text: str
    log_probability: float
    """Of all its tokens and of its end, in nats."""
    reason: Reason
    """Why it ends: the model ended it, or a limit was reached."""


def translate(
    model: PairModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    settings: DecodeSettings,
    ids: Sequence[Sequence[int]] | None = None,
) -> list[Translation]:
    """What the model writes for each of `texts`, in their order.

    Args:
        model: is put into evaluation mode.
        tokenizer: the one that the model was trained with.
        texts: the sources.
        settings: how a target is chosen.
        ids: those of `texts`, where they are known already.

    Raises:
        DataError: a text is empty.
        ShapeError: a text, with its END, is longer than the model's context.
    """
    sources = [list(one) for one in ids] if ids else [tokenizer.encode(text) for text in texts]
    for i, one in enumerate(sources):
        if not one:
            raise DataError(f"text {i}: is empty, and nothing can be written for it; leave it out")
    found: dict[int, Translation] = {}
    order = sorted(range(len(texts)), key=lambda i: -len(sources[i]))
    at_once = max(1, ROWS // settings.beams)
    for first in range(0, len(order), at_once):
        some = order[first : first + at_once]
        batch = padded_sources([sources[i] for i in some], tokenizer.end)
        device = model.output_weight().device
        source, seen = (part.to(device) for part in batch)
        for i, written in zip(
            some, write(model, source, seen, tokenizer.end, settings), strict=True
        ):
            found[i] = _spelt(tokenizer, texts[i], written, settings)
    return [found[i] for i in range(len(texts))]


def _spelt(
    tokenizer: Tokenizer, source: str, written: Written, settings: DecodeSettings
) -> Translation:
    spelling = stream_text(tokenizer, iter(written.ids), (), settings.stop)
    text = "".join(spelling)
    reason = "stop" if spelling.reason == "stop" else written.reason
    return Translation(source, text, written.log_probability, reason)
