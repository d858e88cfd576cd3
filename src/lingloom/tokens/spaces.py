"""Where words stand apart and where they do not."""

import re
from collections.abc import Iterable

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Han characters, for use inside a character class."""
_CLOSED = re.compile(f"[{HAN}\u3000-\u30ff\uff00-\uffef‘’“”…—]")
"""Written without spaces around it: Han, kana, full-width punctuation."""


def spaced(word: str) -> bool:
    """Whether a word has spaces around it in running text."""
    return bool(word) and not (_CLOSED.match(word[0]) or _CLOSED.match(word[-1]))


def joined(words: Iterable[str]) -> str:
    """Words as running text, with a space after the last one if it is written with one."""
    out: list[str] = []
    for word in words:
        if out and not spaced(word):
            out[-1] = out[-1].removesuffix(" ")
        out.append(word + " " * spaced(word))
    return "".join(out)
