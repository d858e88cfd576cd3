"""Exact duplicates, told by 128-bit digests that move to disk when memory is used up.

Among n different texts two share a digest with probability n^2 / 2^129: below 10^-18 for 10^10.
"""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import cast

import numpy as np

DIGEST_BYTES = 16

_FRESH_BYTES = 128
"""What one digest costs in a Python set: its object, its slot and the set's empty slots."""
_DIGEST = np.dtype(
    f"S{DIGEST_BYTES}"
)  # compares byte by byte; lengths are equal, so zeros are safe


def digest(text: str) -> bytes:
    """The 16 bytes that stand for `text`; the same on every machine."""
    return digest_of_bytes(text.encode())


def digest_of_bytes(raw: bytes) -> bytes:
    """`digest` where the UTF-8 bytes of the text are at hand."""
    return blake2b(raw, digest_size=DIGEST_BYTES).digest()


class SeenDigests:
    """A set of digests in bounded memory: new ones in a set, older ones sorted, the oldest on disk.

    The answers do not depend on `memory_bytes`. Use it in a `with`, which removes its files.
    """

    def __init__(self, memory_bytes: int = 64 << 20, folder: Path | None = None):
        """`folder`: where the files go, or None for the system's place for temporary files."""
        self.fresh_most = max(1, memory_bytes // 4 // _FRESH_BYTES)
        self.sorted_most = max(1, memory_bytes // 4 // DIGEST_BYTES)
        self._fresh: set[bytes] = set()
        self._sorted = np.empty(0, _DIGEST)
        self._runs: list[np.ndarray] = []
        self._folder = folder
        self._files: TemporaryDirectory[str] | None = None

    def __len__(self) -> int:
        return len(self._fresh) + len(self._sorted) + sum(map(len, self._runs))

    @property
    def files(self) -> int:
        """Number of sorted files on disk."""
        return len(self._runs)

    def add(self, digests: Sequence[bytes]) -> list[bool]:
        """Remember `digests`; for each whether it is new, also among those before it here."""
        older = self._among_older(digests)
        new = []
        for value, known in zip(digests, older, strict=True):
            is_new = not known and value not in self._fresh
            if is_new:
                self._fresh.add(value)
            new.append(is_new)
        if len(self._fresh) > self.fresh_most:
            self._sort_fresh()
        return new

    def _among_older(self, digests: Sequence[bytes]) -> list[bool]:
        stores = [run for run in (self._sorted, *self._runs) if len(run)]
        if not stores:
            return [False] * len(digests)
        asked = np.array(digests, _DIGEST)
        found = np.zeros(len(asked), bool)
        for store in stores:
            place = np.searchsorted(store, asked)
            place[place == len(store)] = 0
            found |= store[place] == asked
        return cast(list[bool], found.tolist())

    def _sort_fresh(self) -> None:
        fresh = np.array(list(self._fresh), _DIGEST)
        self._fresh = set()
        merged = np.concatenate([self._sorted, np.sort(fresh)])
        merged.sort(kind="stable")  # merges sorted stretches in one pass
        self._sorted = merged
        if len(self._sorted) > self.sorted_most:
            self._spill()

    def _spill(self) -> None:
        if self._files is None:
            self._files = TemporaryDirectory(prefix="lingloom-dedup-", dir=self._folder)
        path = Path(self._files.name, f"{len(self._runs):05}.digests")
        self._sorted.tofile(path)
        self._runs.append(np.memmap(path, _DIGEST, "r"))
        self._sorted = np.empty(0, _DIGEST)

    def __enter__(self) -> "SeenDigests":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runs.clear()
        if self._files is not None:
            self._files.cleanup()
