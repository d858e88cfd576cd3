"""Shingles: the runs of consecutive tokens, or of characters, by which texts are compared.

Tokens: a token is a run of letters, digits and their combining marks, in lower case, or a single
letter of a script that writes no spaces between words (Chinese characters, kana, Thai, Lao, Khmer,
Burmese); Korean, which does, goes by words. Everything else parts tokens; format characters such
as the soft hyphen are passed over (Unicode Standard Annex 29, rule WB4).

Chars: the characters in lower case, ASCII punctuation removed, white space collapsed, none at the
ends, as SlimPajama hashes them (Soboleva et al. 2023, modelzoo slimpajama/dedup/to_hash.py).

Hashes: a token is FNV-1a over its code points (64 bits), then the finaliser of MurmurHash3; n
tokens are the polynomial sum of t[i] * BASE^(n-1-i) modulo 2^64, then the finaliser again. No seed
and no byte order enters, so a text has the same hashes on every machine (characters that a newer
Unicode adds are letters only to a Python that knows them).
"""

import ctypes
from functools import cache
from typing import Annotated, Literal
from unicodedata import category

import numpy as np
from pydantic import Field

from ..native.kernels import kernels
from ..settings import Settings
from .texts import Texts

SEPARATOR, WORD, MARK, IGNORED, ALONE = range(5)
"""What a character does to tokens; native/shingles.c has the same numbers."""
_CLASS, _SPACE, _REMOVED = 1 << 21, 1 << 24, 1 << 25
_LOWER = _CLASS - 1
_OFFSET, _PRIME, _BASE = 0xCBF29CE484222325, 0x100000001B3, 0x9E3779B97F4A7C15
_64 = (1 << 64) - 1
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_ASSIGNED = (range(0x3400), range(0xA000, 0xAC00), range(0xD7A4, 0x20000), range(0xE0000, 0xE0200))
"""Where the characters are that are neither Han nor Hangul syllables."""
_UNSPACED = (
    *((0x3005, 0x3008), (0x3021, 0x302A), (0x3031, 0x3036), (0x3038, 0x303D), (0x3041, 0x3100)),
    *((0x31F0, 0x3200), (0xFF66, 0xFFA0), (0x1B000, 0x1B170), (0x0E01, 0x0F00), (0x1000, 0x10A0)),
    *((0x1780, 0x17E0), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x32400)),
)
"""First and last + 1 of the blocks whose letters each are a token. The Han blocks are taken whole,
also where no character is assigned yet."""


class ShingleSettings(Settings):
    """What two texts are compared by."""

    unit: Literal["tokens", "chars"] = "tokens"
    """tokens: words, and Chinese characters. chars: all characters but ASCII punctuation."""
    size: Annotated[int, Field(ge=1, le=256)] = 5
    """Units in a shingle. A shorter text is one shingle of all its units."""


def shingle_hashes(texts: Texts, settings: ShingleSettings) -> tuple[np.ndarray, np.ndarray]:
    """(hashes uint64, offsets int64 (N + 1)): text i has hashes[offsets[i]:offsets[i + 1]].

    In the order of the text, repeated where the text repeats. A text without units has none.
    """
    counts, lib = np.zeros(len(texts), np.int64), kernels()
    offsets = np.zeros(len(texts) + 1, np.int64)
    if lib is None:
        found = [twin_shingles(texts[i], settings) for i in range(len(texts))]
        np.cumsum([len(some) for some in found], out=offsets[1:])
        return np.array([h for some in found for h in some], np.uint64), offsets
    total = _call_shingles(lib, texts, settings, counts, None)
    np.cumsum(counts, out=offsets[1:])
    hashes = np.empty(total, np.uint64)
    _call_shingles(lib, texts, settings, counts, hashes)
    return hashes, offsets


def shingle_counts(texts: Texts, settings: ShingleSettings) -> np.ndarray:
    """int64 (N): how many shingles each text has; with size 1, how many units."""
    counts, lib = np.zeros(len(texts), np.int64), kernels()
    if lib is None:
        return np.diff(shingle_hashes(texts, settings)[1])
    _call_shingles(lib, texts, settings, counts, None)
    return counts


