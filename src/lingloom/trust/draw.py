"""Charts as SVG text: no script, no outside file, colours from the page's own variables.

Units on every axis; sizes in SVG user units, one to a CSS pixel at full width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

STEEP = 2.5
"""A chart reaches up to this many times the height that holds nine tenths of its points."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One line of a chart."""

    name: str
    points: Sequence[Point]
    colour: str
    """Name of a CSS variable of the page: 'train' for var(--train)."""
    dots: bool = False
    """Mark each point: few measured values rather than a stream."""


@dataclass(frozen=True)
class Frame:
    """Where data stand on the paper."""

    left: float
    right: float
    top: float
    bottom: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        share = min(1.0, (value - self.y_low) / (self.y_high - self.y_low))
        return self.bottom - share * (self.bottom - self.top)


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten) from `low` to `high`."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    power = 10 ** math.floor(math.log10(span / count))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= span / count)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """A number as an axis shows it: 1200 -> 1,200, 0.0003 -> 3e-4."""
    if value and abs(value) < 0.001:
        mantissa, _, power = f"{value:.1e}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(power)}"
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def binned(points: Sequence[Point], bins: int) -> list[tuple[float, float, float, float]]:
    """(x, mean, lowest, highest) of at most `bins` stretches of equal length, in order of x."""
    per = max(1, math.ceil(len(points) / bins))
    rows = []
    for start in range(0, len(points), per):
        ys = [y for _, y in points[start : start + per]]
        xs = [x for x, _ in points[start : start + per]]
        rows.append((sum(xs) / len(xs), sum(ys) / len(ys), min(ys), max(ys)))
    return rows


def line_chart(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    *,
    width: int,
    height: int,
    legend: bool = True,
) -> Markup:
    """Lines over a shared x axis; long streams are averaged, their spread drawn as a band.

    Points that are not finite are left out; no point at all gives an empty string. A steep start is
    cut at the top, so that what follows can be read.
    """
    kept = [
        Series(s.name, [p for p in s.points if all(map(math.isfinite, p))], s.colour, s.dots)
        for s in series
    ]
    kept = [s for s in kept if s.points]
    if not kept:
        return Markup("")
    xs = [x for s in kept for x, _ in s.points]
    ys = [y for s in kept for _, y in s.points]
    y_low, y_high = spread(ys, 0.05)
    y_high = min(y_high, y_low + STEEP * (_quantile(ys, 0.9) - y_low) or y_high)
    frame = Frame(58, width - 16, 30, height - 40, *spread(xs, 0.0), y_low, y_high)
    parts = [_axes(frame, x_label, y_label)]
    parts += [_line(frame, s, bins=(width - 74) // 3) for s in kept]
    if legend:
        parts.append(_legend(frame, kept))
    title = escape(f"{y_label} by {x_label}: " + ", ".join(s.name for s in kept))
    return svg(width, height, title, "".join(parts))


def interval_chart(
    rows: Sequence[tuple[str, float, float | None, float | None, str]],
    label: str,
    *,
    width: int,
    marked: str = "",
) -> Markup:
    """One row each: (name, value, low, high, what is written beside it), smaller being better; the
    row called `marked` stands out, or else the last."""
    rows = [r for r in rows if math.isfinite(r[1])]
    if not rows:
        return Markup("")
    height = 44 * len(rows) + 44
    ends = [e for r in rows for e in r[1:4] if e is not None and math.isfinite(e)]
    margin = 0.3 * (max(ends) - min(ends)) or 0.1
    low, high = max(0.0, min(ends) - margin), max(ends) + margin
    frame = Frame(16, width - 16, 10, height - 40, low, high, 0, 1)
    parts = [_x_axis(frame, label)]
    for i, (name, value, least, most, written) in enumerate(rows):
        y, x = 44 * i + 36, frame.x(value)
        colour = "model" if name == (marked or rows[-1][0]) else "base"
        side = "end" if x > (frame.left + frame.right) / 2 else "start"
        parts.append(
            f'<text x="{x:.1f}" y="{y - 10}" text-anchor="{side}" class="label">'
            f'<tspan class="strong">{escape(name)}</tspan> {escape(written)}</text>'
        )
        if least is not None and most is not None:
            parts.append(
                f'<line x1="{frame.x(least):.1f}" x2="{frame.x(most):.1f}" y1="{y}" y2="{y}" '
                f'stroke="var(--{colour})" stroke-width="6" stroke-linecap="round" opacity=".35"/>'
            )
        parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="var(--{colour})"/>')
    return svg(width, height, escape(label), "".join(parts))


def column_chart(
    columns: Sequence[tuple[str, int]], x_label: str, y_label: str, *, width: int, height: int
) -> Markup:
    """One column for each (name, count), in their order; none, or nothing in any, gives nothing.

    Every column has its count in its title; it is also written above it where there is room.
    """
    most = max((count for _, count in columns), default=0)
    if not most:
        return Markup("")
    frame = Frame(58, width - 16, 30, height - 40, 0, len(columns), 0, 1.1 * most)
    step = (frame.right - frame.left) / len(columns)
    every = max(1, math.ceil(max(len(name) for name, _ in columns) * 7 / step))
    parts = [y_axis(frame, y_label), bottom(frame, x_label)]
    for i, (name, count) in enumerate(columns):
        x, y = frame.x(i), frame.y(count)
        parts.append(
            f'<rect x="{x + 0.1 * step:.1f}" y="{y:.1f}" width="{0.8 * step:.1f}" '
            f'height="{frame.bottom - y:.1f}" fill="var(--base)" opacity=".75">'
            f"<title>{escape(name)}: {count:,}</title></rect>"
        )
        if count and len(f"{count:,}") * 7 < step:
            parts.append(_middle(x + step / 2, y - 5, f"{count:,}"))
        if i % every == 0:
            parts.append(_middle(x + step / 2, frame.bottom + 18, name))
    return svg(width, height, escape(f"{y_label} by {x_label}"), "".join(parts))


def _middle(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>'


def svg(width: int, height: int, title: str, body: str) -> Markup:
    """A drawing from its parts; `title` is escaped already."""
    return Markup(
        f'<svg viewBox="0 0 {width} {height}" role="img"><title>{title}</title>{body}</svg>'
    )


def spread(values: Sequence[float], margin: float) -> tuple[float, float]:
    """The range of an axis: never empty, with a margin on both sides."""
    low, high = min(values), max(values)
    room = margin * (high - low) or (0.05 * abs(high) or 1.0 if high == low else 0.0)
    return low - room, high + room


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _axes(frame: Frame, x_label: str, y_label: str) -> str:
    return y_axis(frame, y_label) + _x_axis(frame, x_label)


def y_axis(frame: Frame, label: str) -> str:
    """Round numbers at the left, a line across at each."""
    parts = []
    for value in ticks(frame.y_low, frame.y_high, 5):
        y = frame.y(value)
        parts.append(
            f'<line x1="{frame.left}" x2="{frame.right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
            f'<text x="{frame.left - 8}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>'
        )
    return "".join(parts) + f'<text x="0" y="14" class="unit">{escape(label)}</text>'


def _x_axis(frame: Frame, label: str) -> str:
    parts = [bottom(frame, label)]
    for value in ticks(frame.x_low, frame.x_high, max(3, int(frame.right - frame.left) // 110)):
        x = frame.x(value)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{frame.bottom}" y2="{frame.bottom + 4}" '
            f'class="axis"/><text x="{x:.1f}" y="{frame.bottom + 18}" '
            f'text-anchor="middle">{number(value)}</text>'
        )
    return "".join(parts)


def bottom(frame: Frame, label: str) -> str:
    """The line at the bottom and what it measures."""
    return (
        f'<line x1="{frame.left}" x2="{frame.right}" '
        f'y1="{frame.bottom}" y2="{frame.bottom}" class="axis"/>'
        f'<text x="{frame.right}" y="{frame.bottom + 34}" text-anchor="end" class="unit">'
        f"{escape(label)}</text>"
    )


def _line(frame: Frame, series: Series, bins: int) -> str:
    rows = binned(series.points, bins)
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y, _, _ in rows)
    parts = []
    if len(series.points) > bins and not series.dots:
        over = [f"{frame.x(x):.1f},{frame.y(high):.1f}" for x, _, _, high in rows]
        under = [f"{frame.x(x):.1f},{frame.y(low):.1f}" for x, _, low, _ in reversed(rows)]
        parts.append(
            f'<polygon points="{" ".join(over + under)}" fill="var(--{series.colour})" '
            'opacity=".18"/>'
        )
    parts.append(
        f'<polyline points="{path}" fill="none" stroke="var(--{series.colour})" '
        'stroke-width="2" stroke-linejoin="round"/>'
    )
    if series.dots:
        parts += [
            f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3.5" '
            f'fill="var(--{series.colour})"><title>{number(x)}: {y:.4f}</title></circle>'
            for x, y in series.points
        ]
    return "".join(parts)


def _legend(frame: Frame, series: Sequence[Series]) -> str:
    """Names with their last values, along the top edge."""
    parts = [
        f'<tspan fill="var(--{s.colour})" dx="14">●</tspan> '
        f"{escape(s.name)} {number(s.points[-1][1])}"
        for s in series
    ]
    return f'<text x="{frame.right}" y="14" text-anchor="end" class="label">{"".join(parts)}</text>'
