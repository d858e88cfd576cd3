"""Byte-level BPE by the compiled kernel (native/bpe.c), with the ids of the `tokenizers` library.

The kernel replays the library's own joins, so any vocabulary will do; what it asks for is one
pattern of words (WORDS of bytelevel.py) and nothing before or beside it. The classes of characters
(letter, number, white space) are asked of the library itself, block by block as texts need them, so
that the two cannot differ over a version of Unicode.
"""

import ctypes
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import tokenizers
from tokenizers import Regex, pre_tokenizers

from ..native.kernels import kernels

_CLASSES = {r"\p{L}+": 1, r"\p{N}+": 2, r"\s+": 4, r"[\r\n]+": 8}
_UNKNOWN = 255
_BLOCK = 512
"""Code points that the library is asked about at once."""
_NO_RANK = 0xFFFFFF
_ID_BITS = 20
_KEPT_BITS, _KEPT_BYTES, _KEPT_IDS = 15, 64, 3
"""Pairs of words whose ids are remembered, as a power of two; size of a pair; ids of a word at
most, for which an output has room at its end."""


class _Bpe(ctypes.Structure):
    """`Bpe` of native/bpe.c."""

    _fields_ = [
        ("classes", ctypes.c_void_p),
        ("pairs", ctypes.c_void_p),
        ("joined", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("byte_ids", ctypes.c_void_p),
        ("kept", ctypes.c_void_p),
        ("pair_bits", ctypes.c_int32),
        ("kept_bits", ctypes.c_int32),
    ]


class _Progress(ctypes.Structure):
    """`Progress` of native/bpe.c."""

    _fields_ = [(name, ctypes.c_int64) for name in ("text", "at", "found", "missing")]


class NativeBPE:
    """An encoder that several threads may use at once.

    Args:
        byte_ids: id of each byte, (256,).
        joins: ids of each join's left part, right part and whole, in order, (joins, 3).
    """

    def __init__(self, byte_ids: np.ndarray, joins: np.ndarray):
        left, right, self._joined = np.ascontiguousarray(joins.T, np.uint32)
        self._byte_ids = np.ascontiguousarray(byte_ids, np.uint32)
        self._bits = max(4, (2 * len(joins)).bit_length())
        self._pairs = np.empty(1 << self._bits, np.uint64)
        _kernel().bpe_pairs(
            _at(left), _at(right), ctypes.c_int64(len(joins)), _at(self._pairs), self._bits
        )
        self._starts = np.zeros(1 << 16, np.uint32)
        self._kept: list[np.ndarray] = []
        found = sure_characters(self._byte_ids, left, right, self._joined)
        ids, ends, _ = self.encode(list(found))
        alone = np.diff(ends, prepend=0) == 1
        self._starts[[ord(c) for c, one in zip(found, alone, strict=True) if one]] = (
            ids[ends[alone] - 1] + 1
        )

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(ids of all texts, uint32; where those of each end; UTF-8 bytes of each).

        Raises:
            UnicodeEncodeError: a text holds half a surrogate pair.
            MemoryError: a single word of a text is too long for the memory.
        """
        written = [text.encode() for text in texts]
        sizes = np.fromiter(map(len, written), np.int64, len(written))
        ends, id_ends = np.cumsum(sizes), np.empty(len(written), np.int64)
        text = b"".join(written)
        ids = np.empty(len(text) + _KEPT_IDS, np.uint32)
        # Words are remembered by one call at a time: as many sets as there are threads.
        kept = self._kept.pop() if self._kept else np.zeros(_KEPT_BYTES << _KEPT_BITS, np.uint8)
        parts = (_classes(), self._pairs, self._joined, self._starts, self._byte_ids, kept)
        bpe, done = _Bpe(*(p.ctypes.data for p in parts), self._bits, _KEPT_BITS), _Progress()
        given = (ctypes.byref(bpe), text, _at(ends), ctypes.c_int64(len(written)))
        wanted = (_at(ids), _at(id_ends), ctypes.byref(done))
        encode = _kernel().bpe_encode
        while (state := encode(*given, *wanted)) == _CLASS_MISSING:
            _classify(done.missing)
        self._kept.append(kept)
        if state:
            raise MemoryError(f"a word within {len(text)} bytes of text is too long to encode")
        return ids[: done.found].copy(), id_ends, sizes


_CLASS_MISSING = 2


def sure_characters(
    byte_ids: np.ndarray, left: np.ndarray, right: np.ndarray, joined: np.ndarray
) -> str:
    """Characters whose bytes are joined to one token in any text, whatever stands beside them, if
    they are when alone.

    Joins are replayed in their order if each comes after those that made its parts. Then only a
    join that takes in a part of the character and something beside it could keep its bytes from
    coming together, and only if it comes before the character's own last join. Within valid UTF-8
    such a join has a token that begins or ends within the character.
    """
    count = len(joined)
    made = np.zeros(1 + int(np.concatenate([byte_ids, left, right, joined]).max()), np.int64)
    np.maximum.at(made, joined, np.arange(1, count + 1))
    if count and (np.maximum(made[left], made[right]) > np.arange(count)).any():
        return ""
    spelt: dict[int, bytes] = {int(i): bytes([byte]) for byte, i in enumerate(byte_ids)}
    cut_at: dict[tuple[str, bytes], int] = {}
    made_at: dict[bytes, int] = {}
    triples = zip(left.tolist(), right.tolist(), joined.tolist(), strict=True)
    for rank, (a, b, whole) in enumerate(triples):
        if a not in spelt or b not in spelt:
            continue  # nothing makes that part, so the join never happens
        spelt[whole] = token = spelt[a] + spelt[b]
        if token.isascii():
            continue
        if not any(_begins(byte) for byte in token[1:]):
            if 2 <= len(token) <= 3 and _size(token[0]) == len(token):
                made_at[token] = rank
            continue
        for part in (spelt[a], spelt[b], token):
            for edge in _edges(part):
                cut_at.setdefault(edge, rank)
    return "".join(
        character.decode()
        for character, rank in made_at.items()
        if all(
            rank < cut_at.get(edge, count)
            for i in range(1, len(character))
            for edge in (("ends with", character[:i]), ("begins with", character[i:]))
        )
    )


def _begins(byte: int) -> bool:
    """Whether a character may begin with it."""
    return byte & 0xC0 != 0x80


def _size(byte: int) -> int:
    """Bytes of a character that begins with `byte`; 0 if none does."""
    return (
        (byte < 0x80) + 2 * (0xC0 <= byte < 0xE0) + 3 * (0xE0 <= byte < 0xF0) + 4 * (byte >= 0xF0)
    )


def _edges(token: bytes) -> list[tuple[str, bytes]]:
    """The parts of characters that a token begins and ends with."""
    begun = [i for i, byte in enumerate(token) if _begins(byte)]
    edges = [("begins with", token[: begun[0]] if begun else token)]
    if begun and len(token) - begun[-1] < _size(token[begun[-1]]):
        edges.append(("ends with", token[begun[-1] :]))
    return [edge for edge in edges if edge[1]]


def native_bpe(
    library: tokenizers.Tokenizer, byte_names: Sequence[str], words: Mapping[str, Any]
) -> NativeBPE | None:
    """The kernel's encoder for `library`, or None where there is no kernel or it does not fit.

    Args:
        library: any tokenizer; whatever it does beside joining (normalizing, cutting to a length,
            finding added tokens in text) makes the answer None.
        byte_names: the names by which its vocabulary knows the bytes.
        words: `pre_tokenizer` as `tokenizer.json` must have it.
    """
    if kernels() is None:
        return None
    tree = json.loads(library.to_str())
    model = tree["model"]
    if (
        model["type"] != "BPE"
        or tree["pre_tokenizer"] != words
        or any(tree[part] is not None for part in ("normalizer", "truncation", "padding"))
        or any(model[key] for key in _BESIDE)
        or not all(token["special"] for token in tree["added_tokens"])
    ):
        return None
    vocab: dict[str, int] = model["vocab"]
    if not all(name in vocab for name in byte_names) or max(vocab.values()) >> _ID_BITS:
        return None
    pairs = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
    joins = [(vocab[a], vocab[b], vocab[a + b]) for a, b in pairs]
    if len(joins) >= _NO_RANK:
        return None
    byte_ids = np.array([vocab[name] for name in byte_names], np.uint32)
    return NativeBPE(byte_ids, np.array(joins, np.uint32).reshape(-1, 3))


_BESIDE = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")
"""Of the library's BPE, what changes its ids; an unknown token never occurs among bytes."""


def _kernel() -> ctypes.CDLL:
    found = kernels()
    assert found is not None
    return found


@cache
def _classes() -> np.ndarray:
    """Class of each code point, as far as it was asked for."""
    return np.full(0x110000, _UNKNOWN, np.uint8)


def _classify(code: int) -> None:
    """Ask the library for the classes of `code` and its neighbours."""
    start = code // _BLOCK * _BLOCK
    text = "".join(map(chr, range(start, start + _BLOCK)))
    found = np.zeros(_BLOCK, np.uint8)
    for pattern, bit in _CLASSES.items():
        other = pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str(text)
        held = np.ones(_BLOCK, bool)
        for _, (begin, end) in other:
            held[begin:end] = False
        found[held] |= bit
    _classes()[start : start + _BLOCK] = found  # whole, since other threads read it


def _at(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
