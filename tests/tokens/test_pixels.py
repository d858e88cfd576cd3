"""The tokenizer of images."""

import numpy as np
import pytest

from lingloom.errors import DataError
from lingloom.text.idx import as_text
from lingloom.tokens.open import open_tokenizer
from lingloom.tokens.pixels import PixelsSettings


def test_the_id_of_a_pixel_is_its_value(tmp_path):
    pixels = PixelsSettings().train([])
    assert (pixels.vocab, pixels.end, pixels.unknown, pixels.lossless) == (257, 256, None, True)
    text = as_text(np.arange(256, dtype=np.uint8)[::-1])
    assert pixels.encode(text) == list(range(255, -1, -1))
    assert pixels.decode(pixels.encode(text)) == text
    assert [ids.tolist() for ids in pixels.encode_batch(["", "⠀⣿"])] == [[], [0, 255]]
    assert pixels.token_bytes.tolist() == [3] * 256 + [0]
    pixels.save(tmp_path)
    again = open_tokenizer(tmp_path)
    assert again.encode(text) == pixels.encode(text)
    assert pixels.library.encode(text).ids == pixels.encode(text)


@pytest.mark.parametrize(("text", "odd"), [("⠀a", "'a' (U+0061)"), ("⤀", "'⤀' (U+2900)")])
def test_what_is_no_pixel_is_refused(text, odd):
    with pytest.raises(DataError) as error:
        PixelsSettings().train([]).encode(text)
    assert str(error.value) == (
        f"{odd} is no pixel, and tokens.kind pixels reads images; give an idx file of them, from "
        "Python an array, or choose another tokens.kind"
    )
