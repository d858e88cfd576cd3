"""WordPiece and Unigram, trained and encoded by the `tokenizers` library."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import tokenizers
from pydantic import Field, PositiveInt
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

from .bytelevel import WORDS
from .characters import most_frequent
from .library import LibraryTokenizer, check_text, check_vocab, names_of, with_end
from .sample import sample
from .spaces import HAN, joined
from .tokenizer import END, UNKNOWN, TokenizerSettings

CONTINUES = "##"
"""Begins the name of a piece that goes on with a word."""
_ALONE = re.compile(f"[{HAN}!-/:-@[-`{{-~]")


class WordPieceSettings(TokenizerSettings):
    """Pieces of words as BERT reads them: the longest known piece first; Chinese by character.

    The pieces are those that BPE joins would make, as the library trains them, not the original's
    likelihood gain. White space is lost.

    Source: Schuster and Nakajima 2012, "Japanese and Korean Voice Search", section 3; Devlin et
    al. 2019 (BERT), appendix A.2.
    """

    kind: Literal["wordpiece"] = "wordpiece"
    vocab: int = Field(default=16384, ge=3)
    """Number of tokens, UNKNOWN and END included."""
    min_count: PositiveInt = 2
    """Pairs that occur less often are not joined."""
    lowercase: bool = False
    """Read everything in lower case without accents."""
    sample_bytes: PositiveInt = 100_000_000
    """Text to learn from; of more, an even sample is taken."""

    def train(self, texts: Iterable[str]) -> "WordPieceTokenizer":
        found = sample(texts, self.sample_bytes)
        check_text(self.kind, len(found))
        library = self._library({})
        first, further = _alphabet(found, library.normalizer, self.vocab - 2)
        # Given in advance, as the trainer would number them differently on every run.
        further = [CONTINUES + character for character in further]
        trainer = trainers.WordPieceTrainer(
            vocab_size=self.vocab - 1,
            min_frequency=self.min_count,
            initial_alphabet=first,
            limit_alphabet=len(first),
            special_tokens=[UNKNOWN, *further],
            continuing_subword_prefix=CONTINUES,
            show_progress=False,
        )
        library.train_from_iterator(found, trainer, len(found))
        check_vocab(self.kind, self.vocab, library.get_vocab_size() + 1)
        return WordPieceTokenizer(with_end(self._library(library.get_vocab())))

    def _library(self, vocab: dict[str, int]) -> tokenizers.Tokenizer:
        model = models.WordPiece(vocab, unk_token=UNKNOWN, max_input_chars_per_word=100)
        library = tokenizers.Tokenizer(model)
        library.normalizer = normalizers.BertNormalizer(lowercase=self.lowercase)
        library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        library.decoder = decoders.WordPiece(prefix=CONTINUES, cleanup=False)
        return library

    @classmethod
    def opened(cls, library: tokenizers.Tokenizer, kept: Mapping[str, Any]) -> "WordPieceTokenizer":
        end, unknown = kept.get("end", END), kept.get("unknown", UNKNOWN)
        return WordPieceTokenizer(library, str(end), str(unknown))


def _alphabet(
    texts: list[str], normalizer: tokenizers.normalizers.Normalizer, room: int
) -> tuple[list[str], list[str]]:
    """The most frequent characters that `room` tokens can hold, and those among them that may also
    continue a word, which takes a second token; Han and punctuation are words of their own."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    first: list[str] = []
    further: list[str] = []
    for character in most_frequent(counts, -1, 1):
        if character.isspace():
            continue
        alone = _ALONE.match(character) or unicodedata.category(character).startswith("P")
        if len(first) + len(further) + (1 if alone else 2) > room:
            break
        first.append(character)
        if not alone:
            further.append(character)
    return first, further


class WordPieceTokenizer(LibraryTokenizer):
    """WordPiece; pieces that continue a word are marked ## in `tokenizer.json`.

    Args:
        library: as `tokenizer.json` keeps it.
        end: name of the token that ends a document.
        unknown: name of the token for what has no pieces.
    """

    def __init__(self, library: tokenizers.Tokenizer, end: str = END, unknown: str = UNKNOWN):
        self.names = names_of(library)
        self.special = set(library.get_added_tokens_decoder())
        """Ids that stand for no text."""
        lost = self.names.index(unknown)
        spelt = [n.removeprefix(CONTINUES).encode() for n in self.names]
        for index in {lost, *self.special}:
            spelt[index] = b""
        super().__init__("wordpiece", library, spelt, lost, lossless=False, end=end)
        self.special.discard(lost)
        if end != END:
            self.kept = {"end": end, "unknown": unknown}

    def decode(self, ids: Sequence[int]) -> str:
        """Words joined by single spaces, except beside Chinese; an unknown word is `<unk>`."""
        return self.decode_bytes(ids).decode().removesuffix(" ")

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """As `decode`, with a space after the last word."""
        words: list[str] = []
        for name in (self.names[i] for i in ids if i not in self.special):
            if name.startswith(CONTINUES) and words:
                words[-1] += name.removeprefix(CONTINUES)
            else:
                words.append(name)
        return joined(words).encode()


