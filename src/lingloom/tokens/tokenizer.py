"""What every tokenizer promises; open.py opens a stored one.

On disk a tokenizer is a Hugging Face `tokenizer.json`, opened by the `tokenizers` library, beside
`tokens.json`, which keeps what that format has no place for: the kind, what else its encoder needs,
and the SHA-256 of `tokenizer.json`, so that a damaged or foreign file is noticed.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tokenizers

from ..settings import Settings

END = "<|end|>"
"""Stands between documents, starts every generation, and ends it."""
UNKNOWN = "<unk>"
PAD = "<pad>"
MASK = "<mask>"
MASKS = (MASK, "[MASK]")
"""Names of what stands in the place of a hidden token: ours, and that of others."""
BEGINS = ("[CLS]", "<s>")
"""Names under which others keep what stands before a text that is read in both directions; in our
tokenizers END stands there."""


class Tokenizer(Protocol):
    """Text to token ids and back."""

    kind: str
    vocab: int
    """Number of token ids, special ones included."""
    end: int
    """Id of END."""
    unknown: int | None
    """Id of the unknown token; None when every text can be written without one."""
    lossless: bool
    """Whether `decode` gives back every text exactly."""
    token_bytes: np.ndarray
    """UTF-8 bytes that each token stands for, (vocab,) int32; special tokens have 0. Of a lossless
    kind they add up to the bytes of the text."""

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, without special tokens; text that looks like one is encoded as text."""

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text, (tokens,) uint32, by this thread where the kind allows it: several
        batches may be encoded at once by several threads."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; END is left out, bytes that are not UTF-8 become U+FFFD."""

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes of `ids`, for streaming: one character may spread over several tokens."""

    def token_of(self, index: int) -> str:
        """The name by which `tokenizer.json` knows the id; unique, not always readable."""

    def id_of(self, token: str) -> int | None:
        """The id of a name, or None."""

    def fingerprint(self) -> str:
        """SHA-256 of `tokenizer.json`, in hexadecimal."""

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokens.json`."""


class TokenizerSettings(Settings):
    """What the rest of the program may ask of any kind's settings."""

    def train(self, texts: Iterable[str]) -> Tokenizer:
        """A tokenizer learnt from `texts`, which are read once.

        Raises:
            DataError: there is no text, or it does not support the vocabulary asked for.
        """
        raise NotImplementedError

    @classmethod
    def opened(cls, library: tokenizers.Tokenizer, kept: Mapping[str, Any]) -> Tokenizer:
        """The tokenizer that was stored as `library` and `kept`, the rest of `tokens.json` and the
        `folder` where both lie."""
        raise NotImplementedError


def special_id(tokenizer: Tokenizer, names: Iterable[str]) -> int | None:
    """The id of the first of `names` that is a token without text there; None where none is."""
    ids = (tokenizer.id_of(name) for name in names)
    return next((i for i in ids if i is not None and not tokenizer.token_bytes[i]), None)


def signs(tokenizer: Tokenizer) -> tuple[int, int]:
    """Ids of what stands before and behind a text that is read in both directions."""
    begin = special_id(tokenizer, BEGINS)
    return tokenizer.end if begin is None else begin, tokenizer.end
