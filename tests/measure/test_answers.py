"""Exact match and F1 of answers, by examples worked out after the published scripts."""

import random
import re
import string
from collections import Counter

import pytest

from lingloom.errors import DataError
from lingloom.measure.answers import (
    Judged,
    answer_scores,
    by_runs,
    by_words,
    compared,
    longest_run,
    way_of,
)
from lingloom.pipeline.judges.answers import guessed


@pytest.mark.parametrize(
    ("answer", "gold", "same", "f1"),
    [
        ("The Norman Conquest!", "norman conquest", 1, 1),
        ("in Rome", "Rome", 0, 2 / 3),
        ("a b b", "b b c", 0, 4 / 5),  # the article is left out: b b beside b b c
        ("x", "y", 0, 0),
        ("the", "an", 1, 1),  # nothing is left of either
        ("the", "cat", 0, 0),
        ("U.S.", "us", 1, 1),
    ],
)
def test_spaced_scripts_as_squad_compares_them(answer, gold, same, f1):
    assert by_words(answer, gold) == (same, pytest.approx(f1))


@pytest.mark.parametrize(
    ("answer", "gold", "same", "f1"),
    [
        ("1963年。", "1963年", 1, 1),
        ("于1963年", "1963年", 0, 4 / 5),  # 于 / 1963 / 年 beside 1963 / 年
        ("天主教河内总教区", "河内总教区", 0, 2 * 5 / 13),
        ("《范廷颂》", "范廷颂", 1, 1),
        ("颂廷范", "范廷颂", 0, 2 * 1 / 6),
        ("Apple 手机", "apple手机", 0, 1),  # a blank is kept for the exact match, as published
        ("甲", "乙", 0, 0),
        ("，", "甲", 0, 0),
    ],
)
def test_chinese_as_cmrc_compares_it(answer, gold, same, f1):
    assert by_runs(answer, gold) == (same, pytest.approx(f1))


def test_the_longest_run_is_of_neighbours():
    assert longest_run("abcde", "xbcdy") == 3
    assert longest_run("abc", "cba") == 1
    assert longest_run("", "a") == 0


def official(answer, gold):
    """SQuAD's compute_f1 and compute_exact, step by step as the script has them."""

    def normal(s):
        s = "".join(c for c in s.lower() if c not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())

    ours, theirs = normal(answer).split(), normal(gold).split()
    same = sum((Counter(ours) & Counter(theirs)).values())
    if not ours or not theirs:
        return float(normal(answer) == normal(gold)), float(ours == theirs)
    if not same:
        return float(normal(answer) == normal(gold)), 0.0
    precision, recall = same / len(ours), same / len(theirs)
    return float(normal(answer) == normal(gold)), 2 * precision * recall / (precision + recall)


def test_any_answers_are_compared_as_by_the_published_steps():
    chance = random.Random(0)
    words = ["a", "the", "cat", "Cat.", "an-other", "3.5", "U.S", "--", "dog's"]
    for _ in range(500):
        pair = [" ".join(chance.choices(words, k=chance.randint(0, 4))) for _ in range(2)]
        assert by_words(*pair) == pytest.approx(official(*pair)), pair


def test_the_nearest_gold_answer_counts_and_none_is_right_where_there_is_none():
    assert compared("red cat", ["dog", "the red cat"], "SQuAD") == (1, 1)
    assert compared("", [], "SQuAD") == (1, 1)
    assert compared("cat", [], "CMRC") == (0, 0)
    assert compared("", ["cat"], "CMRC") == (0, 0)


def test_the_script_of_the_answers_chooses_the_way():
    assert way_of(["1963年", "iPhone手机很贵很贵的"]) == "CMRC"
    assert way_of(["in 1963", "Pékin 北京"]) == "SQuAD"
    assert way_of([]) == "SQuAD"


def judged(rows):
    return [Judged(passage, "q", golds, answer) for passage, golds, answer in rows]


def test_scores_are_means_over_questions_and_intervals_come_of_passages():
    """50 passages with 4 questions each, all right in half of them: the mean varies as that of 50
    throws of a coin, by .07, and not as that of 200."""
    rows = [(f"p{i % 50}", ["cat"], "cat" if i % 2 else "dog") for i in range(200)]
    exact, f1 = answer_scores(judged(rows), resamples=2000)
    assert (exact.name, exact.value, exact.unit) == ("exact match", 0.5, "(SQuAD)")
    assert (exact.n, exact.of, exact.fixes["questions"]) == (50, "passages", 200)
    assert exact.low == pytest.approx(0.36, abs=0.03)
    assert exact.high == pytest.approx(0.64, abs=0.03)
    assert f1.value == 0.5


def test_all_right_is_not_certain():
    """Wilson 1927: of 6 passages, z^2 / (6 + z^2) = 0.3903 below 1."""
    rows = [(f"p{i}", ["cat"], "cat") for i in range(6)]
    for score in answer_scores(judged(rows)):
        assert (score.low, score.high) == pytest.approx((0.6097, 1.0), abs=1e-4)


def test_questions_without_an_answer_are_told_apart():
    rows = [("p", ["cat"], "cat"), ("q", ["cat"], ""), ("r", [], ""), ("s", [], "cat")]
    found = {score.name: (score.value, score.n) for score in answer_scores(judged(rows))}
    assert found == {
        "exact match": (0.5, 4),
        "F1": (0.5, 4),
        "exact match where there is an answer": (0.5, 2),
        "F1 where there is an answer": (0.5, 2),
        "exact match where there is none": (0.5, 2),
    }
    none = answer_scores(judged(rows[2:]))
    assert [score.name for score in none] == ["exact match", "F1"]
    with pytest.raises(DataError, match="exact match: nothing to measure in 0 documents"):
        answer_scores([])


def test_the_simplest_guess_is_the_sentence_most_like_the_question():
    passage = "Ann lives in Rome. Bob, 3.5 feet tall, lives in Oslo! Eve does not."
    assert guessed("Where does Bob live in?", passage) == "Bob, 3.5 feet tall, lives in Oslo!"
    assert guessed("山上有什么？", "从前有座山。山上有座庙。庙里有人") == "山上有座庙。"
    assert guessed("?", "\n") == ""
