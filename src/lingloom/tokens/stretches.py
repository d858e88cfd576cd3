"""Rows of running text between two signs, for models that read in both directions.

Full stretches go on over the borders of documents (RoBERTa's FULL-SENTENCES); pairs are two
stretches of one document, the second of which follows the first in half of the rows, and is from
another document in the others (BERT's next sentence).

Source: Devlin et al. 2019 (BERT), section 3.1; Liu et al. 2019 (RoBERTa), section 4.2.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .order import draw
from .shards import Shards
from .tokenizer import Tokenizer, signs

LEAST = 4
"""Tokens of a document's last stretch below which it makes no pair."""
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "；", "…", "\n")


@dataclass(frozen=True)
class Stretch:
    """One row, without padding."""

    ids: np.ndarray
    """(L,) int64, signs included."""
    second: int
    """Where the second text begins; L where there is one text."""
    other: int
    """0: the second text follows the first; 1: it is from another document."""
    documents: tuple[str, ...]
    """Names of the documents that it is from."""


class Stretches:
    """Text cut into full stretches.

    Args:
        texts: what is read.
        tokenizer: gives the signs.
        context: places of a row, signs included.
        whole: take the rest behind the last full stretch as a shorter one.

    Raises:
        DataError: the context holds no text, or the text fills no stretch.
    """

    def __init__(self, texts: Shards, tokenizer: Tokenizer, context: int, *, whole: bool = False):
        self.texts, self.signs = texts, signs(tokenizer)
        self.room = _room(context, 2, 2)
        """Tokens of text in a row."""
        self.count = texts.tokens // self.room
        """Rows."""
        if whole and texts.tokens % self.room > 1:  # one token would be an END alone
            self.count += 1
        if not self.count:
            raise DataError(
                f"{texts.path}: {texts.tokens} tokens do not fill one row of model.context "
                f"{context} and its signs; read more text, or set model.context="
                f"{max(4, texts.tokens + 2)} or less"
            )

    def row(self, index: int, key: int) -> Stretch:
        """The stretch `index` in 0..count-1 of the text, turned like a ring by what `key` decides;
        0: not turned."""
        start = index * self.room + (draw(self.texts.tokens, key) if key else 0)
        size = min(self.room, self.texts.tokens - index * self.room)
        places = (start + np.arange(size)) % self.texts.tokens
        text, (begin, end) = self.texts.take(places), self.signs
        ids = np.concatenate([[begin], text, [end]])
        stop = int(places[-1]) + 1
        spans = (
            [(int(places[0]), stop)]
            if stop >= size
            else [
                (int(places[0]), self.texts.tokens),
                (0, stop),
            ]
        )
        touched = [i for span in spans for i in self.texts.documents_in(*span)]
        return Stretch(ids, len(ids), 0, tuple(self.texts.document_id(i) for i in touched))


class SentencePairs:
    """Text cut into pairs of stretches; none goes on over the border of a document.

    Args:
        texts: what is read, of two documents or more.
        tokenizer: gives the signs, and what ends a sentence.
        context: places of a row, signs included.

    Raises:
        DataError: there are no two documents long enough, or no room for two texts.
    """

    def __init__(self, texts: Shards, tokenizer: Tokenizer, context: int):
        self.texts, self.signs = texts, signs(tokenizer)
        self.room = _room(context, 3, LEAST)
        """Tokens of both texts of a row together."""
        self._starts = texts.starts()
        sizes = np.diff(self._starts) - 1
        each = sizes // self.room + (sizes % self.room >= LEAST)
        self._first = np.concatenate([[0], np.cumsum(each)])
        self.count = int(self._first[-1])
        """Rows."""
        if np.count_nonzero(each) < 2:
            raise DataError(
                f"{texts.path}: {np.count_nonzero(each)} documents of {LEAST} tokens or more, and "
                "a text that does not follow another is taken from another document; read more "
                "documents (text.unit), or set model.head=masked"
            )
        spelt = (tokenizer.decode([index]) for index in range(tokenizer.vocab))
        self._closes = np.array([s.rstrip(" ").endswith(_SENTENCE_ENDS) for s in spelt])

    def row(self, index: int, key: int) -> Stretch:
        """The pair `index` in 0..count-1; `key` decides whether its second text is its own."""
        document, first, second = self._halves(index)
        documents = [document]
        other = draw(2, key, index)
        if other:
            own = int(self._first[document + 1] - self._first[document])
            drawn = draw(self.count - own, key, index, 1)
            drawn += own if drawn >= self._first[document] else 0
            document, _, second = self._halves(drawn)
            second = second[: self.room - len(first)]
            documents.append(document)
        begin, end = self.signs
        ids = np.concatenate([[begin], first, [end], second, [end]])
        names = tuple(self.texts.document_id(i) for i in documents)
        return Stretch(ids, len(first) + 2, other, names)

    def _halves(self, index: int) -> tuple[int, np.ndarray, np.ndarray]:
        """Document, first and second text of a row, cut where a sentence ends nearest to the middle
        half, or else in the middle."""
        document = int(np.searchsorted(self._first, index, side="right")) - 1
        start = int(self._starts[document]) + self.room * (index - int(self._first[document]))
        stop = min(start + self.room, int(self._starts[document + 1]) - 1)
        ids = self.texts.ids(start, stop)
        middle = len(ids) // 2
        cuts = np.flatnonzero(self._closes[ids[:-1]]) + 1
        if len(cuts):
            nearest = int(cuts[np.argmin(np.abs(cuts - middle))])
            middle = nearest if abs(nearest - middle) <= len(ids) // 4 else middle
        return document, ids[:middle], ids[middle:]


def _room(context: int, around: int, least: int) -> int:
    """Tokens of text in a row of `context` places, of which `around` are signs.

    Raises:
        DataError: fewer than `least`.
    """
    if context - around < least:
        raise DataError(
            f"model.context: {context} places hold {around} signs and {max(0, context - around)} "
            f"tokens of text; set model.context={around + least} or more"
        )
    return context - around
