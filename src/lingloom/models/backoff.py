"""A back-off table of n-grams, and how to look words up in it, many at a time.

    ln p(w | h) = log_p(hw)                            if the table has hw
                  log_backoff(h) + ln p(w | h')        otherwise, h' being h without its first word

Words are 0..vocab-1; `vocab` is the begin symbol, a context only; -1 is a break that no context
reaches over. The id of an n-gram of order n is its place in `levels[n - 1]`; -1 stands for none.

Shapes: N order, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Level:
    """The n-grams of one order with their numbers, in the form that an ARPA file has."""

    keys: np.ndarray
    """Id of the first n-1 words * (vocab + 1) + last word, (grams,) int64, rising; for order 1
    the word itself."""
    log_p: np.ndarray
    """ln p(last word | the words before), lower orders included, (grams,) float64."""
    log_backoff: np.ndarray
    """ln of the factor on the order below for words not seen after this n-gram, (grams,) float64;
    0 where nothing follows it. Empty at the highest order."""


@dataclass(frozen=True)
class Table:
    """The n-grams of orders 1..N. Every n-gram's first n-1 words are in the table too."""

    levels: list[Level]
    vocab: int

    @classmethod
    def uniform(cls, vocab: int) -> "Table":
        """Every word equally likely, whatever came before."""
        log_p = np.full(vocab + 1, -np.log(vocab))
        log_p[vocab] = -np.inf
        return cls([Level(np.arange(vocab + 1), log_p, np.zeros(0))], vocab)

    @property
    def order(self) -> int:
        return len(self.levels)

    def find(self, n: int, prefixes: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Ids of the n-grams `prefixes` then `words` of order `n` > 1, (places,) int64; none ends
        in a begin symbol or a break, whatever a file from elsewhere holds."""
        out = np.full(len(words), -1, dtype=np.int64)
        keys = self.levels[n - 1].keys
        places = np.flatnonzero((prefixes >= 0) & (words >= 0) & (words < self.vocab))
        wanted = prefixes[places] * (self.vocab + 1) + words[places]
        found = _search(keys, wanted)
        same = found < len(keys)
        same[same] = keys[found[same]] == wanted[same]
        out[places[same]] = found[same]
        return out

    def walk(self, words: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """(n, ids of the n-grams that end at each place, ids of order n - 1 one place before) for
        n = 2..N; nothing reaches over a begin symbol or a break."""
        ids = words
        for n in range(2, self.order + 1):
            before = np.full(len(words), -1, dtype=np.int64)
            before[1:] = ids[:-1]
            ids = self.find(n, before, words)
            yield n, ids, before

    def score(self, words: np.ndarray) -> np.ndarray:
        """ln p of each word after those before it, (places,) float64; at a begin symbol or a
        break the number means nothing."""
        out = np.zeros(len(words))
        scored = (words >= 0) & (words != self.vocab)
        out[scored] = self.levels[0].log_p[words[scored]]
        for n, ids, before in self.walk(words):
            self._climb(out, n, ids, before)
        return out

    def _climb(self, out: np.ndarray, n: int, ids: np.ndarray, contexts: np.ndarray) -> None:
        """Turn ln p under order n - 1 into ln p under order `n`, in place."""
        known = np.flatnonzero(contexts >= 0)
        out[known] += self.levels[n - 2].log_backoff[contexts[known]]
        hit = np.flatnonzero(ids >= 0)
        out[hit] = self.levels[n - 1].log_p[ids[hit]]

    def contexts(self, words: np.ndarray) -> np.ndarray:
        """Ids of the n-grams of orders 1..N-1 that end at each place, (N - 1, places) int64."""
        out = np.full((self.order - 1, len(words)), -1, dtype=np.int64)
        if self.order > 1:
            out[0] = words
        for n, ids, _ in self.walk(words):
            if n < self.order:
                out[n - 1] = ids
        return out

    def advance(self, contexts: np.ndarray, words: np.ndarray) -> np.ndarray:
        """The contexts, (N - 1, B), after one more word each, (B,)."""
        out = np.full_like(contexts, -1)
        if self.order > 1:
            out[0] = words
        for n in range(2, self.order):
            out[n - 1] = self.find(n, contexts[n - 2], words)
        return out

    def score_after(self, contexts: np.ndarray, words: np.ndarray) -> np.ndarray:
        """ln p of each word after its column of `contexts` (N - 1, places), (places,) float64."""
        out: np.ndarray = self.levels[0].log_p[words]
        for n in range(2, self.order + 1):
            self._climb(out, n, self.find(n, contexts[n - 2], words), contexts[n - 2])
        return out

    def distribution(self, context: np.ndarray) -> np.ndarray:
        """p of every word after one column of contexts (N - 1,), (V,) float64."""
        p: np.ndarray = np.exp(self.levels[0].log_p[: self.vocab])
        radix = self.vocab + 1
        for n in range(2, self.order + 1):
            node, level = int(context[n - 2]), self.levels[n - 1]
            if node < 0:
                continue
            p *= np.exp(self.levels[n - 2].log_backoff[node])
            first, last = np.searchsorted(level.keys, [node * radix, (node + 1) * radix])
            p[level.keys[first:last] - node * radix] = np.exp(level.log_p[first:last])
        return p


def _search(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """`np.searchsorted(keys, wanted)`; many are asked in rising order, which spares the caches."""
    if len(wanted) < 1 << 12:
        return np.searchsorted(keys, wanted)
    rising = np.argsort(wanted)
    found = np.empty(len(wanted), dtype=np.int64)
    found[rising] = np.searchsorted(keys, wanted[rising])
    return found
