import time
from unicodedata import combining, decomposition, is_normalized

import pytest

from lingloom.text.clean import CleanSettings, clean, clean_all, too_short
from lingloom.text.needs import ODD

DEFAULT = CleanSettings()


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("plain text,\n\nin two paragraphs", None),
        ("中文，“标点”不变。１２３ＡＢＣ！", None),
        ("　　段首的空格留着", None),
        ("a\tb", None),
        ("cafe\u0301", "café"),
        ("한국", None),
        ("가", "가"),
        ("one\r\ntwo\rthree\x0cfour\x85five\u2028six", "one\ntwo\nthree\nfour\nfive\nsix"),
        ("\ufeffte\x00xt\x07 with co\u00adntrol\u200b", "text with control"),
        ("a  \nb\t\n\n\n\n\nc\u3000\n", "a\nb\n\nc"),
        ("\n\n  indented\n   \n \nend \t\n", "  indented\n\nend"),
        ("👩‍👩‍👧 नमस्ते", None),
        ("  \n \u3000 \n", ""),
    ],
)
def test_text_is_made_regular(raw, cleaned):
    wanted = raw if cleaned is None else cleaned
    assert clean(raw, DEFAULT) == wanted
    assert clean(wanted, DEFAULT) == wanted


def test_each_step_can_be_left_out():
    raw = "e\u0301\x00 \n\n\n\nx"
    assert clean(raw, CleanSettings(normalise="none")) == "e\u0301\n\nx"
    assert clean(raw, CleanSettings(strip_control=False)) == "é\x00\n\nx"
    assert clean(raw, CleanSettings(strip_blanks=False)) == "é \n\n\n\nx"
    assert clean("１Ａ，ﬁ", CleanSettings(normalise="nfkc")) == "1A,fi"


def test_cleaning_many_at_once_is_cleaning_each():
    texts = [
        "",
        "\n",
        "a",
        "\na",
        "a\n",
        "a\n\n",
        "\n\na",
        "a \n",
        " a",
        "a\u3000",
        "\r",
        "e\u0301",
    ]
    texts += ["a\n\n\nb", "a\n\n\n\nb", "\x00", "中", "\u0301a", "e"]
    for first in texts:
        for second in texts:
            for third in ("x", "\n", "e"):
                row = [first, second, third]
                assert clean_all(row, DEFAULT) == [clean(text, DEFAULT) for text in row]


def test_a_filter_answers_none_or_a_reason():
    assert too_short("字", DEFAULT) is None
    assert too_short("", DEFAULT) == "empty"
    assert too_short("1234", CleanSettings(min_chars=5)) == "shorter than 5 characters"


def test_text_made_to_be_slow_is_not():
    start = time.process_time()
    clean(" " * 1_000_000 + "x\n" + "\t " * 500_000 + "x", DEFAULT)
    clean("a" + "\u0301\u0323" * 500_000, DEFAULT)
    clean("\n \n" * 500_000, DEFAULT)
    clean("\r" * 1_000_000, DEFAULT)
    assert time.process_time() - start < 5


def test_the_characters_that_are_passed_over_need_nothing_done():
    kept = [chr(code) for code in range(0x110000) if not ODD.match(chr(code))]
    seconds = {chr(int(part, 16)) for c in map(chr, range(0x110000)) for part in _parts(c)[1:]}
    assert len(kept) > 39_000
    assert all(combining(c) == 0 and is_normalized("NFC", c) for c in kept)
    assert not seconds & set(kept)  # none of them joins the one before it
    assert clean("".join(kept).strip(), DEFAULT) == "".join(kept).strip()


def _parts(character):
    parts = decomposition(character).split()
    return [] if parts and parts[0].startswith("<") else parts
