"""Text made regular: one form for each character, no invisible ones, no stray blanks.

Nearly all text is clean already, so each step first asks, at the speed of a memory search, whether
there is anything to do.
"""

import re
from collections import Counter
from typing import Literal
from unicodedata import is_normalized, normalize

from pydantic import NonNegativeInt

from ..settings import Settings
from .mask import Kind, masked
from .repair import converted, half_width, unmangled, without_markup


class CleanSettings(Settings):
    """What is made regular in a document, and what is too short to keep."""

    normalise: Literal["none", "nfc", "nfkc"] = "nfc"
    """Unicode form. nfc joins letters and their accents; nfkc also turns full-width letters and
    the like into plain ones, and with them Chinese punctuation into ASCII."""
    strip_control: bool = True
    """Remove control characters, byte order marks, soft hyphens, zero-width spaces and direction
    marks; tab and line end stay, other line ends become one."""
    markup: bool = False
    """Remove HTML tags, and turn entities into the characters they stand for."""
    mojibake: bool = False
    """Mend text whose UTF-8 was once read as another encoding (schÃ¶n), where there are signs of
    it; needs ftfy. Chinese characters and punctuation are never touched."""
    width: Literal["none", "half"] = "none"
    """half: full-width letters and digits become plain ones; Chinese punctuation stays."""
    chinese: Literal["none", "simplified", "traditional"] = "none"
    """Convert Chinese to one script; needs OpenCC. Japanese texts are left as they are."""
    mask: list[Kind] = []
    """Personal data to replace by a word such as [EMAIL], and to count: email; id (Chinese identity
    numbers) and card where the check digit is right; mobile (Chinese); phone (with a country code,
    or in a common national form); ip (public addresses)."""
    strip_blanks: bool = True
    """Remove blanks at line ends, blank lines at both ends, and all but one of a run of them."""
    min_chars: NonNegativeInt = 1
    """A shorter document is dropped; characters, counted after cleaning."""


_ASCII_REMOVED = bytes([*range(9), *range(11, 32), 127])  # all but tab and line feed
_REMOVED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069"
    "\ufeff\ufff9-\ufffb\ufffe\uffff]+"
)
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# All but the characters that stay as they are and stand alone in NFC: of Latin with accents, usual
# punctuation, kana, Chinese, Korean, full-width forms.
_ODD = re.compile(
    "[^\t\n -~\xa0-\xac\xae-\u02ff\u2010-\u2027\u2030-\u205e\u3000-\u3029\u3041-\u3096\u30a0-\u30ff"
    "\u3105-\u312f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff9d]"
)
_BETWEEN = "\n\n\n"
_BLANKS = " \t\xa0\u3000"
_BLANKS_AND_LINE_END = tuple(_BLANKS + "\n")
_BLANK_RUN = re.compile("\n{3,}")
_MARKS_RUN = re.compile("[\u0300-\u036f]{64,}")


def clean(text: str, settings: CleanSettings) -> str:
    """`text` made regular; text that is regular already comes back as it is."""
    return clean_all([text], settings)[0]


def clean_all(
    texts: list[str], settings: CleanSettings, counts: Counter[str] | None = None
) -> list[str]:
    """Each of `texts` made regular; whether there is anything to do is asked once for all.

    Args:
        texts: as they were read.
        settings: what to do.
        counts: how often each kind of personal data was masked is added to it.

    Raises:
        MissingError: there is text that needs ftfy or OpenCC, and it is not installed.
    """
    if settings.markup:
        texts = [without_markup(text) for text in texts]
    if settings.mojibake:
        texts = [unmangled(text) for text in texts]
    joined = _BETWEEN.join(texts)
    odd = _has_odd(joined)
    if settings.strip_control and odd:
        texts = [_without_control(text) for text in texts]
        joined = _BETWEEN.join(texts)
    if settings.normalise == "nfkc" or (settings.normalise == "nfc" and odd):
        form: Literal["NFC", "NFKC"] = "NFC" if settings.normalise == "nfc" else "NFKC"
        texts = [_normal(form, text) for text in texts]
    if settings.width == "half":
        texts = [half_width(text) for text in texts]
    if settings.chinese != "none":
        texts = [converted(text, settings.chinese) for text in texts]
    if settings.mask:
        texts = masked(texts, settings.mask, Counter() if counts is None else counts)
    if settings.strip_blanks and _may_have_blanks(joined, len(texts)):
        texts = [_without_blanks(text) for text in texts]
    return texts


def too_short(text: str, settings: CleanSettings) -> str | None:
    """A filter: the reason to drop a cleaned text, or None to keep it."""
    if len(text) >= settings.min_chars:
        return None
    return "empty" if not text else f"shorter than {settings.min_chars} characters"


def _has_odd(text: str) -> bool:
    """Whether there may be characters to remove, or to join with their neighbours."""
    if text.isascii():
        raw = text.encode()
        return len(raw.translate(None, _ASCII_REMOVED)) != len(raw)
    return _ODD.search(text) is not None


def _without_control(text: str) -> str:
    return _REMOVED.sub("", _LINE_ENDS.sub("\n", text)) if _has_odd(text) else text


def _normal(form: Literal["NFC", "NFKC"], text: str) -> str:
    # Python sorts a run of marks in quadratic time, and no writing has such runs
    if text.isascii() or is_normalized(form, text) or _MARKS_RUN.search(text):
        return text
    return normalize(form, text)


def _may_have_blanks(joined: str, texts: int) -> bool:
    """Whether some line ends in a blank or some line feeds are too many; ends of texts included."""
    return (
        _has_blank_ends(joined)
        or joined.endswith(_BLANKS_AND_LINE_END)
        or joined.startswith("\n")
        or "\n\n\n\n" in joined
        or joined.count(_BETWEEN) != texts - 1
    )


def _has_blank_ends(text: str) -> bool:
    return " \n" in text or "\t\n" in text or "\u3000\n" in text or "\xa0\n" in text


def _without_blanks(text: str) -> str:
    if "\n" in text:
        # by lines and not by a pattern such as ' +\n', which is quadratic in a long run of spaces
        if _has_blank_ends(text):
            text = "\n".join([line.rstrip(_BLANKS) for line in text.split("\n")])
        if "\n\n\n" in text:
            text = _BLANK_RUN.sub("\n\n", text)
        text = text.strip("\n")
    return text.rstrip(_BLANKS + "\n") if text.endswith(_BLANKS_AND_LINE_END) else text
