"""A model that writes a text for another: what held-out targets cost it, BLEU and chrF of its own
beside them, and some of these to read."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...measure.pairs import PairsMeasured, measure_pairs, need_sacrebleu
from ...measure.score import Score
from ...models.model import PairModel
from ...models.port import load_model
from ...recipe import Recipe
from ...runs import RunFolder
from ...text.document import Document
from ...tokens.open import open_tokenizer
from ...tokens.pairs import fitting
from ...tokens.reading import Reading
from ...tokens.shards import Shards
from ...tokens.write import write_shards
from ...train.objectives.objective import objective_of
from ...train.objectives.pairs import PairsSettings
from ...trust.facts import Sample
from ..events import Event
from ..prepare import TARGETS, Data, with_beside
from .judge import Evaluate, objective_loss, pinned

SAMPLES = 6
"""Targets that the report shows."""
EXCERPT_CHARS = 80


def heldout_loss(data: Data, model: PairModel, recipe: Recipe) -> Evaluate:
    """A function that gives a model's loss on the same held-out pairs each time, in nats/token.

    Raises:
        MissingError: what the trained model will be measured by is not installed.
    """
    if recipe.measure.decoded:
        need_sacrebleu()  # now, and not once the training is done
    return objective_loss(data, recipe)


def scores(recipe: Recipe, data: Data, model: PairModel) -> list[Score]:
    """Scores on all held-out pairs."""
    return _measured(recipe, model, data.reading("heldout"), **pinned(recipe)).scores


def scores_of_text(
    recipe: Recipe, home: Path, model: PairModel, documents: Iterable[Document]
) -> list[Score]:
    """Scores on other texts, which have their targets with them; `home` keeps the tokenizer."""
    tokenizer = open_tokenizer(home)
    with TemporaryDirectory() as folder:
        both = with_beside(("given", document) for document in documents)
        for _ in write_shards(both, tokenizer, Path(folder)):
            pass
        texts, targets = (
            Shards.open(folder, split, tokenizer) for split in ("given", "given" + TARGETS)
        )
        reading = Reading(texts, tokenizer, targets)
        return _measured(recipe, model, reading, split="given").scores


def _measured(recipe: Recipe, model: PairModel, reading: Reading, **fixes: str) -> PairsMeasured:
    settings: Any = recipe.model
    objective = objective_of(settings, recipe.train)
    assert isinstance(objective, PairsSettings)
    found = fitting(reading, settings.context, objective.unfit)
    return measure_pairs(model, reading, found, recipe.measure, recipe.decode, fixes)


def finish(run: RunFolder, recipe: Recipe, data: Data) -> Iterator[Event]:
    """Measure the run's model on all held-out pairs, and show what it writes."""
    model, kind = load_model(run.model), recipe.model.kind  # type: ignore[attr-defined]
    reading = data.reading("heldout")
    yield Event("measure", "begin", {"who": "model", "documents": reading.texts.documents})
    begun = time.perf_counter()
    found = _measured(recipe, model, reading, **pinned(recipe))
    seconds_s = time.perf_counter() - begun
    yield Event("measure", "end", {"who": kind, "scores": found.scores, "seconds_s": seconds_s})
    run.write_json(
        "scores.json",
        {
            "scores": {kind: [score.to_json() for score in found.scores]},
            "hardest": _hardest(found, reading, recipe.measure.hardest),
        },
    )
    yield Event("report", "begin")
    shown = found.written[:: max(1, len(found.written) // SAMPLES)][:SAMPLES]
    how = _how(recipe)
    samples = [
        Sample(
            each.source, f"{each.text}\n(reference: {' / '.join(targets)})", how, continues=False
        )
        for each, targets in shown
    ]
    run.write_json("samples.json", [asdict(sample) for sample in samples])
    yield Event("report", "progress", {"samples": samples})


def _how(recipe: Recipe) -> str:
    """The decoding of the samples in words."""
    decode = recipe.decode
    if decode.beams > 1:
        return f"{decode.beams} beams, length penalty {decode.length_penalty:g}"
    return f"temperature {decode.temperature:g}, seed {decode.seed}"


def _hardest(found: PairsMeasured, reading: Reading, count: int) -> list[dict[str, Any]]:
    """The sources whose targets needed the most bits per byte."""
    table, bits = found.table, found.table.bits()
    place = {name: row for row, name in enumerate(table.ids)}
    rows = table.hardest(count, least_bytes=EXCERPT_CHARS // 4)
    wanted = {table.ids[i] for i in rows}
    at = {
        name: i
        for i in range(reading.texts.documents)
        if (name := reading.texts.document_id(i)) in wanted
    }
    assert reading.targets is not None
    spell = reading.tokenizer.decode
    out = []
    for name in (table.ids[i] for i in rows):
        source = spell(reading.texts.document(at[name])[:EXCERPT_CHARS].tolist())
        target = spell(reading.targets.document(at[name])[:EXCERPT_CHARS].tolist())
        row = place[name]
        out.append(
            {
                "id": name,
                "bits_per_byte": float(bits[row] / table.text_bytes[row]),
                "text_bytes": int(table.text_bytes[row]),
                "excerpt": f"{source} → {target}",
            }
        )
    return out
