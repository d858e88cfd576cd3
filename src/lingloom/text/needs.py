"""What each text needs done, asked of many texts in one walk: nearly all need nothing.

One byte of flags for each text. No flag means that there is certainly nothing to do; a flag that
something is worth a look.
"""

import ctypes
import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import numpy as np

from ..native.kernels import kernels

CONTROL, FORM, BLANKS, MANGLED = (1 << bit for bit in range(4))
"""Of `needs`: characters to remove or line ends to change (exact); characters that may have another
normal form; stray blanks (exact); signs of UTF-8 read as another encoding (exact)."""
EMAIL, IDENTITY, CARD, MOBILE, PHONE, IP4, IP6 = (1 << bit for bit in range(7))
"""Of `personal_signs`: what may occur."""

REMOVED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069"
    "\ufeff\ufff9-\ufffb\ufffe\uffff]+"
)
LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
ODD = re.compile(
    "[^\t\n -~\xa0-\xac\xae-\u02ff\u0370-\u0373\u0376\u0377\u037a-\u037d\u037f\u0384-\u0386"
    "\u0388-\u0482\u048a-\u052f\u2002-\u200a\u2010-\u2027\u202f-\u205e\u2070-\u209c\u20a0-\u20c0"
    "\u2100-\u2125\u2127-\u2129\u212c-\u218b\u2190-\u2328\u232b-\u2426\u2440-\u244a\u2460-\u2adb"
    "\u2add-\u2b73\u3000-\u3029\u3030-\u303f\u3041-\u3096\u309b-\u30ff\u3105-\u312f\u3131-\u318e"
    "\u3190-\u31e3\u31f0-\u321e\u3220-\u4dbf\u4dc0-\u9fff\uac00-\ud7a3\ufe0e\ufe0f\uff01-\uff9d"
    "\uffe0-\uffe6\uffe8-\uffee\ufffc\ufffd\U0001f300-\U0001f6d7\U0001f900-\U0001f9ff"
    "\U00020000-\U0002a6df]"
)
"""All but the characters that stay as they are and stand alone in NFC: Latin with accents, Greek,
Cyrillic, usual punctuation, symbols, kana, Chinese, Korean, full-width forms, pictures."""
BLANK = " \t\xa0\u3000"
BLANK_OR_LINE_END = tuple(BLANK + "\n")

_LEADS = "[\xc2-\xf4]"
_GOES_ON = re.escape(
    "".join({c for b in range(0x80, 0xC0) for c in (chr(b), bytes([b]).decode("cp1252", "ignore"))})
)
MOJIBAKE = re.compile(f"{_LEADS}[{_GOES_ON}]|Ã ")
"""A character that UTF-8 writes as two or more bytes, read as cp1252 or Latin-1: its first byte,
then one that goes on."""

_KNOWN = 0x34000
_TABLE_LEAD, _TABLE_GOES_ON = 4, 8
_NUMBER = re.compile(r"[0-9][0-9 .()+-]*")
_DIGITS = str.maketrans("", "", " .()+-")
_IDENTITY = re.compile("[0-9]{17}")
_EMAIL = re.compile("[A-Za-z0-9_+-]@[A-Za-z0-9-]")
_IP4 = re.compile(r"[0-9](?:\.[0-9]+){3}")
_IP6 = re.compile("::|:(?:[0-9a-fA-F]*:){5}")


def needs(texts: Sequence[str], *, native: bool = True) -> np.ndarray:
    """uint8 (N): CONTROL, FORM, BLANKS and MANGLED of each text.

    Args:
        texts: N texts; halves of surrogate pairs are allowed.
        native: use the kernel where there is one.
    """
    library = kernels() if native else None
    if library is None:
        return np.fromiter(map(_needs_of, texts), np.uint8, len(texts))
    data, offsets = _flat(texts)
    table, out = _table(), np.empty(len(texts), np.uint8)
    library.lingloom_text_needs.restype = None
    library.lingloom_text_needs(
        data,
        ctypes.c_void_p(offsets.ctypes.data),
        ctypes.c_int64(len(texts)),
        ctypes.c_void_p(table.ctypes.data),
        ctypes.c_int64(_KNOWN),
        ctypes.c_void_p(out.ctypes.data),
    )
    return out


def personal_signs(texts: Sequence[str], *, native: bool = True) -> np.ndarray:
    """uint8 (N): which kinds of personal data each text may hold; arguments as of `needs`."""
    library = kernels() if native else None
    if library is None:
        return np.fromiter(map(_personal_signs_of, texts), np.uint8, len(texts))
    data, offsets = _flat(texts)
    out = np.empty(len(texts), np.uint8)
    library.lingloom_text_personal.restype = None
    library.lingloom_text_personal(
        data,
        ctypes.c_void_p(offsets.ctypes.data),
        ctypes.c_int64(len(texts)),
        ctypes.c_void_p(out.ctypes.data),
    )
    return out


def _flat(texts: Sequence[str]) -> tuple[bytes, np.ndarray]:
    raws = [text.encode("utf-8", "surrogatepass") for text in texts]
    offsets = np.fromiter(accumulate(map(len, raws), initial=0), np.int64, len(raws) + 1)
    return b"".join(raws), offsets


@cache
def _table() -> np.ndarray:
    """uint8 (_KNOWN): what the patterns say of each code point."""
    every = "".join(map(chr, range(_KNOWN)))
    table = np.zeros(_KNOWN, np.uint8)
    for pattern, bit in (
        (f"(?:{ODD.pattern})+", FORM),
        (f"(?:{REMOVED.pattern}|[\r\x0b\x0c\x85\u2028\u2029])+", CONTROL),
        (f"{_LEADS}+", _TABLE_LEAD),
        (f"[{_GOES_ON}]+", _TABLE_GOES_ON),
    ):
        for found in re.finditer(pattern, every):
            table[found.start() : found.end()] |= bit
    return table


def _needs_of(text: str) -> int:
    found = CONTROL if REMOVED.search(text) or LINE_ENDS.search(text) else 0
    found |= FORM if ODD.search(text) else 0
    found |= MANGLED if MOJIBAKE.search(text) else 0
    stray = text.startswith("\n") or text.endswith(BLANK_OR_LINE_END)
    return found | (BLANKS if stray or "\n\n\n" in text or has_blank_ends(text) else 0)


def has_blank_ends(text: str) -> bool:
    """Whether a line that a line feed ends has a blank before it."""
    return any(blank + "\n" in text for blank in BLANK)


def _personal_signs_of(text: str) -> int:
    digits = max((len(run.translate(_DIGITS)) for run in _NUMBER.findall(text)), default=0)
    found = (CARD if digits >= 13 else 0) | (MOBILE if digits >= 11 else 0)
    found |= PHONE if digits >= 8 else 0
    for pattern, bit in ((_IDENTITY, IDENTITY), (_EMAIL, EMAIL), (_IP4, IP4), (_IP6, IP6)):
        found |= bit if pattern.search(text) else 0
    return found
