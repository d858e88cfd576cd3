"""A model that finds answers in passages: how often it is right, beside the simplest guess, and
what it answers."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...measure.answers import Judged, answer_scores, compared, way_of
from ...measure.score import Score
from ...models.bert import Bert
from ...models.port import load_model
from ...recipe import Recipe
from ...runs import RunFolder
from ...tasks.answer import answer
from ...text.answers import from_text
from ...text.document import Document
from ...tokens.open import open_tokenizer
from ...tokens.tokenizer import Tokenizer
from ...train.objectives.objective import objective_of
from ...train.objectives.span import SpanSettings
from ...trust.facts import Sample
from ..events import Event
from ..prepare import Data
from .judge import objective_loss, pinned

EVALUATION_WINDOWS = 1000
"""Behind each point of the curve at least, where there are so many: a window has two ends."""
GUESS = "the sentence most like the question"
SAMPLES = 8
AROUND_CHARS = 60
"""Of a passage, shown on either side of what was to be found."""
_SENTENCE = re.compile(r"[^。！？!?\n]*?(?:[。！？!?\n]+|\.(?=\s)|$)")
_PARTS = re.compile(r"[a-z0-9]+|[^\W\d_a-z]")


def heldout_loss(data: Data, model: Bert, recipe: Recipe) -> Callable[[Any], dict[str, float]]:
    """The objective's own loss on the same held-out windows each time, in nats per end."""
    return objective_loss(data, recipe, least_rows=EVALUATION_WINDOWS)


def finish(run: RunFolder, recipe: Recipe, data: Data) -> Iterator[Event]:
    """Measure the run's model and the simplest guess on all held-out questions."""
    model: Bert = load_model(run.model)
    kind, found, said = model.settings.kind, dict[str, list[Score]](), list[Judged]()
    for who in (GUESS, kind):
        yield Event("measure", "begin", {"who": who, "documents": data.heldout.documents})
        begun = time.perf_counter()
        answers = None if who == GUESS else model
        said = _judged(data.scored(), answers, data.tokenizer, _settings(recipe))
        found[who] = _scored(said, recipe, **_fixes(recipe, data))
        seconds_s = time.perf_counter() - begun
        yield Event("measure", "end", {"who": who, "scores": found[who], "seconds_s": seconds_s})
    scores = {who: [score.to_json() for score in each] for who, each in found.items()}
    run.write_json("scores.json", {"scores": scores})
    yield Event("report", "begin")
    samples = list(_samples(said))
    run.write_json("samples.json", [vars(s) for s in samples])
    yield Event("report", "progress", {"samples": samples})


def scores(recipe: Recipe, data: Data, model: Bert) -> list[Score]:
    """What `model` is worth on the run's held-out questions."""
    said = _judged(data.scored(), model, data.tokenizer, _settings(recipe))
    return _scored(said, recipe, **_fixes(recipe, data))


def scores_of_text(
    recipe: Recipe, folder: Path, model: Bert, documents: Iterable[Document]
) -> list[Score]:
    """What `model` is worth on other questions, which have passages and answers; `folder` keeps its
    tokenizer."""
    said = _judged(documents, model, open_tokenizer(folder), _settings(recipe))
    return _scored(said, recipe, split="given")


def _settings(recipe: Recipe) -> SpanSettings:
    model: Any = recipe.model
    objective = objective_of(model, recipe.train)
    assert isinstance(objective, SpanSettings)
    return objective


def _fixes(recipe: Recipe, data: Data) -> dict[str, Any]:
    objective = _settings(recipe).model_dump(mode="json", exclude={"kind"})
    return {**pinned(recipe), "sha256": data.heldout.sha256, "objective": objective}


def _scored(said: Sequence[Judged], recipe: Recipe, **fixes: Any) -> list[Score]:
    measure = recipe.measure
    return answer_scores(said, resamples=measure.resamples, seed=measure.seed, fixes=fixes)


def _judged(
    documents: Iterable[Document],
    model: Bert | None,
    tokenizer: Tokenizer,
    settings: SpanSettings,
) -> list[Judged]:
    """What `model` answers, or the guess where there is none."""
    read = list(documents)
    asked = [(document.text, str(document.meta["second"])) for document in read]
    if model is None:
        answers = [guessed(question, passage) for question, passage in asked]
    else:
        answers = [each.answer for each in answer(model, tokenizer, asked, settings)]
    return [
        Judged(
            passage=passage,
            question=question,
            golds=[gold.text for gold in from_text(document.meta["answer"])],
            answer=given,
        )
        for document, (question, passage), given in zip(read, asked, answers, strict=True)
    ]


def guessed(question: str, passage: str) -> str:
    """The sentence of a passage that has most words or characters of the question; of equals the
    shortest."""
    wanted = set(_PARTS.findall(question.lower()))
    sentences = [found.strip() for found in _SENTENCE.findall(passage) if found.strip()]
    return max(
        sentences, key=lambda s: (len(wanted & set(_PARTS.findall(s.lower()))), -len(s)), default=""
    )


def _samples(said: Sequence[Judged]) -> Iterator[Sample]:
    """Some questions, evenly spread, with what was answered and what is right."""
    way = way_of([gold for each in said for gold in each.golds])
    for each in said[:: -(-len(said) // SAMPLES)]:
        same, f1 = compared(each.answer, each.golds, way)
        truth = " / ".join(dict.fromkeys(each.golds)) or "(no answer)"
        judged = "right" if same else f"F1 {f1:.2f}; true: {truth}"
        prompt = f"{each.question}\n{_excerpt(each)}"
        yield Sample(prompt, each.answer or "(no answer)", judged, continues=False)


def _excerpt(each: Judged) -> str:
    """The passage around the true answer, or its beginning."""
    at = max(0, each.passage.find(each.golds[0]) if each.golds else 0)
    start, stop = max(0, at - AROUND_CHARS), at + AROUND_CHARS
    cut = each.passage[start:stop].replace("\n", " ")
    return f"{'…' * (start > 0)}{cut}{'…' * (stop < len(each.passage))}"
