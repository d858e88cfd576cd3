"""What a model says of labelled texts: those of a run, or any others."""

from collections.abc import Iterable

import numpy as np

from ..errors import DataError
from ..models.model import LabelModel
from ..tasks.tell import AT_ONCE, rows_of_texts, rows_of_words, text_chances, word_labels
from ..tasks.tell import Told as Text
from ..text.document import Document
from ..tokens.batch import IGNORE, Passages
from ..tokens.labelled import Labelled
from ..tokens.labels import LabelSet, regular
from ..tokens.tokenizer import Tokenizer
from .told import Told


def told_of_rows(model: LabelModel, rows: Labelled) -> Told:
    """What `model` says of all texts of a split, in its order; of cut ones, of what was read."""
    texts = rows.texts.documents
    said, true, chances = ([np.empty(0, np.int64)] * texts for _ in range(3))
    for chosen in rows.each_once():
        batch = rows.rows(chosen)
        for i, ours, theirs in zip(chosen.tolist(), _said(model, batch), _true(batch), strict=True):
            (said[i], chances[i]), true[i] = ours, theirs
    ids = [rows.texts.document_id(i) for i in range(texts)]
    known = chances if rows.labels.set.of == "text" else ()
    return Told(rows.labels.set.names, ids, said, true, known)


def told_of_documents(
    model: LabelModel, tokenizer: Tokenizer, labels: LabelSet, documents: Iterable[Document]
) -> Told:
    """What `model` says of `documents`, whose meta has a `label` each; of cut ones, of what was
    read.

    Raises:
        DataError: a document has no label, one that the model does not know, or another number of
            them than of words.
        ShapeError: a text does not fit the model's context, and training did not cut such.
    """
    cut_texts = 0
    ids, said, true = list[str](), list[tuple[np.ndarray, np.ndarray]](), list[np.ndarray]()
    numbers = {name: i for i, name in enumerate(labels.names)}
    for some in _in_batches(documents):
        for document in some:
            ids.append(document.id)
            true.append(_told_in(document, labels, numbers))
        if labels.of == "text":
            rows, left_out = rows_of_texts(model, tokenizer, [*map(_whole, some)], labels)
            cut_texts += sum(beyond > 0 for beyond in left_out)
        else:
            words = [document.text.split() for document in some]
            rows = rows_of_words(model, tokenizer, words, cut=labels.cut)
        found = _said(model, rows)
        if labels.of == "word":
            for place, (labelled, _) in enumerate(found, start=len(said)):
                cut_texts += len(labelled) < len(true[place])
                true[place] = true[place][: len(labelled)]
        said += found
    chances = [chance for _, chance in said] if labels.of == "text" else ()
    return Told(labels.names, ids, [label for label, _ in said], true, chances, cut_texts)


def _whole(document: Document) -> Text:
    second = document.meta.get("second")
    return document.text if second is None else (document.text, str(second))


def _in_batches(documents: Iterable[Document]) -> Iterable[list[Document]]:
    held: list[Document] = []
    for document in documents:
        held.append(document)
        if len(held) == AT_ONCE:
            yield held
            held = []
    if held:
        yield held


def _told_in(document: Document, labels: LabelSet, numbers: dict[str, int]) -> np.ndarray:
    label = document.meta.get("label")
    if label is None:
        raise DataError(
            f"{document.id}: has no label to measure by; name the field that holds it as "
            "text.label_field"
        )
    names = [
        regular(name) for name in ([str(label)] if labels.of == "text" else str(label).split())
    ]
    words = len(document.text.split())
    if labels.of == "word" and len(names) != words:
        raise DataError(
            f"{document.id}: {words} words and {len(names)} labels; each word, divided by blanks, "
            "needs one label: correct the text"
        )
    odd = next((i for i, name in enumerate(names) if name not in numbers), None)
    if odd is not None:
        known = ", ".join(f"'{name}'" for name in labels.names[:12])
        raise DataError(
            f"{_place(document, odd)}: label '{names[odd]}' is not one of {known}{_more(labels)}; "
            "correct it, or train on text that has it"
        )
    return np.array([numbers[name] for name in names], np.int64)


def _place(document: Document, word: int) -> str:
    """Where a word's label stands; of words on lines of their own it is the word's line."""
    lines = document.meta.get("lines")
    return f"{document.id.rpartition(':')[0]}:{lines[word]}" if lines else document.id


def _more(labels: LabelSet) -> str:
    return ", ..." if len(labels.names) > 12 else ""


def _said(model: LabelModel, rows: Passages) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each row its label, or those of its words; and how likely each label of a text is."""
    device = next(model.parameters()).device
    rows = rows.to(device)
    if rows.targets is None:
        chances = text_chances(model, rows).cpu().numpy()
        return [(chance.argmax(keepdims=True), chance) for chance in chances]
    best, _ = word_labels(model, rows)
    words = rows.targets != IGNORE
    nothing = np.empty(0)
    return [(row[there].cpu().numpy(), nothing) for row, there in zip(best, words, strict=True)]


def _true(rows: Passages) -> list[np.ndarray]:
    if rows.targets is None:
        assert rows.labels is not None
        return list(rows.labels[:, None].numpy())
    return [line[line != IGNORE].numpy() for line in rows.targets]
