"""A model says what each word of a text is."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DataError
from ..models.model import LabelModel
from ..tokens.batch import IGNORE
from ..tokens.labels import LabelSet, cut_words
from ..tokens.spaces import joined
from ..tokens.tokenizer import Tokenizer
from .spans import mark_spans, spans
from .tell import AT_ONCE, rows_of_words, word_labels


@dataclass(frozen=True)
class TaggedWord:
    """One word, what it was said to be, and with what probability."""

    word: str
    label: str
    chance: float


@dataclass(frozen=True)
class Stretch:
    """Words that belong together."""

    text: str
    kind: str
    start: int
    """Its first word, from 0."""
    stop: int
    """Behind its last word."""


@dataclass(frozen=True)
class Tagged:
    """What was said of a text."""

    words: tuple[TaggedWord, ...]
    left_out: int = 0
    """Words at its end that were not read, for the model has no room for them."""

    @property
    def stretches(self) -> list[Stretch]:
        """What the labels mark, such as names; [] where they mark nothing."""
        tags, words = [w.label for w in self.words], [w.word for w in self.words]
        found = spans(tags) if mark_spans(tags) else []
        return [Stretch(joined(words[a:b]).strip(), kind, a, b) for kind, a, b in found]


def tag(
    model: LabelModel, tokenizer: Tokenizer, labels: LabelSet, texts: Sequence[str | Sequence[str]]
) -> list[Tagged]:
    """What each word of each text is.

    Args:
        model: that tells words.
        tokenizer: the one it was trained with.
        labels: those it was trained on.
        texts: each as text, which is cut where blanks are (and between Chinese characters, where
            each was a word of its own in training); or as words.

    Raises:
        DataError: a text is empty.
        ShapeError: a text does not fit the model's context, and training did not cut such.
    """
    words = [cut_words(text, labels) if isinstance(text, str) else list(text) for text in texts]
    if odd := next((word for each in words for word in each if len(word.split()) != 1), None):
        raise DataError(f"'{odd}' is given as one word and is none; give words without blanks")
    found = []
    for at in range(0, len(words), AT_ONCE):
        some = words[at : at + AT_ONCE]
        rows = rows_of_words(model, tokenizer, some, cut=labels.cut)
        assert rows.targets is not None
        best, chances = word_labels(model, rows)
        for b, each in enumerate(some):
            places = (rows.targets[b] != IGNORE).nonzero()[:, 0]
            read = each[: len(places)]
            said = zip(read, best[b, places].tolist(), chances[b, places].tolist(), strict=True)
            tagged = tuple(TaggedWord(w, labels.names[i], p) for w, i, p in said)
            found.append(Tagged(tagged, len(each) - len(read)))
    return found
