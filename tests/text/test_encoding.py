"""Which encoding a file is in, and what becomes of its text."""

import gzip
import os

import pytest

from lingloom.text.encoding import recognise
from lingloom.text.read import TextSettings, documents

SIMPLIFIED = (
    "这本书我是在火车上看完的，写得很真实，读到最后忍不住想起自己小时候的事情。\n"
    "酒店的位置不错，离地铁站很近，就是房间有点小，服务员的态度倒是非常好。\n"
)
TRADITIONAL = (
    "這座城市在十九世紀以前只是一個小漁村，後來因為港口開放，人口才開始大量增加。\n"
    "臺灣的氣候溫暖潮濕，夏季常有颱風，山區的雨量比平地多得多。\n"
)
CLASSICAL = "秦川雄帝宅，函谷壯皇居。綺殿千尋起，離宮百雉餘。連甍遙接漢，飛觀迥凌虛。\n"
ENGLISH = "It was a bright cold day in April, and the clocks were striking thirteen.\n"
FRENCH = "L'été dernier, les élèves français étaient déjà arrivés à la forêt près du château.\n"
GERMAN = "Größe und Übermut: die Straße führte über schöne Brücken nach Köln.\n"

CASES = [
    (SIMPLIFIED, "utf-8", "utf-8"),
    (SIMPLIFIED, "utf-8-sig", "utf-8"),
    (SIMPLIFIED, "gb18030", "gb18030"),
    (SIMPLIFIED, "gb2312", "gb18030"),
    (SIMPLIFIED, "gbk", "gb18030"),
    (SIMPLIFIED, "utf-16-le", "utf-16-le"),
    (SIMPLIFIED, "utf-16-be", "utf-16-be"),
    (SIMPLIFIED, "utf-16", "utf-16-le"),
    (TRADITIONAL, "big5", "big5hkscs"),
    (TRADITIONAL, "big5hkscs", "big5hkscs"),
    (TRADITIONAL, "gb18030", "gb18030"),
    (TRADITIONAL, "utf-16-be", "utf-16-be"),
    (CLASSICAL, "big5", "big5hkscs"),
    (CLASSICAL, "gbk", "gb18030"),
    (ENGLISH, "utf-8", "ascii"),
    (ENGLISH, "utf-16-le", "utf-16-le"),
    (ENGLISH, "utf-16-be", "utf-16-be"),
    (FRENCH, "latin-1", "latin-1"),
    (GERMAN, "latin-1", "latin-1"),
    (ENGLISH + "The café’s “naïve” résumé.\n", "cp1252", "cp1252"),
    (ENGLISH * 20 + SIMPLIFIED, "gb18030", "gb18030"),
    (ENGLISH * 20 + TRADITIONAL, "big5", "big5hkscs"),
]


def read(path, set_aside=None, **settings):
    aside = [] if set_aside is None else set_aside
    reports = []
    found = list(documents(TextSettings(read=str(path), **settings), aside.append, reports))
    return [d.text for d in found], reports[0]


@pytest.mark.parametrize(("text", "codec", "encoding"), CASES)
def test_each_encoding_is_recognised_and_reported(tmp_path, text, codec, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(codec))
    texts, report = read(path, unit="line")
    assert texts == text.split("\n")[:-1]
    assert (report.encoding, report.set_aside) == (encoding, 0)
    assert report.bytes == path.stat().st_size


@pytest.mark.parametrize("chars", [12, 20, 40])
@pytest.mark.parametrize(
    ("text", "codec", "encoding"),
    [(SIMPLIFIED, "gb18030", "gb18030"), (TRADITIONAL, "big5", "big5hkscs")],
)
def test_a_dozen_characters_are_enough(text, codec, encoding, chars):
    for start in range(len(text) - chars):
        assert recognise(text[start : start + chars].encode(codec)).encoding == encoding


def test_each_file_of_a_folder_has_its_own_encoding(tmp_path):
    for name, text, codec in [
        ("a.txt", SIMPLIFIED, "gb18030"),
        ("b.txt", TRADITIONAL, "big5"),
        ("c.txt", SIMPLIFIED, "utf-16"),
    ]:
        (tmp_path / name).write_bytes(text.encode(codec))
    reports = []
    found = list(documents(TextSettings(read=str(tmp_path), unit="file"), print, reports))
    assert [d.text + "\n" for d in found] == [SIMPLIFIED, TRADITIONAL, SIMPLIFIED]
    assert [r.encoding for r in reports] == ["gb18030", "big5hkscs", "utf-16-le"]


