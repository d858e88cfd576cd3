"""Read, clean, drop, split: from `text.read` to documents that a tokenizer and a model may see.

Every line and document that comes in is kept, dropped with a reason, or set aside with a reason;
the three are counted apart and must add up.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import DataError
from .answers import LOST, from_text, moved, to_text
from .clean import clean_all, too_short
from .dedup import SeenDigests, digest_of_bytes
from .document import Document
from .read import SPLIT, TextSettings, documents
from .setaside import FileReport, Sink, listed
from .split import VALIDATION, choosers_of, splits_of

_BATCH_CHARS = 1 << 16
"""Documents are looked up among the digests together, in batches of about this size."""


UNEVEN = "words and labels differ in number"
"""Why a document with a label for each word is dropped: cleaning may take a word away."""


@dataclass
class TextStats:
    """What came in and what became of it; complete when `prepare` has ended."""

    files: list[FileReport] = field(default_factory=list)
    """One row per file: format, encoding, unit, bytes, documents, set aside."""
    kept: Counter[str] = field(default_factory=Counter)
    """Documents kept, by split."""
    kept_bytes: Counter[str] = field(default_factory=Counter)
    """UTF-8 bytes of their cleaned text, by split."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Documents dropped, by reason."""
    dropped_bytes: int = 0
    """UTF-8 bytes of their cleaned text."""
    masked: Counter[str] = field(default_factory=Counter)
    """Finds of personal data that were replaced, by kind."""
    by_source: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """For each source: documents 'kept' and 'dropped', and 'kept_bytes'."""

    @property
    def documents(self) -> int:
        """Documents read."""
        return sum(f.documents for f in self.files)

    @property
    def set_aside(self) -> int:
        """Lines, rows and files that could not be read."""
        return sum(f.set_aside for f in self.files)

    @property
    def came_in(self) -> int:
        """Everything that came in, readable or not."""
        return self.documents + self.set_aside

    @property
    def bytes_read(self) -> int:
        """Bytes of all files, after decompression."""
        return sum(f.bytes for f in self.files)

    def check(self) -> None:
        """in = kept + dropped + set aside, in all and for each source."""
        assert self.came_in == self.kept.total() + self.dropped.total() + self.set_aside
        for file in self.files:
            of_source = self.by_source[file.name]
            assert file.documents == of_source["kept"] + of_source["dropped"], file.name

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a report."""
        return {
            "documents": self.documents,
            "set_aside": self.set_aside,
            "bytes_read": self.bytes_read,
            "kept": dict(self.kept),
            "kept_bytes": dict(self.kept_bytes),
            "dropped": dict(self.dropped),
            "dropped_bytes": self.dropped_bytes,
            "masked": dict(self.masked),
            "files": [asdict(f) for f in self.files],
            "by_source": {name: dict(counts) for name, counts in self.by_source.items()},
        }


def prepare(
    settings: TextSettings,
    dropped: Sink,
    set_aside: Sink,
    stats: TextStats | None = None,
    *,
    word_labels: bool = False,
    chooses: bool = False,
) -> Iterator[tuple[str, Document]]:
    """(split, cleaned document) of every document that is kept, in the order of reading.

    Args:
        settings: what to read, how to clean it, what to keep.
        dropped: takes {id, source, reason, text} of each document that is dropped; the text is
            the cleaned one, whole.
        set_aside: takes {file, line, reason, bytes, hex} of each line that cannot be read.
        stats: filled on the way.
        word_labels: whether a label holds one for each word, divided by blanks; a document whose
            numbers of words and labels differ is dropped.
        chooses: whether weights are chosen by text that is not trained on. Where settings name none
            for that, about half of what is held out becomes split 'validation', and only the rest
            is 'heldout', to be scored.

    Raises:
        RecipeError, DataError, MissingError: as `documents`; also when nothing is kept.
    """
    stats = stats if stats is not None else TextStats()
    with SeenDigests(settings.dedup_memory_mb << 20) as seen:
        for batch in _batches(documents(settings, set_aside, stats.files)):
            yield from _judge(batch, settings, seen, dropped, stats, word_labels, chooses)
    stats.check()
    if not stats.kept:
        reasons = ", ".join(f"{reason} {n}" for reason, n in stats.dropped.most_common())
        raise DataError(
            f"text: none of the {stats.documents} documents of {listed(settings.entries)} is kept "
            f"(dropped: {reasons}); read other text or lower text.clean.min_chars"
        )


def _batches(read: Iterator[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in read:
        batch.append(document)
        size += len(document.text)
        if size >= _BATCH_CHARS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _judge(
    batch: list[Document],
    settings: TextSettings,
    seen: SeenDigests,
    dropped: Sink,
    stats: TextStats,
    word_labels: bool,
    chooses: bool,
) -> Iterator[tuple[str, Document]]:
    texts = clean_all([document.text for document in batch], settings.clean, stats.masked)
    raws = [text.encode() for text in texts]
    digests = [digest_of_bytes(raw) for raw in raws]
    batch, lost = _beside_cleaned(batch, settings, stats)
    beside = [[d.meta[key] for key in ("target", "second") if key in d.meta] for d in batch]
    whole = [
        digest_of_bytes(b"\0".join([raw, *(text.encode() for text in others)]))
        if others
        else digest
        for raw, others, digest in zip(raws, beside, digests, strict=True)
    ]
    # a text may have several targets, a passage several questions; they all fall to one split
    apart = digests
    if settings.answer_field:
        apart = [digest_of_bytes(document.meta["second"].encode()) for document in batch]
    reasons = [too_short(t, settings.clean) or why for t, why in zip(texts, lost, strict=True)]
    if word_labels:
        labels = (str(document.meta["label"]) for document in batch)
        reasons = [
            why or (UNEVEN if len(text.split()) != len(label.split()) else None)
            for why, text, label in zip(reasons, texts, labels, strict=True)
        ]
    if settings.dedup:
        new = iter(seen.add([d for d, why in zip(whole, reasons, strict=True) if why is None]))
        reasons = [why or (None if next(new) else "duplicate") for why in reasons]
    frac = 0.0 if settings.heldout_entries else settings.heldout_frac
    splits = splits_of(apart, frac, settings.split_seed)
    choosers = choosers_of(apart, settings.split_seed)
    halves = chooses and not settings.validation_entries
    rows = zip(batch, texts, raws, reasons, splits, choosers, strict=True)
    for document, text, raw, why, split, chooser in rows:
        counts = stats.by_source[document.source]
        if why is not None:
            stats.dropped[why] += 1
            stats.dropped_bytes += len(raw)
            counts["dropped"] += 1
            dropped({"id": document.id, "source": document.source, "reason": why, "text": text})
            continue
        split = document.meta.get(SPLIT, split)
        if halves and chooser and split == "heldout":
            split = VALIDATION
        stats.kept[split] += 1
        stats.kept_bytes[split] += len(raw)
        counts["kept"] += 1
        counts["kept_bytes"] += len(raw)
        if text is not document.text:
            document = Document(text, document.id, document.source, document.meta)
        yield split, document


def _beside_cleaned(
    batch: list[Document], settings: TextSettings, stats: TextStats
) -> tuple[list[Document], list[str | None]]:
    """The documents with what stands beside their texts made regular too, answers at their new
    places; and why a document is dropped whose passage lost its answers."""
    lost: list[str | None] = [None] * len(batch)
    for key, name in (("target", settings.target_field), ("second", settings.second_field)):
        if not name:
            continue
        told = [str(document.meta[key]) for document in batch]
        found = clean_all(told, settings.clean, stats.masked)
        if key == "second" and settings.answer_field:
            batch = [
                _answers_moved(document, text, settings)
                for document, text in zip(batch, found, strict=True)
            ]
            lost = [LOST if document.meta["answer"] is None else None for document in batch]
        batch = [
            replace(document, meta={**document.meta, key: text})
            for document, text in zip(batch, found, strict=True)
        ]
    return batch, lost


def _answers_moved(document: Document, cleaned: str, settings: TextSettings) -> Document:
    """`document` with its answers as they stand in its cleaned second text; None if none does."""
    passage, answers = document.meta["second"], from_text(document.meta["answer"])
    texts = clean_all([answer.text for answer in answers], settings.clean)
    found = moved(answers, texts, passage, cleaned)
    there = not found or any(answer.start >= 0 for answer in found)
    return replace(document, meta={**document.meta, "answer": to_text(found) if there else None})
