"""Mends for text that was decoded, typed or converted in another way than the rest.

Each is asked for in CleanSettings, and leaves text that needs none at the speed of a search.
"""

import re
from collections.abc import Callable
from functools import cache
from html import unescape
from importlib.util import find_spec
from typing import Any, Literal

from ..errors import MissingError
from .needs import MOJIBAKE

_FULL_WIDTH = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+")
_TO_HALF = {
    code: code - 0xFEE0
    for run in ("０９", "ＡＺ", "ａｚ")
    for code in range(ord(run[0]), ord(run[1]) + 1)
}
_NOT_CHINESE = re.compile("[^\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+")
_KANA = re.compile("[\u3041-\u30ff]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_MOST_KANA_FRAC = 0.05
_TAG = re.compile(  # with attributes that have values, so that `a<b and c>d` is not taken for one
    r"<!--[^<>]*-->|</?(a|abbr|article|aside|b|big|blockquote|body|br|button|center|cite|code|dd|del"
    r"|div|dl|dt|em|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|label|li"
    r"|link|main|meta|nav|nobr|ol|p|pre|q|s|section|small|span|strike|strong|sub|sup|table|tbody|td"
    r"|tfoot|th|thead|title|tr|tt|u|ul|var|wbr)(?:\s[^<>=]*=[^<>]*|\s*/?)>",
    re.I,
)
_LINE_TAGS = frozenset(
    ("br", "hr", "p", "div", "li", "ul", "ol", "tr", "table", "pre", "section", "article")
    + ("blockquote", "h1", "h2", "h3", "h4", "h5", "h6")
)


def half_width(text: str) -> str:
    """Full-width letters and digits as plain ones; Chinese punctuation stays as it is."""
    return _FULL_WIDTH.sub(lambda found: found[0].translate(_TO_HALF), text)


def without_markup(text: str) -> str:
    """Text without HTML tags and comments, its entities as the characters they stand for; tags of
    blocks become line ends."""
    if "<" in text:
        text = _TAG.sub(lambda tag: "\n" if (tag[1] or "").lower() in _LINE_TAGS else "", text)
    return unescape(text) if "&" in text else text


def unmangled(text: str) -> str:
    """Text whose UTF-8 was once read as another encoding ('schÃ¶n'), mended by ftfy; Chinese
    characters and their punctuation are never shown to it.

    Raises:
        MissingError: there are signs of it, and ftfy is not installed.
    """
    if text.isascii() or not MOJIBAKE.search(text):
        return text
    fix = _ftfy()
    return _NOT_CHINESE.sub(
        lambda found: fix(found[0]) if MOJIBAKE.search(found[0]) else found[0], text
    )


@cache
def _ftfy() -> Callable[[str], str]:
    if not find_spec("ftfy"):
        raise MissingError("ftfy", "text", "mending mojibake (clean.mojibake)")
    import ftfy

    config = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        fix_surrogates=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )
    return lambda text: ftfy.fix_text(text, config)


def converted(text: str, to: Literal["simplified", "traditional"]) -> str:
    """Chinese in one script, by OpenCC; a text with Japanese kana among its characters stays.

    Raises:
        MissingError: there are characters to convert, and OpenCC is not installed.
    """
    if text.isascii() or not _HAN.search(text):
        return text
    converter, converts = _opencc(to)
    if not converts.search(text):
        return text
    if len(_KANA.findall(text)) > _MOST_KANA_FRAC * len(_HAN.findall(text)):
        return text
    return str(converter.convert(text))


@cache
def _opencc(to: str) -> tuple[Any, re.Pattern[str]]:
    """The converter, and the characters that it changes where they stand alone."""
    if not find_spec("opencc"):
        raise MissingError("opencc", "text", "converting Chinese (clean.chinese)")
    import opencc

    converter = opencc.OpenCC("t2s" if to == "simplified" else "s2t")
    every = [chr(code) for code in (*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000))]
    alone = converter.convert("\n".join(every)).split("\n")
    changed = "".join(c for c, now in zip(every, alone, strict=True) if c != now)
    return converter, re.compile(f"[{changed}]")
