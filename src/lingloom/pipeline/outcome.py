"""The end of a run: plan and outcome side by side, the report, the model's card."""

from collections.abc import Iterator
from dataclasses import asdict

from ..plan.plan import Plan
from ..recipe import Recipe
from ..runs import RunFolder, write_whole
from ..trust.card import card_markdown
from ..trust.report import render
from .estimate import compare_with_outcome
from .events import Event
from .facts import report_data
from .prepare import Data

CARD = "README.md"
"""The model card, where model hubs look for it."""


def close(run: RunFolder, recipe: Recipe, data: Data) -> Iterator[Event]:
    """Hold the outcome against the plan, and write the report."""
    plan = Plan.from_json(run.read_json("plan.json"))
    rows = compare_with_outcome(plan, run, data)
    run.write_json("outcome.json", [asdict(row) for row in rows])
    write_report(run, recipe, data)
    yield Event("report", "end", {"path": str(run.report), "rows": rows})


def write_report(run: RunFolder, recipe: Recipe, data: Data) -> None:
    """report.html and the model's card, from what the run folder holds."""
    facts = report_data(run, recipe, data)
    write_whole(run.report, render(facts))
    write_whole(run.model / CARD, card_markdown(facts))
