import json

import numpy as np
import pytest

from lingloom.errors import DataError
from lingloom.measure.score import Score, Tally, compare, ratio


def tally(top, bottom):
    return Tally([f"d{i}" for i in range(len(top))], np.array(top, float), np.array(bottom, float))


def test_a_score_reads_as_one_line():
    score = Score("bits per byte", 1.2341, "bits/byte", 312, 1.2009, 1.2681)
    assert str(score) == "bits per byte 1.234 [1.201, 1.268] (95%, n=312 documents)"
    speed = Score("speed", 12345.6, "tokens/s", 3, 12000, 13000, of="rounds")
    assert str(speed) == "speed 12,346 tokens/s [12,000, 13,000] (95%, n=3 rounds)"
    assert (
        str(Score("f", 0.5, "", 9, 0.25, 0.75)) == "f 0.5000 [0.2500, 0.7500] (95%, n=9 documents)"
    )


def test_one_document_has_a_value_and_no_interval():
    score = ratio(tally([30.0], [10]), "bits per byte", "bits/byte")
    assert (score.value, score.n, score.low, score.high) == (3.0, 1, None, None)
    assert str(score) == "bits per byte 3.000 (no interval, n=1 documents)"


def test_a_score_comes_back_from_json_as_it_was():
    score = Score("x", 0.1 + 0.2, "bits/byte", 7, 0.25, 0.5, fixes={"context": 64})
    assert Score.from_json(json.loads(json.dumps(score.to_json()))) == score


def test_infinity_survives_strict_json():
    score = Score("perplexity per token", float("inf"), "", 1)
    stored = json.dumps(score.to_json(), allow_nan=False)
    assert Score.from_json(json.loads(stored)) == score
    assert str(score) == "perplexity per token inf (no interval, n=1 documents)"


def test_a_stored_score_with_a_field_missing_is_refused_by_name():
    with pytest.raises(DataError, match="a stored score cannot be read: 'low'"):
        Score.from_json({"name": "x", "value": 1.0})


def test_the_value_is_the_ratio_of_sums_and_not_the_mean_of_ratios():
    assert ratio(tally([1, 30], [1, 10]), "x", "").value == 31 / 11


def test_equal_documents_leave_nothing_uncertain():
    score = ratio(tally([6] * 20, [2] * 20), "x", "")
    assert (score.low, score.value, score.high) == (3.0, 3.0, 3.0)


def test_two_documents_give_the_three_ratios_that_drawing_two_can_give():
    """Of 2 documents (1/1 and 3/1) the draws are 1, 2, 2, 3, each a quarter: both tails reach."""
    score = ratio(tally([1, 3], [1, 1]), "x", "", resamples=4000)
    assert (score.low, score.value, score.high) == (1.0, 2.0, 3.0)


def test_the_interval_of_a_mean_agrees_with_the_normal_one():
    top = np.random.default_rng(1).normal(10, 2, 400)
    score = ratio(tally(top, np.ones(400)), "x", "", resamples=4000)
    half = 1.96 * top.std() / 20
    assert score.low == pytest.approx(top.mean() - half, abs=0.03)
    assert score.high == pytest.approx(top.mean() + half, abs=0.03)


def test_95_of_100_intervals_hold_the_truth():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        bottom = rng.integers(1, 50, 60)
        score = ratio(tally(bottom * rng.normal(2, 0.5, 60), bottom), "x", "", resamples=400)
        hits += score.low <= 2.0 <= score.high
    assert 180 <= hits <= 198


def test_the_same_seed_gives_the_same_interval_and_chunks_do_not_matter(monkeypatch):
    data = tally(np.arange(1, 51), np.arange(51, 101))
    first = ratio(data, "x", "", seed=3)
    monkeypatch.setattr("lingloom.measure.score.ROOM", 170)
    assert ratio(data, "x", "", seed=3) == first
    assert ratio(data, "x", "", seed=4) != first


def test_documents_without_bytes_count_in_the_sum_and_break_nothing():
    score = ratio(tally([1, 4], [0, 2]), "x", "")
    assert score.value == 2.5
    assert np.isfinite([score.low, score.high]).all()


def test_nothing_to_measure_is_an_error():
    with pytest.raises(DataError, match="bits per byte: nothing to measure in 0 documents"):
        ratio(tally([], []), "bits per byte", "bits/byte")
    with pytest.raises(DataError, match="nothing to measure in 2 documents"):
        ratio(tally([1, 1], [0, 0]), "bits per byte", "bits/byte")


def test_pairing_finds_a_small_difference_that_two_intervals_hide():
    rng = np.random.default_rng(0)
    bottom, hard = rng.integers(50, 100, 80), rng.normal(2, 0.7, 80)
    a, b = tally(bottom * (hard + 0.02), bottom), tally(bottom * hard, bottom)
    alone = ratio(a, "x", ""), ratio(b, "x", "")
    assert alone[0].low < alone[1].high  # the two intervals overlap
    apart = compare(a, b, "difference", "")
    assert apart.value == pytest.approx(0.02)
    assert 0 < apart.low <= 0.0200001
    assert compare(b, a, "difference", "").value == -apart.value


def test_different_documents_are_not_compared():
    a = tally([1, 2], [1, 1])
    with pytest.raises(DataError, match="2 against 3 documents; measure both runs on the same"):
        compare(a, tally([1, 2, 3], [1, 1, 1]), "difference", "")
    other = Tally(["d0", "z"], a.top, a.bottom)
    with pytest.raises(DataError, match="document 1 is 'd1' in one and 'z' in the other"):
        compare(a, other, "difference", "")


def test_a_rising_function_takes_the_interval_along():
    nats = Score("nats per token", 1.0, "nats/token", 5, 0.0, 2.0)
    perplexity = nats.through("perplexity per token", "", np.exp)
    assert (perplexity.low, perplexity.high) == (1.0, np.exp(2.0))
