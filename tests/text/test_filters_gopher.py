"""Gopher's rules on texts that break one of them by a hair, counted by hand from the paper."""

import pytest
from pydantic import ValidationError

from lingloom.text.filters.batch import TextBatch
from lingloom.text.filters.gopher_quality import GopherQualitySettings
from lingloom.text.filters.gopher_repetition import GopherRepetitionSettings
from lingloom.text.texts import Texts

QUALITY, REPETITION = GopherQualitySettings(), GopherRepetitionSettings()
PROSE = "the " + "word " * 44 + "with five more words here"
"""Fifty words, two of them stop words."""


def reason(family, text: str) -> str | None:
    return family.judge(TextBatch(Texts.of_strings([text])))[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PROSE, None),
        (PROSE.replace("more ", "", 1), "fewer than 50 words"),
        (PROSE.replace("more ", "! . , ", 1), "fewer than 50 words"),  # marks are no words
        ("the with " + "word " * 99_998, None),
        ("the with " + "word " * 99_999, "more than 100000 words"),
        ("of to " + "abc " * 50, "mean word under 3 characters"),  # (2 * 2 + 3 * 50) / 52
        ("the with " + "abc " * 50, None),
        ("the with " + "a" * 11 + " abcdefghijk" * 60, "mean word over 10 characters"),
        (PROSE + " #" * 5, None),  # 5 of 55 words, which count marks
        (PROSE + " #" * 6, "over 0.1 hash signs per word"),  # 6 of 56
        (PROSE + " a…" * 6 + " end", None),  # 6 of 63
        (PROSE + "…" * 6, "over 0.1 ellipses per word"),  # 6 of 56
        (PROSE + " ..." * 4 + " end", None),  # 4 of 63: three dots are three words
        ("- x\n" * 9 + PROSE, None),  # 9 of 10 lines
        ("- xyz\n" * 10 + PROSE, "over 0.9 of lines begin with a bullet"),
        ("abc …\n" * 3 + "abc\n" * 6 + PROSE, None),
        ("abc …\n" * 3 + "abc\n" * 5 + PROSE, "over 0.3 of lines end with an ellipsis"),
        (PROSE + " 123" * 12, None),  # 50 of 62
        (PROSE + " 123" * 13, "under 0.8 of words have a letter"),  # 50 of 63
        (PROSE.replace("with", "from"), "fewer than 2 stop words"),
        (PROSE.replace("with", "the"), "fewer than 2 stop words"),  # different ones
        ("", "fewer than 50 words"),
    ],
)
def test_quality_rules_hold_at_their_limits(text, says):
    assert reason(QUALITY, text) == (says and f"gopher: {says}")


def test_limits_and_stop_words_are_the_users():
    own = GopherQualitySettings(min_words=2, min_stop_words=1, stop_words=["rose"])
    assert reason(own, "a rose is a flower") == "gopher: mean word under 3 characters"
    assert reason(own, "every rose has thorns") is None
    assert reason(own, "every tulip has none") == "gopher: fewer than 1 stop words"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["of course"], "'of course' is not one word but 'of course'; give single words"),
        (["因为"], "'因为' is not one word but '因 为'; give single words"),
        ([""], "'' is not one word but ''; give single words"),
        (["a"] * 65, "65 words; give at most 64"),
    ],
)
def test_stop_words_that_could_never_be_found_are_refused(words, says):
    with pytest.raises(ValidationError) as error:
        GopherQualitySettings(stop_words=words)
    assert says in str(error.value)


def different(n: int, start: int = 0) -> str:
    """n different words of 4 letters."""
    letters = "abcdefghij"
    words = (
        f"{k:04d}".translate(str.maketrans("0123456789", letters)) for k in range(start, start + n)
    )
    return " ".join(words)


LONG = different(200)  # 999 characters
HALF = different(80, start=1000)  # 399


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LONG, None),
        ("\n\n".join(["x", "x", "x", LONG]), "over 0.3 of paragraphs repeat"),  # 2 of 4
        ("\n\n".join(["x", "x", "y", LONG]), None),  # 1 of 4
        ("\n".join(["x", "x", "x", LONG]), "over 0.3 of lines repeat"),
        ("\n\n".join([HALF, HALF, "x", LONG]), "over 0.2 of characters in paragraphs repeat"),
        ("\n".join([HALF, HALF, "x", LONG]), "over 0.2 of characters in lines repeat"),
        ("so it " * 60 + LONG, "over 0.2 of characters in one sequence of 2 words"),
        ("abcdefgh " * 3 + different(6), "over 0.2 of characters in one sequence of 2 words"),
    ],
)  # fmt: skip
def test_repetition_rules_name_what_repeats(text, says):
    assert reason(REPETITION, text) == (says and f"repetition: {says}")


@pytest.mark.parametrize("n", range(5, 11))
def test_repeated_sequences_of_each_length_have_their_own_limit(n):
    limits = [1.0] * 6
    limits[n - 5] = 0.1
    family = GopherRepetitionSettings(max_top_frac=[1, 1, 1], max_repeated_frac=limits)
    again = different(n)  # the words that the text begins with: 4 characters each, 5 with the blank
    said = f"repetition: over 0.1 of characters in repeated sequences of {n} words"
    assert reason(family, f"{different(5 * n)} {again}") == said  # 4 n of 30 n - 1
    assert reason(family, f"{different(8 * n)} {again}") is None  # 4 n of 45 n - 1
    assert reason(family, f"{different(5 * n)} {different(n - 1)}") is None


def test_a_sequence_that_occurs_once_counts_as_published():
    """Four of eight words of a short text are most of it: the rule was made for pages."""
    assert reason(REPETITION, different(8)) == (
        "repetition: over 0.2 of characters in one sequence of 2 words"
    )


def test_the_blanks_of_the_most_frequent_sequence_count_only_where_there_are_some():
    text = "山水" * 3 + "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余"
    with_blanks = GopherRepetitionSettings(max_top_frac=[0.2, 1, 1])
    without = GopherRepetitionSettings(max_top_frac=[0.2, 1, 1], count_blanks=False)
    assert len(text) == 32  # 3 x 2 characters are 0.19, with a blank each 0.28
    assert reason(with_blanks, text) is not None
    assert reason(without, text) is None
