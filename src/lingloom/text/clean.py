"""Text made regular: one form for each character, no invisible ones, no stray blanks.

Nearly all text is clean already, so each step first asks, at the speed of a memory search, whether
there is anything to do.
"""

import re
from typing import Literal
from unicodedata import is_normalized, normalize

from pydantic import NonNegativeInt

from ..settings import Settings


class CleanSettings(Settings):
    """What is made regular in a document, and what is too short to keep."""

    normalise: Literal["none", "nfc", "nfkc"] = "nfc"
    """Unicode form. nfc joins letters and their accents; nfkc also turns full-width letters and
    the like into plain ones, and with them Chinese punctuation into ASCII."""
    strip_control: bool = True
    """Remove control characters, byte order marks, soft hyphens, zero-width spaces and direction
    marks; tab and line end stay, other line ends become one."""
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
_EITHER = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069"
    "\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
_BETWEEN = "\n\n\n"
_BLANKS = " \t\xa0\u3000"
_BLANK_RUN = re.compile("\n{3,}")
_MARKS_RUN = re.compile("[\u0300-\u036f]{64,}")


def clean(text: str, settings: CleanSettings) -> str:
    """`text` made regular; text that is regular already comes back as it is."""
    return clean_all([text], settings)[0]


def clean_all(texts: list[str], settings: CleanSettings) -> list[str]:
    """Each of `texts` made regular; whether there is anything to do is asked once for all."""
    joined = _BETWEEN.join(texts)
    if settings.strip_control and _has_removed(joined):
        texts = [_without_control(text) for text in texts]
        joined = _BETWEEN.join(texts)
    if settings.normalise != "none":
        form: Literal["NFC", "NFKC"] = "NFC" if settings.normalise == "nfc" else "NFKC"
        if not is_normalized(form, joined):
            texts = [_normal(form, text) for text in texts]
    if settings.strip_blanks and (_may_have_blanks(joined, len(texts))):
        texts = [_without_blanks(text) for text in texts]
    return texts


def too_short(text: str, settings: CleanSettings) -> str | None:
    """A filter: the reason to drop a cleaned text, or None to keep it."""
    if len(text) >= settings.min_chars:
        return None
    return "empty" if not text else f"shorter than {settings.min_chars} characters"


def _has_removed(text: str) -> bool:
    if text.isascii():
        raw = text.encode()
        return len(raw.translate(None, _ASCII_REMOVED)) != len(raw)
    return _EITHER.search(text) is not None


def _without_control(text: str) -> str:
    if _EITHER.search(text) is None:
        return text
    return _REMOVED.sub("", _LINE_ENDS.sub("\n", text))


def _normal(form: Literal["NFC", "NFKC"], text: str) -> str:
    # Python sorts a run of marks in quadratic time, and no writing has such runs
    if is_normalized(form, text) or _MARKS_RUN.search(text):
        return text
    return normalize(form, text)


def _may_have_blanks(joined: str, texts: int) -> bool:
    """Whether some line ends in a blank or some line feeds are too many; ends of texts included."""
    return (
        any(blank + "\n" in joined for blank in _BLANKS)
        or joined.endswith(tuple(_BLANKS + "\n"))
        or joined.startswith("\n")
        or "\n\n\n\n" in joined
        or joined.count(_BETWEEN) != texts - 1
    )


def _without_blanks(text: str) -> str:
    # by lines and not by a pattern such as ' +\n', which is quadratic in a long run of spaces
    if any(blank + "\n" in text for blank in _BLANKS):
        text = "\n".join([line.rstrip(_BLANKS) for line in text.split("\n")])
    if "\n\n\n" in text:
        text = _BLANK_RUN.sub("\n\n", text)
    return text.strip("\n").rstrip(_BLANKS + "\n")
