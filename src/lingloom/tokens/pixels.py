"""One token per pixel of an image: its id is the pixel's value, 0 to 255."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tokenizers
from tokenizers import decoders, models

from ..errors import DataError
from ..text.idx import PIXEL, as_text
from .library import LibraryTokenizer, with_end
from .tokenizer import TokenizerSettings

VALUES = 256


class PixelsSettings(TokenizerSettings):
    """Pixels of images; nothing is learnt."""

    kind: Literal["pixels"] = "pixels"

    def train(self, texts: Iterable[str]) -> "PixelsTokenizer":
        """`texts` are not read."""
        vocab = {chr(PIXEL + value): value for value in range(VALUES)}
        library = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[]))
        library.decoder = decoders.Fuse()
        return PixelsTokenizer(with_end(library))

    @classmethod
    def opened(cls, library: tokenizers.Tokenizer, kept: Mapping[str, Any]) -> "PixelsTokenizer":
        return PixelsTokenizer(library)


class PixelsTokenizer(LibraryTokenizer):
    """Reads images as `text.idx` writes them, and nothing else."""

    def __init__(self, library: tokenizers.Tokenizer):
        spelt = [chr(PIXEL + value).encode() for value in range(VALUES)]
        super().__init__("pixels", library, [*spelt, b""])

    def encode(self, text: str) -> list[int]:
        """Ids of `text`.

        Raises:
            DataError: it holds a character that is no pixel.
        """
        found: list[int] = self.encode_batch([text])[0].tolist()
        return found

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [self._values(text) for text in texts]

    def _values(self, text: str) -> np.ndarray:
        values = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4") - np.uint32(PIXEL)
        if values.size and int(values.max()) >= VALUES:
            odd = text[int(np.argmax(values >= VALUES))]
            raise DataError(
                f"'{odd}' (U+{ord(odd):04X}) is no pixel, and tokens.kind pixels reads images; "
                "give an idx file of them, from Python an array, or choose another tokens.kind"
            )
        return values


def texts_of_images(images: np.ndarray) -> list[str]:
    """Images as the tokenizer reads them.

    Args:
        images: (N, H, W) of whole numbers, 0 to 255, of any type.

    Raises:
        DataError: they have another shape, or hold something else.
    """
    if images.ndim != 3 or not images.size:
        raise DataError(
            f"images of shape {list(images.shape)}; give an array (H, W), or (N, H, W) of several"
        )
    numbers = images if images.dtype.kind in "biuf" else np.full(1, np.nan)
    if not np.all((numbers >= 0) & (numbers < VALUES) & (numbers == np.floor(numbers))):
        raise DataError(
            f"images hold values that are no whole numbers from 0 to {VALUES - 1}; give pixels as "
            f"they stand in the file, and shares of 1 times {VALUES - 1}, rounded"
        )
    return [as_text(image.ravel()) for image in images.astype(np.uint8)]
