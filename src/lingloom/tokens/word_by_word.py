"""Texts encoded word by word, so that it is known where each word begins among the tokens."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .spaces import spaced
from .tokenizer import Tokenizer


class WordByWord:
    """Encodes the words of a text, which blanks divide, one after the other.

    A kind that writes blanks gets a word with the blank that running text has before it; to the
    others a blank is nothing. A word of which nothing is left is the unknown token, or END.
    """

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        unknown = tokenizer.unknown
        self._nothing = np.array([tokenizer.end if unknown is None else unknown], np.uint32)

    def words(self, words: Sequence[str]) -> list[np.ndarray]:
        """Ids of each word of one text, (tokens,) uint32, at least one."""
        return self._encoded([words])[0]

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text, (tokens,) uint32: what `Tokenizer.encode_batch` gives, word by word."""
        empty = np.empty(0, np.uint32)
        found = self._encoded([text.split() for text in texts])
        return [np.concatenate(each) if each else empty for each in found]

    def _encoded(self, texts: Sequence[Sequence[str]]) -> list[list[np.ndarray]]:
        spelt = [word for words in texts for word in self._spelt(words)]
        found = iter(self.tokenizer.encode_batch(spelt) if spelt else [])
        return [
            [ids if len(ids := next(found)) else self._nothing for _ in words] for words in texts
        ]

    def _spelt(self, words: Sequence[str]) -> Sequence[str]:
        if not self.tokenizer.lossless:
            return words
        apart = [spaced(word) for word in words]
        blanks = [False, *(a and b for a, b in pairwise(apart))]
        return [" " * blank + word for blank, word in zip(blanks, words, strict=False)]
