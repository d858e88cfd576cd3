"""Which documents are held out, and which of these choose the weights that are kept: decided by the
text itself, so equal texts never straddle."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from .dedup import DIGEST_BYTES, digest
from .document import Document

Split = Literal["train", "heldout"]
VALIDATION = "validation"
"""The split that is looked at while training, and by which weights are chosen where they are."""


def split_of(document: Document, heldout_frac: float, seed: int = 0) -> Split:
    """'heldout' for about `heldout_frac` of all cleaned texts, else 'train'.

    The same text with the same seed always answers the same, whatever else is in the corpus; a
    greater `heldout_frac` only adds to the held-out texts.
    """
    return splits_of([digest(document.text)], heldout_frac, seed)[0]


def splits_of(digests: Sequence[bytes], heldout_frac: float, seed: int = 0) -> list[Split]:
    """`split_of` for many texts, given by their digests."""
    return ["heldout" if h else "train" for h in (shares_of(digests, seed) < heldout_frac).tolist()]


def choosers_of(digests: Sequence[bytes], seed: int = 0) -> list[bool]:
    """Whether each text, where it is held out, is one by which weights are chosen: about every
    second, whatever share is held out. The others are scored."""
    return (mixed(_halves(digests, seed)[:, 1]) >> np.uint64(63) == 0).tolist()


def shares_of(digests: Sequence[bytes], seed: int = 0) -> np.ndarray:
    """A number from 0 to 1 for each digest, evenly spread; the same digest, the same number."""
    return mixed(_halves(digests, seed)[:, 0]) / 2.0**64


def _halves(digests: Sequence[bytes], seed: int) -> np.ndarray:
    """Both halves of each digest, (N, 2) uint64, each another under another seed."""
    halves = np.frombuffer(b"".join(digests), "<u8").reshape(-1, DIGEST_BYTES // 8)
    return halves ^ mixed(np.array([seed % 2**64], np.uint64))


def mixed(x: np.ndarray) -> np.ndarray:
    """A bijection of 64 bits in which every bit of the answer depends on every bit of `x`.

    Source: Steele et al. 2014 (Fast splittable pseudorandom number generators), figure 15.
    """
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
