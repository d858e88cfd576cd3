"""A tokenizer with further special tokens behind its own, such as what hides a token.

The ids that it had stay what they were, no text is encoded to the new ones, and they spell nothing.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from ..errors import DataError
from .library import LibraryTokenizer
from .tokenizer import MASK, MASKS, Tokenizer

KEPT = "extra"
"""Where tokens.json names them."""


def with_extra(tokenizer: Tokenizer, names: Sequence[str]) -> Tokenizer:
    """`tokenizer` with those of `names` that it lacks behind its ids, in their order.

    Raises:
        DataError: one of them is a word of its vocabulary, which texts reach.
    """
    base = tokenizer.base if isinstance(tokenizer, ExtendedTokenizer) else tokenizer
    assert isinstance(base, LibraryTokenizer)
    special = {token.content for token in base.library.get_added_tokens_decoder().values()}
    if not special.isdisjoint(MASKS):
        special.add(MASK)
    there = tokenizer.names if isinstance(tokenizer, ExtendedTokenizer) else ()
    for name in names:
        if name not in special and base.id_of(name) is not None:
            raise DataError(
                f"'{name}' is to be a token that no text contains, and this text contains it: "
                f"tokens.kind {base.kind} knows it as id {base.id_of(name)}; replace it in the text"
            )
    missing = [name for name in names if name not in special and name not in there]
    return ExtendedTokenizer(base, (*there, *missing)) if missing else tokenizer


class ExtendedTokenizer:
    """A Tokenizer of any kind, and `names` behind it."""

    def __init__(self, base: LibraryTokenizer, names: Sequence[str]):
        self.base, self.names = base, tuple(names)
        self.kind, self.end, self.unknown = base.kind, base.end, base.unknown
        self.lossless, self.vocab = base.lossless, base.vocab + len(self.names)
        self.token_bytes = np.append(base.token_bytes, np.zeros(len(self.names), np.int32))
        self._ids = {name: base.vocab + i for i, name in enumerate(self.names)}

    def encode(self, text: str) -> list[int]:
        return self.base.encode(text)

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return self.base.encode_batch(texts)

    def decode(self, ids: Sequence[int]) -> str:
        return self.base.decode([i for i in ids if i < self.base.vocab])

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return self.base.decode_bytes([i for i in ids if i < self.base.vocab])

    def token_of(self, index: int) -> str:
        own = index - self.base.vocab
        return self.names[own] if own >= 0 else self.base.token_of(index)

    def id_of(self, token: str) -> int | None:
        return self._ids[token] if token in self._ids else self.base.id_of(token)

    def fingerprint(self) -> str:
        return hashlib.sha256(self._json().encode()).hexdigest()

    def save(self, folder: Path) -> None:
        self.base.save(folder)
        text = self._json()
        (folder / "tokenizer.json").write_text(text, "utf-8")
        path = folder / "tokens.json"
        kept = json.loads(path.read_text("utf-8")) | {KEPT: self.names}
        kept["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        path.write_text(json.dumps(kept, ensure_ascii=False), "utf-8")

    def _json(self) -> str:
        library = tokenizers.Tokenizer.from_str(self.base.library.to_str())
        tokens = [tokenizers.AddedToken(n, special=True, normalized=False) for n in self.names]
        library.add_special_tokens(tokens)
        text: str = library.to_str(pretty=False)
        return text


def without_extra(text: str, kept: Mapping[str, Any]) -> tokenizers.Tokenizer:
    """The library's part of a stored tokenizer, without what `with_extra` added to it.

    Args:
        text: tokenizer.json.
        kept: tokens.json.
    """
    if not kept.get(KEPT):
        return tokenizers.Tokenizer.from_str(text)
    tree = json.loads(text)
    tree["added_tokens"] = [t for t in tree["added_tokens"] if t["content"] not in kept[KEPT]]
    return tokenizers.Tokenizer.from_str(json.dumps(tree))
