from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from lingloom.measure.score import Score
from lingloom.trust.card import amount, card, card_markdown, size
from lingloom.trust.facts import (
    Count,
    Curve,
    DataFacts,
    DocumentRow,
    ModelFacts,
    PlanRow,
    ProofRow,
    ReportData,
    Sample,
)
from lingloom.trust.report import render

HOSTILE = "</pre><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"


def bits(value, low=None, high=None, n=100):
    return Score("bits per byte", value, "bits/byte", n, low, high, fixes={"context": 64})


def full(text="plain"):
    return ReportData(
        name=text,
        summary=text,
        model=ModelFacts("llama", text, 1000, 256, 64, text, 1.0, 5000, 50_000),
        scores={"5-gram": [bits(2.5, 2.4, 2.6)], text + " model": [bits(2.0, 1.9, 2.1)]},
        difference=Score("difference", -0.5, "bits/byte", 100, -0.6, -0.4),
        curve=Curve([(0, 5.0), (1, 4.0)], [(1, 4.5)], [(0, 1e-3), (1, 1e-4)], unit=text),
        plan=[PlanRow(text, text, 4.0, 3.0, 5.0, 6.0)],
        data=DataFacts(
            splits=[Count("train", 90, 9000)],
            sources=[Count(text, 1, 10)],
            languages=[Count("zh", 3, 30)],
            dropped=[Count(text, 2)],
            set_aside=[(text, text)],
            set_aside_total=7,
        ),
        samples=[Sample(text, "从前有座山" + text, text)],
        worst=[DocumentRow(text, 7.5, 12, text)],
        events=[text],
        proofs=[ProofRow(text, text, False, text)],
        recipe=text,
        environment={text: text},
        limits=[text],
    )


