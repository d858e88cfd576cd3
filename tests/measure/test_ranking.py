import numpy as np
import pytest

from lingloom.errors import DataError
from lingloom.measure.ranking import area_under_roc, roc_curve
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
    assert score.low < score.value <= score.high == 1
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
