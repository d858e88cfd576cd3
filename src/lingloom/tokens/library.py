"""What all kinds share: the `tokenizers` library does the work, unless a kind has a faster way."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from ..errors import DataError
from .tokenizer import END


class LibraryTokenizer:
    """A Tokenizer around a `tokenizers.Tokenizer` whose END is an added token.

    Args:
        kind: row of TOKENIZERS.
        library: the tokenizer as `tokenizer.json` keeps it.
        spelt: UTF-8 bytes that each id stands for, in the order of ids; END stands for none.
        unknown: id of the unknown token, or None.
        lossless: whether decoding gives back every text.
        end: name of the token that ends a document.
    """

    def __init__(
        self,
        kind: str,
        library: tokenizers.Tokenizer,
        spelt: list[bytes],
        unknown: int | None = None,
        lossless: bool = True,
        end: str = END,
    ):
        self.kind, self.library, self.spelt = kind, library, spelt
        self.unknown, self.lossless = unknown, lossless
        found = library.token_to_id(end)
        assert found is not None
        self.vocab, self.end = len(spelt), found
        self.token_bytes = np.fromiter((len(s) for s in spelt), np.int32, len(spelt))
        self.kept: dict[str, Any] = {}
        library.encode_special_tokens = True  # "<|end|>" in a text is text

    def encode(self, text: str) -> list[int]:
        return self.library.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        found = self.library.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(e.ids, dtype=np.uint32) for e in found]

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return b"".join([self.spelt[i] for i in ids])

    def decode(self, ids: Sequence[int]) -> str:
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def token_of(self, index: int) -> str:
        return str(self.library.id_to_token(index))

    def id_of(self, token: str) -> int | None:
        found: int | None = self.library.token_to_id(token)
        return found

    def fingerprint(self) -> str:
        return hashlib.sha256(self._json().encode()).hexdigest()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        kept = {"kind": self.kind, **self.kept, "sha256": self.fingerprint()}
        (folder / "tokenizer.json").write_text(self._json(), "utf-8")
        (folder / "tokens.json").write_text(json.dumps(kept, ensure_ascii=False), "utf-8")

    def _json(self) -> str:
        text: str = self.library.to_str(pretty=False)
        return text


def names_of(library: tokenizers.Tokenizer) -> list[str]:
    """The tokens in the order of their ids."""
    return [str(library.id_to_token(i)) for i in range(library.get_vocab_size())]


def with_end(library: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """`library` with END as its last id, outside the model's own vocabulary, so that no text
    reaches it."""
    library.add_special_tokens([tokenizers.AddedToken(END, special=True, normalized=False)])
    return library


def check_vocab(kind: str, wanted: int, found: int) -> None:
    """Refuse a vocabulary that the text cannot fill.

    Raises:
        DataError: `found` is less than `wanted`.
    """
    if found < wanted:
        raise DataError(
            f"the text supports {found} tokens, fewer than tokens.vocab {wanted} (tokens.kind "
            f"{kind}); set tokens.vocab={found} or less, or read more text"
        )


def check_text(kind: str, found: int) -> None:
    """Refuse to learn from nothing.

    Raises:
        DataError: `found`, characters or words, is 0.
    """
    if not found:
        raise DataError(
            f"there is no text to train tokens.kind {kind} on; "
            "look at text.read, and at what the text filters dropped"
        )
