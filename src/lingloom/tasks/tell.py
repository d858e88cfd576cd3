"""What tasks that tell labels share: texts to rows, rows to labels and their chances.

Shapes: B texts, T tokens, L labels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from ..models.layers import check_length
from ..models.model import LabelModel
from ..tokens.batch import IGNORE, Passages
from ..tokens.labelled import fitted, paired, passages
from ..tokens.labels import LabelSet
from ..tokens.tokenizer import Tokenizer
from ..tokens.word_by_word import WordByWord

AT_ONCE = 32
"""Texts that are read together."""
Told = str | tuple[str, str]
"""A text of which something is told, or two of which it is told together."""


def rows_of_texts(
    model: LabelModel, tokenizer: Tokenizer, texts: Sequence[Told], labels: LabelSet
) -> tuple[Passages, list[int]]:
    """One row a text, or a pair of texts, to be told what it is; and how many tokens of each were
    left out, as `labels.cut` allows where it is too long.

    Raises:
        DataError: a text is empty; or there are two where `labels` are given to one, or one where
            they are given to two.
        ShapeError: a text does not fit the model's context, and is not to be cut.
    """
    for text in texts:
        if isinstance(text, str) == labels.pairs:
            few, many = ("two texts together", "give a second one with it")
            if not labels.pairs:
                few, many = ("one text at a time", "leave the second out")
            shown = text if isinstance(text, str) else text[0]
            raise DataError(f"'{shown[:40]}': this model tells what {few} are; {many}")
    if not labels.pairs:
        plain = [text for text in texts if isinstance(text, str)]
        _need_text(plain)
        lines = tokenizer.encode_batch(plain)
        return _rows(model, tokenizer, lines, None, labels.cut), _beyond(model, tokenizer, lines)
    both = [text for text in texts if not isinstance(text, str)]
    _need_text([part for pair in both for part in pair])
    firsts, seconds = (tokenizer.encode_batch([pair[i] for pair in both]) for i in (0, 1))
    signs = model.settings.signs(tokenizer)
    pairs, left_out = [*zip(firsts, seconds, strict=True)], [0] * len(both)
    if labels.cut:
        room = model.settings.context - len(signs[0]) - 2 * len(signs[1])
        left_out = [max(0, len(a) + len(b) - room) for a, b in pairs]
        pairs = [fitted(a, b, room) for a, b in pairs]
    rows = paired(pairs, tokenizer.end, signs)
    check_length(rows.context, model.settings.context)
    return rows, left_out


def rows_of_words(
    model: LabelModel, tokenizer: Tokenizer, texts: Sequence[Sequence[str]], *, cut: bool
) -> Passages:
    """One row a text, given by its words, to be told what each word is: `targets` is 0 at a word's
    first token and IGNORE elsewhere.

    Args:
        model: that tells words.
        tokenizer: the one it was trained with.
        texts: their words.
        cut: whether words that do not fit the model's context are left out; nothing is then told
            of them.

    Raises:
        DataError: a text is empty.
        ShapeError: a text does not fit the model's context, and is not to be cut.
    """
    _need_text([" ".join(words) for words in texts])
    encode, lines, marks = WordByWord(tokenizer), [], []
    for words in texts:
        each = encode.words(words)
        sizes = np.array([len(ids) for ids in each], np.int64)
        mark = np.full(int(sizes.sum()), IGNORE, np.int64)
        mark[np.cumsum(sizes) - sizes] = 0
        marks.append(mark)
        lines.append(np.concatenate(each) if each else np.empty(0, np.uint32))
    return _rows(model, tokenizer, lines, marks, cut)


def _room(model: LabelModel, tokenizer: Tokenizer) -> int:
    """Tokens of a text that the model reads at once."""
    before, behind = model.settings.signs(tokenizer)
    return int(model.settings.context) - len(before) - len(behind)


def _beyond(model: LabelModel, tokenizer: Tokenizer, lines: Sequence[np.ndarray]) -> list[int]:
    """Tokens of each text that the model has no room for."""
    room = _room(model, tokenizer)
    return [max(0, len(line) - room) for line in lines]


def _rows(
    model: LabelModel,
    tokenizer: Tokenizer,
    lines: Sequence[np.ndarray],
    marks: Sequence[np.ndarray] | None,
    cut: bool,
) -> Passages:
    if cut:
        room = _room(model, tokenizer)
        lines = [line[:room] for line in lines]
        marks = None if marks is None else [mark[:room] for mark in marks]
    signs = model.settings.signs(tokenizer)
    rows = passages(lines, tokenizer.end, signs=signs, marks=marks)
    check_length(rows.context, model.settings.context)
    return rows


def _need_text(texts: Sequence[str]) -> None:
    """Refuse blank ones. One that says something of which no token is left, such as stop words
    alone, is read as training read it: as nothing."""
    if not all(text.strip() for text in texts):
        raise DataError("the text is empty, so there is nothing to tell of it; give some text")


@torch.no_grad()
def text_chances(model: LabelModel, rows: Passages) -> Tensor:
    """Probability of each label of each text, (B, L) float32."""
    return model.label_scores(model.hidden(rows), rows).softmax(-1)


@torch.no_grad()
def word_labels(model: LabelModel, rows: Passages) -> tuple[Tensor, Tensor]:
    """The label of each word and its probability, both (B, T); of use where `rows.targets` is not
    IGNORE."""
    assert rows.targets is not None
    words = rows.targets != IGNORE
    scores = model.label_scores(model.hidden(rows), rows)
    best = model.best_tags(scores, words)
    return best, model.tag_chances(scores, words).gather(2, best[..., None])[..., 0]
