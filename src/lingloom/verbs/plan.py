"""`lingloom plan RECIPE`: memory, minutes and disk before the first step."""

import json

from ..plan.band import Band
from ..plan.plan import Plan
from ..recipe import Recipe, read
from .console import answer, bytes_text, count_text, read_words, time_text


def run(arguments: list[str]) -> int:
    """Print the plan; exit code 1 when the run cannot fit."""
    words = read_words("plan", arguments, needs=1, takes=1, schema=Recipe)
    if words is None:
        return 0
    from ..device import prepare_allocator
    from ..pipeline.estimate import plan_recipe

    prepare_allocator()
    plan = plan_recipe(read(words.names[0], words.overrides))
    if words.json:
        answer(json.loads(plan.to_json()))
    else:
        for line in lines(plan, detail=True):
            print(line)
    plan.require()
    return 0


def lines(plan: Plan, *, detail: bool) -> list[str]:
    """The plan as a person reads it; with `detail`, term by term."""
    how = "timed on this machine" if plan.probed else "from arithmetic, so with a wide band"
    out = [
        f"plan       {count_text(plan.parameters)} parameters, {count_text(plan.tokens_seen)} "
        f"tokens to read ({plan.epochs:.1f} epochs), {plan.train_flops:.2g} FLOPs of training",
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
