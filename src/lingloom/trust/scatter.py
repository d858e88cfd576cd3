"""Named points with intervals over an axis of powers of ten."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from .draw import Frame, bottom, number, spread, svg, y_axis

LABEL_PX = 15
"""Least distance of two labels, one above the other."""
LETTER_PX = 7


@dataclass(frozen=True)
class Dot:
    """One point of a chart."""

    name: str
    x: float
    """Above 0."""
    y: float
    low: float | None
    high: float | None
    """Its interval, upright."""
    colour: str
    """Name of a CSS variable of the page."""


def scatter_chart(
    dots: Sequence[Dot], x_label: str, y_label: str, *, width: int, height: int
) -> Markup:
    """Each dot with its name beside it; what has no place on the axes is left out."""
    kept = [d for d in dots if d.x > 0 and math.isfinite(d.x) and math.isfinite(d.y)]
    if not kept:
        return Markup("")
    x_low, x_high = spread([math.log10(d.x) for d in kept], 0.06)
    ends = [e for d in kept for e in (d.y, d.low, d.high) if e is not None]
    frame = Frame(58, width - 16, 30, height - 40, x_low, x_high, *spread(ends, 0.08))
    parts = [y_axis(frame, y_label), bottom(frame, x_label)]
    for power in _powers(x_low, x_high):
        x = frame.x(math.log10(power))
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{frame.top}" y2="{frame.bottom}" class="grid"/>'
            f'<text x="{x:.1f}" y="{frame.bottom + 18}" text-anchor="middle">{short(power)}</text>'
        )
    parts += [_dot(frame, d) for d in kept] + _labels(frame, kept)
    title = escape(f"{y_label} by {x_label}: " + ", ".join(d.name for d in kept))
    return svg(width, height, title, "".join(parts))


def short(amount: float) -> str:
    """1500000 -> '1.5M', as an axis has room for."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if amount >= size:
            return f"{amount / size:.3g}{unit}"
    return number(amount)


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten between, with their halves and fifths where there are few."""
    for steps in ((1,), (1, 3), (1, 2, 5)):
        found = [
            step * 10.0**power
            for power in range(math.floor(low), math.ceil(high) + 1)
            for step in steps
            if low <= math.log10(step * 10.0**power) <= high
        ]
        if len(found) >= 3:
            break
    return found


def _dot(frame: Frame, dot: Dot) -> str:
    x, y = frame.x(math.log10(dot.x)), frame.y(dot.y)
    bar = ""
    if dot.low is not None and dot.high is not None:
        bar = (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{frame.y(dot.low):.1f}" '
            f'y2="{frame.y(dot.high):.1f}" stroke="var(--{dot.colour})" stroke-width="5" '
            'stroke-linecap="round" opacity=".35"/>'
        )
    return (
        f'{bar}<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="var(--{dot.colour})">'
        f"<title>{escape(dot.name)}: {number(dot.x)}, {dot.y:.4f}</title></circle>"
    )


def _labels(frame: Frame, dots: Sequence[Dot]) -> list[str]:
    """Names beside their dots, moved down where they would lie upon a dot or upon each other; from
    one that was moved far a line leads to its dot."""
    parts: list[str] = []
    centres = [(frame.x(math.log10(d.x)), frame.y(d.y) + 4) for d in dots]
    placed = [(x - 6, x + 6, y) for x, y in centres]
    for dot in sorted(dots, key=lambda d: -d.y):
        x, y = frame.x(math.log10(dot.x)), frame.y(dot.y) + 4
        home = y
        size = LETTER_PX * len(dot.name) + 4
        left = x + 10 + size > frame.right
        start = x - 10 - size if left else x + 10
        while any(
            abs(y - other) < LABEL_PX and start < end and begin < start + size
            for begin, end, other in placed
        ):
            y += 3
        placed.append((start, start + size, y))
        anchor, side = ("end", -1) if left else ("start", 1)
        if y - home > LABEL_PX:
            parts.append(
                f'<line x1="{x + side * 4:.1f}" y1="{home - 4:.1f}" x2="{x + side * 9:.1f}" '
                f'y2="{y - 4:.1f}" stroke="var(--{dot.colour})" opacity=".6"/>'
            )
        parts.append(
            f'<text x="{x + side * 10:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
            f'class="label">{escape(dot.name)}</text>'
        )
    return parts
