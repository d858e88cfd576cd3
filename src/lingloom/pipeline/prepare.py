"""From raw text to a tokenizer and packed shards in the run folder.

data/set_aside.jsonl   lines and rows that could not be read, and why
data/dropped.jsonl     documents that were left out, and why
data/tokenizer.json    and tokens.json beside it
data/train-*, heldout-*, index.json
data/figures.json      what was read, kept and dropped; written last: with it the data are whole
"""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..recipe import Recipe
from ..runs import RunFolder
from ..text.prepare import TextStats
from ..text.prepare import prepare as read_clean_split
from ..text.setaside import JsonlSink
from ..text.spool import read_spool, write_spool
from ..tokens.open import open_tokenizer
from ..tokens.shards import Shards
from ..tokens.tokenizer import Tokenizer
from ..tokens.write import ShardStats, write_shards
from .events import Event

FIGURES = "data/figures.json"


@dataclass(frozen=True)
class Data:
    """What every later stage reads."""

    folder: Path
    """Holds the tokenizer's files."""
    tokenizer: Tokenizer
    train: Shards
    heldout: Shards
    figures: dict[str, Any]
    """What was read, dropped and set aside."""


def open_data(run: RunFolder) -> Data:
    """The finished data of a run.

    Raises:
        DataError: the data are not there, or not whole.
    """
    figures = run.read_json(FIGURES)
    if figures is None:
        raise DataError(
            f"{run.data}: not whole, the run stopped before its text was tokenised; go on with: "
            f"lingloom train {run.path}"
        )
    tokenizer = open_tokenizer(run.data)
    train, heldout = (Shards.open(run.data, split, tokenizer) for split in ("train", "heldout"))
    return Data(run.data, tokenizer, train, heldout, figures)


def prepare(recipe: Recipe, run: RunFolder) -> Generator[Event, None, Data]:
    """Make the data of `run`, or find them whole.

    Raises:
        RecipeError, DataError, MissingError: what `text.read` names cannot be read, or holds too
            little for `tokens.vocab` or for one held-out document.
    """
    if run.read_json(FIGURES) is not None:
        return open_data(run)
    spool = run.data / ".documents.arrow"
    try:
        stats = yield from _read(recipe, run, spool)
        tokenizer = yield from _train_tokenizer(recipe, run, spool)
        yield from _write(tokenizer, run, spool)
    finally:
        spool.unlink(missing_ok=True)
    run.write_json(FIGURES, stats.as_dict())
    return open_data(run)


def _read(recipe: Recipe, run: RunFolder, spool: Path) -> Generator[Event, None, TextStats]:
    yield Event("text", "begin", {"read": recipe.text.entries})
    begun, stats, read = time.perf_counter(), TextStats(), 0
    with (
        JsonlSink(run.data / "dropped.jsonl") as dropped,
        JsonlSink(run.data / "set_aside.jsonl") as set_aside,
    ):
        documents = read_clean_split(recipe.text, dropped, set_aside, stats)
        for size in write_spool(documents, spool):
            read += size
            yield Event("text", "progress", {"text_bytes": read})
    for split, remedy in (("train", "lower"), ("heldout", "raise")):
        if not stats.kept[split]:
            raise DataError(
                f"text: all {stats.kept.total()} documents fell to the other split than "
                f"'{split}'; {remedy} text.heldout_frac (now {recipe.text.heldout_frac:g}) or read "
                "more text"
            )
    facts = stats.as_dict() | {"seconds_s": time.perf_counter() - begun}
    yield Event("text", "end", facts)
    return stats


def _train_tokenizer(
    recipe: Recipe, run: RunFolder, spool: Path
) -> Generator[Event, None, Tokenizer]:
    settings: Any = recipe.tokens
    yield Event("tokenizer", "begin", {"kind": settings.kind})
    begun = time.perf_counter()
    texts: Iterator[str] = (d.text for split, d in read_spool(spool) if split == "train")
    tokenizer: Tokenizer = settings.train(texts)
    tokenizer.save(run.data)
    facts = {"vocab": tokenizer.vocab, "seconds_s": time.perf_counter() - begun}
    yield Event("tokenizer", "end", facts)
    return tokenizer


def _write(tokenizer: Tokenizer, run: RunFolder, spool: Path) -> Iterator[Event]:
    yield Event("shards", "begin")
    begun, stats = time.perf_counter(), ShardStats()
    for stats in write_shards(read_spool(spool), tokenizer, run.data):
        yield Event("shards", "progress", {"tokens": stats.tokens})
    yield Event("shards", "end", {"tokens": stats.tokens, "seconds_s": time.perf_counter() - begun})