class UnigramSettings(TokenizerSettings):
    """The most probable split of each word, every piece having a probability of its own.

    Characters that are too rare to be pieces are written as bytes, so nothing is lost. Words are
    split off as for BPE, the space before a word being part of it.

    Source: Kudo 2018, "Subword Regularization", section 3.2; bytes as in SentencePiece's
    byte_fallback.
    """

    kind: Literal["unigram"] = "unigram"
    vocab: int = Field(default=16384, ge=260)
    """Number of tokens, 256 bytes, UNKNOWN and END included."""
    coverage_frac: float = Field(default=0.9995, gt=0, le=1)
    """Part of the text's characters that must be pieces of their own; the rest become bytes."""
    longest: PositiveInt = 16
    """Most characters in a piece."""
    sample_bytes: PositiveInt = 5_000_000
    """Text to learn from; of more, an even sample is taken. Chinese, whose words are whole clauses
    here, takes minutes to learn from."""

    def train(self, texts: Iterable[str]) -> "UnigramTokenizer":
        found = sample(texts, self.sample_bytes)
        check_text(self.kind, len(found))
        pieces = self.vocab - 2 - len(_BYTE_PIECES)
        library = tokenizers.Tokenizer(models.Unigram())
        library.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), "isolated")
        trainer = trainers.UnigramTrainer(
            vocab_size=pieces, max_piece_length=self.longest, show_progress=False
        )
        rare = _rare(found, self.coverage_frac, pieces)
        library.train_from_iterator((text.translate(rare) for text in found), trainer, len(found))
        learnt = _settled(json.loads(library.to_str())["model"]["vocab"])
        check_vocab(self.kind, self.vocab, self.vocab - pieces + len(learnt))
        rows = [(UNKNOWN, 0.0), *((name, 0.0) for name in _BYTE_PIECES), *learnt]
        library.model = models.Unigram(rows, unk_id=0, byte_fallback=True)
        library.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        return UnigramTokenizer(with_end(library))

    @classmethod
    def opened(cls, library: tokenizers.Tokenizer, kept: Mapping[str, Any]) -> "UnigramTokenizer":
        return UnigramTokenizer(library)


_BYTE_PIECES = [f"<0x{byte:02X}>" for byte in range(256)]
"""SentencePiece's names; no word of a text is ever spelt so, as WORDS splits before digits."""


def _rare(texts: list[str], coverage_frac: float, most: int) -> dict[int, str]:
    """What turns rare characters into line breaks: all but the most frequent `most`, or fewer
    if those cover the text; and NUL, which the trainer keeps for itself."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    needed, covered, rare = coverage_frac * counts.total(), 0, {0: "\n"}
    for rank, (character, count) in enumerate(sorted(counts.items(), key=lambda c: (-c[1], c[0]))):
        if covered >= needed or rank >= most - 2:
            rare[ord(character)] = "\n"
        covered += count
    return rare


def _settled(rows: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """`rows` of the trainer without what differs from run to run: the last digits of scores, and
    which of the characters that no split needs stands on which step of a ladder of 0.0001 above
    the lowest score; all of those get the lowest."""
    least = min(score for _, score in rows)
    out = []
    for piece, score in rows:
        steps = (score - least) / 1e-4
        unneeded = len(piece) == 1 and abs(steps - round(steps)) < 1e-5 and steps < len(rows)
        out.append((piece, round(least if unneeded else score, 6)))
    return sorted(out, key=lambda row: (-row[1], row[0]))


class UnigramTokenizer(LibraryTokenizer):
    """Unigram with bytes for what has no piece."""

    def __init__(self, library: tokenizers.Tokenizer):
        names = names_of(library)
        spelt = [b"", *(bytes([b]) for b in range(256)), *(n.encode() for n in names[257:-1]), b""]
        super().__init__("unigram", library, spelt)
