"""Text made regular: one form for each character, no invisible ones, no stray blanks.

Nearly all text is clean already, so one walk asks of all texts, at the speed of a memory search,
which of them need anything done.
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import Literal
from unicodedata import is_normalized, normalize

import numpy as np
from pydantic import NonNegativeInt

from ..settings import Settings
from .mask import Kind, masked
from .needs import (
    BLANK,
    BLANK_OR_LINE_END,
    BLANKS,
    CONTROL,
    FORM,
    LINE_ENDS,
    MANGLED,
    REMOVED,
    has_blank_ends,
    needs,
)
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


_BLANK_RUN = re.compile("\n{3,}")
_MARKS_RUN = re.compile("[\u0300-\u036f]{64,}")


def clean(text: str, settings: CleanSettings) -> str:
    """`text` made regular; text that is regular already comes back as it is."""
    return clean_all([text], settings)[0]


def clean_all(
    texts: list[str], settings: CleanSettings, counts: Counter[str] | None = None
) -> list[str]:
    """Each of `texts` made regular; which need anything done is asked once for all.

    Args:
        texts: as they were read.
        settings: what to do.
        counts: how often each kind of personal data was masked is added to it.

    Raises:
        MissingError: there is text that needs ftfy or OpenCC, and it is not installed.
    """
    texts = [without_markup(text) for text in texts] if settings.markup else list(texts)
    found = needs(texts)
    if settings.mojibake and (mangled := np.flatnonzero(found & MANGLED)).size:
        _change(texts, mangled, unmangled)
        found[mangled] = needs([texts[i] for i in mangled])
    if settings.strip_control:
        _change(texts, np.flatnonzero(found & CONTROL), _without_control)
    if settings.normalise == "nfc":
        _change(texts, np.flatnonzero(found & (CONTROL | FORM)), lambda text: _normal("NFC", text))
    elif settings.normalise == "nfkc":
        texts = [_normal("NFKC", text) for text in texts]
    if settings.width == "half":
        texts = [half_width(text) for text in texts]
    if settings.chinese != "none":
        texts = [converted(text, settings.chinese) for text in texts]
    if settings.mask:
        texts = masked(texts, settings.mask, Counter() if counts is None else counts)
    if settings.strip_blanks:
        # line ends and blanks may come of other line ends, of what was removed, and of nfkc
        asked = found & (BLANKS | CONTROL) if settings.normalise != "nfkc" else found | BLANKS
        _change(texts, np.flatnonzero(asked), _without_blanks)
    return texts


def _change(texts: list[str], which: np.ndarray, step: Callable[[str], str]) -> None:
    for i in which:
        texts[i] = step(texts[i])


def too_short(text: str, settings: CleanSettings) -> str | None:
    """A filter: the reason to drop a cleaned text, or None to keep it."""
    if len(text) >= settings.min_chars:
        return None
    return "empty" if not text else f"shorter than {settings.min_chars} characters"


def _without_control(text: str) -> str:
    return REMOVED.sub("", LINE_ENDS.sub("\n", text))


def _normal(form: Literal["NFC", "NFKC"], text: str) -> str:
    # Python sorts a run of marks in quadratic time, and no writing has such runs
    if text.isascii() or is_normalized(form, text) or _MARKS_RUN.search(text):
        return text
    return normalize(form, text)


def _without_blanks(text: str) -> str:
    if "\n" in text:
        # by lines and not by a pattern such as ' +\n', which is quadratic in a long run of spaces
        if has_blank_ends(text):
            text = "\n".join([line.rstrip(BLANK) for line in text.split("\n")])
        if "\n\n\n" in text:
            text = _BLANK_RUN.sub("\n\n", text)
        text = text.strip("\n")
    return text.rstrip(BLANK + "\n") if text.endswith(BLANK_OR_LINE_END) else text
