"""One self-contained HTML file about one corpus: what came in, what became of it, and why.

All figures are those of the manifest; times come from the log, examples from the dropped documents.
What is not known is left out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
from markupsafe import Markup

from ..runs import RunFolder
from ..text.corpus.opened import Corpus
from ..text.minhash import candidate_probability
from .card import size
from .draw import Series, column_chart, line_chart
from .page import both, render_page
from .reasons import in_chinese

EXAMPLES = 3
"""Dropped documents that are shown for each reason."""
EXCERPT_CHARS = 240
ROWS = 50
"""Sources and files that are listed, the largest; the manifest has all of them."""


@dataclass(frozen=True)
class Example:
    """A document that was left out."""

    id: str
    of: str | None
    """What it repeats."""
    excerpt: str


@dataclass(frozen=True)
class Reason:
    """Why documents were left out, how many, and the first few."""

    name: str
    chinese: str
    """Empty where only the English is known."""
    documents: int
    text_bytes: int
    examples: list[Example]


def render_corpus(corpus: Corpus, environment: Mapping[str, str]) -> str:
    """The page as HTML text; whatever the corpus holds is escaped.

    Args:
        corpus: its manifest may not be written yet; its other files are.
        environment: versions and machine, as the page names them.
    """
    figures = corpus.manifest
    duplicates = figures["duplicates"]
    recipe = corpus.folder / "recipe.yaml"
    return render_page(
        "corpus_report.html",
        name=corpus.folder.resolve().name,
        figures=figures,
        kept=sum(split["documents"] for split in figures["kept"].values()),
        gone=sum(n for n, _ in figures["dropped"].values()),
        times=_times(RunFolder(corpus.folder).read_log()),
        lengths=both(lambda width: _lengths_chart(figures["lengths"], width)),
        inputs={report["name"]: report for report in figures["inputs"]},
        sources=_largest(figures["sources"].items(), lambda item: item[1]["bytes"]),
        reasons=_reasons(corpus),
        repeats=_repeats(figures),
        clusters=both(lambda width: _clusters_chart(duplicates.get("cluster_sizes", {}), width)),
        jaccard=both(lambda width: _jaccard_chart(duplicates.get("jaccard", []), width)),
        chance=both(lambda width: _chance_chart(figures["recipe"]["dedup"], width)),
        audit={who: _shares(found) for who, found in figures["audit"].items()},
        files=_largest(figures["files"], lambda file: file["bytes"]),
        rows=ROWS,
        environment=environment,
        recipe=recipe.read_text("utf-8") if recipe.is_file() else "",
    )


def _largest(rows: Iterable[Any], weight: Any) -> list[Any]:
    return sorted(rows, key=weight, reverse=True)[:ROWS]


def _times(log: list[dict[str, Any]]) -> dict[str, float]:
    """Stage -> seconds of the last making of the corpus, over all processes that took part."""
    seconds: Counter[str] = Counter()
    whole = False
    for record in log:
        if whole:
            seconds.clear()
        whole = record["stage"] == "whole"
        if not whole:
            seconds[record["stage"]] += record["seconds_s"]
    return dict(seconds)


def _repeats(figures: dict[str, Any]) -> bool:
    """Whether there is anything to tell of duplicates."""
    found = figures["duplicates"]
    told = found["exact"] or found.get("near") or figures["audit"] or figures["shortened"]
    return bool(told)


def _reasons(corpus: Corpus) -> list[Reason]:
    """All reasons, the most frequent first, with examples; only the texts shown are read."""
    counts = corpus.manifest["dropped"]
    found: dict[str, list[Example]] = {reason: [] for reason in counts}
    wanted = {reason: EXAMPLES for reason, (documents, _) in counts.items()}
    for path in sorted((corpus.folder / "dropped").glob("*.parquet")):
        if not any(wanted.values()):
            break
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            rows = []
            for row, reason in enumerate(file.read_row_group(group, ["reason"])["reason"]):
                if wanted.get(reason.as_py()):
                    wanted[reason.as_py()] -= 1
                    rows.append(row)
            for document in file.read_row_group(group).take(rows).to_pylist() if rows else ():
                found[document["reason"]].append(
                    Example(document["id"], document["of"], _excerpt(document["text"]))
                )
    return [
        Reason(name, in_chinese(name), documents, text_bytes, found[name])
        for name, (documents, text_bytes) in counts.items()
    ]


def _excerpt(text: str) -> str:
    """The beginning of a text in one line."""
    line = " ".join(text[: 4 * EXCERPT_CHARS].split())
    return line if len(line) <= EXCERPT_CHARS else line[:EXCERPT_CHARS] + " …"


def _shares(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What was measured -> a share with its interval."""
    return {"similar to the document kept": found} if "n" in found else found


# --------------------------------------------------------------------------- charts


def _lengths_chart(lengths: list[int], width: int) -> Markup:
    """From the first length that occurs."""
    first = next((i for i, n in enumerate(lengths) if n), 0)
    columns = [(size(2**i).replace(" bytes", " B"), n) for i, n in enumerate(lengths)]
    return column_chart(
        columns[first:],
        "text, from this size to twice it · 文本大小",
        "documents · 文档",
        width=width,
        height=240,
    )


def _clusters_chart(sizes: Mapping[str, int], width: int) -> Markup:
    """Sizes above 8 are joined by doubling: 9–16, 17–32 and so on."""
    columns: Counter[tuple[int, int]] = Counter()
    for text, count in sizes.items():
        documents, top = int(text), 8
        while documents > top:
            top *= 2
        columns[(documents, documents) if documents <= 8 else (top // 2 + 1, top)] += count
    named = [
        (str(low) if low == high else f"{low}–{high}", n)
        for (low, high), n in sorted(columns.items())
    ]
    return column_chart(
        named, "documents in a cluster · 簇内文档数", "clusters · 簇", width=width, height=220
    )


def _jaccard_chart(counts: list[int], width: int) -> Markup:
    """From the first similarity that occurs."""
    first = next((i for i, n in enumerate(counts) if n), 0)
    columns = [(f"{i / len(counts):.2f}", n) for i, n in enumerate(counts)]
    step = f"Jaccard similarity, from this to {1 / len(counts):.2f} more · 相似度" if counts else ""
    return column_chart(columns[first:], step, "pairs · 对", width=width, height=220)


def _chance_chart(dedup: dict[str, Any], width: int) -> Markup:
    if not dedup["near"]:
        return Markup("")
    bands, rows = dedup["minhash"]["bands"], dedup["minhash"]["rows"]
    threshold = dedup["minhash"]["threshold"]
    steps = [i / 100 for i in range(101)]
    chances = [(s, candidate_probability(s, bands, rows)) for s in [*steps, threshold]]
    series = [
        Series("identical:", chances[:-1], "base"),
        Series(f"at {threshold:g}:", [(threshold, 0.0), chances[-1]], "model"),
    ]
    label = "chance that a pair is compared · 被比较的概率"
    return line_chart(
        series, "Jaccard similarity of the pair · 相似度", label, width=width, height=220
    )
