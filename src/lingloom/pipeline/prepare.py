"""From raw text to a tokenizer and packed shards in the run folder.

data/set_aside.jsonl   lines and rows that could not be read, and why
data/dropped.jsonl     documents that were left out, and why
data/tokenizer.json    and tokens.json beside it
data/train-*, heldout-*, index.json
data/validation-*      what is looked at while training, where that is not what is scored
data/train-second-*    and so on, where two texts are read at once
data/train.answers.bin and so on, where answers are to be found; heldout.arrow: what is scored
data/labels.json       and train.labels.bin and so on, where text has labels
data/figures.json      what was read, kept and dropped; written last: with it the data are whole
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..errors import DataError
from ..recipe import Recipe
from ..runs import RunFolder
from ..text.corpus.opened import Corpus, corpus_of
from ..text.document import Document
from ..text.prepare import TextStats
from ..text.prepare import prepare as read_clean_split
from ..text.setaside import JsonlSink, listed, place_of
from ..text.split import VALIDATION
from ..text.spool import read_spool, write_spool
from ..tokens.answers import Answers, write_answers
from ..tokens.extra import with_extra
from ..tokens.labels import Labels, LabelSet, never_learnt, write_labels
from ..tokens.open import open_tokenizer
from ..tokens.reading import Reading
from ..tokens.shards import Shards
from ..tokens.tokenizer import Tokenizer
from ..tokens.word_by_word import WordByWord
from ..tokens.write import ShardStats, write_shards
from ..train.objectives.objective import objective_of
from .events import Event

FIGURES = "data/figures.json"
DROPPED = "dropped.jsonl"
SPLITS = ("train", "heldout")
TARGETS = "-target"
"""Ends the name of the split that holds the targets of another split's texts."""
SECONDS = "-second"
"""The same of the second texts."""
SCORED = "heldout.arrow"
"""The documents that are scored, where that takes their text."""

Documents = Callable[[], Iterator[tuple[str, Document]]]
"""Gives every (split, document), as often as it is called."""


@dataclass(frozen=True)
class Data:
    """What every later stage reads."""

    folder: Path
    """Holds the tokenizer's files."""
    tokenizer: Tokenizer
    train: Shards
    heldout: Shards
    """What is scored."""
    figures: dict[str, Any]
    """What was read, dropped and set aside."""
    beside: dict[str, Shards] = field(default_factory=dict)
    """Split -> the targets of its texts, where they have some."""
    labels: dict[str, Labels] = field(default_factory=dict)
    """Split -> the labels of its texts, where they have some."""
    validation: Shards | None = None
    """What is looked at while training and chooses weights, where that is not what is scored."""
    seconds: dict[str, Shards] = field(default_factory=dict)
    """Split -> the second texts of its texts, where two are read at once."""
    answers: dict[str, Answers] = field(default_factory=dict)
    """Split -> where the answers to its questions stand in these."""

    @property
    def watched(self) -> str:
        """The split that is looked at while training."""
        return VALIDATION if self.validation else "heldout"

    @property
    def label_set(self) -> LabelSet | None:
        """The labels that are to be told apart, where texts have some."""
        return self.labels["train"].set if self.labels else None

    def reading(self, split: str) -> Reading:
        """What an objective reads: 'train', 'heldout', or the split that is `watched`."""
        texts = {"train": self.train, VALIDATION: self.validation}.get(split) or self.heldout
        return Reading(
            texts,
            self.tokenizer,
            self.beside.get(split),
            self.labels.get(split),
            self.seconds.get(split),
            self.answers.get(split),
        )

    def scored(self) -> Iterator[Document]:
        """The held-out documents as text, where that is kept."""
        return (document for _, document in read_spool(self.folder / SCORED))


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
    splits = [*SPLITS, VALIDATION] if figures["kept"].get(VALIDATION) else SPLITS
    texts = {split: Shards.open(run.data, split, tokenizer) for split in splits}
    beside, seconds = (
        {split: Shards.open(run.data, split + end, tokenizer) for split in splits if there}
        for end, there in ((TARGETS, figures.get("targets")), (SECONDS, figures.get("seconds")))
    )
    answers = {
        split: Answers(run.data, split, seconds[split])
        for split in splits
        if figures.get("answers")
    }
    labels = {
        split: Labels(run.data, split, texts[split]) for split in splits if figures.get("labels")
    }
    return Data(
        run.data,
        tokenizer,
        texts["train"],
        texts["heldout"],
        figures,
        beside,
        labels,
        texts.get(VALIDATION),
        seconds,
        answers,
    )


