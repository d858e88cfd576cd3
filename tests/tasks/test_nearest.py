"""Who is near whom: vectors laid out by hand, and questions about words."""

import numpy as np
import pytest
from pydantic import ValidationError

from lingloom.errors import DataError
from lingloom.measure.perplexity import MeasureSettings
from lingloom.measure.word_vectors import analogies, likeness, spearman
from lingloom.tasks.nearest import WordVectors, analogy, answers, nearest, similarity

WORDS = ["man", "woman", "king", "queen", "apple", "nothing", "man"]
VECTORS = np.array(
    [[2, 0, 0], [0, 2, 0], [3, 0, 3], [0, 1, 1], [-1, -1, 0.5], [0, 0, 0], [0, 0, 9]], np.float32
)
HERE = WordVectors(WORDS, VECTORS)
HOW = {"resamples": 200, "seed": 0}


def test_the_nearest_words_are_those_of_the_smallest_angle():
    found = nearest(HERE, "king", count=2)
    assert [near.word for near in found] == ["man", "man"]  # 45 degrees each
    assert found[0].similarity == pytest.approx(0.5**0.5)
    assert [near.word for near in nearest(HERE, "man", 1)] == ["king"]
    assert nearest(HERE, "woman", count=99)[-1].word == "apple"


def test_words_are_added_and_taken_away():
    assert nearest(HERE, "king - man + woman", 1)[0].word == "queen"
    assert analogy(HERE, "man", "king", "woman", 1) == nearest(HERE, "king + woman - man", 1)
    assert nearest(HERE, "man woman", 1)[0].similarity == pytest.approx(0.5)
    assert "queen" not in [near.word for near in nearest(HERE, "queen king")]


def test_similarity_is_the_cosine_and_small_letters_stand_in():
    assert similarity(HERE, "man", "King") == pytest.approx(0.5**0.5)
    assert similarity(HERE, "man", "woman") == 0


def test_a_word_that_is_not_there_brings_near_spellings():
    with pytest.raises(DataError, match=r"'quean' is not among the 6 words .*: queen$"):
        nearest(HERE, "quean")
    with pytest.raises(DataError, match="none is spelt alike"):
        nearest(HERE, "zzzzz")
    with pytest.raises(DataError, match="no word to start from"):
        nearest(HERE, "- man")
    with pytest.raises(DataError, match="'nothing' is not among"):
        similarity(HERE, "nothing", "man")  # a vector of length 0 has no direction


def test_rank_correlation_is_the_one_worked_by_hand():
    # d = 0, -1, 1, 0: 1 - 6 * 2 / (4 * 15) = 0.8
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([10.0, 30, 20, 99])) == pytest.approx(0.8)
    # ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: 4.5 / sqrt(4.5 * 5)
    found = spearman(np.array([1.0, 2, 2, 9]), np.array([1.0, 2, 3, 4]))
    assert found == pytest.approx((4.5 / 5) ** 0.5)
    assert spearman(np.ones(3), np.array([1.0, 2, 3])) == 0


def test_likeness_says_how_many_pairs_are_there(tmp_path):
    path = tmp_path / "ws.txt"
    path.write_text("# two words, a number\nman king 9\nman\tWOMAN\t5\nman apple 0\nman zzz 3\n")
    score = likeness(HERE, str(path), **HOW)
    assert (score.value, score.n, score.of) == (1.0, 3, "pairs of 4")
    assert score.name == "likeness of words, ws" and score.low <= score.high == 1.0


def test_analogies_count_the_questions_that_are_answered(tmp_path):
    path = tmp_path / "q.txt"
    path.write_text(": family\nman king woman queen\nman woman king apple\nman king zzz queen\n")
    (score,) = analogies(HERE, str(path), **HOW)
    assert (score.value, score.n, score.of) == (0.5, 2, "questions of 3")
    assert score.fixes == {"file": "q.txt", "by": "3CosAdd"}


