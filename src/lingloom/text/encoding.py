"""Which encoding a file is in, told from a sample of its bytes.

UTF-8 is told by its own rules. GB18030 and Big5 share nearly all byte values, so each is decoded on
trial and judged by how common the characters are that come out: in running Chinese about half are
among the few hundred below, in text decoded wrongly about one in twenty.
"""

import codecs
import re
from functools import cache
from typing import NamedTuple

SAMPLE_BYTES = 1 << 20
"""A file is judged by its first bytes, at most this many."""

_JUDGED_BYTES = 1 << 18
_ENOUGH = 0.3
"""Least score that a legacy encoding must reach to be believed."""

# The most frequent characters of news, reviews, abstracts (simplified), encyclopedia (traditional)
# and Tang poems, merged.
_COMMON_CJK = (
    "的是一有不了在中人大年和我上以國到国这地公很本要也个行多為出成就日好为用作方家还来生可都能下时自得之他司分部发间会月民书主"
    "而其没看新前对小市房业子理工高同比后店天说面过股但合酒重政最们电西外全点法建所於事海度次定等北务经南文实美入通被里力然服"
    "後者元于集及心化道位开三因去加第利此住時性感现世如由系平水资价太特明金动代么學斯團进名立會軍展些期常东起机制提意安当产與"
    "使相物持品长与教觉量正基错收学已發内只想果表十那格台华关程原山体科较总區至二交共東设星接问样非改情來個买城更限己任员德商"
    "给知着保向信州路拉京解口各受目社界式這真對手管經装治直再将份府从戰种江完让少场无早客四克两差近活省投结区万王打又便並应"
    "無風雲何花為春見長君白歸三秋空清夜未門處今詩千聲寒玉落萬雨朝遠飛盡流深草樹還色應別書你她它把吗呢吧啊哦說嗎們從沒過幾"
)
_COMMON_MARKS = "，。、；：？！「」『』“”‘’《》（）—…·　"
_COMMON = re.compile(f"[{_COMMON_CJK}{_COMMON_MARKS}]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_WESTERN = frozenset(
    "éèêëàâäáãåçñóòôöõúùûüíìîïøæœßÉÈÀÄÖÜÑÇÁÓÚÍÆØÅŒ’‘“”–—…«»°£€©®·½¿¡§²\xa0".encode("cp1252")
)
_WIDE = re.compile(f"[\t\n\r -~\xa0-\u04ff{_COMMON_CJK}{_COMMON_MARKS}]")
_CONTROL = bytes([*range(9), *range(14, 27), *range(28, 32), 127])
_BINARY_STARTS = (
    *(b"\x7fELF", b"PK\x03\x04", b"%PDF-", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"MZ\x90"),
    *(b"PAR1", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"SQLite format", b"OggS", b"RIFF"),
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)


class Guess(NamedTuple):
    """What the sample is."""

    encoding: str
    """utf-8, utf-16-le, utf-16-be, gb18030, big5hkscs, latin-1 or cp1252; 'binary' if no text."""
    mark_bytes: int = 0
    """Length of the byte order mark, which is not text."""


def recognise(sample: bytes) -> Guess:
    """The encoding of the file that starts with `sample`.

    A file that is UTF-8 but for a few bytes is still UTF-8: its bad lines are set aside later. So
    is one that fits nothing, because text in the wrong encoding must not slip in unseen.
    """
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return Guess(encoding, len(mark))
    if sample.startswith(_BINARY_STARTS):
        return Guess("binary")
    if b"\0" in sample:
        wide = _best(_score_wide(sample))
        if wide[1] >= _ENOUGH:
            return Guess(wide[0])
    controls = len(sample) - len(sample.translate(None, _CONTROL))
    if _is_utf_8(sample):
        return Guess("binary" if controls > 0.3 * len(sample) else "utf-8")
    judged = _from_first_high_byte(sample)
    scores = {name: _score_chinese(judged, name) for name in ("gb18030", "big5hkscs")}
    best, score = _best(scores | {"latin-1": _score_western(judged)} | _score_wide(sample))
    if controls > 2 + 0.02 * len(sample) and not best.startswith("utf-16"):
        return Guess("binary")
    if score < _ENOUGH:
        return Guess("binary" if controls > 2 + 0.005 * len(sample) else "utf-8")
    if best == "latin-1" and re.search(rb"[\x80-\x9f]", judged):
        return Guess("cp1252")  # the places where cp1252 adds marks to Latin-1
    return Guess(best)


def _best(scores: dict[str, float]) -> tuple[str, float]:
    return max(scores.items(), key=lambda item: item[1])


def _is_utf_8(sample: bytes) -> bool:
    if sample.isascii():
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # may end inside a character
        return True
    except UnicodeDecodeError:
        pass
    text = sample.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(map(len, _NOT_ASCII.findall(text))) - bad
    return good >= 4 * bad


def _from_first_high_byte(sample: bytes) -> bytes:
    """The part that is judged: from the first line that is not ASCII."""
    first = _HIGH_BYTE.search(sample)
    assert first is not None, "pure ASCII is UTF-8"
    start = sample.rfind(b"\n", 0, first.start()) + 1
    return sample[start : start + _JUDGED_BYTES]


def _score_chinese(judged: bytes, encoding: str) -> float:
    """About 0.6 for running text in this encoding, below 0.25 for text in another."""
    rest = "".join(_NOT_ASCII.findall(judged.decode(encoding, "replace")))
    if not rest:
        return 0.0
    bad = rest.count("\ufffd") / len(rest)
    common = len(_COMMON.findall(rest)) / len(rest)
    ordinary = sum(map(_ordinary(encoding).__contains__, rest)) / len(rest)
    return 0.7 * common + 0.3 * ordinary - 2 * bad


@cache
def _ordinary(encoding: str) -> frozenset[str]:
    """The first level of the standard's characters: all that a newspaper needs."""
    if encoding == "gb18030":
        rows, columns = range(0xB0, 0xD8), [*range(0xA1, 0xFF)]
    else:
        rows, columns = range(0xA4, 0xC7), [*range(0x40, 0x7F), *range(0xA1, 0xFF)]
    table = bytes(byte for row in rows for column in columns for byte in (row, column))
    return frozenset(table.decode(encoding, "ignore"))


def _score_western(judged: bytes) -> float:
    """Share of the high bytes that are usual letters or marks and stand alone between ASCII."""
    runs = _HIGH_RUN.findall(judged)
    usual = sum(len(run) == 1 and run[0] in _WESTERN for run in runs)
    return usual / sum(map(len, runs))


def _score_wide(sample: bytes) -> dict[str, float]:
    """UTF-16 without a mark: how usual the characters are in either byte order."""
    even = sample[: min(len(sample), _JUDGED_BYTES) & ~1]
    ordinary = _ordinary("gb18030") | _ordinary("big5hkscs")
    scores = {}
    for encoding in ("utf-16-le", "utf-16-be"):
        text = even.decode(encoding, "replace")
        usual = len(_WIDE.findall(text)) + 0.5 * sum(map(ordinary.__contains__, text))
        scores[encoding] = (usual - 2 * text.count("\ufffd")) / max(1.2 * len(text), 1)
    return scores
