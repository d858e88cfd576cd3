"""What our pages share: one file each, no script, nothing from outside, two languages."""

import math
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from .card import amount, size
from .draw import number
from .facts import PlanRow

WIDE, NARROW = 852, 380
"""Charts are drawn twice, so that their letters stay legible on a telephone."""


def render_page(template: str, **values: Any) -> str:
    """The page of the file `template` beside this one; whatever `values` hold is escaped."""
    environment = Environment(
        loader=FunctionLoader(lambda name: files(__package__).joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(size=size, amount=amount, number=number, figure=figure)
    environment.globals.update(head=_head)
    return environment.get_template(template).render(**values)


def both(draw: Callable[[int], Markup]) -> Markup:
    """One chart in two widths; the page shows the one that fits."""
    wide = draw(WIDE)
    if not wide:
        return Markup("")
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(
        wide, draw(NARROW)
    )


def figure(value: float | None, unit: str = "") -> str:
    """A quantity as people say it: bytes and seconds in larger units where those read better."""
    if value is None:
        return "–"
    if unit == "bytes":
        return size(value)
    if unit == "s" and value >= 120:
        return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"
    return f"{number(value)} {unit}".strip()


def promise_of(row: PlanRow) -> str:
    """The promised band in words: '90 – 120 tokens', '2.0 min – 3.1 min'."""
    if row.low is None or row.high is None:
        return ""
    scaled = row.unit in ("bytes", "s")
    low = figure(row.low, row.unit) if scaled else number(row.low)
    return f"{low} – {figure(row.high, row.unit)}"


def band_of(row: PlanRow) -> dict[str, float] | None:
    """Where band and outcome lie on a line from 0, in percent of its length."""
    if row.low is None or row.high is None:
        return None
    ends = [e for e in (row.low, row.high, row.predicted, row.actual) if e is not None]
    most = 1.08 * max(ends)
    if not most > 0 or not all(map(math.isfinite, ends)):
        return None
    at = {"low": row.low, "high": row.high, "predicted": row.predicted, "actual": row.actual}
    return {name: 100 * max(0.0, end) / most for name, end in at.items() if end is not None}


def _head(name: str, english: str, chinese: str) -> Markup:
    """A section's heading, and the place that links to it reach."""
    return Markup('<h2 id="{}">{}<span lang="zh">{}</span></h2>').format(name, english, chinese)
