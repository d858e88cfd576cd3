"""The page of a ladder, from figures alone."""

import pytest

from lingloom.measure.score import Score
from lingloom.trust.facts import PlanRow, Sample
from lingloom.trust.ladder import LadderFacts, Point, RungFacts, render
from lingloom.trust.scatter import Dot, scatter_chart, short

HOSTILE = "</pre><script>alert('x')</script>"


def bits(value, low=None, high=None):
    return Score("bits per byte", value, "bits/byte", 50, low, high)


def rung(name, value, gain=None, **more):
    score = None if gain is None else Score("difference", gain, "bits/byte", 50, *more.pop("ends"))
    rest = {"counts": False, "numbers": 1000, "tokens": 5000, "seconds_s": 3.0, "flops": 1e9}
    proof = (
        "p(w) = " + name,
        "docs/x.md",
        "models/x.py, X",
        "class X: ...",
        "tests/test_x.py::test",
    )
    score = {"bits": bits(value, value - 0.1, value + 0.1), "gain": score}
    return RungFacts(name, "adds " + name, "新", *proof, "a shape", **{**rest, **more}, **score)


def ladder(*rungs, **more):
    rest = {"name": "mine", "by": "time", "budget_s": 60.0, "share": 30.0}
    counts = {"train_tokens": 5000, "train_bytes": 9000, "heldout_documents": 50, "vocab": 300}
    return LadderFacts(**{**rest, **counts, **more}, tokenizer="bpe", rungs=rungs)


def test_a_rung_is_better_only_where_the_whole_interval_says_so():
    cases = {(-0.2, -0.1): "better", (-0.1, 0.1): "no clear difference", (0.1, 0.2): "worse"}
    for ends, verdict in cases.items():
        assert rung("x", 2.0, sum(ends) / 2, ends=ends).verdict == verdict
    assert rung("x", 2.0).verdict == ""


def test_the_best_rung_leads_the_page_wherever_it_stands():
    facts = ladder(rung("low", 3.0), rung("best", 1.5), rung("last", 2.0))
    page = render(facts)
    assert "<b>1.500</b><small>best</small>" in page
    assert "<b>50%</b><small>best against low</small>" in page


def test_two_documents_that_begin_alike_are_shown_once():
    samples = [Sample("Once", "upon"), Sample("Once", "upon"), Sample("从前", "有座山")]
    page = render(ladder(rung("a", 2.0, samples=samples)))
    assert page.count("<mark>Once</mark>") == page.count(">upon</td>") == 1
    assert page.index("<mark>Once</mark>") < page.index("有座山")


def test_each_rung_shows_its_formula_its_code_and_its_test():
    page = render(ladder(rung("a", 2.0, proof_source="def test(): ...")))
    for shown in (
        "def test(): ...",
        "p(w) = a",
        "docs/x.md",
        "models/x.py, X",
        "class X: ...",
        "tests/test_x.py test",
    ):
        assert shown in page


def test_whatever_a_text_says_the_page_runs_nothing():
    curve = [Point(1.0, 100, 5.0), Point(2.0, 200, 4.0)]
    samples = [Sample(HOSTILE, HOSTILE)]
    facts = ladder(
        rung(HOSTILE, 2.0, curve=curve, samples=samples, folder=HOSTILE),
        name=HOSTILE,
        plan=[PlanRow("time", "s", 4.0, 3.0, 5.0, 6.0)],
        settings=HOSTILE,
        environment={HOSTILE: HOSTILE},
    )
    page = render(facts)
    assert "<script" not in page and "outside" in page


def test_a_ladder_by_flops_says_so_and_one_that_only_counts_has_no_curves():
    page = render(ladder(rung("1-gram", 3.0, counts=True, flops=0.0), by="flops", share=2e12))
    assert "2e+12 FLOPs" in page and "amount of computing" in page
    assert 'id="curves"' not in page


def test_points_stand_where_their_powers_are():
    dots = [Dot("a", 10.0, 1.0, None, None, "r0"), Dot("b", 1000.0, 3.0, 2.9, 3.1, "r1"),
            Dot("c", 100.0, 2.0, None, None, "r2")]  # fmt: skip
    chart = str(scatter_chart(dots, "x", "y", width=400, height=200))
    xs = [float(part.split('"')[0]) for part in chart.split('<circle cx="')[1:]]
    assert xs[2] == pytest.approx((xs[0] + xs[1]) / 2, abs=0.1)
    assert scatter_chart([Dot("a", 0.0, 1.0, None, None, "r0")], "x", "y", width=9, height=9) == ""


def test_names_of_near_points_do_not_lie_upon_each_other():
    dots = [Dot(name, 100.0, 2.0, None, None, "r0") for name in ("one", "two", "six")]
    far = Dot("far", 1e4, 3.0, None, None, "r0")
    chart = str(scatter_chart([*dots, far], "x", "y", width=400, height=200))
    places = [float(part.split('y="')[1].split('"')[0]) for part in chart.split('" class="label"')
              for part in [part.rpartition("<text ")[2]] if 'y="' in part]  # fmt: skip
    near = sorted(places)[1:4]
    assert all(b - a >= 12 for a, b in zip(near, near[1:], strict=False)), places


def test_amounts_on_an_axis_are_short():
    assert [short(x) for x in (0.5, 10, 2000, 3e6, 1e9)] == ["0.5", "10", "2k", "3M", "1G"]
