"""What every tokenizer promises, and how a stored one is opened.

On disk a tokenizer is a Hugging Face `tokenizer.json`, opened by the `tokenizers` library, beside
`tokens.json`, which keeps what that format has no place for: the kind and each token's byte length.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

END = "<|end|>"
"""Stands between documents, starts every generation, and ends it."""
UNKNOWN = "<unk>"
PAD = "<pad>"
MASK = "<mask>"


class Tokenizer(Protocol):
    """Text to token ids and back."""

    kind: str
    vocab: int
    """Number of token ids, special ones included."""
    end: int
    """Id of END."""
    unknown: int | None
    """Id of the unknown token; None when every text can be written without one."""
    token_bytes: np.ndarray
    """UTF-8 bytes that each token stands for, (vocab,) int32; special tokens have 0."""

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, without special tokens; text that looks like one is encoded as text."""

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text, (tokens,) uint32; uses all threads that the library is given."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids` without special tokens; bytes that are not UTF-8 become U+FFFD."""

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes of `ids`, for streaming: one character may spread over several tokens."""

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokens.json`."""
