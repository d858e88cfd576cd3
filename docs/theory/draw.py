"""Plain SVG from numbers: curves, grids, boxes with arrows; what pictures.py draws with.

Sizes are SVG user units. Pictures carry symbols and numbers, never sentences, so that one serves
both languages; what they show is said beside them.
"""

from collections.abc import Callable, Sequence
from html import escape

from lingloom.trust.draw import ticks

INK, FAINT, PAPER = "#1f2937", "#d1d5db", "#ffffff"
COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#0891b2", "#6b7280")
Point = tuple[float, float]


class Drawing:
    """A white sheet, `width` by `height`; y grows downwards."""

    def __init__(self, width: float, height: float):
        self.width, self.height, self.parts = width, height, list[str]()

    def line(self, points: Sequence[Point], colour: str = INK, width: float = 1.5, dash: str = ""):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"'
            f' stroke-linejoin="round"{dashed}/>'
        )

    def arrow(self, start: Point, end: Point, colour: str = INK):
        (x, y), (u, v) = start, end
        length = max(((u - x) ** 2 + (v - y) ** 2) ** 0.5, 1e-9)
        dx, dy = (u - x) / length, (v - y) / length
        self.line([start, (u - 6 * dx, v - 6 * dy)], colour)
        corners = [(u, v)] + [(u - 8 * dx - s * 4 * dy, v - 8 * dy + s * 4 * dx) for s in (-1, 1)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        self.parts.append(f'<polygon points="{path}" fill="{colour}"/>')

    def text(self, at: Point, text: str, size: float = 13, anchor: str = "middle", fill: str = INK):
        self.parts.append(
            f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="{size}" text-anchor="{anchor}"'
            f' fill="{fill}">{escape(text)}</text>'
        )

    def box(self, at: Point, size: Point, text: str = "", fill: str = PAPER, stroke: str = INK):
        """A rectangle around the point `at`, with `text` in its middle."""
        x, y = at[0] - size[0] / 2, at[1] - size[1] / 2
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
            f' rx="{0 if stroke == "none" else 4}" fill="{fill}" stroke="{stroke}"/>'
        )
        if text:
            self.text((at[0], at[1] + 4.5), text)

    def dot(self, at: Point, radius: float = 4, fill: str = INK):
        self.parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius}" fill="{fill}"/>')

    def svg(self) -> str:
        size = f'width="{self.width:g}" height="{self.height:g}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
            f'viewBox="0 0 {self.width:g} {self.height:g}" font-family="sans-serif">\n'
            f'<rect {size} fill="{PAPER}"/>\n' + "\n".join(self.parts) + "\n</svg>\n"
        )


def curves(
    series: dict[str, Sequence[Point]],
    x_label: str,
    y_label: str,
    *,
    dots: bool = False,
    y_range: Point | None = None,
) -> Drawing:
    """Lines over common axes, each named in its colour above them."""
    sheet = Drawing(640, 320)
    left, right, top, bottom = 60.0, 620.0, 34.0, 275.0
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    (x0, x1), (y0, y1) = (min(xs), max(xs)), y_range or (min(ys), max(ys))

    def place(x: float, y: float) -> Point:
        y = min(max(y, y0), y1)
        return (
            left + (x - x0) / (x1 - x0) * (right - left),
            bottom - (y - y0) / (y1 - y0) * (bottom - top),
        )

    for tick in ticks(x0, x1, 6):
        x, _ = place(tick, y0)
        sheet.line([(x, top), (x, bottom)], FAINT, 1)
        sheet.text((x, bottom + 17), f"{tick:g}", 12)
    for tick in ticks(y0, y1, 5):
        _, y = place(x0, tick)
        sheet.line([(left, y), (right, y)], FAINT, 1)
        sheet.text((left - 7, y + 4), f"{tick:g}", 12, "end")
    sheet.text(((left + right) / 2, 310), x_label)
    sheet.text((8, 20), y_label, 13, "start")
    at = 150.0
    for (name, points), colour in zip(series.items(), COLOURS, strict=False):
        sheet.line([place(x, y) for x, y in points], colour, 2)
        if dots:
            for x, y in points:
                sheet.dot(place(x, y), 3, colour)
        if name:
            sheet.line([(at, 16), (at + 22, 16)], colour, 3)
            sheet.text((at + 28, 20), name, 13, "start")
            at += 50 + 8 * len(name)
    return sheet


def bars(values: dict[str, Sequence[float]], names: Sequence[str], y_label: str) -> Drawing:
    """For each of `names` one bar of every series, with its number above it."""
    sheet = Drawing(640, 280)
    left, bottom, height = 40.0, 235.0, 180.0
    most = max(max(column) for column in values.values())
    slot = 590 / len(names)
    each = min(46.0, 0.8 * slot / len(values))
    sheet.line([(left, bottom), (630, bottom)])
    sheet.text((8, 20), y_label, 13, "start")
    at = 190.0
    for s, ((name, column), colour) in enumerate(zip(values.items(), COLOURS, strict=False)):
        if len(values) > 1:
            sheet.box((at, 16), (12, 12), fill=colour, stroke=colour)
            sheet.text((at + 12, 20), name, 13, "start")
            at += 40 + 9 * len(name)
        for i, value in enumerate(column):
            x = left + slot * (i + 0.5) + each * (s - (len(values) - 1) / 2)
            tall = height * value / most
            sheet.box((x, bottom - tall / 2), (each - 3, tall), fill=colour, stroke=colour)
            sheet.text((x, bottom - tall - 5), f"{value:.3g}", 11)
    for i, name in enumerate(names):
        sheet.text((left + slot * (i + 0.5), bottom + 18), name)
    return sheet


def grid(
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    numbers: bool = True,
    cell: Point = (58, 34),
) -> Drawing:
    """A table whose cells are the darker the larger the number; None is left white."""
    left = 14.0 + 9 * max(len(r) for r in rows)
    sheet = Drawing(left + cell[0] * len(columns) + 12, 30 + cell[1] * len(rows) + 12)
    known = [abs(v) for row in values for v in row if v is not None]
    most = max(known) or 1.0
    for i, row in enumerate(values):
        y = 30 + cell[1] * (i + 0.5)
        if rows[i]:
            sheet.text((left - 8, y + 4), rows[i], 13, "end")
        for j, value in enumerate(row):
            x = left + cell[0] * (j + 0.5)
            share = 0.0 if value is None else abs(value) / most
            red, green, blue = (37, 99, 235) if value is None or value >= 0 else (217, 119, 6)
            tone = [round(255 - share * (255 - c)) for c in (red, green, blue)]
            edge = FAINT if numbers else "none"
            sheet.box((x, y), cell, fill="#{:02x}{:02x}{:02x}".format(*tone), stroke=edge)
            if numbers and value is not None:
                ink = PAPER if share > 0.6 else INK
                sheet.text((x, y + 4.5), f"{value:.3g}", 12, fill=ink)
    for j, name in enumerate(columns):
        if name:
            sheet.text((left + cell[0] * (j + 0.5), 20), name)
    return sheet


PICTURES: dict[str, Callable[[], Drawing]] = {}


def picture(draw: Callable[[], Drawing]) -> Callable[[], Drawing]:
    """Register `draw` under the name of its page."""
    PICTURES[draw.__name__.replace("_", "-")] = draw
    return draw
