"""Text from wherever it stands, one Document at a time; memory does not grow with the input."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from ..errors import DataError, RecipeError
from ..settings import Settings
from .answers import placed, to_text
from .clean import CleanSettings
from .conll import conll
from .document import Document
from .formats import conversations, jsonl, parquet
from .html import Described, html
from .identity import identified, undescribed
from .idx import idx, kind_of, labels_beside
from .installed import COLLECTIONS
from .lines import decoded
from .places import FORMATS, Entries, Entry, Place, format_of, is_remote, on_disk, place_at, places
from .plain import plain
from .setaside import FileReport, Sink, Source, listed
from .split import VALIDATION
from .squad import is_squad, squad
from .stream import pieces
from .table import table
from .warc import warc
from .wiki import wiki

MOST_REASONS = 1000
"""Why something was set aside: so many different reasons are counted, which bounds the memory."""
SPLIT = "split"
"""Key of a document's meta: the split whose files it came from, where that is not for its text to
decide."""

Format = Literal[
    "auto",
    "txt",
    "jsonl",
    "squad",
    "csv",
    "tsv",
    "parquet",
    "yml",
    "html",
    "warc",
    "wiki",
    "conll",
    "idx",
]


class TextSettings(Settings):
    """Where text comes from, what a document is, and which documents are kept."""

    read: Entries = []
    """What to read, in this order: files, folders (all below them), patterns such as data/**/*.txt,
    URLs of any of these such as s3://bucket/folder/*.jsonl.gz, '-' for standard input,
    python:topics, python:docstrings, package:NAME/FILES. gzip, bzip2 and zstd are looked through. A
    file that is named twice is read once; what is no regular file is read only where it is named
    itself."""
    format: Format = "auto"
    """auto goes by the suffix, and takes named files of other suffixes for plain text. squad, which
    is recognised in .json files: each question of SQuAD 1.1 and 2.0, CMRC 2018 or DRCD is a row
    with the fields question, context and answers, and with id and title where there are some."""
    field: str | PositiveInt | list[str] = "text"
    """Where jsonl, csv, tsv and parquet hold the text; a list where files differ, of which the
    first that a row has is taken. For csv and tsv without a header line the number of the column,
    from 1."""
    id_field: str = ""
    """Where jsonl and parquet hold a document's own id, which then stands for the line in its
    id. Ids that repeat are told apart by the line, and counted."""
    url_field: str = "url"
    """Where jsonl and parquet may hold the address of a document, which filters by address read."""
    target_field: str | PositiveInt = ""
    """Where jsonl, csv, tsv and parquet hold what a model is to write for a text (its translation,
    its summary), for objectives that learn from pairs; named as in `field`."""
    second_field: str | PositiveInt = ""
    """Where they hold a second text that is read with the first: the passage that a question (in
    `field`) is asked of, or the other one of two texts of which a label is told; named as in
    `field`."""
    answer_field: str | PositiveInt = ""
    """Where they hold the answer to a question as it stands in the second text, at its first place
    there; or several answers, as a list or as {text: [...], answer_start: [...]}. An empty one says
    that the passage does not answer the question. Named as in `field`."""
    label_field: str | PositiveInt = ""
    """Where they hold what a text is, or what each of its words is, for objectives that learn to
    tell; named as in `field`. conll: number of the labels' column."""
    label_from: Literal["field", "file", "folder"] = "field"
    """Where what a text is stands: in a field; in the name of its file (pos.txt.gz is 'pos'); in
    the name of its folder (reviews/pos/17.txt is 'pos')."""
    labels: Entry = ""
    """File of the labels of images in idx files; empty looks for it beside the images, under the
    name that train-images-idx3-ubyte suggests."""
    word_positions: bool = False
    """conll: whether each word ends with a digit, its place in a longer word, that is left out."""
    encoding: str = "auto"
    """auto recognises UTF-8, UTF-16, GB18030 (GBK), Big5 and Latin-1 in each file; or a name."""
    unit: Literal["auto", "file", "paragraph", "line"] = "auto"
    """What a document is in plain text. auto: paragraphs, which blank lines divide, where a file
    has at least one blank line in forty, else lines."""
    max_chars: PositiveInt = 1_000_000
    """Plain text: a longer document is cut at a line end into several. Bounds the memory."""
    max_expansion: PositiveInt = 100
    """A gzip, bzip2 or zstd file that unpacks to more than so many times its size (and to more than
    64 MB) is taken for a trap: what comes after is left out, and told."""
    clean: CleanSettings = CleanSettings()
    """How text is made regular."""
    dedup: bool = True
    """Keep only the first of documents whose cleaned text is the same."""
    dedup_memory_mb: PositiveInt = 64
    """Memory for the digests of texts; beyond it they go to disk. Changes speed, never results."""
    heldout: Entries = []
    """Text that is held out, named as in `read`; text.heldout_frac then holds nothing more out. It
    is read first, so that with text.dedup no document of it is trained on."""
    validation: Entries = []
    """Text that is looked at while training, and by which weights are chosen where
    train.regularise.patience asks for that, named as in `read`. All that is held out is then left
    for the scores."""
    heldout_frac: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Share of the documents that is never trained on."""
    split_seed: int = 0
    """Another number holds out other documents."""

    @model_validator(mode="after")
    def _one_source_of_labels(self) -> Self:
        if self.label_field and self.label_from != "field":
            raise ValueError(
                f"label_field and label_from={self.label_from} both say what a text is; leave one "
                "of them out"
            )
        return self

    @model_validator(mode="after")
    def _answers_stand_in_a_second_text(self) -> Self:
        if self.answer_field and not self.second_field:
            raise ValueError(
                f"answer_field '{self.answer_field}' holds answers that stand in a passage, and no "
                "field holds passages; set second_field to the one that does"
            )
        return self

    @field_validator("field")
    @classmethod
    def _some_field(cls, value: str | int | list[str]) -> str | int | list[str]:
        if value in ("", []):
            raise ValueError("names no field; name the one that holds the text")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            if name != "auto":
                "\n".encode(name)
        except (LookupError, UnicodeError):
            raise ValueError(
                f"'{name}' is not an encoding; use auto, utf-8, gb18030, big5hkscs, "
                "utf-16-le, utf-16-be, latin-1 or another that Python knows"
            ) from None
        return name

    @property
    def names(self) -> list[str]:
        """`field` as a list of names."""
        return (
            [str(name) for name in self.field]
            if isinstance(self.field, list)
            else [str(self.field)]
        )

    @property
    def column(self) -> list[str] | int:
        """`field` as a column of csv or tsv: names, or a number."""
        return self.field if isinstance(self.field, int) else self.names

    @property
    def other_fields(self) -> dict[str, str]:
        """Key of a document's meta -> the field of a row that it comes from."""
        fields = {"id": self.id_field, "url": self.url_field, **self.beside}
        return {key: str(name) for key, name in fields.items() if name}

    @property
    def beside(self) -> dict[str, str | int]:
        """The same of what every document must have: its target, its label, its second text."""
        fields = {
            "target": self.target_field,
            "label": self.label_field,
            "second": self.second_field,
            "answer": self.answer_field,
        }
        return {key: name for key, name in fields.items() if name}

    @property
    def labelled(self) -> bool:
        """Whether each document comes with a label."""
        if self.label_field or self.label_from != "field":
            return True
        return self.format == "idx" or (
            self.format == "auto" and any(_may_be_images(entry) for entry in self.entries)
        )

    @property
    def entries(self) -> list[str]:
        """`read` as a list."""
        return [self.read] if isinstance(self.read, str) else list(self.read)

    @property
    def heldout_entries(self) -> list[str]:
        """`heldout` as a list."""
        return [self.heldout] if isinstance(self.heldout, str) else list(self.heldout)

    @property
    def validation_entries(self) -> list[str]:
        """`validation` as a list."""
        return [self.validation] if isinstance(self.validation, str) else list(self.validation)

    @property
    def all_entries(self) -> list[str]:
        """All that is read, in the order of reading."""
        return [*self.heldout_entries, *self.validation_entries, *self.entries]


