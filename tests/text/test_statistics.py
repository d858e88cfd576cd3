"""Every count on texts small enough to count by hand; the kernel and its twin count alike."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from lingloom.native.kernels import kernels
from lingloom.text.characters import BREAK, KNOWN, SPACE, character_kinds
from lingloom.text.statistics import repetition, statistics, words_of
from lingloom.text.texts import Texts

both = pytest.mark.parametrize("native", [True, False], ids=["kernel", "twin"])


def counts(text: str, *names: str, native: bool = True, **settings) -> list[int]:
    found = statistics(Texts.of_strings([text]), native=native, **settings)
    return [int(getattr(found, name)[0]) for name in names]


def repeats(text: str, *names: str, native: bool = True) -> list:
    found = repetition(Texts.of_strings([text]), native=native)
    return [getattr(found, name)[0].tolist() for name in names]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 3.5 o’clock, isn't it?", "It's 3 . 5 o’clock , isn't it ?"),
        ("'quoted' rock'n'roll don''t 'tis", "' quoted ' rock'n'roll don ' ' t ' tis"),
        ("我爱 NLP2024。", "我 爱 NLP2024 。"),
        ("cafe\u0301 naïve re-use snake_case", "cafe\u0301 naïve re - use snake _ case"),
        ("か\u3099な", "か\u3099 な"),
        ("한국어 текст", "한국어 текст"),
        ("a🙂\u200db…", "a 🙂 \u200d b …"),
        (" \t\u3000\n", ""),
        ("", ""),
    ],
)
def test_words_are_runs_of_letters_single_han_and_single_marks(text, words):
    assert words_of(text) == words.split()


@both
def test_words_are_counted_by_what_they_are(native):
    text = "The #1 rule: don't… stop 42 山水。"
    names = ("chars", "words", "proper_words", "proper_chars", "alpha_words", "hashes", "ellipses")
    # The # 1 rule : don't … stop 42 山 水 。 -- proper: The 1 rule don't stop 42 山 水
    assert counts(text, *names, native=native) == [31, 12, 8, 21, 6, 1, 1]
    assert counts(text, "cjk_chars", "punctuation_chars", "space_chars", native=native) == [
        2,
        4 + 1,
        6,
    ]


@both
def test_lines_are_counted_by_how_they_begin_and_end(native):
    text = "- one...\r\n  • two…  \n\n\tthree . ..\x0b-\u2028four....\n"
    names = ("lines", "bullet_lines", "ellipsis_lines", "ellipses", "newlines")
    assert counts(text, *names, native=native) == [6, 3, 3, 3, 4]
    assert counts("", *names, native=native) == [0, 0, 0, 0, 0]
    assert counts("\n", *names, native=native) == [1, 0, 0, 0, 1]


@both
def test_filled_lines_are_counted_by_length_end_and_repetition(native):
    text = "Same line.\n\nSame line.\n \nlonger than ten chars\n十个字以内。\nend. "
    names = ("filled_lines", "terminal_lines", "short_lines", "repeated_filled_chars")
    assert counts(text, *names, short_chars=10, native=native) == [5, 3, 4, 10]
    assert counts("一；\n二…\n三", "terminal_lines", native=native) == [0]
    assert counts("一；\n二…\n三", "terminal_lines", more_terminals="；…", native=native) == [2]


@both
def test_different_stop_words_are_counted_as_they_are_written(native):
    words = ["the", "of", "的", "·"]
    assert counts("the theory of the 目的", "stop_words", stop_words=words, native=native) == [3]
    assert counts("The OFF", "stop_words", stop_words=words, native=native) == [0]
    many = [f"w{i}" for i in range(64)]
    assert counts("w0 w63 w64", "stop_words", stop_words=many, native=native) == [2]
    assert counts("the of", "stop_words", stop_words=["the"] * 70, native=native) == [1]


@both
def test_lines_that_differ_in_their_length_alone_are_no_repeats(native):
    text = "\0\0\0\n\0\0\na\n\0b\n\0a\nb"
    assert counts(text, "repeated_filled_chars", native=native) == [0]
    assert counts("a\n\0b\na", "repeated_filled_chars", native=native) == [1]


@both
def test_repeated_paragraphs_and_lines_are_counted(native):
    text = "ab\ncd\n\nx\n\n\nab\ncd\n\nx\n"
    names = ("paragraphs", "repeated_paragraphs", "repeated_paragraph_chars")
    assert repeats(text, *names, native=native) == [4, 2, 5 + 1]
    names = ("lines", "repeated_lines", "repeated_line_chars")
    # ab cd x ab cd x and what follows the last line feed
    assert repeats(text, *names, native=native) == [7, 3, 5]
    assert repeats("\n\n", *names, native=native) == [2, 1, 0]
    assert repeats("", *names, native=native) == [1, 0, 0]


@both
def test_the_most_frequent_sequences_are_found(native):
    names = ("top_chars", "top_times")
    # a b: three times; a b a: twice; a b a b: twice, over each other
    assert repeats("a b a b a b", *names, native=native) == [[6, 6, 8], [3, 2, 2]]
    # a b: three times; longer ones have the comma in one place only
    assert repeats("a b  a b, a b", *names, native=native) == [[6, 3, 4], [3, 1, 1]]
    assert repeats("one", *names, native=native) == [[0, 0, 0], [0, 0, 0]]
    assert repeats("xyz ab c d ab c d", *names, native=native) == [[6, 8, 7], [2, 2, 1]]
    # of equally frequent ones the first, though the other is met again earlier
    assert repeats("x yy a b a b x yy", *names, native=native) == [[6, 4, 5], [2, 1, 1]]


@both
def test_sequences_that_occurred_before_count_once_and_without_overlap(native):
    five = "a b c d e"
    assert repeats(f"{five} {five}", "repeated_chars", native=native) == [[5, 0, 0, 0, 0, 0]]
    # abcde again at 5 and at 10; abcdea again at 5, and then there are only four words
    assert repeats(f"{five} {five} {five}", "repeated_chars", native=native) == [
        [10, 6, 7, 8, 9, 10]
    ]
    # words make a sequence, not their letters
    apart = "ab c d e f / a bc d e f"
    assert repeats(apart, "repeated_chars", native=native) == [[0, 0, 0, 0, 0, 0]]


LETTERS = "ab.#-•…'’ \n\r\x0b\u2028\u3000山か\u3099é\u0301!。；1٣_🙂\U000e0100\x00"
TEXTS = st.lists(
    st.one_of(
        st.text(st.sampled_from(LETTERS), max_size=60),
        st.text(st.sampled_from("a b\n"), max_size=80),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    ),
    max_size=4,
)


@pytest.mark.skipif(kernels() is None, reason="the kernels are not built")
@example(["", "\n", "...\r", "a'", "'a"], 0)
@trials(max_examples=300, deadline=None)
@given(TEXTS, st.integers(0, 12))
def test_the_kernel_counts_as_its_twin_does(strings, short_chars):
    texts = Texts.of_strings(strings)
    stop = ["a", "b", "山", "."]
    for found, expected in (
        (
            statistics(texts, stop, short_chars, "；"),
            statistics(texts, stop, short_chars, "；", native=False),
        ),
        (repetition(texts), repetition(texts, native=False)),
    ):
        for field in fields(found):
            np.testing.assert_array_equal(
                getattr(found, field.name), getattr(expected, field.name), field.name
            )


def test_the_kinds_of_characters_agree_with_python():
    kinds = character_kinds()
    breaks = {c for c in map(chr, range(KNOWN)) if len(f"a{c}b".splitlines()) == 2}
    assert {chr(c) for c in np.flatnonzero(kinds & BREAK)} == breaks
    assert all(kinds[ord(c)] & SPACE for c in breaks)
    assert not any(map(str.isspace, map(chr, range(KNOWN, 0x110000))))


def test_a_long_text_and_many_texts_are_counted_alike():
    strings = ["word " * 9000, *(f"line {i}\n" * 3 for i in range(100))]
    together = repetition(Texts.of_strings(strings))
    for i in (0, 1, 50, 100):
        alone = repetition(Texts.of_strings([strings[i]]))
        assert together.repeated_chars[i].tolist() == alone.repeated_chars[0].tolist()
    assert together.words[0] == 9000
    assert together.repeated_chars[0].tolist() == [4 * n * (8999 // n) for n in range(5, 11)]


def test_a_text_of_more_words_than_there_was_room_for_is_counted_all_the_same():
    words = " ".join(f"{k}" for k in range(140_000))
    texts = Texts.of_strings([f"{words} {words}"])
    found = repetition(texts)
    assert found.words.tolist() == [280_000]
    assert found.top_times.tolist() == [[2, 2, 2]]
    letters = len(words.replace(" ", ""))
    assert found.repeated_chars[0, 0] == letters  # five divides the number of words
    assert found.repeated_chars[0, 5] == letters
