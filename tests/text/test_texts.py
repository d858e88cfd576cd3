"""Flat texts are the same texts, wherever they come from."""

import pyarrow as pa
import pytest

from lingloom.text.texts import Texts

STRINGS = ["从前有座山", "", "a\x00b", "naïve 🙂"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(STRINGS, pa.large_string()),
        pa.array(STRINGS),
        pa.array(["x", *STRINGS, "y"], pa.large_string()).slice(1, 4),
        pa.chunked_array([STRINGS[:1], STRINGS[1:]]),
    ],
    ids=["large", "small", "slice", "chunks"],
)
def test_arrow_columns_and_strings_give_the_same_texts(column):
    texts = Texts.of_column(column)
    assert [texts[i] for i in range(len(texts))] == STRINGS
    assert texts.sizes.tolist() == [len(s.encode()) for s in STRINGS]
    assert [Texts.of_strings(STRINGS)[i] for i in range(4)] == STRINGS


@pytest.mark.parametrize(
    "texts", [Texts.of_strings([]), Texts.of_column(pa.array([], pa.string()))]
)
def test_no_texts_are_fine(texts):
    assert len(texts) == 0
    assert texts.sizes.tolist() == []
