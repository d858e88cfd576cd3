"""The page of a ladder: what each family makes of the same text in the same time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from ..measure.score import Score
from .card import amount
from .draw import Series, interval_chart, line_chart
from .facts import PlanRow, Sample
from .page import band_of, both, figure, promise_of, render_page
from .scatter import Dot, scatter_chart

BITS_LABEL = "bits per byte, lower is better · 每字节比特数，越低越好"
HEIGHT = 320


@dataclass(frozen=True)
class Point:
    """One evaluation of a rung while it trained."""

    seconds_s: float
    """Of training until then."""
    tokens: int
    nats: float
    """Per held-out token."""


@dataclass(frozen=True)
class RungFacts:
    """One family, trained and measured."""

    name: str
    adds: str
    """What it can do that the rung below cannot."""
    adds_zh: str
    formula: str
    """How it foretells, or what its step is, in one line."""
    theory: str
    """The page that explains it, from the project's folder."""
    code: str
    """Where it is computed, from the package's folder."""
    source: str
    """The lines that compute it."""
    proof: str
    """The test that proves it, from the project's folder."""
    shape: str
    counts: bool
    """Whether it learns by counting."""
    numbers: int
    """Trained parameters; of a family that counts, stored n-grams."""
    tokens: int
    """Read in training, repeats included."""
    seconds_s: float
    """Of training or counting alone."""
    flops: float
    """Of training; 0 where it only counts."""
    bits: Score
    gain: Score | None = None
    """Its bits per byte minus those of the rung below, paired by document."""
    curve: Sequence[Point] = ()
    samples: Sequence[Sample] = ()
    proof_source: str = ""
    """The lines of that test; empty where only the package is installed."""
    folder: str = ""
    """Its run, within the ladder's folder."""

    @property
    def verdict(self) -> str:
        """'better', 'worse' or 'no clear difference' than the rung below; empty: there is none."""
        if self.gain is None or self.gain.low is None or self.gain.high is None:
            return ""
        if self.gain.high < 0:
            return "better"
        return "worse" if self.gain.low > 0 else "no clear difference"


@dataclass(frozen=True)
class LadderFacts:
    """Everything the page shows."""

    name: str
    by: str
    """'time' or 'flops'."""
    budget_s: float
    share: float
    """Of each rung that learns by gradient: seconds, or operations."""
    rungs: Sequence[RungFacts]
    """From the lowest up; never empty."""
    train_tokens: int
    train_bytes: int
    heldout_documents: int
    vocab: int
    tokenizer: str
    plan: Sequence[PlanRow] = ()
    settings: str = ""
    """As YAML."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def best(self) -> RungFacts:
        """The rung that needs the fewest bits."""
        return min(self.rungs, key=lambda rung: rung.bits.value)


def render(facts: LadderFacts) -> str:
    """The page as HTML text; whatever the facts hold is escaped."""
    learning = [rung for rung in facts.rungs if not rung.counts]
    return render_page(
        "ladder.html",
        facts=facts,
        colours=_colours(facts),
        tiles=_tiles(facts),
        bits=both(lambda width: _bits(facts, width)),
        clouds=[
            (head, chinese, both(_cloud(facts, of, label)))
            for head, chinese, label, of in (
                (
                    "Size",
                    "规模",
                    "trained parameters, n-grams stored · 参数或 n 元组数",
                    lambda r: r.numbers,
                ),
                ("Time", "时间", "seconds of training · 训练秒数", lambda r: r.seconds_s),
                (
                    "Text read",
                    "读入文本",
                    "tokens read in training · 训练读入的词元",
                    lambda r: r.tokens,
                ),
            )
        ],
        curves=[
            (head, chinese, both(_curves(facts, of, label)))
            for head, chinese, label, of in (
                ("By time", "按时间", "seconds of training · 训练秒数", lambda p: p.seconds_s),
                ("By text read", "按读入的文本", "tokens read · 读入的词元", lambda p: p.tokens),
            )
        ],
        learning=learning,
        prompts=_prompts(facts),
        plan=[(row, band_of(row), promise_of(row)) for row in facts.plan],
    )


def _colours(facts: LadderFacts) -> dict[str, int]:
    """Rung -> hue in degrees: blue to green where it counts, gold to violet where it learns."""
    hues = {}
    for counts, first, last in ((True, 225, 150), (False, 45, -75)):
        names = [rung.name for rung in facts.rungs if rung.counts == counts]
        for place, name in enumerate(names):
            hues[name] = round(first + (last - first) * place / max(1, len(names) - 1)) % 360
    return {rung.name: hues[rung.name] for rung in facts.rungs}


def _colour(facts: LadderFacts, rung: RungFacts) -> str:
    return f"r{facts.rungs.index(rung)}"


def _tiles(facts: LadderFacts) -> list[tuple[str, str, str, str]]:
    best, lowest = facts.best, facts.rungs[0]
    share = figure(facts.share, "s") if facts.by == "time" else f"{facts.share:.2g} FLOPs"
    return [
        ("fewest bits per byte", "每字节最少比特", best.bits.shown(best.bits.value), best.name),
        (
            "saved on the lowest rung",
            "比最低一级节省",
            f"{1 - best.bits.value / lowest.bits.value:.0%}",
            f"{best.name} against {lowest.name}",
        ),
        ("for each rung", "每级预算", share, f"of {figure(facts.budget_s, 's')} in all"),
        (
            "text",
            "文本",
            f"{amount(facts.train_tokens)}",
            f"tokens of {facts.train_bytes / max(1, facts.train_tokens):.2f} bytes",
        ),
    ]


def _bits(facts: LadderFacts, width: int) -> Markup:
    rows = [(r.name, r.bits.value, r.bits.low, r.bits.high, interval(r.bits)) for r in facts.rungs]
    return interval_chart(rows, BITS_LABEL, width=width, marked=facts.best.name)


def interval(score: Score) -> str:
    """'1.234 [1.201, 1.268]'."""
    if score.low is None or score.high is None:
        return score.shown(score.value)
    low, high = score.shown(score.low), score.shown(score.high)
    return f"{score.shown(score.value)} [{low}, {high}]"


def _cloud(
    facts: LadderFacts, of: Callable[[RungFacts], float], label: str
) -> Callable[[int], Markup]:
    dots = [
        Dot(r.name, of(r), r.bits.value, r.bits.low, r.bits.high, _colour(facts, r))
        for r in facts.rungs
    ]
    return lambda width: scatter_chart(dots, label, BITS_LABEL, width=width, height=HEIGHT)


def _curves(
    facts: LadderFacts, of: Callable[[Point], float], label: str
) -> Callable[[int], Markup]:
    series = [
        Series(r.name, [(of(p), p.nats) for p in r.curve], _colour(facts, r), dots=True)
        for r in facts.rungs
        if r.curve
    ]
    return lambda width: line_chart(
        series,
        label,
        "nats/token, not trained on · 未训练文本的奈特/词元",
        width=width,
        height=HEIGHT,
        legend=False,
    )


def _prompts(facts: LadderFacts) -> list[tuple[str, list[tuple[str, str]]]]:
    """(prompt, what each rung wrote after it), in the order of the prompts."""
    found: dict[str, dict[str, str]] = {}
    for rung in facts.rungs:
        for sample in rung.samples:  # two documents may begin alike
            found.setdefault(sample.prompt, {})[rung.name] = sample.text
    return [(prompt, list(written.items())) for prompt, written in found.items()]
