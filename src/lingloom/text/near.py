"""Near-duplicates: pairs of texts that share a bucket, and how much they truly share.

A document's number `uid` is part << 32 | row: which part of the corpus, and which text of it.
"""

import ctypes
from collections.abc import Mapping

import numpy as np

from ..native.kernels import kernels
from .minhash import NOWHERE
from .shingles import ShingleSettings, kernel_arguments, pointer, twin_shingles
from .texts import Texts

NEIGHBOURS = 3
"""How many of the next texts in its bucket each text is paired with, besides the bucket's first."""


def candidate_pairs(hashes: np.ndarray, uids: np.ndarray) -> np.ndarray:
    """int64 (M, 2): distinct pairs (smaller uid, larger uid), sorted, of texts that share a bucket.

    Of a bucket of n texts at most 4n pairs are made, each with the first and with the next three,
    so that a text that a million pages repeat costs no 10^12 pairs. The order of the rows does not
    matter.

    Args:
        hashes: uint64 (R,): the bucket; NOWHERE is none.
        uids: int64 (R,): the text in it.
    """
    somewhere = hashes != NOWHERE
    hashes, uids = hashes[somewhere], uids[somewhere]
    order = np.argsort(hashes)
    ordered = hashes[order]
    same = ordered[1:] == ordered[:-1]
    shared = np.zeros(
        len(order), bool
    )  # in a bucket of two or more: few, so that the rest is cheap
    shared[1:] |= same
    shared[:-1] |= same
    hashes, uids = ordered[shared], uids[order[shared]]
    order = np.lexsort((uids, hashes))
    hashes, uids = hashes[order], uids[order]
    starts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]][: len(hashes)])
    firsts = np.repeat(uids[starts], np.diff(np.r_[starts, len(uids)]))
    pairs = [np.stack([firsts, uids], axis=1)]
    for step in range(1, NEIGHBOURS + 1):
        near = hashes[step:] == hashes[:-step]
        pairs.append(np.stack([uids[:-step][near], uids[step:][near]], axis=1))
    return distinct_pairs(np.concatenate(pairs))


def distinct_pairs(pairs: np.ndarray) -> np.ndarray:
    """int64 (M, 2): sorted, each pair once, none of a text with itself; of pairs from anywhere."""
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    fresh = np.ones(len(pairs), bool)
    fresh[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return pairs[fresh]


def verified(
    pairs: np.ndarray, parts: Mapping[int, Texts], settings: ShingleSettings
) -> np.ndarray:
    """float64 (M,): the Jaccard similarity of the two texts' sets of shingles, |A & B| / |A | B|.

    0 where either has no shingles. Fastest where pairs with the same left text stand together, as
    `candidate_pairs` gives them.

    Args:
        pairs: int64 (M, 2), uids.
        parts: part number -> its texts; only the parts that occur in `pairs` are asked for.
        settings: what a shingle is.

    Raises:
        KeyError: a part is not in `parts`.
    """
    out, lib = np.zeros(len(pairs)), kernels()
    numbers = np.unique(pairs >> 32).tolist()
    held = {number: parts[number] for number in numbers}
    if lib is None:
        for i, (left, right) in enumerate(pairs.tolist()):
            a, b = (
                set(twin_shingles(held[uid >> 32][uid & 0xFFFFFFFF], settings))
                for uid in (left, right)
            )
            out[i] = len(a & b) / len(a | b) if a and b else 0.0
        return out
    addresses, sizes = np.empty(pairs.shape, np.uint64), np.empty(pairs.shape, np.int64)
    for number, texts in held.items():
        here = pairs >> 32 == number
        rows = pairs[here] & 0xFFFFFFFF
        addresses[here] = (texts.offsets[rows] + texts.data.ctypes.data).astype(np.uint64)
        sizes[here] = texts.sizes[rows]
    function = lib.lingloom_jaccard
    function.restype = ctypes.c_int64
    done = function(
        pointer(addresses),
        pointer(sizes),
        ctypes.c_int64(len(pairs)),
        *kernel_arguments(settings),
        pointer(out),
    )
    if done < 0:
        raise MemoryError("no memory for the shingles of one text while comparing near-duplicates")
    return out