def documents(
    settings: TextSettings, set_aside: Sink, reports: list[FileReport] | None = None
) -> Iterator[Document]:
    """Every document of `settings.read`, as it stands, in order.

    Args:
        settings: what to read, and how.
        set_aside: takes a record {file, line, reason, bytes, hex} of each line or row that cannot
            be read; lines count from 1, and 0 is the file as a whole.
        reports: gets one row per file, filled while it is read.

    Raises:
        RecipeError: a file named does not exist, or is to be held out and to choose weights.
        DataError: the first row of a file has no such field; or there is no document at all.
        MissingError: a package named is not installed.
    """
    reports = [] if reports is None else reports
    fields: Collection[str] = ()
    reasons = Counter[str]()

    def count(record: Mapping[str, Any]) -> None:
        if len(reasons) < MOST_REASONS or record["reason"] in reasons:
            reasons[record["reason"]] += 1
        set_aside(record)

    for split, found in places_of_splits(settings).items():
        meta = {} if split == "train" else {SPLIT: split}
        for place in found:
            source = Source(place.name, FileReport(place.name), count)
            reports.append(source.report)
            yield from documents_of(place, source, settings, meta)
            fields = fields or source.fields
    if not sum(r.documents for r in reports):
        raise DataError(_nothing_to_read(settings, reports, reasons, fields))


