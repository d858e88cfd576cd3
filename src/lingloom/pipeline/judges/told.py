"""A model that tells labels: how often it is right, beside the simplest guess, and what it says."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...measure.score import Score
from ...measure.telling import told_of_documents, told_of_rows
from ...measure.told import Told, label_scores, label_table
from ...models.model import LabelModel
from ...models.port import load_model
from ...recipe import Recipe
from ...runs import RunFolder
from ...text.document import Document
from ...tokens.batch import IGNORE
from ...tokens.labelled import Labelled
from ...tokens.labels import open_label_set
from ...tokens.open import open_tokenizer
from ...tokens.spaces import joined
from ...train.objectives.labelled import LabelledSettings
from ...train.objectives.objective import objective_of
from ...trust.facts import Sample
from ..events import Event
from ..prepare import Data
from .judge import objective_loss, pinned

EVALUATION_TEXTS = 1000
"""Behind each point of the curve at least, where there are so many: a text has few labels."""
SAMPLES = 6
SAMPLE_CHARS = 160
SAMPLE_WORDS = 40


def heldout_loss(
    data: Data, model: LabelModel, recipe: Recipe
) -> Callable[[Any], dict[str, float]]:
    """The objective's own loss on the same held-out texts each time, in nats per label."""
    return objective_loss(data, recipe, least_rows=EVALUATION_TEXTS)


def finish(run: RunFolder, recipe: Recipe, data: Data) -> Iterator[Event]:
    """Measure the run's model and the simplest guess on all held-out texts."""
    settings: Any = recipe.model
    model: LabelModel = load_model(run.model)
    rows = _heldout(recipe, data, model)
    told, found = dict[str, Told](), dict[str, list[Score]]()
    for who in (_guess_name(data), settings.kind):
        yield Event("measure", "begin", {"who": who, "documents": data.heldout.documents})
        begun = time.perf_counter()
        told[who] = told_of_rows(model, rows) if who == settings.kind else _guessed(data, rows)
        found[who] = _scored(told[who], recipe, _fixes(recipe, data, rows))
        seconds_s = time.perf_counter() - begun
        yield Event("measure", "end", {"who": who, "scores": found[who], "seconds_s": seconds_s})
    ours = told[settings.kind]
    run.write_json(
        "scores.json",
        {
            "scores": {who: [score.to_json() for score in each] for who, each in found.items()},
            "labels": label_table(ours),
            "confusion": {"labels": list(ours.names), "rows": ours.confusion().tolist()},
        },
    )
    yield Event("report", "begin")
    samples = list(_samples(ours, data, rows))
    run.write_json("samples.json", [vars(s) for s in samples])
    yield Event("report", "progress", {"samples": samples})


def scores(recipe: Recipe, data: Data, model: LabelModel) -> list[Score]:
    """What `model` is worth on the run's held-out texts."""
    rows = _heldout(recipe, data, model)
    return _scored(told_of_rows(model, rows), recipe, _fixes(recipe, data, rows))


def scores_of_text(
    recipe: Recipe, folder: Path, model: LabelModel, documents: Iterable[Document]
) -> list[Score]:
    """What `model` is worth on other labelled texts; `folder` keeps its tokenizer and its labels.

    Raises:
        DataError: there is no text, or one without a label that the model knows.
        ShapeError: a text does not fit the model's context.
    """
    told = told_of_documents(model, open_tokenizer(folder), open_label_set(folder), documents)
    names = hashlib.sha256("\n".join(told.ids).encode()).hexdigest()[:12]
    cut = {"cut texts": told.cut_texts} if told.cut_texts else {}
    return _scored(told, recipe, {"documents": names, **cut})


def _heldout(recipe: Recipe, data: Data, model: LabelModel) -> Labelled:
    settings: Any = recipe.model
    objective = objective_of(settings, recipe.train)
    assert isinstance(objective, LabelledSettings)
    return objective.rows(data.reading("heldout"), model.settings, recipe.measure.batch)


def _fixes(recipe: Recipe, data: Data, rows: Labelled) -> dict[str, Any]:
    return {**pinned(recipe), "sha256": data.heldout.sha256, "cut texts": rows.cut_texts}


