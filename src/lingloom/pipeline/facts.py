"""The run folder's files as the plain values that a report is made of."""

import json
from collections import Counter
from typing import Any

from ..loading import to_yaml
from ..measure.score import Score
from ..recipe import Recipe
from ..runs import RunFolder
from ..tasks.kinds import TASKS
from ..train.objectives.objective import objective_of
from ..trust.facts import (
    Count,
    Curve,
    DataFacts,
    DocumentRow,
    ModelFacts,
    PlanRow,
    ProofRow,
    ReportData,
    Sample,
)
from .prepare import Data

SET_ASIDE_SHOWN = 8


def report_data(run: RunFolder, recipe: Recipe, data: Data) -> ReportData:
    """Everything that the run folder knows; what is not there yet is left out."""
    facts = run.read_json("run.json", {})
    scores = run.read_json("scores.json", {})
    log = run.read_log()
    difference = scores.get("difference")
    return ReportData(
        name=run.path.name,
        summary=f"{recipe.model.kind} trained on {', '.join(recipe.text.entries)}",  # type: ignore[attr-defined]
        model=_model(facts, recipe, data, log),
        scores={
            who: [Score.from_json(s) for s in each]
            for who, each in scores.get("scores", {}).items()
        },
        difference=Score.from_json(difference) if difference else None,
        curve=_curve(log, recipe, data.watched),
        plan=[PlanRow(**row) for row in run.read_json("outcome.json", [])],
        data=_data(run, data),
        samples=[Sample(**s) for s in run.read_json("samples.json", [])],
        worst=[DocumentRow(**row) for row in scores.get("hardest", [])],
        events=_events(log),
        proofs=[ProofRow(**row) for row in run.read_json("proofs.json", [])],
        recipe=to_yaml(recipe),
        environment={"seed": str(recipe.seed), **facts.get("environment", {})},
    )


def _model(
    facts: dict[str, Any], recipe: Recipe, data: Data, log: list[dict[str, Any]]
) -> ModelFacts:
    settings: Any = recipe.model
    return ModelFacts(
        kind=settings.kind,
        shape=settings.shape(),
        parameters=facts.get("parameters"),
        vocab=settings.vocab,
        context=settings.context,
        tokenizer=data.tokenizer.kind,
        bytes_per_token=data.train.text_bytes / max(1, data.train.tokens),
        train_tokens=data.train.tokens,
        seen_tokens=sum(r["tokens"] for r in log) or data.train.tokens,
        task=TASKS.get(objective_of(settings, recipe.train).kind, ""),  # type: ignore[attr-defined]
        began_with=facts.get("begun_from", {}).get("start_from", ""),
    )


def _curve(log: list[dict[str, Any]], recipe: Recipe, split: str) -> Curve:
    model: Any = recipe.model
    return Curve(
        unit=objective_of(model, recipe.train).unit,
        train=[(r["step"], r["loss"]) for r in log if r["loss"] is not None],
        watched=[(r["step"], r["evaluation"]["loss"]) for r in log if "evaluation" in r],
        split=split,
        lr=[(r["step"], r["lr"]) for r in log if r["lr"] is not None],
    )


def _events(log: list[dict[str, Any]]) -> list[str]:
    told = ("skipped", "rolled back", "early stop")
    return [text for r in log for what, text in r.get("events", {}).items() if what in told]


def _data(run: RunFolder, data: Data) -> DataFacts:
    figures = data.figures
    sources = {
        name: Count(name, counts.get("kept", 0), counts.get("kept_bytes", 0))
        for name, counts in figures["by_source"].items()
    }
    encodings: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for file in figures["files"]:
        if file["encoding"]:
            encodings[file["encoding"]] += file["documents"]
            sizes[file["encoding"]] += file["bytes"]
    return DataFacts(
        splits=[
            Count(split, documents, figures["kept_bytes"][split])
            for split, documents in figures["kept"].items()
        ],
        sources=sorted(sources.values(), key=lambda c: -c.text_bytes),
        languages=[Count(name, *counts) for name, counts in figures.get("languages", {}).items()],
        encodings=[Count(name, n, sizes[name]) for name, n in encodings.most_common()],
        dropped=[Count(reason, n) for reason, n in figures["dropped"].items()],
        set_aside=_set_aside(run),
        set_aside_total=figures["set_aside"],
    )


def _set_aside(run: RunFolder) -> list[tuple[str, str]]:
    path = run.data / "set_aside.jsonl"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        records = [json.loads(line) for _, line in zip(range(SET_ASIDE_SHOWN), file, strict=False)]
    return [(f"{r['file']}:{r['line']}", r["reason"]) for r in records]