def documents_of(
    place: Place, source: Source, settings: TextSettings, meta: Mapping[str, Any] | None = None
) -> Iterator[Document]:
    """Every document of one file, as it stands; `source` is told the rest.

    Raises:
        DataError: the file changed while it was read; or as `documents`.
        MissingError: the format needs a package that is not installed.
    """
    before = _state(place)
    described = _described(place, source, settings)
    if settings.id_field:
        memory_bytes = settings.dedup_memory_mb << 20
        described = identified(described, source, settings.id_field, memory_bytes)
    named = _label_of(place, settings)
    for label, text, facts in described:
        facts = {**facts, **named} if named else facts
        try:
            facts = _whole(facts, settings)
        except ValueError as error:
            line = label.partition(".")[0]
            source.set_aside(int(line) if line.isdecimal() else 0, str(error), text)
            continue
        source.report.documents += 1
        facts = {**facts, **meta} if meta else facts
        yield Document(text, f"{place.name}:{label}", place.name, facts)
    if _state(place) != before:
        raise DataError(
            f"{place.name}: changed while it was read; run the same command again once "
            "nothing writes to it"
        )


def _whole(facts: Mapping[str, Any], settings: TextSettings) -> Mapping[str, Any]:
    """What is known of a document, answers as the meta keeps them.

    Raises:
        ValueError: something is not there, or the answers do not stand in the second text.
    """
    for key, name in settings.beside.items():
        empty = key != "answer" and not str(facts.get(key, "")).strip()
        if empty or key not in facts:
            words = {"second": "second text"}
            raise ValueError(f"no {words.get(key, key)} in field '{name}'")
    if "answer" not in settings.beside:
        return facts
    return {**facts, "answer": to_text(placed(facts["answer"], str(facts["second"])))}


def _label_of(place: Place, settings: TextSettings) -> dict[str, str]:
    """What the name of a file says of its documents, where that is to be learnt."""
    if settings.label_from == "field":
        return {}
    path = Path(place.name)
    if settings.label_from == "folder":
        if not path.parent.name:
            raise DataError(
                f"{place.name}: stands in no named folder that could be its label (text.label_from="
                "folder); name it with its folder, as in reviews/good/1.txt"
            )
        return {"label": path.parent.name}
    return {"label": path.name.partition(".")[0]}


