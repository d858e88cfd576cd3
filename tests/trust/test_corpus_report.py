"""The report of a corpus shows what its manifest says, and nothing that a text says is run."""

import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from lingloom.corpus_recipe import CorpusRecipe
from lingloom.loading import load
from lingloom.pipeline.corpus import clean
from lingloom.text.corpus.opened import Corpus
from lingloom.trust.card import size
from lingloom.trust.corpus_report import EXAMPLES, render_corpus
from lingloom.trust.draw import column_chart
from lingloom.trust.reasons import in_chinese

HOSTILE = "</pre><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
SENTENCE = "The {} of the {} is told to {} in a letter of {} pages, which nobody has read since."


class Page(HTMLParser):
    """What a browser would meet."""

    VOID = {"meta", "br", "img", "link", "input", "hr"}

    def __init__(self, html):
        super().__init__()
        self.open, self.seen, self.text, self.links = [], [], "", []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href")]
        assert not any(k.startswith("on") for k, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def document(i):
    return " ".join(SENTENCE.format(i, i * 7, f"reader{i}", i + 2) for _ in range(4)) + f" End {i}."


def rows():
    texts = [document(i) for i in range(60)]
    texts += [texts[3], texts[3].upper(), texts[5] + " And one more word."]
    return [*texts, HOSTILE, "short", document(99) + " Write to someone@example.com " + HOSTILE]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    lines = [json.dumps({"text": text}) for text in rows()] + ["{torn"]
    (folder / "<b>raw & co.jsonl").write_text("\n".join(lines), "utf-8")
    (folder / "quiz.txt").write_text(f"{document(20)}\n{document(500)}\n", "utf-8")
    words = [
        f"text.read={folder}/*.jsonl",
        "text.clean.mask=[email]",
        "filters=[short]",
        "dedup.audit=true",
        f"decontaminate.read={folder}/quiz.txt",
        "split={validation_frac: 0.05, test_frac: 0.05}",
        "weights={'*': 2}",
        f"out={folder}/made",
        *("shard_mb=1", "memory=1GB", "workers=1"),
    ]
    *_, last = clean(load(CorpusRecipe, {}, words))
    assert last.what == "end"
    return Corpus(folder / "made")


def bare(tmp_path):
    """A corpus of one document, with nothing to tell."""
    (tmp_path / "one.txt").write_text("one document\n", "utf-8")
    words = [f"text.read={tmp_path}/one.txt", "dedup={exact: false, near: false}"]
    words += ["split={validation_frac: 0, test_frac: 0}", "decontaminate.held_out=false"]
    words += [f"out={tmp_path}/made", "shard_mb=1", "memory=1GB", "workers=1"]
    *_, _last = clean(load(CorpusRecipe, {}, words))
    return Corpus(tmp_path / "made")


def test_the_page_is_written_with_the_corpus(corpus):
    page = Page((corpus.folder / "report.html").read_text("utf-8"))
    assert page.open == []
    for name in ("lingloom", "pyarrow", "processor", "seed"):
        assert name in page.text


def test_hostile_text_is_shown_and_never_run(corpus):
    page = Page(render_corpus(corpus, {HOSTILE: HOSTILE}))
    assert "script" not in page.seen
    assert "img" not in page.seen
    assert page.text.count("<script>alert('x')</script>") >= 3  # an example and the environment
    assert "<b>raw & co.jsonl" in page.text


def test_the_page_asks_for_nothing_from_outside_and_its_links_have_their_places(corpus):
    html = render_corpus(corpus, {})
    assert "url(" not in html and "@import" not in html
    for link in Page(html).links:
        assert f'id="{link[1:]}"' in html


def test_every_figure_of_the_manifest_is_on_the_page(corpus):
    figures, text = corpus.manifest, spaced(corpus)
    kept = sum(split["documents"] for split in figures["kept"].values())
    gone = sum(n for n, _ in figures["dropped"].values())
    told = [f"{figures['documents'] + 1} in = {kept} kept + {gone} dropped + 1 set aside"]
    for name, split in figures["kept"].items():
        told.append(f"{name} {split['documents']} {split['copies']} {size(split['bytes'])}")
    for row in figures["stages"]:
        counts = f"{row['documents_in']} {row['documents_out']}"
        told.append(f"{row['stage']} {counts} {size(row['bytes_in'])} {size(row['bytes_out'])}")
    for row in figures["sources"].values():
        dropped = sum(n for n, _ in row["dropped"].values())
        told.append(f"{size(row['bytes'])} {row['documents']} 1 set aside {row['kept']} {dropped}")
    for reason, (documents, text_bytes) in figures["dropped"].items():
        word = "document" if documents == 1 else "documents"
        assert in_chinese(reason)
        told.append(f"{reason} {in_chinese(reason)} {documents} {word} {size(text_bytes)}")
    for name, key in (("完全重复", "exact"), ("近似重复", "near"), ("候选对", "candidates")):
        told.append(f"{name} {figures['duplicates'][key]}")
    for share in shares(figures["audit"]):
        told.append(f"{share['frac']:.4f} {share['low']:.4f} – {share['high']:.4f} {share['n']}")
    for name, row in figures["benchmarks"].items():
        told.append(f"{name} {row['documents'] or ''} {row['dropped']}".replace("  ", " "))
    for file in figures["files"]:
        told.append(f"{file['path']} {file['documents']} {size(file['bytes'])} {file['sha256']}")
    assert len(told) > 20
    for line in told:
        assert line in text


def shares(audit):
    """Every share of an audit that was measured."""
    found = [s for some in audit.values() for s in ([some] if "n" in some else some.values())]
    return [share for share in found if share["frac"] is not None]


def spaced(corpus):
    """The text of the page with one blank between its cells."""
    html = render_corpus(corpus, {}).replace("</td>", " </td>").replace("<span", " <span")
    return " ".join(Page(html).text.split())


def test_the_corpus_under_test_has_something_in_every_section(corpus):
    figures, page = corpus.manifest, render_corpus(corpus, {})
    assert figures["duplicates"]["exact"] == 2
    assert figures["duplicates"]["near"] == 1
    assert figures["masked"] == {"email": 1}
    assert figures["dropped"]["short: fewer than 200 characters"][0] == 2
    for section in ("kept", "stages", "sources", "dropped", "duplicates", "masked", "benchmarks"):
        assert f'id="{section}"' in page


def test_examples_stand_below_their_reason_with_what_they_repeat(corpus):
    page = render_corpus(corpus, {})
    (exact,) = [part for part in page.split('class="reason"') if ">exact duplicate " in part]
    assert exact.count("raw &amp; co.jsonl:4") == 2  # both repeat the fourth line
    assert exact.count("repeats") == 2
    assert page.count('class="sample"') <= EXAMPLES * len(corpus.manifest["dropped"])


def test_what_a_corpus_has_not_is_not_on_its_page(tmp_path):
    page = render_corpus(bare(tmp_path), {})
    for section in ("dropped", "duplicates", "masked", "benchmarks"):
        assert f'id="{section}"' not in page
        assert f'href="#{section}"' not in page
    assert "1 in = 1 kept + 0 dropped + 0 set aside" in page
    assert "None" not in Page(page).text


def test_times_are_those_of_the_last_making(tmp_path):
    corpus = bare(tmp_path)
    log = [("read", 100.0), ("whole", 0.0), ("read", 3.0), ("read", 4.0), ("clean", 1.5)]
    lines = [json.dumps({"stage": stage, "seconds_s": s}) for stage, s in [*log, ("whole", 9.0)]]
    (corpus.folder / "log.jsonl").write_text("\n".join(lines), "utf-8")
    assert "read 7.00 s clean 1.50 s" in spaced(corpus)


def test_charts_are_well_formed(corpus):
    charts = render_corpus(corpus, {}).split("<svg")[1:]
    assert len(charts) == 8  # lengths, clusters, similarity and chance, each in two widths
    for chart in charts:
        ElementTree.fromstring("<svg" + chart.split("</svg>")[0] + "</svg>")


def test_columns_carry_their_counts_and_nothing_draws_nothing():
    chart = column_chart([("2", 1200), ("3", 0)], "x", "y", width=400, height=200)
    assert "<title>2: 1,200</title>" in chart
    assert chart.count("<rect") == 2
    assert column_chart([], "x", "y", width=400, height=200) == ""
    assert column_chart([("2", 0)], "x", "y", width=400, height=200) == ""