def _call_shingles(
    lib: ctypes.CDLL,
    texts: Texts,
    settings: ShingleSettings,
    counts: np.ndarray,
    out: np.ndarray | None,
) -> int:
    function = lib.lingloom_shingles
    function.restype = ctypes.c_int64
    room = 0 if out is None else len(out)
    total = function(
        *texts.pointers(),
        *kernel_arguments(settings),
        pointer(counts),
        None if out is None else pointer(out),
        ctypes.c_int64(room),
    )
    assert total >= 0
    return int(total)


def kernel_arguments(
    settings: ShingleSettings,
) -> tuple[ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]:
    """(table, chars, size): how every kernel of native/shingles.c is told what a shingle is."""
    chars = ctypes.c_int64(settings.unit == "chars")
    return pointer(character_table()), chars, ctypes.c_int64(settings.size)


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Where a contiguous array begins; it must outlive the call."""
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


@cache
def character_table() -> np.ndarray:
    """uint32 (0x110000), by code point: the lower-case code point in bits 0-20, the class in bits
    21-23, bit 24 for white space, bit 25 for ASCII punctuation."""
    table = np.arange(0x110000, dtype=np.uint32)
    table[0xAC00:0xD7A4] |= WORD * _CLASS
    for code in (code for some in _ASSIGNED for code in some):
        char = chr(code)
        lower = char.lower()
        entry = ord(lower) if len(lower) == 1 else code  # only I with a dot above becomes two
        table[code] = entry | _class_of(char) * _CLASS | char.isspace() * _SPACE
    for first, end in _UNSPACED:
        block = table[first:end]
        letters = (block >> 21 & 7) == WORD
        block[letters] += (ALONE - WORD) * _CLASS
        if first in (0x3400, 0x4E00, 0x20000):
            block[:] = block & _LOWER | ALONE * _CLASS
    table[[ord(char) for char in _PUNCTUATION]] |= _REMOVED
    return table


def _class_of(char: str) -> int:
    kind = category(char)
    if kind[0] in "LN":
        return WORD
    if "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef":
        return IGNORED  # variation selectors: another drawing of the same character
    if kind[0] == "M":
        return MARK
    # a zero-width space is a format character and yet parts words
    return IGNORED if kind == "Cf" and char != "\u200b" else SEPARATOR


# ------------------------------------------------------------------------ the twin in Python


def mixed(x: int) -> int:
    """The 64-bit finaliser of MurmurHash3 (Appleby 2011): every bit of `x` reaches every other."""
    x = (x ^ x >> 33) * 0xFF51AFD7ED558CCD & _64
    x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53 & _64
    return x ^ x >> 33


def twin_shingles(text: str, settings: ShingleSettings) -> list[int]:
    """The shingle hashes of one text, as the kernel gives them."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    entries = character_table()[codes].tolist()
    units = _chars(entries) if settings.unit == "chars" else _tokens(entries)
    hashes = [_hash_of_token(unit) for unit in units]
    size = min(settings.size, len(hashes))
    if not size:
        return []
    return [_hash_of_shingle(hashes[i : i + size]) for i in range(len(hashes) - size + 1)]


def _tokens(entries: list[int]) -> list[list[int]]:
    tokens: list[list[int]] = [[]]
    alone = False
    for entry in entries:
        kind = entry >> 21 & 7
        if kind == IGNORED:
            continue
        if kind in (SEPARATOR, ALONE) or (kind == WORD and alone):
            tokens.append([])
            alone = False
        if kind in (WORD, ALONE) or (kind == MARK and tokens[-1]):
            tokens[-1].append(entry & _LOWER)
            alone = alone or kind == ALONE
    return [token for token in tokens if token]


def _chars(entries: list[int]) -> list[list[int]]:
    kept = [0x20 if entry & _SPACE else entry & _LOWER for entry in entries if not entry & _REMOVED]
    words = "".join(map(chr, kept)).split(" ")
    return [[ord(char)] for char in " ".join(word for word in words if word)]


def _hash_of_token(codes: list[int]) -> int:
    total = _OFFSET
    for code in codes:
        total = (total ^ code) * _PRIME & _64
    return mixed(total)


def _hash_of_shingle(tokens: list[int]) -> int:
    total = 0
    for token in tokens:
        total = (total * _BASE + token) & _64
    return mixed(total)