def test_chinese_after_a_megabyte_of_english_is_still_recognised(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(ENGLISH.encode() * 20_000 + SIMPLIFIED.encode("gb18030")))
    texts, report = read(path, unit="line")
    assert texts[-2:] == SIMPLIFIED.split("\n")[:-1]
    assert report.encoding == "gb18030"


def test_a_bad_line_does_not_change_the_encoding(tmp_path):
    path = tmp_path / "a.txt"
    for codec, encoding in [("utf-8", "utf-8"), ("gb18030", "gb18030"), ("big5", "big5hkscs")]:
        text = TRADITIONAL if codec == "big5" else SIMPLIFIED
        path.write_bytes(text.encode(codec) * 5 + b"\xff\xff\n" + text.encode(codec))
        aside = []
        texts, report = read(path, aside, unit="line")
        assert (len(texts), report.encoding, report.set_aside) == (12, encoding, 1)
        assert aside[0]["line"] == 11


def test_bad_lines_of_utf_16_are_set_aside_too(tmp_path):
    path = tmp_path / "a.txt"
    lone = b"\x00\xd8"  # the first half of a pair
    lines = [line.encode("utf-16-le") for line in ("甲乙丙", "Ċ上ऊ", "末")]
    path.write_bytes(b"\xff\xfe" + b"\n\0".join([lines[0], lone, *lines[1:]]) + b"\n\0x")
    aside = []
    texts, _ = read(path, aside, unit="line")
    assert texts == ["甲乙丙", "Ċ上ऊ", "末"]
    assert [a["line"] for a in aside] == [2, 5]


def test_text_in_an_encoding_that_is_not_known_is_set_aside_and_not_garbled(tmp_path):
    path = tmp_path / "a.txt"
    russian = "Привет, как дела? Это обычный текст.\n"
    path.write_bytes((ENGLISH + russian + ENGLISH).encode("cp1251"))
    aside = []
    texts, _ = read(path, aside, unit="line")
    assert texts == [ENGLISH.strip()] * 2
    assert [a["line"] for a in aside] == [2]
    texts, report = read(path, unit="line", encoding="cp1251")
    assert (texts[1] + "\n", report.encoding) == (russian, "cp1251")


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "utf-16-le", "utf-32", "big5", "hz"])
def test_an_encoding_that_is_told_is_used(tmp_path, codec):
    path = tmp_path / "a.txt"
    text = TRADITIONAL if codec == "big5" else SIMPLIFIED
    path.write_bytes(text.encode(codec))
    texts, _ = read(path, unit="line", encoding=codec)
    assert texts == text.split("\n")[:-1]


def test_a_character_cut_by_a_piece_border_is_whole_again(tmp_path):
    path = tmp_path / "a.txt"
    for codec in ("utf-8", "gb18030", "utf-16-le"):
        for shift in range(3):
            text = "a" * shift + "文字繁體" * 100_000
            path.write_bytes(text.encode(codec))
            texts, report = read(path, unit="line")
            assert texts == [text]
            assert report.set_aside == 0


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_halves_of_two_wide_characters_are_no_line_end(tmp_path, codec):
    lines = [f"{i} 一ਅ一ਅ" * 9 for i in range(20_000)]  # U+4E00 and U+0A05 hold the bytes 00 and 0A
    path = tmp_path / "a.txt"
    path.write_bytes("\n".join(lines).encode(codec))
    texts, report = read(path, unit="line")
    assert texts == lines
    assert (report.encoding, report.set_aside) == (codec, 0)


def test_line_ends_of_windows_and_of_old_macintoshes_are_line_ends(tmp_path):
    path = tmp_path / "a.txt"
    for end in ("\r\n", "\r"):
        path.write_bytes(SIMPLIFIED.replace("\n", end).encode("gb18030"))
        assert read(path, unit="line")[0] == SIMPLIFIED.split("\n")[:-1]
    path.write_bytes(b"one\r\ntwo\r\n\r\nthree")
    assert read(path, unit="paragraph")[0] == ["one\ntwo", "three"]


def test_noise_is_binary():
    assert recognise(b"").encoding == "utf-8"
    for size in (100, 1000, 100_000):
        assert recognise(os.urandom(size)).encoding == "binary"
    assert recognise(b"\x7fELF" + bytes(1000)).encoding == "binary"
