"""Tokenised text on disk, read by memory map.

index.json               what there is; written last, so with it the rest is whole
train.bin                token ids, each document followed by END; uint16, or uint32 where the
                         vocabulary needs it; little-endian
train.documents.bin      per document: first token, bytes of text, end of its name (3 x int64)
train.documents.names    the documents' names, UTF-8, one after the other
heldout.*                the same for text that is not trained on
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .tokenizer import Tokenizer

INDEX = "index.json"
FORMAT = 1
ROW = np.dtype([("start", "<i8"), ("text_bytes", "<i8"), ("name_end", "<i8")])


class Shards:
    """The documents of one split; nothing is read before it is asked for."""

    def __init__(self, folder: Path, split: str, index: dict[str, Any]):
        facts = index["splits"][split]
        self.path = folder / f"{split}.bin"
        self.end: int = index["end"]
        """Id of END, which follows every document."""
        self.tokens: int = facts["tokens"]
        """END of each document included."""
        self.documents: int = facts["documents"]
        self.text_bytes: int = facts["text_bytes"]
        """UTF-8 bytes of the text."""
        self.sha256: str = facts["sha256"]
        """Of the token ids as they are stored."""
        self._ids = _mapped(self.path, np.dtype(index["dtype"]), self.tokens)
        self._rows = _mapped(folder / f"{split}.documents.bin", ROW, self.documents)
        self._names = _mapped(
            folder / f"{split}.documents.names", np.dtype("u1"), facts["name_bytes"]
        )

    @classmethod
    def open(cls, folder: str | Path, split: str, tokenizer: Tokenizer | None = None) -> "Shards":
        """What `write_shards` wrote.

        Args:
            folder: where it wrote.
            split: such as 'train' or 'heldout'.
            tokenizer: the one that is in use; to make sure that it made these ids.

        Raises:
            DataError: the shards are missing, unfinished, cut short, or another tokenizer's.
        """
        folder = Path(folder)
        index = _index(folder / INDEX)
        if split not in index["splits"]:
            there = ", ".join(f"'{name}'" for name in index["splits"]) or "none"
            raise DataError(
                f"{folder / INDEX}: no split '{split}' (there: {there}); read more text, or change "
                "text.heldout_frac so that it gets some"
            )
        if tokenizer is not None and tokenizer.fingerprint() != index["tokenizer_sha256"]:
            raise DataError(
                f"{folder / INDEX}: these ids were made by another tokenizer "
                f"({index['tokenizer_sha256'][:12]}..., in use is "
                f"{tokenizer.fingerprint()[:12]}...); tokenise the text again"
            )
        return cls(folder, split, index)

    def ids(self, start: int, stop: int) -> np.ndarray:
        """Token ids of a stretch that may cross documents, (stop - start,) int64."""
        return self._ids[start:stop].astype(np.int64)

    def take(self, places: np.ndarray) -> np.ndarray:
        """Token ids at `places` in 0..tokens-1, any shape, int64."""
        return self._ids[places].astype(np.int64)

    def document(self, index: int) -> np.ndarray:
        """Token ids of one document, without END, (tokens,) int64."""
        first = int(self._rows["start"][index])
        last = self.documents - 1
        after = int(self._rows["start"][index + 1]) if index < last else self.tokens
        return self.ids(first, after - 1)

    def starts(self) -> np.ndarray:
        """The first token of each document, and the end of the last one's END, (documents + 1,)
        int64."""
        return np.append(self._rows["start"], self.tokens)

    def document_bytes(self, index: int) -> int:
        """UTF-8 bytes of its text."""
        return int(self._rows["text_bytes"][index])

    def document_id(self, index: int) -> str:
        """Its name, as the text room gave it."""
        first = int(self._rows["name_end"][index - 1]) if index else 0
        return self._names[first : int(self._rows["name_end"][index])].tobytes().decode()

    def documents_in(self, start: int, stop: int) -> range:
        """Indices of the documents that tokens `start` to `stop` (exclusive) belong to."""
        if stop <= start:
            return range(0)
        return range(self._holding(start), self._holding(stop - 1) + 1)

    def _holding(self, token: int) -> int:
        """The document that a token belongs to; a search that reads a few pages only."""
        starts = self._rows["start"]
        low, high = 0, self.documents
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if starts[middle] <= token else (low, middle)
        return low


def _mapped(path: Path, dtype: np.dtype[Any], count: int) -> np.ndarray:
    wanted = count * dtype.itemsize
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        raise DataError(f"{path}: no such file, though {INDEX} names it; {_AGAIN}") from None
    if found != wanted:
        raise DataError(
            f"{path}: {found} bytes, but {INDEX} says {wanted}: cut short or replaced; {_AGAIN}"
        )
    if not count:
        return np.empty(0, dtype)
    return np.asarray(np.memmap(path, dtype, mode="r"))


def _index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file: the shards are not whole; {_AGAIN}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}") from None
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise DataError(f"{path}: not an index of shards of format {FORMAT}; {_AGAIN}")
    return index


_AGAIN = "tokenise the text again"
