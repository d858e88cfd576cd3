import time

import pytest

from lingloom.errors import MissingError
from lingloom.text import repair
from lingloom.text.clean import CleanSettings, clean
from lingloom.text.repair import converted, half_width, unmangled, without_markup

PUNCTUATION = "，。、；：？！「」『』“”‘’《》（）【】—…·～￥％"


def test_full_width_letters_and_digits_become_plain_and_punctuation_stays():
    assert half_width("第１２３号，ＡＢＣｘｙｚ！") == "第123号，ABCxyz！"
    assert half_width(PUNCTUATION) == PUNCTUATION
    assert clean("１Ａ，", CleanSettings(width="half")) == "1A，"


@pytest.mark.parametrize(
    ("mangled", "mended"),
    [
        ("schÃ¶n", "schön"),
        ("Ã  la carte", "à la carte"),
        ("â€œquotesâ€\x9d", "“quotes”"),
        ("ä¸\xadæ–‡", "中文"),
        ("中文，“Ã©”，中文。", "中文，“é”，中文。"),
        ("plain", "plain"),
        ("naïve café, “l’été”", "naïve café, “l’été”"),
        (f"他说“你好”……{PUNCTUATION}", f"他说“你好”……{PUNCTUATION}"),
        ("＆ｑｕｏｔ； &amp; ﬁ\x1b[0m", "＆ｑｕｏｔ； &amp; ﬁ\x1b[0m"),
    ],
)
def test_mojibake_is_mended_and_nothing_else_is_touched(mangled, mended):
    pytest.importorskip("ftfy")
    assert unmangled(mangled) == mended


def test_clean_text_needs_no_ftfy(monkeypatch):
    monkeypatch.setattr(repair, "find_spec", lambda name: None)
    repair._ftfy.cache_clear()
    assert unmangled("中文，“标点”。 Plain text.") == "中文，“标点”。 Plain text."
    with pytest.raises(MissingError, match=r"clean\.mojibake.*needs the package 'ftfy'"):
        unmangled("schÃ¶n")
    repair._ftfy.cache_clear()


def test_chinese_is_converted_by_phrases_and_not_only_by_characters():
    pytest.importorskip("opencc")
    assert (
        converted("這座博物館很乾淨，乾隆年間建。", "simplified")
        == "这座博物馆很干净，乾隆年间建。"
    )
    assert converted("头发发展，皇后在后面。", "traditional") == "頭髮發展，皇后在後面。"
    assert clean("漢字「標點」", CleanSettings(chinese="simplified")) == "汉字「标点」"


def test_text_without_a_character_to_convert_is_the_same_object():
    pytest.importorskip("opencc")
    for text in (
        "Plain text.",
        "中文的文字，人人都看",
        "これは日本語の文章で、漢字と読み方が違う。",
    ):
        assert converted(text, "simplified") is text


def test_markup_is_removed_and_entities_are_read():
    text = "<p class=x>One &amp; two<br/>three</p><!-- gone --> a < b <b>bold</b>&nbsp;x&hellip;"
    assert without_markup(text) == "\nOne & two\nthree\n a < b bold\xa0x…"
    assert clean("1 <i>2</i>", CleanSettings(markup=True)) == "1 2"
    assert without_markup("if a<b and c>d: x<y>z") == "if a<b and c>d: x<y>z"


def test_hostile_text_is_mended_in_linear_time():
    pytest.importorskip("ftfy")
    start = time.process_time()
    without_markup("<a " * 300_000 + "<!--" * 300_000)
    unmangled("Ã" * 300_000)
    half_width("１" * 300_000)
    assert time.process_time() - start < 10
