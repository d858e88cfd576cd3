"""One token per word: the vocabulary of classical language models.

Words are what white space separates; in Chinese text, which has none, runs of Han characters are
segmented, by jieba if nothing else is asked for. The words of `<unk>`-marked corpora such as the
Penn Treebank keep their mark: a literal `<unk>` is UNKNOWN. `tokenizer.json` alone cannot segment
Chinese: opened elsewhere it expects words that are already separated by spaces, as
`WordsTokenizer.separate` gives them. A tagger that segments lies beside it in TAGGER.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tokenizers
from pydantic import NonNegativeInt, PositiveInt, model_validator
from tokenizers import models, pre_tokenizers

from ..errors import DataError
from ..text.segment import cutter
from ..text.stopwords import StopWordsSettings
from ..text.tagger import Tagger, open_tagger
from ..text.tagger_training import read_segmented, train_tagger
from .characters import most_frequent
from .library import LibraryTokenizer, check_text, names_of, with_end
from .sample import sample
from .spaces import HAN, joined, spaced
from .tokenizer import UNKNOWN, TokenizerSettings

Segment = Literal["none", "auto", "jieba", "forward", "backward", "bidirectional", "tagger"]

TAGGER = "tagger.safetensors"
_MATCHES = ("forward", "backward", "bidirectional")
_HAN_RUN = re.compile(f"[{HAN}]+")
_PARTS = re.compile(
    f"[{HAN}]+|[\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65“”…]"
)


class WordsSettings(TokenizerSettings):
    """Words, most frequent first."""

    kind: Literal["words"] = "words"
    vocab: NonNegativeInt = 0
    """Most tokens to keep, UNKNOWN and END included. 0: no limit."""
    min_count: PositiveInt = 1
    """Rarer words become UNKNOWN."""
    segment: Segment = "auto"
    """Whether runs of Han characters are cut into words: 'auto' does so by jieba where there are
    any, 'jieba' asks for it in any case, 'none' leaves them whole; forward, backward and
    bidirectional take the longest words of a dictionary, from the left, from the right, or
    whichever has fewer words; 'tagger' learns from segmented text where words begin and end."""
    dictionary: str = ""
    """For forward, backward and bidirectional: a UTF-8 file with a word in each line, needed again
    wherever text is encoded. Empty: the dictionary that comes with jieba."""
    segmented: str = ""
    """For the tagger: a UTF-8 file of words separated by spaces, as word/tag or without tags, or
    package:NAME/FILE. What is learnt is stored with the tokenizer; the file is not needed again."""
    stop_words: StopWordsSettings = StopWordsSettings()
    """Words that are left out, in training and ever after. Bits per byte charge them as raw bytes,
    so this is for telling labels and for vectors rather than for going on from a text."""
    sample_bytes: PositiveInt = 1_000_000_000
    """Text to count; of more, an even sample is taken."""

    @model_validator(mode="after")
    def _files_are_of_use(self) -> "WordsSettings":
        if (self.segment == "tagger") != bool(self.segmented):
            raise ValueError(
                f"segment={self.segment} with segmented='{self.segmented}': the tagger needs "
                "segmented text to learn from, and nothing else reads it; set both or neither"
            )
        if self.dictionary and self.segment not in _MATCHES:
            raise ValueError(
                f"segment={self.segment} reads no dictionary; set segment to one of "
                f"{', '.join(_MATCHES)}, or leave dictionary out"
            )
        return self

    def train(self, texts: Iterable[str]) -> "WordsTokenizer":
        tagger = train_tagger(read_segmented(self.segmented)) if self.segmented else None
        separate = Separator(self.segment, self.dictionary, tagger)
        texts = sample(texts, self.sample_bytes)
        stop_words = self.stop_words.of(map(separate, texts)) - {UNKNOWN}
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(separate(text))
        check_text(self.kind, len(counts))
        if counts and stop_words.issuperset(counts):
            raise DataError(
                f"tokens.stop_words: all {len(counts)} different words of the text are stop words; "
                "take fewer lists, a smaller top or a larger document_frac"
            )
        for word in (UNKNOWN, *stop_words):
            del counts[word]
        names = most_frequent(counts, self.vocab - 2, self.min_count)
        return words_named(names, Separator(self.segment, self.dictionary, tagger, stop_words))

    @classmethod
    def opened(cls, library: tokenizers.Tokenizer, kept: Mapping[str, Any]) -> "WordsTokenizer":
        tagger = _stored_tagger(Path(kept["folder"]), kept) if "tagger" in kept else None
        separate = Separator(
            kept.get("segment", "none"),
            kept.get("dictionary", ""),
            tagger,
            frozenset(kept.get("stop_words", ())),
        )
        return WordsTokenizer(library, separate)


def words_named(names: Iterable[str], separate: "Separator") -> "WordsTokenizer":
    """The tokenizer that knows `names`, all different, and parts texts by `separate`: ids from 1,
    between UNKNOWN and END."""
    ids = {name: i for i, name in enumerate([UNKNOWN, *names])}
    library = tokenizers.Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    library.pre_tokenizer = _by_blanks(separate.stop_words)
    return WordsTokenizer(with_end(library), separate)


def _by_blanks(stop_words: Set[str]) -> pre_tokenizers.PreTokenizer:
    """Cuts at white space, and leaves `stop_words` out, wherever `tokenizer.json` is opened."""
    if not stop_words:
        return pre_tokenizers.WhitespaceSplit()
    listed = "|".join(re.escape(word) for word in sorted(stop_words))
    gone = pre_tokenizers.Split(tokenizers.Regex(rf"\A(?:{listed})\z"), "removed")
    return pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), gone])


def _stored_tagger(folder: Path, kept: Mapping[str, Any]) -> Tagger:
    tagger = open_tagger(folder / TAGGER)
    if tagger.sha256 != kept["tagger"]:
        raise DataError(
            f"{folder / TAGGER}: not the tagger that tokens.json describes; restore the file, or "
            "train the tokenizer again"
        )
    return tagger


class WordsTokenizer(LibraryTokenizer):
    """Words to ids by one dictionary.

    A word's `token_bytes` include the space after it, unless it is written without one.
    """

    def __init__(self, library: tokenizers.Tokenizer, separate: "Separator"):
        names = names_of(library)
        self.names = [*names[:-1], ""]
        spelt = [b"", *((n + " " * spaced(n)).encode() for n in names[1:-1]), b""]
        super().__init__("words", library, spelt, unknown=0, lossless=False)
        self.ids = {name: i for i, name in enumerate(names[:-1])}
        self.separate = separate
        self.kept = dict(separate.kept)

    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.separate.tagger:
            self.separate.tagger.save(folder / TAGGER)

    def encode(self, text: str) -> list[int]:
        return [self.ids.get(word, 0) for word in self.separate(text)]

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [np.array(self.encode(text), dtype=np.uint32) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        """Words joined by single spaces, except beside Chinese; an unknown word is `<unk>`."""
        return self.decode_bytes(ids).decode().removesuffix(" ")

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """As `decode`, with a space after the last word; Chinese decides the space on its left."""
        return joined(self.names[i] for i in ids if i != self.end).encode()


class Separator:
    """Text to words.

    Args:
        segment: see WordsSettings.
        dictionary: see WordsSettings.
        tagger: for segment='tagger'.
        stop_words: words that are left out.

    Raises:
        MissingError: Chinese is to be segmented, and neither rjieba nor jieba is installed.
    """

    def __init__(
        self,
        segment: Segment,
        dictionary: str = "",
        tagger: Tagger | None = None,
        stop_words: Set[str] = frozenset(),
    ):
        self.segment, self.tagger, self.stop_words = segment, tagger, stop_words
        self.kept: dict[str, Any] = {"segment": segment}
        """What `tokens.json` keeps of it."""
        if stop_words:
            self.kept["stop_words"] = sorted(stop_words)
        self._cut: Callable[[str], Iterable[str]] | None = None
        if dictionary:
            self.kept["dictionary"] = dictionary
        if tagger:
            self.kept["tagger"] = tagger.sha256
        elif segment != "none" and segment != "auto":
            self._cut = cutter(segment, dictionary)

    def __call__(self, text: str) -> list[str]:
        if not self.stop_words:
            return self.all_words(text)
        return [word for word in self.all_words(text) if word not in self.stop_words]

    def all_words(self, text: str) -> list[str]:
        """Its words, those that are left out among them."""
        chunks = text.split()
        if self.segment == "none" or not _HAN_RUN.search(text):
            return chunks
        if self.tagger:
            chinese = [chunk for chunk in chunks if _HAN_RUN.search(chunk)]
            tagged = dict(zip(chinese, self.tagger.cut_each(chinese), strict=True))
            return [word for chunk in chunks for word in tagged.get(chunk, (chunk,))]
        return [word for chunk in chunks for word in self._words(chunk)]

    def _words(self, chunk: str) -> Iterator[str]:
        """Only runs of Han characters go to jieba: on them, and on nothing else, its two
        implementations agree, so ids do not depend on which one is installed."""
        if not _HAN_RUN.search(chunk):
            yield chunk
            return
        end = 0
        for found in _PARTS.finditer(chunk):
            if found.start() > end:
                yield chunk[end : found.start()]
            end = found.end()
            if _HAN_RUN.match(found.group()):
                self._cut = self._cut or cutter("jieba")
                yield from self._cut(found.group())
            else:
                yield found.group()
        if end < len(chunk):
            yield chunk[end:]
