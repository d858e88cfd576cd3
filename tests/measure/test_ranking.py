import numpy as np
import pytest

from lingloom.errors import DataError
from lingloom.measure.ranking import area_under_roc, interval_of_few, roc_curve
from lingloom.measure.score import Z
from lingloom.measure.told import Told, label_scores

TRUE = np.array([1, 1, 0, 1, 0, 0], bool)
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.1])


def test_a_curve_worked_by_hand():
    false_positive, true_positive = roc_curve(SCORES, TRUE)
    np.testing.assert_allclose(false_positive, [0, 0, 0, 1 / 3, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(true_positive, [0, 1 / 3, 2 / 3, 2 / 3, 1, 1, 1])


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    score = area_under_roc(SCORES, TRUE)
    assert score.value == pytest.approx(8 / 9)  # of 9 pairs only (0.6, 0.7) is the wrong way round
    assert score.low is not None and score.high is not None
    assert score.low < score.value < score.high < 1
    curve = roc_curve(SCORES, TRUE)
    assert np.trapezoid(curve[1], curve[0]) == pytest.approx(8 / 9)


def test_a_tie_counts_half():
    score = area_under_roc(np.array([0.5, 0.5, 0.2]), np.array([True, False, False]))
    assert score.value == pytest.approx(0.75)


@pytest.mark.parametrize("seed", range(5))
def test_the_area_is_what_counting_all_pairs_gives(seed):
    rng = np.random.default_rng(seed)
    scores, true = rng.integers(0, 12, 200) / 7, rng.random(200) < 0.3
    above = scores[true][:, None] > scores[~true]
    same = scores[true][:, None] == scores[~true]
    assert area_under_roc(scores, true, resamples=0).value == pytest.approx(
        (above + same / 2).mean()
    )


def test_the_interval_holds_what_is_true_about_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for i in range(100):  # normal scores one apart: the area is Phi(1 / sqrt 2) = 0.7602
        true = np.arange(200) < 100
        score = area_under_roc(rng.normal(size=200) + true, true, resamples=200, seed=i)
        assert score.low is not None and score.high is not None
        held += score.low <= 0.76025 <= score.high
    assert held >= 88


def test_two_things_say_next_to_nothing():
    score = area_under_roc(np.array([0.9, 0.1]), np.array([True, False]))
    assert score.value == 1
    assert score.low == pytest.approx(1 / (1 + Z * Z))  # where (1 - x)^2 = Z^2 x (1 - x)
    assert score.high == 1
    assert str(score) == "area under ROC 1.000 [0.207, 1.000] (95%, n=2 documents)"
    worst = area_under_roc(np.array([0.1, 0.9]), np.array([True, False]))
    assert (worst.value, worst.low) == (0, 0)
    assert worst.high == pytest.approx(Z * Z / (1 + Z * Z))


def test_many_in_the_right_order_are_not_certain_to_be_so_always():
    true = np.arange(100) < 50
    score = area_under_roc(true.astype(float), true)
    assert (score.value, score.high) == (1, 1)
    # (1 - x)^2 = Z^2 x (1 - x) (1 + 49 ((1 - x) / (2 - x) + x / (1 + x))) / 2500
    assert score.low == pytest.approx(0.96034, abs=1e-4)


def test_the_ends_are_a_published_standard_error_away_as_it_is_there():
    """Hanley and McNeil 1982, table II: an area of 0.893 of 58 normal and 51 abnormal has a
    standard error of 0.032; the interval is wider below, where errors are larger, than above."""
    low, high = interval_of_few(0.893, 58, 51)
    assert (0.893 - low) / Z > 0.032 > (high - 0.893) / Z
    assert (high - low) / (2 * Z) == pytest.approx(0.032, abs=1e-3)


def test_the_interval_of_few_holds_what_is_true_about_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):  # normal scores 2.5 apart: the area is Phi(2.5 / sqrt 2) = 0.96145
        true = np.arange(20) < 10
        score = area_under_roc(rng.normal(size=20) + 2.5 * true, true)
        assert score.low is not None and score.high is not None
        held += score.low <= 0.96145 <= score.high
    assert held >= 184


def test_one_kind_alone_is_refused():
    with pytest.raises(DataError, match="3 of 3 are true, so nothing can be told apart"):
        area_under_roc(np.arange(3.0), np.ones(3, bool))


def test_two_labels_with_chances_are_judged_by_the_area_too():
    said = [np.array([int(score > 0.5)]) for score in SCORES]
    chances = [np.array([1 - score, score]) for score in SCORES]
    true = [np.array([int(label)]) for label in TRUE]
    ids = [str(i) for i in range(6)]
    found = {
        score.name: score.value for score in label_scores(Told(["ham", "spam"], ids, said, true))
    }
    assert "area under ROC" not in found
    found = {
        score.name: score.value
        for score in label_scores(Told(["ham", "spam"], ids, said, true, chances))
    }
    assert found["area under ROC"] == pytest.approx(8 / 9)
    assert found["accuracy"] == pytest.approx(4 / 6)
