"""Bytes, and byte-level BPE: every text can be written, nothing is lost.

BPE joins the most frequent pair of neighbouring tokens, again and again, until the vocabulary is
full; encoding replays the joins in that order inside each word (Sennrich et al. 2016, "Neural
Machine Translation of Rare Words with Subword Units", section 3.2; over bytes as in Radford et al.
2019, section 2.2). Words are split off by the pattern that llama.cpp knows as `qwen2`.

Training is the `tokenizers` library's. Encoding gives its ids in the fastest way at hand:

1. the compiled kernel (native_bpe.py), wherever it was built; it replays the library's own joins;
2. tiktoken, without a kernel. It joins whatever pair spells a known token, the library only the
   pairs that training joined. The two agree if each token's own bytes encode to that token alone:
   then the only pair that can meet in its place when its turn comes is the one that training
   joined. That is checked when a tokenizer is trained or adopted (`same_ids`);
3. the library, where neither fits: for tokenizers of others that do more than split off WORDS and
   join, and, without a kernel, for white space without end.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
import tiktoken
import tokenizers
from pydantic import Field, PositiveInt
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from .library import LibraryTokenizer, check_text, check_vocab, names_of, with_end
from .native_bpe import NativeBPE, native_bpe
from .sample import sample
from .tokenizer import END, TokenizerSettings

PRE = "qwen2"
"""llama.cpp's name of WORDS (`tokenizer.ggml.pre`)."""
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LONG_SPACE = 1 << 14
"""tiktoken's pattern engine runs out of stack on white space of some 10**5 characters; the library
does not."""


