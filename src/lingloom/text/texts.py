"""Many texts in two flat arrays, as Arrow keeps them: what the kernels read."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Texts:
    """N texts end to end, without a Python object for each."""

    data: np.ndarray
    """uint8: the UTF-8 bytes of all texts; valid UTF-8, as Arrow and Python's str guarantee."""
    offsets: np.ndarray
    """int64 (N + 1): text i is data[offsets[i]:offsets[i + 1]]."""

    @classmethod
    def of_strings(cls, strings: Sequence[str]) -> "Texts":
        """The texts of `strings`, copied."""
        raws = [s.encode() for s in strings]
        offsets = np.zeros(len(raws) + 1, np.int64)
        np.cumsum([len(raw) for raw in raws], out=offsets[1:])
        return cls(np.frombuffer(b"".join(raws), np.uint8), offsets)

    @classmethod
    def of_column(cls, column: Any) -> "Texts":
        """The texts of an Arrow array of strings without nulls; not copied where it is one
        large_string array, which then must live as long as this."""
        if isinstance(column, pa.ChunkedArray):
            one = column.num_chunks == 1  # to combine would copy that one, too
            column = column.chunk(0) if one else column.combine_chunks()
        column = column.cast(pa.large_string())
        if not len(column):
            return cls(np.empty(0, np.uint8), np.zeros(1, np.int64))
        _, offsets, data = column.buffers()
        starts = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
        return cls(np.frombuffer(data or b"", np.uint8), starts)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> str:
        return bytes(self.data[self.offsets[i] : self.offsets[i + 1]]).decode()

    @property
    def sizes(self) -> np.ndarray:
        """int64 (N): UTF-8 bytes of each text."""
        return np.diff(self.offsets)

    def pointers(self) -> tuple[ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]:
        """(data, offsets, N) as a kernel takes them; the arrays must outlive the call."""
        return (
            ctypes.c_void_p(self.data.ctypes.data),
            ctypes.c_void_p(self.offsets.ctypes.data),
            ctypes.c_int64(len(self)),
        )
