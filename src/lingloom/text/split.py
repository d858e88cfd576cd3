"""Which documents are held out: decided by the text itself, so equal texts never straddle."""

from hashlib import blake2b
from typing import Literal

from .dedup import digest
from .document import Document

Split = Literal["train", "heldout"]


def split_of(document: Document, heldout_frac: float, seed: int = 0) -> Split:
    """'heldout' for about `heldout_frac` of all cleaned texts, else 'train'.

    The same text with the same seed always answers the same, whatever else is in the corpus; a
    greater `heldout_frac` only adds to the held-out texts.
    """
    return split_of_digest(digest(document.text), heldout_frac, seed)


def split_of_digest(text_digest: bytes, heldout_frac: float, seed: int = 0) -> Split:
    """`split_of` where the digest of the text is at hand."""
    key = seed.to_bytes(8, "little", signed=True)
    drawn = int.from_bytes(blake2b(text_digest, digest_size=8, key=key).digest(), "little")
    return "heldout" if drawn < heldout_frac * 2**64 else "train"
