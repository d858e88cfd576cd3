"""The folders of a ladder as the plain values that its page is made of."""

import ast
import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from ...loading import load, to_yaml
from ...measure.score import Score, Tally, compare
from ...recipe import Recipe
from ...runs import RunFolder
from ...trust.facts import PlanRow, Sample
from ...trust.ladder import LadderFacts, Point, RungFacts
from ...trust.report import BITS
from ..judges.language import DOCUMENTS
from ..prepare import Data, open_data
from .rungs import Rung
from .settings import LadderSettings, seconds_in


def ladder_facts(
    ladder: LadderSettings,
    state: Mapping[str, Any],
    runs: Sequence[tuple[Rung, RunFolder]],
    disk_bytes: float,
) -> LadderFacts:
    """What the page shows.

    Args:
        ladder: settled.
        state: what ladder.json holds at the end.
        runs: every rung that was climbed, from the lowest up, and its finished run.
        disk_bytes: that the folder takes.
    """
    data = open_data(runs[0][1])
    rungs: list[RungFacts] = []
    below: Tally | None = None
    for rung, run in runs:
        costs = _costs(run)
        gain = None
        if below is not None:
            name = f"bits per byte, {rung.name} minus {rungs[-1].name}"
            gain = compare(
                costs,
                below,
                name,
                "bits/byte",
                resamples=ladder.measure.resamples,
                seed=ladder.measure.seed,
            )
        rungs.append(_rung(rung, run, data, gain))
        below = costs
    came = {"time": state["seconds_s"], "memory": state["peak_memory_bytes"], "disk": disk_bytes}
    return LadderFacts(
        name=f"Ladder: {', '.join(Path(entry).name or entry for entry in ladder.text.entries)}",
        by=ladder.by,
        budget_s=seconds_in(ladder.budget),
        share=state["share"],
        rungs=rungs,
        train_tokens=data.train.tokens,
        train_bytes=data.train.text_bytes,
        heldout_documents=data.heldout.documents,
        vocab=data.tokenizer.vocab,
        tokenizer=data.tokenizer.kind,
        plan=[
            PlanRow(what, b["unit"], b["value"], b["low"], b["high"], came[what])
            for what, b in state["promises"].items()
        ],
        settings=to_yaml(ladder),
        environment={"seed": str(ladder.seed), **state["environment"]},
    )


def _rung(rung: Rung, run: RunFolder, data: Data, gain: Score | None) -> RungFacts:
    facts, log = run.read_json("run.json"), run.read_log()
    settings: Any = load(Recipe, run.recipe).model
    scores = list(run.read_json("scores.json")["scores"].values())[-1]
    steps = [r for r in log if "loss" in r]
    module, name = rung.code.split(":")
    return RungFacts(
        name=rung.name,
        adds=rung.adds,
        adds_zh=rung.adds_zh,
        formula=rung.formula,
        theory=f"docs/theory/{rung.theory}.md",
        code=f"{module.replace('.', '/')}.py, {name}",
        source=inspect.getsource(getattr(import_module(f"lingloom.{module}"), name)),
        proof=f"tests/{rung.proof}",
        proof_source=source_of_test(rung.proof),
        shape=settings.shape(),
        counts=rung.counts,
        numbers=facts["ngrams"] if rung.counts else facts["parameters"],
        tokens=data.train.tokens if rung.counts else sum(r["tokens"] for r in steps),
        seconds_s=facts["counting_s"] if rung.counts else sum(r["seconds_s"] for r in steps),
        flops=0.0 if rung.counts else run.read_json("plan.json")["train_flops"],
        bits=next(s for s in map(Score.from_json, scores) if s.name == BITS),
        gain=gain,
        curve=_curve(steps),
        samples=[Sample(**s) for s in run.read_json("samples.json")],
        folder=str(run.path.relative_to(run.path.parents[1])),
    )


def source_of_test(proof: str) -> str:
    """The lines of the test 'FILE::NAME'; empty where the package lies outside of its project."""
    path, name = proof.split("::")
    file = Path(__file__).parents[4] / "tests" / path
    if not file.is_file():
        return ""
    text = file.read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    return ""


def _curve(steps: Sequence[Mapping[str, Any]]) -> list[Point]:
    seconds = accumulate(r["seconds_s"] for r in steps)
    tokens = accumulate(r["tokens"] for r in steps)
    return [
        Point(s, t, r["evaluation"]["loss"])
        for r, s, t in zip(steps, seconds, tokens, strict=True)
        if "evaluation" in r
    ]


def _costs(run: RunFolder) -> Tally:
    found = run.read_json(DOCUMENTS)
    return Tally(found["ids"], np.array(found["bits"]), np.array(found["text_bytes"]))
