"""`lingloom train RECIPE|RUN`: a new run, or go on with a stopped one."""

import shlex
from typing import Any

from ..loading import load
from ..recipe import Recipe
from .console import answer, read_words, story, tell_kernels
from .follow import Follower, stopping

EXAMPLES = {
    "generate": ('"The "', '"我"'),
    "fill_gaps": ('"the ___ of"', '"我___你"'),
    "answer": ('"A question?" "A passage."', '"问题？" "段落。"'),
    "fill": ('"the [MASK] of"', '"我[MASK]你"'),
}
"""Task -> what the model may be asked, in two languages."""


def run(arguments: list[str]) -> int:
    """Train to the end or until stopped; the exit code."""
    words = read_words("train", arguments, needs=1, takes=1, schema=Recipe)
    if words is None:
        return 0
    return carry_through(words.names[0], words.overrides, as_json=words.json)


def carry_through(recipe_or_run: str, overrides: list[str], *, as_json: bool = False) -> int:
    """Follow a run to its end, draw it, and say how to go on or what to try."""
    from ..api import begin

    tell_kernels()
    follower = Follower()
    with stopping() as stop:
        folder, events = begin(recipe_or_run, overrides, stop)
        for event in events:
            follower(event)
            if stop() and event.stage != "train":  # training itself saves before it leaves
                follower.stopped = True
                break
    if follower.stopped:
        story(f"stopped; everything finished is kept; go on with: lingloom train {folder.path}")
        return 130
    if as_json:
        answer({"run": str(folder.path), **folder.read_json("scores.json", {})})
    else:
        first, second = _example(load(Recipe, folder.recipe))
        other = f"      lingloom ask {folder.path} {second}" if second else ""
        story(f"next       lingloom ask {folder.path} {first}{other}")
        story(f"           lingloom prove {folder.path}        every promise, tried on this run")
        story(f"           lingloom show {folder.path} batch   what the model really saw")
        story(f"           open {folder.report} in a browser")
    return 0


def _example(recipe: Recipe) -> tuple[str, str]:
    """What the model of a run may be asked, in one language and in the other, or ''."""
    from ..tasks.kinds import TASKS
    from ..train.objectives.objective import objective_of

    objective: Any = objective_of(recipe.model, recipe.train)  # type: ignore[arg-type]
    task = TASKS.get(objective.kind, "")
    if recipe.tokens.kind == "pixels" and task == "classify":  # type: ignore[attr-defined]
        return f"{shlex.quote(recipe.text.all_entries[0])} at=1", ""
    if recipe.text.second_field and task == "classify":
        return '"one text" "the other"', '"一段" "另一段"'
    return EXAMPLES.get(task, ("TEXT", ""))