def _state(place: Place) -> tuple[int, int | str] | None:
    """What changes when a regular file does."""
    try:
        return place.size_and_state(fresh=True)
    except OSError:
        return None


def places_of_splits(settings: TextSettings) -> dict[str, list[Place]]:
    """Split -> its files, in the order of reading; a file that is held out, or to choose weights,
    is not trained on, though `read` finds it too.

    Raises:
        RecipeError: a file is not there, or is named for two of these; nothing is left to learn
            from.
    """
    held = _named("heldout", settings.heldout_entries)
    watched = _named(VALIDATION, settings.validation_entries)
    apart = held | watched
    if both := sorted(held.keys() & watched.keys()):
        raise RecipeError(
            f"text.validation and text.heldout both name {both[0]}; what chooses weights cannot "
            "score them too: name it once"
        )
    read = all_places(settings.entries)
    learnt = [place for key, place in read.items() if key not in apart]
    if read and not learnt:
        raise RecipeError(
            f"text.read: {listed([place.name for place in read.values()])} stands in text.heldout "
            "or text.validation too, so that nothing is left to learn from; name other files"
        )
    return {"heldout": [*held.values()], VALIDATION: [*watched.values()], "train": learnt}


def _named(key: str, entries: Sequence[str]) -> dict[str, Place]:
    """`all_places` of another key of `text`, which errors name."""
    try:
        return all_places(entries)
    except RecipeError as error:
        raise RecipeError(str(error).replace("text.read:", f"text.{key}:", 1)) from None


def all_places(entries: Sequence[str]) -> dict[str, Place]:
    """Every file of every entry, before the first is read: a wrong name is told at once."""
    found: dict[str, Place] = {}
    for entry in entries:
        if entry in COLLECTIONS:
            found.setdefault(entry, Place(entry, None))
            continue
        for place in places(entry):
            found.setdefault(os.path.realpath(place.path) if place.path else place.name, place)
    return found


def can_be_read_again(settings: TextSettings) -> bool:
    """Whether all that `settings` names is still there once it was read, which standard input, a
    pipe or a device is not."""
    found = all_places(settings.all_entries).values()
    return all(
        place.name in COLLECTIONS
        or place.found
        or place.remote is not None
        or (place.path is not None and place.path.is_file())
        for place in found
    )


def _described(place: Place, source: Source, settings: TextSettings) -> Described:
    if place.name in COLLECTIONS:
        source.report.format = "python"
        yield from undescribed(COLLECTIONS[place.name](source))
        return
    kind = settings.format if settings.format != "auto" else kind_of(place)
    if kind is None and place.found:
        source.set_aside(0, "found in a folder, and its suffix is not one of a text format")
        return
    try:
        if place.found and place.path and not S_ISREG(os.stat(place.path).st_mode):
            source.set_aside(0, "found in a folder, and not a regular file")  # it might block
            return
        source.report.format = kind = kind or "txt"
        if kind in ("parquet", "warc"):
            yield from _seeking(kind, place, source, settings)
            return
        if kind == "idx":
            yield from _images(place, source, settings)
            return
        with place.opened() as file:
            yield from _read(kind, _content(file, source, settings), source, settings)
    except OSError as error:
        source.set_aside(0, f"cannot be read ({error.strerror or error})")


def _may_be_images(entry: str) -> bool:
    """Whether an entry of `text.read` names files of images; one that is gone, or far, may have."""
    if entry in COLLECTIONS or entry == "-":
        return False
    if is_remote(entry) or not on_disk(entry).exists():
        return format_of(entry) in ("idx", None)
    return any(kind_of(place) == "idx" for place in places(entry))


def _images(place: Place, source: Source, settings: TextSettings) -> Described:
    labels = place_at(settings.labels) if settings.labels else labels_beside(place)
    with place.opened() as file:
        yield from idx(_content(file, source, settings), source, labels)