def test_sections_are_scored_by_themselves_and_those_without_a_known_word_only_counted(tmp_path):
    path = tmp_path / "q.txt"
    path.write_text(
        ": family\nMAN king Woman queen\nman woman king apple\n: 动物\ncat dog hen cow\n"
        ": fruit of 1\nman king woman queen\nman king woman apple\nman king woman zzz\n"
    )
    whole, family, fruit = analogies(HERE, str(path), **HOW)
    assert (whole.name, whole.n, whole.of) == ("analogies, q", 4, "questions of 6, none of 动物")
    assert (family.name, family.value, family.n) == ("analogies, q: family", 0.5, 2)
    assert (fruit.name, fruit.of) == ("analogies, q: fruit of 1", "questions of 3")
    assert 0 <= whole.low < whole.value < whole.high <= 1


def test_questions_before_the_first_section_have_a_name_of_their_own(tmp_path):
    path = tmp_path / "q.txt"
    path.write_text("man king woman queen\n: family\nman woman king apple\n")
    names = [score.name for score in analogies(HERE, str(path), **HOW)]
    assert names == ["analogies, q", "analogies, q: without a name", "analogies, q: family"]


@pytest.mark.parametrize("d, interval", [("queen", (0.3424, 1.0)), ("apple", (0.0, 0.6576))])
def test_a_share_of_none_or_all_is_not_certain(tmp_path, d, interval):
    """Wilson 1927: with n = 2 and z = 1.96 the far end is z^2 / (n + z^2) = 0.6576 away."""
    path = tmp_path / "q.txt"
    path.write_text(f"man king woman {d}\n" * 2)
    (score,) = analogies(HERE, str(path), **HOW)
    assert (score.low, score.high) == pytest.approx(interval, abs=1e-4)


def test_products_without_analogies_are_refused():
    with pytest.raises(ValidationError, match="analogies_by=mul has no effect without analogies"):
        MeasureSettings(analogies_by="mul")


def test_a_file_may_begin_with_the_mark_of_its_encoding(tmp_path):
    path = tmp_path / "q.txt"
    path.write_text("man king woman queen\n", "utf-8-sig")
    assert analogies(HERE, str(path), **HOW)[0].n == 1


def test_analogies_by_products_are_those_worked_by_hand(tmp_path):
    """Levy and Goldberg 2014, equation 4: cos(d,b) cos(d,c) / (cos(d,a) + e), cosines in 0..1."""
    words = WordVectors(["a", "b", "c", "d", "e"], np.eye(5, 3) + np.eye(5, 3, -3) / 2 + 0.1)
    cos = (words.vectors @ words.vectors.T + 1) / 2
    a, b, c, d, e = range(5)
    expected = {words.words[i]: cos[i, b] * cos[i, c] / (cos[i, a] + 0.001) for i in (d, e)}
    found = analogy(words, "a", "b", "c", 9, by="mul")
    assert {near.word: near.similarity for near in found} == pytest.approx(expected)
    assert found[0].similarity == max(near.similarity for near in found)
    chance = np.random.default_rng(0)
    many = WordVectors([f"w{i}" for i in range(40)], chance.normal(size=(40, 6)))
    some = chance.integers(0, 40, (300, 3))
    for by in ("add", "mul"):
        together = answers(many, some, by)
        each = [analogy(many, *(many.words[i] for i in row), 1, by)[0].word for row in some]
        assert [many.words[i] for i in together] == each
    (tmp_path / "q.txt").write_text("man king woman queen\n")
    (score,) = analogies(HERE, str(tmp_path / "q.txt"), by="mul", **HOW)
    assert (score.value, score.low, score.fixes["by"]) == (1, None, "3CosMul")


@pytest.mark.parametrize(
    "ask, text, says",
    [
        (likeness, "man king\n", "ws.txt:1: not two words and a number"),
        (likeness, "man king much\n", "not two words and a number: 'man king much'"),
        (likeness, "man zzz 1\n", "of its 1 pairs of words only 0 have vectors"),
        (analogies, ": x\nman king woman\n", "ws.txt:2: not four words"),
        (analogies, "a b c d\n", "of its 1 questions none"),
        (analogies, ": x\n\n", "holds no questions; write them as four words a line"),
        (likeness, None, "cannot be read"),
    ],
)
def test_questions_that_cannot_be_used_are_named(tmp_path, ask, text, says):
    if text is not None:
        (tmp_path / "ws.txt").write_text(text)
    with pytest.raises(DataError, match=says):
        ask(HERE, str(tmp_path / "ws.txt"), **HOW)
