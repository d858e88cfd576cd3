"""How often labels are right, on examples whose answers are published or counted by hand."""

import numpy as np
import pytest

from lingloom.errors import DataError
from lingloom.measure.told import Told, label_scores, label_table
from lingloom.tasks.spans import Span, mark_spans, spans


def told(said, true, names):
    numbers = [[np.array([names.index(n) for n in text]) for text in part] for part in (said, true)]
    return Told(names, [f"text {i}" for i in range(len(said))], *numbers)


def values(found):
    return {score.name: score.value for score in found}


# The examples of scikit-learn's f1_score and of seqeval's README.
DIGITS = told("021001", "012012", ["0", "1", "2"])
PHRASES = told(
    [[*"OO", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]],
    [[*"OOO", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]],
    ["B-MISC", "B-PER", "I-MISC", "I-PER", "O"],
)


def test_accuracy_and_macro_f1_of_a_published_example():
    found = values(label_scores(DIGITS))
    assert list(found) == ["accuracy", "macro-F1"]
    assert found["accuracy"] == pytest.approx(2 / 6)
    assert found["macro-F1"] == pytest.approx(0.26666, abs=1e-4)
    table = label_table(DIGITS)
    assert table["0"] == {"precision": 2 / 3, "recall": 1.0, "f1": 0.8, "n": 2}
    assert table["1"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 2}
    assert DIGITS.confusion().tolist() == [[2, 0, 0], [1, 0, 1], [0, 2, 0]]


def test_stretches_of_a_published_example():
    found = values(label_scores(PHRASES))
    assert found["entity F1"] == 0.5
    assert (found["entity precision"], found["entity recall"]) == (0.5, 0.5)
    assert found["accuracy"] == pytest.approx(0.8)


def test_a_label_that_is_nowhere_does_not_lower_the_mean():
    more = told("0101", "0101", ["0", "1", "never"])
    assert values(label_scores(more))["macro-F1"] == 1.0
    assert label_table(more)["never"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 0}


def test_nothing_found_is_no_error():
    nothing = told([["O", "O"]] * 3, [["B-X", "O"]] * 3, ["B-X", "O"])
    found = {score.name: score for score in label_scores(nothing)}
    assert (found["entity F1"].value, found["entity F1"].low) == (0.0, 0.0)
    assert (found["entity precision"].value, found["entity precision"].low) == (0.0, None)


def test_intervals_come_of_whole_texts():
    """Of 100 texts half are right through and half wrong through: however many words each has, the
    share of right words varies as that of 100 throws of a coin, by 0.05."""
    said = [["a"] * 50] * 50 + [["b"] * 50] * 50
    accuracy = label_scores(told(said, [["a"] * 50] * 100, ["a", "b"]), resamples=2000)[0]
    assert accuracy.value == 0.5
    assert accuracy.n == 100
    assert accuracy.low == pytest.approx(0.40, abs=0.02)
    assert accuracy.high == pytest.approx(0.60, abs=0.02)
    assert label_scores(told(["a"], ["a"], ["a", "b"]))[0].low is None
    right = label_scores(told(["a"] * 6, ["a"] * 6, ["a", "b"]))[0]
    assert (right.low, right.high) == pytest.approx((0.6097, 1.0), abs=1e-4)  # Wilson 1927


def test_nothing_to_measure_is_an_error():
    with pytest.raises(DataError, match="no text to measure; give at least one text with its"):
        label_scores(Told(["a", "b"], [], [], []))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-X I-X O B-Y", [("X", 0, 2), ("Y", 3, 4)]),
        ("B-X B-X I-Y I-X", [("X", 0, 1), ("X", 1, 2), ("Y", 2, 3), ("X", 3, 4)]),
        ("O I-X I-X", [("X", 1, 3)]),
        ("S-X B-Y I-Y E-Y S-Y", [("X", 0, 1), ("Y", 1, 4), ("Y", 4, 5)]),
        ("B-X E-X I-X E-X", [("X", 0, 2), ("X", 2, 4)]),
        ("E-X S-X I-X", [("X", 0, 1), ("X", 1, 2), ("X", 2, 3)]),
        ("B-a-b I-a-b", [("a-b", 0, 2)]),
        ("O O", []),
        ("", []),
    ],
)
def test_stretches_begin_and_end_as_conlleval_has_it(tags, expected):
    assert spans(tags.split()) == [Span(*each) for each in expected]


def test_labels_mark_stretches_where_all_of_them_do():
    assert mark_spans(["O", "B-X", "I-X"])
    assert mark_spans(["S-X", "E-X"])
    assert not mark_spans(["O"])
    assert not mark_spans(["NN", "VB", "O"])
    assert not mark_spans(["ham", "spam"])
