"""One token per character (Unicode code point): small vocabularies, long sequences."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tokenizers
from pydantic import NonNegativeInt, PositiveInt
from tokenizers import decoders, models

from .library import LibraryTokenizer, check_text, names_of, with_end
from .tokenizer import UNKNOWN, TokenizerSettings

_CODE_POINTS = 0x110000


class CharactersSettings(TokenizerSettings):
    """Characters, most frequent first."""

    kind: Literal["characters"] = "characters"
    vocab: NonNegativeInt = 0
    """Most tokens to keep, UNKNOWN and END included. 0: no limit."""
    min_count: PositiveInt = 1
    """Rarer characters become UNKNOWN."""

    def train(self, texts: Iterable[str]) -> "CharactersTokenizer":
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        check_text(self.kind, len(counts))
        names = [UNKNOWN, *most_frequent(counts, self.vocab - 2, self.min_count)]
        model = models.BPE(
            vocab={name: i for i, name in enumerate(names)},
            merges=[],
            unk_token=UNKNOWN,
            fuse_unk=False,
        )
        library = tokenizers.Tokenizer(model)
        library.decoder = decoders.Fuse()
        return CharactersTokenizer(with_end(library))

    @classmethod
    def opened(
        cls, library: tokenizers.Tokenizer, kept: Mapping[str, Any]
    ) -> "CharactersTokenizer":
        return CharactersTokenizer(library)


def most_frequent(counts: Mapping[str, int], limit: int, min_count: int) -> list[str]:
    """At most `limit` names (no limit if negative), most frequent first, then by code points."""
    names = sorted((n for n, c in counts.items() if c >= min_count), key=lambda n: (-counts[n], n))
    return names[:limit] if limit >= 0 else names


class CharactersTokenizer(LibraryTokenizer):
    """A character's id is looked up in one array over all code points."""

    def __init__(self, library: tokenizers.Tokenizer):
        names = names_of(library)
        spelt = [b"", *(n.encode() for n in names[1:-1]), b""]
        super().__init__("characters", library, spelt, unknown=0, lossless=False)
        self.ids = np.zeros(_CODE_POINTS, dtype=np.uint32)
        for i, name in enumerate(names[1:-1], start=1):
            self.ids[ord(name)] = i

    def encode(self, text: str) -> list[int]:
        found: list[int] = self.encode_batch([text])[0].tolist()
        return found

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [self.ids[np.frombuffer(t.encode("utf-32-le"), dtype="<u4")] for t in texts]

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        lost = "\N{REPLACEMENT CHARACTER}".encode()
        return b"".join([lost if i == self.unknown else self.spelt[i] for i in ids])