class Page(HTMLParser):
    """What a browser would meet: open elements, every element, every address."""

    VOID = {"meta", "br", "img", "link", "input", "hr"}

    def __init__(self, html):
        super().__init__()
        self.open, self.seen, self.addresses, self.text = [], [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "action", "data")]
        assert not any(k.startswith("on") for k, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_hostile_text_is_shown_and_never_run():
    html = render(full(HOSTILE))
    page = Page(html)
    assert "script" not in page.seen
    assert "img" not in page.seen
    assert "<script>alert('x')</script>" in page.text
    assert page.open == []


def test_the_page_asks_for_nothing_from_outside():
    html = render(full())
    assert all(address.startswith("#") for address in Page(html).addresses)
    assert "url(" not in html
    assert "@import" not in html
    assert "http://" not in html.replace("http-equiv", "")
    assert "https://" not in html


def test_every_link_of_the_page_has_its_place():
    html = render(full())
    for address in Page(html).addresses:
        assert f'id="{address[1:]}"' in html


def test_a_report_without_anything_is_still_a_page():
    page = Page(render(ReportData("bare")))
    assert page.open == []
    assert "bare" in page.text
    assert "nan" not in page.text.lower()
    assert "None" not in page.text


@pytest.mark.parametrize(
    "part",
    [
        {"scores": {"model": []}},
        {"scores": {"model": [bits(float("inf"))]}},
        {"scores": {"a": [bits(0.0)], "b": [bits(0.0)]}},
        {"curve": Curve(train=[(3, 2.0)])},
        {"curve": Curve(train=[(0, float("nan")), (1, float("inf"))])},
        {"curve": Curve(train=[(i, 2.0) for i in range(5000)])},
        {"plan": [PlanRow("time", "minutes")]},
        {"plan": [PlanRow("time", "minutes", 0.0, 0.0, 0.0, 0.0)]},
        {"data": DataFacts(sources=[Count("empty", 0, 0)])},
        {"model": ModelFacts(seen_tokens=5)},
        {"model": ModelFacts("llama", train_tokens=0, seen_tokens=0, context=8)},
    ],
    ids=str,
)
def test_each_part_may_stand_alone_or_hold_little(part):
    assert Page(render(ReportData("odd", **part))).open == []


def test_the_verdict_compares_the_last_two():
    assert "needs 20.0% fewer bits than the 5-gram" in Page(render(full())).text
    worse = ReportData("w", scores={"5-gram": [bits(2.0)], "model": [bits(2.2)]})
    assert "needs 10.0% more bits than the 5-gram" in Page(render(worse)).text


def test_a_difference_that_holds_zero_is_called_none():
    even = Score("difference", -0.01, "bits/byte", 100, -0.03, 0.01)
    data = ReportData("e", scores={"5-gram": [bits(2.0)], "m": [bits(1.99)]}, difference=even)
    text = Page(render(data)).text
    assert "No clear difference from the 5-gram" in text
    assert "It does not clearly beat the baseline" in text


def test_charts_are_well_formed_and_hold_their_units():
    html = render(full())
    charts = html.split("<svg")[1:]
    assert len(charts) == 6  # bits, loss and learning rate, each in two widths
    for chart in charts:
        ElementTree.fromstring("<svg" + chart.split("</svg>")[0] + "</svg>")
    assert "learning rate" in html


def test_an_outcome_outside_its_band_is_said_to_be():
    assert PlanRow("t", "min", 4, 3, 5, 6).kept() is False
    assert PlanRow("t", "min", 4, 3, 5, 5).kept() is True
    assert PlanRow("t", "min", 4, 3, 5).kept() is None
    assert "✗ outside" in Page(render(full())).text


def test_planned_quantities_carry_units_that_people_use():
    plan = [PlanRow("time", "s", 100, 90, 7200, 300), PlanRow("text", "tokens", 5, 4, 6, 5)]
    text = Page(render(ReportData("p", plan=plan))).text
    for shown in ("100 s", "90 s – 2.0 h", "5.0 min", "4 – 6 tokens"):
        assert shown in text


def test_the_card_reasons_from_the_figures():
    lines = " ".join(english for part in card(full()) for english, _ in part.lines)
    assert "at most 64 tokens (about 64 bytes of text)" in lines
    assert "10.0 times over" in lines
    assert "may recite passages by heart" in lines
    assert "5 different tokens per parameter" in lines
    assert "(zh 100% of the bytes)" in lines
    assert "documents only" not in lines


def test_the_card_admits_few_documents_and_no_measurement():
    few = ReportData("f", scores={"m": [bits(2.0, n=5)]})
    assert "Measured on 5 documents only" in card_markdown(few)
    assert "It was not measured on held-out text." in card_markdown(ReportData("n"))


def test_the_card_of_a_model_folder_starts_with_the_header_that_hubs_read():
    text = card_markdown(full("plain"))
    head, body = text.removeprefix("---\n").split("\n---\n")
    assert "library_name: transformers" in head
    assert "- zh" in head
    assert body.startswith("\n# plain\n")


def test_hostile_text_stays_text_in_markdown():
    assert "<script" not in card_markdown(full(HOSTILE))


def test_amounts_read_as_people_say_them():
    assert [size(0), size(999), size(1234), size(5.6e6)] == [
        "0 bytes",
        "999 bytes",
        "1.2 kB",
        "5.6 MB",
    ]
    assert [amount(950), amount(10_700_000)] == ["950", "10.7 million"]


@pytest.mark.parametrize(
    ("task", "tag", "says"),
    [
        ("generate", "pipeline_tag: text-generation", "It continues text"),
        ("fill", "pipeline_tag: fill-mask", "which word is missing"),
        ("classify", "pipeline_tag: text-classification", "which of its labels a text"),
        ("nearest", "tags:", "do not let it decide about people"),
    ],
)
def test_the_card_says_what_the_model_is_for(task, tag, says):
    model = replace(full().model, task=task, began_with="runs/earlier/model")
    markdown = card_markdown(replace(full(), model=model))
    assert tag in markdown.splitlines()
    assert says in markdown
    assert "trained from runs/earlier/model" in markdown
    assert ("It continues text" in markdown) == (task == "generate")
    tells = task == "classify"
    assert ("It gives a label to whatever it reads" in markdown) == tells
    assert ("fluent statements may be false" in markdown) != tells
