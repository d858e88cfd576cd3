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
from ..tokens.labelled import passages
from ..tokens.tokenizer import Tokenizer
from ..tokens.word_by_word import WordByWord

AT_ONCE = 32
"""Texts that are read together."""


def rows_of_texts(model: LabelModel, tokenizer: Tokenizer, texts: Sequence[str]) -> Passages:
    """One row a text, to be told what it is.

    Raises:
        DataError: a text is empty.
        ShapeError: a text does not fit the model's context.
    """
    return _rows(model, tokenizer, tokenizer.encode_batch(texts), None)


def rows_of_words(
    model: LabelModel, tokenizer: Tokenizer, texts: Sequence[Sequence[str]]
) -> Passages:
    """One row a text, given by its words, to be told what each word is: `targets` is 0 at a word's
    first token and IGNORE elsewhere.

    Raises:
        DataError: a text is empty.
        ShapeError: a text does not fit the model's context.
    """
    encode, lines, marks = WordByWord(tokenizer), [], []
    for words in texts:
        each = encode.words(words)
        sizes = np.array([len(ids) for ids in each], np.int64)
        mark = np.full(int(sizes.sum()), IGNORE, np.int64)
        mark[np.cumsum(sizes) - sizes] = 0
        marks.append(mark)
        lines.append(np.concatenate(each) if each else np.empty(0, np.uint32))
    return _rows(model, tokenizer, lines, marks)


def _rows(
    model: LabelModel,
    tokenizer: Tokenizer,
    lines: Sequence[np.ndarray],
    marks: Sequence[np.ndarray] | None,
) -> Passages:
    if not all(len(line) for line in lines):
        raise DataError("the text is empty, so there is nothing to tell of it; give some text")
    signs = model.settings.signs(tokenizer)
    rows = passages(lines, tokenizer.end, signs=signs, marks=marks)
    check_length(rows.context, model.settings.context)
    return rows


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
