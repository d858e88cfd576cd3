"""The rules of C4 and FineWeb, by examples from their own words."""

import pytest

from lingloom.text.filters.batch import TextBatch
from lingloom.text.filters.c4 import C4Settings, sentences
from lingloom.text.filters.filter import sift
from lingloom.text.filters.fineweb import FineWebSettings
from lingloom.text.texts import Texts

FIVE = "One is here. Two is there. Three is gone. Four is back.\nFive is it.\n"


def c4(text: str, **settings) -> tuple[str, str | None]:
    sifted = sift([C4Settings(**settings)], TextBatch(Texts.of_strings([text])))
    return sifted.texts[0], sifted.verdicts[0]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("This line stays.", True),
        ('He asked "does it stay?"', True),
        ("This has no end", False),
        ("This trails off...", False),
        ("Two words.", False),
        ("Please enable Javascript to go on.", False),
        ("We use cookies, as all do.", False),
        ("Read our Privacy Policy before all else.", False),
        (f"A {'b' * 1001} is long.", False),
        (f"A {'b' * 1000} is long.", True),
    ],
)
def test_c4_keeps_the_lines_that_are_sentences(line, kept):
    text, reason = c4(FIVE + line)
    assert reason is None
    assert text == (FIVE + line if kept else FIVE.rstrip())


def test_c4_removes_marks_of_citations_and_blanks_around_lines():
    assert c4(FIVE + "  A fact[1] is cited[citation needed] here[]. ")[0].endswith(
        "\nA fact is cited here."
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (FIVE, None),
        (FIVE.replace("Five is it.", "Five is"), "fewer than 5 sentences"),
        (FIVE + "This is Lorem Ipsum with Javascript.", "lorem ipsum"),
        (FIVE + "Here { is code; we use cookies.", "curly bracket"),
        (FIVE + "if (x) { return", None),  # the line goes before it is looked at
        ("", "fewer than 5 sentences"),
    ],
)
def test_c4_drops_documents_for_what_is_left_of_them(text, says):
    assert c4(text)[1] == (says and f"c4: {says}")


def test_c4_as_fineweb_uses_it_keeps_lines_without_an_end():
    assert c4(FIVE + "No end to this", terminal=False)[0] == FIVE + "No end to this"


def test_c4_leaves_a_batch_alone_whose_lines_all_stay():
    texts = Texts.of_strings([FIVE.rstrip()])
    assert sift([C4Settings()], TextBatch(texts)).texts is texts


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ('He said "Go." She went', 2),
        ("Version 3.5 is out. Mr.X knows", 2),
        ("他来了。她走了！“真的？”是的", 4),
        ("a\nb\n\nc", 3),
        ("...", 1),
        ("", 0),
    ],
)
def test_sentences_end_with_a_mark_or_a_line(text, count):
    assert sentences(text) == count


LINE = "This line is longer than thirty characters."


def fineweb(text: str, **settings) -> str | None:
    return FineWebSettings(**settings).judge(TextBatch(Texts.of_strings([text])))[0]


def lines(*texts: str) -> str:
    return "\n".join(f"{k} {text}" for k, text in enumerate(texts))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (lines(*[LINE] * 3), None),
        ("", "empty"),
        (" \n\t\n", "empty"),
        (lines(*[LINE] * 3, *[LINE[:-1]] * 22), None),  # 3 of 25 lines are .12
        (lines(*[LINE] * 3, *[LINE[:-1]] * 23), "under 0.12 of lines end a sentence"),
        (lines(LINE, "A short line here."), None),
        (
            lines(LINE, *["A short line here."] * 3),
            "over 0.67 of lines have 30 characters or fewer",
        ),
        (f"{LINE}\n{LINE}", "over 0.01 of characters in repeated lines"),
        (lines(*["一" * 40 + "。"] * 3), None),
        ("\n\n\n".join(["word " * 3 + "a" * 20 + "."] * 1 + [LINE]), None),
        (f"Internationalisation{'s' * 12}.\n\n{LINE[:31]}.", None),
        (f"{'a' * 31}.\n\n\n\n{'b' * 31}.", "over 0.3 line feeds per word"),
    ],
)
def test_fineweb_drops_lists_and_scraps(text, says):
    assert fineweb(text) == (says and f"fineweb: {says}")


def test_more_characters_may_end_a_sentence():
    text = lines(*["这一行比三十个字还要长得多，因为它说了很多很多很多很多没有意思的话；"] * 2)
    assert fineweb(text) == "fineweb: under 0.12 of lines end a sentence"
    assert fineweb(text, more_terminals="；") is None
