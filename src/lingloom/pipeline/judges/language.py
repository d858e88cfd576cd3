"""A model that goes on from a text: bits per byte beside the baseline's, and what it writes."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...measure.perplexity import Measured, Reader, perplexity
from ...measure.score import Score, compare
from ...models.model import CausalModel, LanguageModel
from ...models.port import load_model
from ...recipe import Recipe
from ...runs import RunFolder
from ...tasks.generate import generate
from ...trust.facts import Sample
from ..estimate import EVALUATION_TOKENS
from ..events import Event
from ..prepare import Data
from .judge import pinned

PROMPT_CHARS = 24
"""Length of the beginnings of held-out documents that the report lets the model go on from."""

DOCUMENTS = "heldout.json"
"""What each held-out document cost, so that runs can be compared document by document."""


def heldout_loss(
    data: Data, model: CausalModel, recipe: Recipe
) -> Callable[[Any], dict[str, float]]:
    """A function that gives a model's loss on the same held-out tokens each time, in nats/token.

    Args:
        data: tokenizer and held-out text.
        model: of the family that will be asked; how it reads decides the batches.
        recipe: how it is measured.
    """
    batches, tokens = [], 0
    measure, end = recipe.measure, data.tokenizer.end
    for batch, _ in Reader(model, measure, end).batches(data.reading(data.watched).texts):
        batches.append(batch)
        tokens += batch.scored()
        if tokens >= EVALUATION_TOKENS:
            break

    def evaluate(model: CausalModel) -> dict[str, float]:
        reader = Reader(model, measure, end)
        nats = sum(float(reader.costs(batch).double().sum()) for batch in batches)
        return {"loss": nats / tokens}

    return evaluate


def finish(run: RunFolder, recipe: Recipe, data: Data) -> Iterator[Event]:
    """Measure the run's models on all held-out text, and let the model speak."""
    model = load_model(run.model)
    yield from measure_run(run, recipe, data, model)
    yield Event("report", "begin")
    samples = [
        Sample(prompt, "".join(generate(model, data.tokenizer, prompt, recipe.decode)), how(recipe))
        for prompt in prompts(data, model.settings.context)
    ]
    run.write_json("samples.json", [vars(s) for s in samples])
    yield Event("report", "progress", {"samples": samples})


def measure_run(
    run: RunFolder, recipe: Recipe, data: Data, model: LanguageModel
) -> Iterator[Event]:
    """Score the baseline and the model on the held-out documents; write scores.json."""
    who: dict[str, LanguageModel] = {}
    if (run.baseline / "config.json").is_file():
        who["baseline"] = load_model(run.baseline)
    who["model"] = model
    measured: dict[str, Measured] = {}
    for name, each in who.items():
        yield Event("measure", "begin", {"who": name, "documents": data.heldout.documents})
        begun = time.perf_counter()
        fixes = pinned(recipe)
        measured[name] = perplexity(each, data.heldout, data.tokenizer, recipe.measure, fixes)
        yield Event(
            "measure",
            "end",
            {
                "who": label(each),
                "scores": measured[name].scores,
                "seconds_s": time.perf_counter() - begun,
            },
        )
    table = measured["model"].table.bits_per_byte()
    run.write_json(
        DOCUMENTS,
        {"ids": table.ids, "bits": table.top.tolist(), "text_bytes": table.bottom.tolist()},
    )
    run.write_json("scores.json", _scores(who, measured, recipe, data))


def _scores(
    who: Mapping[str, LanguageModel], measured: Mapping[str, Measured], recipe: Recipe, data: Data
) -> dict[str, Any]:
    table = measured["model"].table
    hardest = table.hardest(recipe.measure.hardest)
    bits = table.bits()
    out: dict[str, Any] = {
        "scores": {
            label(model): [s.to_json() for s in measured[name].scores]
            for name, model in who.items()
        },
        "hardest": [
            {
                "id": table.ids[i],
                "bits_per_byte": float(bits[i] / table.text_bytes[i]),
                "text_bytes": int(table.text_bytes[i]),
                "excerpt": data.tokenizer.decode(data.heldout.document(i)[:80].tolist()),
            }
            for i in hardest
            if len(table.ids) == data.heldout.documents
        ],
    }
    if "baseline" in measured:
        difference: Score = compare(
            table.bits_per_byte(),
            measured["baseline"].table.bits_per_byte(),
            "bits per byte, model minus baseline",
            "bits/byte",
            resamples=recipe.measure.resamples,
            seed=recipe.measure.seed,
        )
        out["difference"] = difference.to_json()
    return out


def label(model: LanguageModel) -> str:
    """How reports call a model: '5-gram', 'llama'."""
    settings = model.settings
    return f"{settings.order}-gram" if settings.kind == "ngram" else str(settings.kind)


def how(recipe: Recipe) -> str:
    """The decoding of the samples in words."""
    settings = recipe.decode
    parts = [f"temperature {settings.temperature:g}"]
    parts += [f"top-k {settings.top_k}"] if settings.top_k else []
    parts += [f"top-p {settings.top_p:g}"] if settings.top_p < 1 else []
    return ", ".join([*parts, f"seed {settings.seed}"])


def prompts(data: Data, context: int) -> list[str]:
    """Beginnings of held-out documents, of half a `context` at most: two of each script that has
    enough of them."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for i in range(min(data.heldout.documents, 2000)):
        ids = data.heldout.document(i)[: 2 * PROMPT_CHARS].tolist()
        line = data.tokenizer.decode(ids).lstrip().partition("\n")[0]
        chinese = sum("\u4e00" <= c <= "\u9fff" for c in line) > 0.5 * len(line)
        beginning = line[: PROMPT_CHARS // 3 if chinese else PROMPT_CHARS].strip()
        read = data.tokenizer.encode(beginning)[: max(1, context // 2)]
        beginning = whole_words(line, data.tokenizer.decode(list(read)).strip())
        if len(found[chinese]) < 2 and any(c.isalpha() for c in beginning):
            found[chinese].append(beginning)
    return [*found[False], *found[True]]


def whole_words(line: str, beginning: str) -> str:
    """`beginning` of `line` without a last word that is cut in two, where spaces tell words; of
    other scripts than these, Chinese above all, it stays as it is."""
    beginning = beginning.rstrip("\ufffd")  # of a character cut in two
    if not line.startswith(beginning):
        return beginning
    before, _, word = beginning.rpartition(" ")
    beyond = line[len(beginning) : len(beginning) + 1]
    spaced = all(letter < "\u3000" for letter in word + beyond)
    cut = spaced and (beyond.isalnum() or beyond in ("'", "’"))
    return (before.rstrip() or beginning) if cut else beginning
