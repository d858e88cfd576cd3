"""One self-contained HTML file about one run: no script, no outside file, reads well on paper.

Every part is optional: what the run does not know is left out, never invented.
"""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ..measure.score import Score
from .card import amount, card
from .draw import Series, interval_chart, line_chart
from .facts import Count, Curve, ReportData
from .page import band_of, both, promise_of, render_page
from .reasons import in_chinese

BITS = "bits per byte"


def render(data: ReportData) -> str:
    """The page as HTML text; whatever the data hold is escaped."""
    return render_page(
        "report.html",
        data=data,
        tiles=_tiles(data),
        verdict=_verdict(data),
        bits=both(lambda width: _bits_chart(data, width)),
        curve=both(lambda width: _loss_chart(data.curve, width)),
        rates=both(lambda width: _lr_chart(data.curve, width)),
        plan=[(row, band_of(row), promise_of(row)) for row in data.plan],
        tables=_tables(data),
        card=card(data),
    )


def _tiles(data: ReportData) -> list[tuple[str, str, str, str]]:
    """(heading, Chinese heading, figure, small print) of what a reader wants first."""
    tiles = []
    for score in list(data.scores.values())[-1] if data.scores else ():
        if score.name in (BITS, "perplexity per token", "perplexity per word"):
            chinese = "每字节比特" if score.name == BITS else "困惑度"
            tiles.append((score.name, chinese, score.shown(score.value), _interval(score)))
    model = data.model
    if model.parameters is not None:
        tiles.append(("parameters", "参数量", amount(model.parameters), model.shape))
    if model.seen_tokens is not None:
        again = f"{model.seen_tokens / model.train_tokens:.1f} epochs" if model.train_tokens else ""
        tiles.append(("tokens read", "训练词元", amount(model.seen_tokens), again))
    return tiles


def _verdict(data: ReportData) -> tuple[str, str]:
    """What the comparison says, in English and Chinese; empty when there is none."""
    found = [(who, s) for who, scores in data.scores.items() for s in scores if s.name == BITS]
    if len(found) < 2 or not found[-2][1].value > 0:
        return "", ""
    (other, before), (_, after) = found[-2:]
    saved = 1 - after.value / before.value
    gap = data.difference
    if gap and gap.low is not None and gap.high is not None and gap.low <= 0 <= gap.high:
        return f"No clear difference from the {other}: {gap}.", f"与 {other} 没有明显差别。"
    word, chinese = ("fewer", "少") if saved >= 0 else ("more", "多")
    return (
        f"The model needs {abs(saved):.1%} {word} bits than the {other} for the same text"
        + (f"; {gap}." if gap else "."),
        f"同样的文本，模型所需比特数比 {other} {chinese} {abs(saved):.1%}。",
    )


def _bits_chart(data: ReportData, width: int) -> Markup:
    rows = [
        (who, s.value, s.low, s.high, f"{s.shown(s.value)} {_interval(s)}")
        for who, scores in data.scores.items()
        for s in scores
        if s.name == BITS
    ]
    return interval_chart(
        rows,
        "bits per byte, lower is better, 8 is no compression · 每字节比特数，越低越好",
        width=width,
    )


_WATCHED = {"heldout": "held-out · 留出", "validation": "validation · 验证"}


def _loss_chart(curve: Curve, width: int) -> Markup:
    series = [
        Series("train · 训练", curve.train, "base"),
        Series(_WATCHED[curve.split], curve.watched, "model", dots=len(curve.watched) <= 60),
    ]
    return line_chart(series, "step · 步", curve.unit, width=width, height=300)


def _lr_chart(curve: Curve, width: int) -> Markup:
    return line_chart(
        [Series("lr", curve.lr, "quiet")],
        "step · 步",
        "learning rate · 学习率",
        width=width,
        height=150,
    )


def _tables(
    data: ReportData,
) -> list[tuple[str, str, Sequence[Count], float, Mapping[str, str]]]:
    """(heading, Chinese heading, rows, what a full bar stands for, names of rows in Chinese) of the
    text's figures."""
    facts = data.data
    reasons = {row.name: in_chinese(row.name) for row in facts.dropped}
    tables: list[tuple[str, str, Sequence[Count], Mapping[str, str]]] = [
        ("Splits", "划分", facts.splits, {}),
        ("Sources", "来源", facts.sources, {}),
        ("Languages", "语言", facts.languages, {}),
        ("Encodings", "编码", facts.encodings, {}),
        ("Left out, by reason", "剔除原因", facts.dropped, reasons),
    ]
    return [
        (head, chinese, rows, max(_weight(row) for row in rows) or 1, told)
        for head, chinese, rows, told in tables
        if rows
    ]


def _weight(row: Count) -> int:
    return row.text_bytes or row.documents


def _interval(score: Score) -> str:
    if score.low is None or score.high is None:
        return f"no interval, n={score.n:,}"
    return f"[{score.shown(score.low)}, {score.shown(score.high)}]"
