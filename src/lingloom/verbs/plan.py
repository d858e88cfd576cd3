"""`lingloom plan RECIPE`: memory, minutes and disk before the first step.

Of a cleaning recipe, from a sample of its own text; `size=5TB` plans for that much text like it.
"""

import json
from dataclasses import asdict

from ..corpus_recipe import read_corpus
from ..errors import RecipeError
from ..loading import COMMAND_LINE
from ..plan.band import Band
from ..plan.plan import Plan
from ..recipe import Recipe, is_of_a_corpus
from .console import Words, answer, bytes_text, count_text, read_words, tell_kernels, time_text

_CLEANING = """
of a recipe that cleans: size = the text that is in the files
      How much text to plan for, as in size=300GB; and the keys of lingloom clean --help."""


def run(arguments: list[str]) -> int:
    """Print the plan; exit code 1 when the run cannot fit."""
    words = read_words("plan", arguments, needs=1, takes=1, schema=Recipe)
    if words is None:
        print(_CLEANING)
        return 0
    if is_of_a_corpus(words.names[0]):
        return _run_corpus(words)
    if any(word.startswith("size=") for word in words.overrides):
        raise RecipeError(
            f"size ({COMMAND_LINE}): is for recipes that clean, whose time grows with the text; "
            "here train.steps decides, so leave it out"
        )
    from ..api import estimate

    plan = estimate(words.names[0], *words.overrides)
    if words.json:
        answer(json.loads(plan.to_json()))
    else:
        for line in lines(plan, detail=True):
            print(line)
    plan.require()
    return 0


def _run_corpus(words: Words) -> int:
    from ..plan.corpus import plan_corpus
    from ..text.corpus.settings import size_in_bytes

    tell_kernels()
    sizes = [word for word in words.overrides if word.startswith("size=")]
    recipe = read_corpus(words.names[0], [w for w in words.overrides if w not in sizes])
    try:
        size = size_in_bytes(sizes[-1].removeprefix("size=")) if sizes else None
    except ValueError as error:
        raise RecipeError(f"size ({COMMAND_LINE}): {error}") from None
    plan = plan_corpus(recipe, size)
    if words.json:
        answer(asdict(plan))
        return 0
    print(
        f"plan       {bytes_text(plan.text_bytes)} of text, {plan.workers} workers; from "
        f"{bytes_text(plan.sample_bytes)} cleaned here in {time_text(plan.sample_seconds_s)}, of "
        f"which {plan.kept_frac:.0%} was kept"
    )
    hours = plan.core_hours
    print(f"time       {_band(plan.seconds_s, time_text)}")
    print(f"           {hours.value:,.2f} core hours ({hours.low:,.2f} to {hours.high:,.2f})")
    for term in sorted(plan.seconds, key=lambda t: -t.amount.value):
        print(f"    {term.name:<24} {_band(term.amount, time_text)}")
    print(
        f"memory     {_band(plan.memory, bytes_text)}; at most what memory={recipe.memory} allows"
    )
    print(f"disk       {_band(plan.disk_bytes, bytes_text)}")
    for term in sorted(plan.disk, key=lambda t: -t.amount.value):
        print(f"    {term.name:<24} {_band(term.amount, bytes_text)}")
    print("           note: more text repeats more of itself, so later stages may take less")
    return 0


def lines(plan: Plan, *, detail: bool) -> list[str]:
    """The plan as a person reads it; with `detail`, term by term."""
    how = "timed on this machine" if plan.probed else "from arithmetic, so with a wide band"
    what = (
        f"plan       counts of {count_text(plan.text_tokens.value)} tokens"
        if not plan.parameters
        else f"plan       {count_text(plan.parameters)} parameters, {count_text(plan.tokens_seen)} "
        f"tokens to read ({plan.epochs:.1f} epochs), {plan.train_flops:.2g} FLOPs of training"
    )
    out = [
        what,
        f"           time    {_band(plan.seconds_s, time_text)}, {how}",
        f"           memory  {_band(plan.memory_bytes, bytes_text)}; "
        f"{bytes_text(plan.memory_free_bytes)} free",
        f"           disk    {_band(plan.disk_bytes, bytes_text)}; "
        f"{bytes_text(plan.disk_free_bytes)} free",
    ]
    if detail:
        for name, terms, text in (
            ("time", plan.seconds, time_text),
            ("memory", plan.memory, bytes_text),
            ("disk", plan.disk, bytes_text),
        ):
            out.append(name)
            ordered = sorted(terms, key=lambda t: -t.amount.value)
            out += [f"    {t.name:<24} {_band(t.amount, text)}" for t in ordered]
    return [*out, *(f"           note: {note}" for note in plan.notes)]


def _band(band: Band, text: object) -> str:
    assert callable(text)
    if band.low == band.high:
        return str(text(band.value))
    return f"{text(band.value)} ({text(band.low)} to {text(band.high)})"