def prepare(recipe: Recipe, run: RunFolder) -> Generator[Event, None, Data]:
    """Make the data of `run`, or find them whole.

    Raises:
        RecipeError, DataError, MissingError: what `text.read` names cannot be read, or holds too
            little for `tokens.vocab` or for one held-out document.
    """
    if run.read_json(FIGURES) is not None:
        return open_data(run)
    corpus = corpus_of(recipe.text)
    spool = run.data / ".documents.arrow"
    try:
        if corpus is not None:
            parts = corpus_parts(corpus, chooses=chooses(recipe))
            documents: Documents = partial(_of_corpus, corpus, parts)
            figures = yield from _look(corpus, parts, recipe)
        else:
            documents = partial(read_spool, spool)
            figures = yield from _read(recipe, run, spool)
        tokenizer = yield from _train_tokenizer(recipe, run, documents)
        yield from _write(recipe, tokenizer, run, documents)
    finally:
        spool.unlink(missing_ok=True)
    run.write_json(FIGURES, figures)
    return open_data(run)


def chooses(recipe: Recipe) -> bool:
    """Whether weights are chosen by text that is not trained on."""
    return recipe.train.regularise.patience > 0


def corpus_parts(corpus: Corpus, *, chooses: bool) -> dict[str, str]:
    """Split of a run -> that of the corpus which it is.

    The corpus's test split is left for the last judgement, unless weights are chosen by its
    validation split: then the run is scored on it.

    Raises:
        DataError: a split that is needed holds no document.
    """
    parts = {"heldout": "validation", "train": "train"}
    if chooses:
        parts = {VALIDATION: "validation", "heldout": "test", "train": "train"}
    for split in parts.values():
        if not corpus.manifest["kept"][split]["copies"]:
            larger = "" if split == "train" else f", or with a larger split.{split}_frac"
            without = ", or set train.regularise.patience=0" if split == "test" else ""
            raise DataError(
                f"{corpus.folder}: its {split} split holds no document; make the corpus again from "
                f"more text{larger}{without}"
            )
    return parts


def _of_corpus(corpus: Corpus, parts: dict[str, str]) -> Iterator[tuple[str, Document]]:
    """The documents of a corpus that a run sees."""
    for split, part in parts.items():
        yield from ((split, document) for document in corpus.documents(part))


def _look(
    corpus: Corpus, parts: dict[str, str], recipe: Recipe
) -> Generator[Event, None, dict[str, Any]]:
    """What the corpus says of itself, in the words of a run."""
    yield Event("text", "begin", {"read": recipe.text.entries})
    begun, made = time.perf_counter(), corpus.manifest
    kept = {split: made["kept"][part] for split, part in parts.items()}
    stats = {
        "documents": made["documents"],
        "set_aside": made["set_aside"],
        "bytes_read": sum(file["bytes"] for file in made["inputs"]),
        "kept": {split: figures["copies"] for split, figures in kept.items()},
        "kept_bytes": {split: figures["bytes"] for split, figures in kept.items()},
        "dropped": {reason: n for reason, (n, _) in made["dropped"].items()},
        "dropped_bytes": sum(size for _, size in made["dropped"].values()),
        "files": made["inputs"],
        "languages": made.get("languages", {}),
        "by_source": {
            name: {
                "kept": source["kept"],
                "kept_bytes": source["kept_bytes"],
                "dropped": sum(n for n, _ in source["dropped"].values()),
            }
            for name, source in made["sources"].items()
        },
    }
    yield Event("text", "end", stats | {"seconds_s": time.perf_counter() - begun})
    return stats


def _read(recipe: Recipe, run: RunFolder, spool: Path) -> Generator[Event, None, dict[str, Any]]:
    yield Event("text", "begin", {"read": recipe.text.entries})
    begun, stats, read = time.perf_counter(), TextStats(), 0
    with (
        JsonlSink(run.data / DROPPED) as dropped,
        JsonlSink(run.data / "set_aside.jsonl") as set_aside,
    ):
        word_labels, first = _labels_of(recipe) == "word", ""

        def note(record: Mapping[str, Any]) -> None:
            nonlocal first
            first = first or f"{place_of(record)}: {record['reason']}"
            set_aside(record)

        documents = read_clean_split(
            recipe.text,
            dropped,
            note,
            stats,
            word_labels=word_labels,
            chooses=chooses(recipe),
        )
        for size in write_spool(documents, spool):
            read += size
            yield Event("text", "progress", {"text_bytes": read})
    _require_each_split(recipe, stats)
    figures = stats.as_dict() | {
        "targets": bool(recipe.text.target_field),
        "labels": bool(_labels_of(recipe)),
        "seconds": bool(recipe.text.second_field),
        "answers": bool(recipe.text.answer_field),
    }
    told = {"seconds_s": time.perf_counter() - begun, "first_set_aside": first}
    yield Event("text", "end", figures | told | {"all_set_aside": str(set_aside.path)})
    return figures