def _content(file: BinaryIO, source: Source, settings: TextSettings) -> Iterator[bytes]:
    return pieces(file, lambda reason: source.set_aside(0, reason), settings.max_expansion)


def _read(kind: str, content: Iterator[bytes], source: Source, settings: TextSettings) -> Described:
    if kind == "html":
        return html(content, source, settings.encoding)
    if kind == "wiki":
        return wiki(content, source)
    chunks = decoded(content, source, settings.encoding)
    if kind == "jsonl" and settings.format == "auto":
        head = next(chunks, "")
        chunks = chain([head], chunks)
        source.report.format = kind = "squad" if is_squad(head) else kind
    if kind == "squad":
        return squad(chunks, source, settings.names, settings.other_fields)
    if kind == "jsonl":
        return jsonl(chunks, source, settings.names, settings.other_fields)
    if kind in ("csv", "tsv"):
        return table(chunks, source, settings.column, settings.beside, tabs=kind == "tsv")
    if kind == "conll":
        word, label = (_column(settings, key) for key in ("field", "label_field"))
        return conll(chunks, source, word, label, positions=settings.word_positions)
    if kind == "yml":
        return undescribed(conversations(chunks, source))
    return undescribed(plain(chunks, source, settings.unit, settings.max_chars))


def _column(settings: TextSettings, key: Literal["field", "label_field"]) -> int:
    """The column of a conll file that `key` names; 0 for none.

    Raises:
        RecipeError: it is not a number.
    """
    column = getattr(settings, key)
    if column == TextSettings.model_fields[key].default:
        return 1 if key == "field" else 0
    if not isinstance(column, int):
        raise RecipeError(
            f"text.{key}: {column}, but conll files have no names of columns; set the number "
            "of the column, from 1"
        )
    return column


def _seeking(kind: str, place: Place, source: Source, settings: TextSettings) -> Described:
    """Formats that are not read from start to end; what cannot seek is first unpacked to disk."""

    def described(file: BinaryIO) -> Described:
        if kind == "warc":
            return warc(file, source)
        return parquet(file, source, settings.names, settings.other_fields)

    with place.opened() as file:
        if file.seekable() and (kind == "warc" or file.peek(4)[:4] == b"PAR1"):  # type: ignore[attr-defined]
            yield from described(file)
            return
        with TemporaryFile() as unpacked:
            for piece in _content(file, source, settings):
                unpacked.write(piece)
            unpacked.seek(0)
            yield from described(unpacked)


def _nothing_to_read(
    settings: TextSettings,
    reports: Sequence[FileReport],
    reasons: Counter[str],
    fields: Collection[str],
) -> str:
    """What to tell where there is no document.

    Args:
        settings: by which was read.
        reports: of the files.
        reasons: why something was set aside, and how often.
        fields: of the first row.
    """
    entries = settings.entries
    if not entries:
        return "text.read is empty: no text to read; name files, as in text.read=data/*.txt"
    where = listed(entries)
    if not reports:
        return f"text.read: no file in {where}; name files or folders that hold text"
    unread = sum(not r.format for r in reports)
    if unread == len(reports):
        return (
            f"text.read: none of the {unread} files in {where} has the suffix of a text format "
            f"({', '.join(FORMATS)}); name the files themselves, or set text.format"
        )
    aside = sum(r.set_aside for r in reports)
    found = (
        f"text.read: no document in {len(reports)} files of {where}: "
        f"{sum(r.bytes for r in reports)} bytes read, {aside} lines or files set aside"
    )
    if not reasons:
        return f"{found}; name files that hold text"
    ((reason, times),) = reasons.most_common(1)
    found = f"{found}, {times} of them: {reason}"
    for key, name in settings.beside.items():
        if fields and reason.endswith(f"in field '{name}'"):
            return f"{found}; the first row has {listed(fields)} -- correct text.{key}_field"
    return f"{found}; mend these, or name files that hold text"