def _scored(told: Told, recipe: Recipe, fixes: Mapping[str, Any]) -> list[Score]:
    measure = recipe.measure
    return label_scores(told, resamples=measure.resamples, seed=measure.seed, fixes=fixes)


# --------------------------------------------------------------------------- the simplest guess


def _guess_name(data: Data) -> str:
    """What a model must beat, in words."""
    labels = data.labels["train"]
    if labels.set.of == "word":
        return "each word's usual label"
    return f"always '{max(labels.counts, key=lambda name: labels.counts[name])}'"


def _guessed(data: Data, rows: Labelled) -> Told:
    """What to say without having learnt anything: the commonest label of the training texts; of
    words, that of the same first token there."""
    held, names = data.labels["heldout"], data.labels["train"].set.names
    counts = data.labels["train"].counts
    usual = max(range(len(names)), key=lambda i: counts.get(names[i], 0))
    starts, true, said = rows.texts.starts(), list[np.ndarray](), list[np.ndarray]()
    of_token = _usual_by_token(data, usual) if held.set.of == "word" else np.empty(0)
    for i in range(rows.texts.documents):
        if held.set.of == "text":
            true.append(np.array([held.of_text(i)]))
            said.append(np.array([usual]))
            continue
        stop = min(int(starts[i + 1]) - 1, int(starts[i]) + rows.room)
        labels = held.of_tokens(int(starts[i]), stop)
        ids = rows.texts.ids(int(starts[i]), stop)
        true.append(labels[labels != IGNORE])
        said.append(of_token[ids[labels != IGNORE]])
    texts = [rows.texts.document_id(i) for i in range(rows.texts.documents)]
    return Told(names, texts, said, true)


def _usual_by_token(data: Data, usual: int) -> np.ndarray:
    """The commonest label of each token where it begins a word, (vocab,) int64."""
    labels = data.labels["train"].of_tokens(0, data.train.tokens)
    first = np.flatnonzero(labels != IGNORE)
    pairs = data.train.take(first) * len(data.labels["train"].set.names) + labels[first]
    kinds, counts = np.unique(pairs, return_counts=True)
    found = np.full(data.tokenizer.vocab, usual, np.int64)
    order = np.argsort(counts, kind="stable")  # the commonest is written last
    tokens, told = np.divmod(kinds[order], len(data.labels["train"].set.names))
    found[tokens] = told
    return found


# --------------------------------------------------------------------------- samples


def _samples(told: Told, data: Data, rows: Labelled) -> Iterator[Sample]:
    """Some texts that it was wrong about, and one that it was right about."""
    wrong = [i for i in range(len(told.ids)) if not np.array_equal(told.said[i], told.true[i])]
    right = [i for i in range(len(told.ids)) if np.array_equal(told.said[i], told.true[i])]
    for i in [*right[:1], *wrong[: SAMPLES - 1]]:
        said, true = ([told.names[n] for n in each] for each in (told.said[i], told.true[i]))
        judged = "right" if i in right[:1] else "wrong"
        if len(said) == 1 and rows.labels.set.of == "text":
            truth = "" if judged == "right" else f"; true: {true[0]}"
            yield Sample(_excerpt(data, i), said[0], f"{judged}{truth}", continues=False)
            continue
        words = _words(data, rows, i)[:SAMPLE_WORDS]
        marked = [
            f"{word}/{s}" if s == t else f"{word}/{s} (true: {t})"
            for word, s, t in zip(words, said, true, strict=False)
        ]
        yield Sample(joined(words).strip(), " ".join(marked), judged, continues=False)


def _excerpt(data: Data, index: int) -> str:
    """The beginning of a held-out text; of an image its name."""
    if data.tokenizer.kind == "pixels":
        return data.heldout.document_id(index)
    ids = data.heldout.document(index)[: 2 * SAMPLE_CHARS].tolist()
    return data.tokenizer.decode(ids)[:SAMPLE_CHARS]


def _words(data: Data, rows: Labelled, index: int) -> list[str]:
    """The words of a held-out text."""
    start, stop = (int(place) for place in rows.texts.starts()[index : index + 2])
    ids = rows.texts.ids(start, stop - 1)
    firsts = np.flatnonzero(rows.labels.of_tokens(start, stop - 1) != IGNORE)
    return [data.tokenizer.decode(part.tolist()).strip() for part in np.split(ids, firsts)[1:]]