def _require_each_split(recipe: Recipe, stats: TextStats) -> None:
    kept, text = stats.kept, recipe.text
    heldout, own = kept["heldout"] + kept[VALIDATION], bool(text.validation_entries)
    named = {"heldout": text.heldout_entries, VALIDATION: text.validation_entries}
    for split, entries in named.items():
        if entries and not (kept[split] or (split == "heldout" and not own and heldout)):
            raise DataError(
                f"text.{split}: {listed(entries)}: no document of it is kept; it holds none, or "
                f"{DROPPED} in the run's data folder says why of each"
            )
    for split, count, remedy in (
        ("train", kept["train"], "lower"),
        ("heldout", kept["heldout"] if own else heldout, "raise"),
    ):
        if not count:
            share = (
                f"{remedy} text.heldout_frac (now {text.heldout_frac:g}), make smaller documents "
                "(text.unit=line, text.max_chars=4000), or read more text"
            )
            raise DataError(
                f"text: of {kept.total()} documents none fell to split '{split}'; "
                + ("read more text" if text.heldout_entries else share)
            )
    if chooses(recipe) and not (kept[VALIDATION] and kept["heldout"]):
        raise DataError(
            f"text: {heldout} held-out documents do not serve both to choose weights by "
            "(train.regularise.patience) and to score them; hold out more with text.heldout_frac "
            "or text.heldout, name others to choose by with text.validation, or set "
            "train.regularise.patience=0"
        )


def _train_tokenizer(
    recipe: Recipe, run: RunFolder, documents: Documents
) -> Generator[Event, None, Tokenizer]:
    settings: Any = recipe.tokens
    yield Event("tokenizer", "begin", {"kind": settings.kind})
    begun = time.perf_counter()
    texts: Iterator[str] = (
        d.text for split, d in with_beside(documents()) if split.startswith("train")
    )
    objective = objective_of(recipe.model, recipe.train)  # type: ignore[arg-type]
    tokenizer = with_extra(settings.train(texts), objective.extra_tokens())
    tokenizer.save(run.data)
    facts = {"vocab": tokenizer.vocab, "seconds_s": time.perf_counter() - begun}
    yield Event("tokenizer", "end", facts)
    return tokenizer


def _write(
    recipe: Recipe, tokenizer: Tokenizer, run: RunFolder, documents: Documents
) -> Iterator[Event]:
    yield Event("shards", "begin")
    begun, stats = time.perf_counter(), ShardStats()
    of, words = _labels_of(recipe), WordByWord(tokenizer)
    encode = words if of == "word" else None
    for stats in write_shards(with_beside(documents()), tokenizer, run.data, encode=encode):
        yield Event("shards", "progress", {"tokens": stats.tokens})
    yield Event("shards", "end", {"tokens": stats.tokens, "seconds_s": time.perf_counter() - begun})
    if of:
        cut = bool(getattr(objective_of(recipe.model, recipe.train), "cut", False))  # type: ignore[arg-type]
        labels = write_labels(documents(), of, run.data, words, cut=cut)
        facts = {"of": of, "labels": len(labels.names), "never_learnt": never_learnt(run.data)}
        yield Event("labels", "end", facts)
    if recipe.text.answer_field:
        write_answers(documents(), tokenizer, run.data)
        scored = (each for each in documents() if each[0] == "heldout")
        for _ in write_spool(scored, run.data / SCORED):
            pass


def _labels_of(recipe: Recipe) -> Literal["", "text", "word"]:
    """What has labels that are learnt."""
    model: Any = recipe.model
    return objective_of(model, recipe.train).labels_of


def with_beside(documents: Iterator[tuple[str, Document]]) -> Iterator[tuple[str, Document]]:
    """Each document, and behind it its target and its second text where it has one, in splits of
    their own."""
    for split, document in documents:
        yield split, document
        for key, end in (("target", TARGETS), ("second", SECONDS)):
            if key in document.meta:
                yield split + end, replace(document, text=document.meta[key])