def _byte_names() -> list[str]:
    """The printable character that stands for each byte in `tokenizer.json`, as GPT-2 chose them:
    itself if Latin-1 prints it, else the next free one from U+0100."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in shown]
    return [chr(0x100 + hidden.index(b)) if b in hidden else chr(b) for b in range(256)]


BYTE_NAMES = _byte_names()
_BYTE_OF = {name: byte for byte, name in enumerate(BYTE_NAMES)}


def spelling(token: str) -> bytes:
    """The bytes that a byte-level token stands for."""
    return bytes(_BYTE_OF[c] for c in token)


class BytesSettings(TokenizerSettings):
    """One token per UTF-8 byte."""

    kind: Literal["bytes"] = "bytes"

    def train(self, texts: Iterable[str]) -> "BytesTokenizer":
        """Nothing is learnt: `texts` are not read."""
        model = models.BPE(vocab={name: byte for byte, name in enumerate(BYTE_NAMES)}, merges=[])
        library = tokenizers.Tokenizer(model)
        library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        library.decoder = decoders.ByteLevel()
        return BytesTokenizer(with_end(library))

    @classmethod
    def opened(cls, library: tokenizers.Tokenizer, kept: Mapping[str, Any]) -> "BytesTokenizer":
        return BytesTokenizer(library)


class BytesTokenizer(LibraryTokenizer):
    """The id of a byte is its value; END is 256."""

    def __init__(self, library: tokenizers.Tokenizer):
        super().__init__("bytes", library, [*(bytes([b]) for b in range(256)), b""])

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [np.frombuffer(t.encode(), dtype=np.uint8).astype(np.uint32) for t in texts]

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return bytes(i for i in ids if i != self.end)


class BPESettings(TokenizerSettings):
    """Byte-level BPE."""

    kind: Literal["bpe"] = "bpe"
    vocab: int = Field(default=16384, ge=257)
    """Number of tokens, END included; 257 is bytes alone."""
    min_count: PositiveInt = 2
    """Pairs that occur less often are not joined."""
    sample_bytes: PositiveInt = 20_000_000
    """Text to learn from; of more, an even sample is taken. Chinese, whose words are whole clauses
    here, takes some 70 times that much memory while the joins are learnt (1.4 GB by default)."""

    def train(self, texts: Iterable[str]) -> "BPETokenizer":
        library = words_and_bytes(tokenizers.Tokenizer(models.BPE()))
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab - 1,
            min_frequency=self.min_count,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        found = sample(texts, self.sample_bytes)
        check_text(self.kind, len(found))
        library.train_from_iterator(found, trainer, len(found))
        check_vocab(self.kind, self.vocab, library.get_vocab_size() + 1)
        return BPETokenizer(with_end(library), same_ids(library))

    @classmethod
    def opened(cls, library: tokenizers.Tokenizer, kept: Mapping[str, Any]) -> "BPETokenizer":
        return BPETokenizer(library, bool(kept.get("same_ids")), str(kept.get("end", END)))


class BPETokenizer(LibraryTokenizer):
    """Byte-level BPE; see the top of this file.

    Args:
        library: as `tokenizer.json` keeps it.
        fast: whether tiktoken gives the same ids, as `same_ids` found out.
        end: name of the token that ends a document.
    """

    def __init__(self, library: tokenizers.Tokenizer, fast: bool, end: str = END):
        special = set(library.get_added_tokens_decoder())
        tokens = names_of(library)
        spelt = [b"" if i in special else spelling(t) for i, t in enumerate(tokens)]
        super().__init__("bpe", library, spelt, end=end)
        self.kept = {"same_ids": fast, "pre": PRE} | ({"end": end} if end != END else {})
        self._fast = fast

    @cached_property
    def native(self) -> NativeBPE | None:
        """The compiled encoder, where there is one."""
        return native_bpe(self.library, BYTE_NAMES, split_words())

    @cached_property
    def encoder(self) -> tiktoken.Encoding | None:
        """tiktoken with these tokens, where it gives the same ids."""
        if not self._fast:
            return None
        special = set(self.library.get_added_tokens_decoder())
        ranks = {bytes_: i for i, bytes_ in enumerate(self.spelt) if i not in special}
        # END is never encoded; without any special token each call scans its text slowly.
        end = {self.token_of(self.end): self.end}
        return tiktoken.Encoding("bpe", pat_str=WORDS, mergeable_ranks=ranks, special_tokens=end)

    def encode(self, text: str) -> list[int]:
        if self.native is not None:
            with suppress(UnicodeEncodeError):  # half a surrogate pair; tiktoken writes U+FFFD
                found: list[int] = self.native.encode([text])[0].tolist()
                return found
        if self.encoder is None or _has_long_space(text):
            return super().encode(text)
        return self.encoder.encode_ordinary(text)

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        if self.native is not None:
            ids, ends, _ = self.native.encode(texts)
            return np.split(ids, ends[:-1]) if len(texts) else []
        if self.encoder is None:
            return super().encode_batch(texts)
        encoder = self.encoder
        return [
            np.array(super(BPETokenizer, self).encode(t), dtype=np.uint32)
            if _has_long_space(t)
            else encoder.encode_to_numpy(t, disallowed_special=())
            for t in texts
        ]


def words_and_bytes(library: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """`library`, made to split off WORDS and to write their bytes by BYTE_NAMES."""
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    library.decoder = decoders.ByteLevel()
    return library


@cache
def split_words() -> dict[str, Any]:
    """`pre_tokenizer` in the `tokenizer.json` of `words_and_bytes`."""
    plain = words_and_bytes(tokenizers.Tokenizer(models.BPE()))
    tree: dict[str, Any] = json.loads(plain.to_str())["pre_tokenizer"]
    return tree


def same_ids(library: tokenizers.Tokenizer) -> bool:
    """Whether tiktoken, given the same tokens, encodes every text as `library` does.

    True if the ids rise in the order of the joins and each token's own bytes encode to that token.
    """
    tree = json.loads(library.to_str())
    model, vocab = tree["model"], tree["model"]["vocab"]
    pairs = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
    joined = [vocab["".join(pair)] for pair in pairs]
    if any(a >= b for a, b in zip(joined, joined[1:], strict=False)):
        return False
    plain = models.BPE(vocab=vocab, merges=[tuple(pair) for pair in pairs])
    return all([t.id for t in plain.tokenize(name)] == [i] for name, i in vocab.items())


def _has_long_space(text: str) -> bool:
    """True for any run of 2 * _LONG_SPACE white characters, False if none reaches _LONG_SPACE."""
    starts = range(0, len(text) - _LONG_SPACE + 1, _LONG_SPACE)
    return any(text[i : i + _LONG_SPACE].isspace() for i in starts)
