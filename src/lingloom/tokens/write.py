"""Documents to shards: in parallel, in order, in bounded memory, whole or not at all.

Texts are encoded in batches of about BATCH_BYTES by threads (the encoders release Python's lock); a
few batches per thread are under way at once. What is written does not depend on the number of
threads. Files are written beside their place and renamed when all are whole, `index.json` last.
"""

import errno
import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import DataError, RunError
from ..text.document import Document
from .sample import cut
from .shards import FORMAT, INDEX, ROW
from .tokenizer import Tokenizer

BATCH_BYTES = 4_000_000
"""Text per batch, give or take a line; a longer line is one batch."""
PIECE_CHARACTERS = 500_000
"""A longer document is encoded in pieces."""

Encode = Callable[[Sequence[str]], list[np.ndarray]]
"""Texts to the ids of each."""


@dataclass(frozen=True)
class ShardStats:
    """How much was written so far."""

    documents: int = 0
    text_bytes: int = 0
    tokens: int = 0
    """END of each document included."""


@dataclass
class _Batch:
    """Pieces of documents of one split; `ends[i]` names the document that piece i completes."""

    split: str
    texts: list[str] = field(default_factory=list)
    ends: list[str | None] = field(default_factory=list)
    size: int = 0


@dataclass
class _Encoded:
    split: str
    ids: np.ndarray
    """Already in the type that is stored, with END after each completed document."""
    piece_tokens: list[int]
    piece_bytes: list[int]
    ends: list[str | None]


def write_shards(
    documents: Iterable[tuple[str, Document]],
    tokenizer: Tokenizer,
    folder: str | Path,
    workers: int = 0,
    encode: Encode | None = None,
) -> Iterator[ShardStats]:
    """Write `documents`, each with the name of its split, and say after each batch how far it is.

    Nothing counts as written before the last item: give up the iteration and the folder is as
    before, but for an older index, which is removed first.

    Args:
        documents: read once, in order.
        tokenizer: makes the ids; save it into the same folder.
        folder: made if need be.
        workers: threads that encode; 0: one per processor. Changes speed, not what is written.
        encode: another way to the ids of many texts than `tokenizer.encode_batch`.

    Raises:
        DataError: there is no document.
        RunError: the disk is full.
    """
    folder = Path(folder)
    writers: dict[str, _Writer] = {}
    dtype = np.dtype("<u2" if tokenizer.vocab <= 1 << 16 else "<u4")
    end = np.array([tokenizer.end], dtype=dtype)
    done = ShardStats()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INDEX).unlink(missing_ok=True)
        for encoded in _encoded(
            _batches(documents), encode or tokenizer.encode_batch, end, workers
        ):
            if encoded.split not in writers:
                writers[encoded.split] = _Writer(folder, encoded.split)
            writers[encoded.split].write(encoded)
            totals = [w.stats for w in writers.values()]
            done = ShardStats(
                sum(s.documents for s in totals),
                sum(s.text_bytes for s in totals),
                sum(s.tokens for s in totals),
            )
            yield done
        if not done.documents:
            raise DataError(f"{folder}: no document to write; look at text.read and at the filters")
        _finish(folder, writers, tokenizer, dtype, done)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RunError(_full(folder, done)) from error
    finally:
        for writer in writers.values():
            writer.discard()
        with suppress(NotADirectoryError):
            _aside(folder / INDEX).unlink(missing_ok=True)


def _batches(documents: Iterable[tuple[str, Document]]) -> Iterator[_Batch]:
    """Pieces in order; a batch per split fills on its own."""
    filling: dict[str, _Batch] = {}
    for split, document in documents:
        batch = filling.setdefault(split, _Batch(split))
        pieces = cut(document.text, PIECE_CHARACTERS)
        piece = next(pieces, None)
        while piece is not None:
            following = next(pieces, None)
            batch.texts.append(piece)
            batch.ends.append(document.id if following is None else None)
            batch.size += len(piece) if piece.isascii() else 3 * len(piece)
            if batch.size >= BATCH_BYTES:
                yield batch
                batch = filling[split] = _Batch(split)
            piece = following
    yield from (batch for batch in filling.values() if batch.texts)


def _encoded(
    batches: Iterator[_Batch],
    encode: Encode,
    end: np.ndarray,
    workers: int,
) -> Iterator[_Encoded]:
    """The same batches in the same order, at most two more under way than there are threads."""
    workers = workers or os.cpu_count() or 1
    under_way: deque[Future[_Encoded]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for batch in batches:
            under_way.append(pool.submit(_encode, batch, encode, end))
            if len(under_way) >= workers + 2:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _encode(batch: _Batch, encode: Encode, end: np.ndarray) -> _Encoded:
    """`end` is END in the type that is stored."""
    found = encode(batch.texts)
    parts: list[np.ndarray] = []
    for ids, name in zip(found, batch.ends, strict=True):
        parts += [ids] if name is None else [ids, end]
    return _Encoded(
        batch.split,
        np.concatenate(parts, dtype=end.dtype, casting="unsafe"),
        [len(ids) for ids in found],
        [len(text) if text.isascii() else len(text.encode()) for text in batch.texts],
        batch.ends,
    )


class _Writer:
    """The files of one split, written beside their place."""

    def __init__(self, folder: Path, split: str):
        self.stats, self.name_bytes = ShardStats(), 0
        self.start = self.open_bytes = 0
        self.hash = hashlib.sha256()
        names = [f"{split}.bin", f"{split}.documents.bin", f"{split}.documents.names"]
        self.places = [folder / name for name in names]
        self.files: list[IO[bytes]] = []

    def write(self, encoded: _Encoded) -> None:
        for place in self.places[len(self.files) :]:
            self.files.append(open(_aside(place), "wb"))  # noqa: SIM115 - closed by `close`
        ids, rows, names = self.files
        data = encoded.ids.data.cast("B")
        self.hash.update(data)
        ids.write(data)
        found: list[tuple[int, int, int]] = []
        written = bytearray()
        tokens = self.stats.tokens
        for length, size, name in zip(
            encoded.piece_tokens, encoded.piece_bytes, encoded.ends, strict=True
        ):
            tokens += length
            self.open_bytes += size
            if name is None:
                continue
            written += name.encode()
            found.append((self.start, self.open_bytes, self.name_bytes + len(written)))
            tokens, self.open_bytes = tokens + 1, 0
            self.start = tokens
        self.name_bytes += len(written)
        names.write(written)
        rows.write(np.array(found, ROW).tobytes())
        self.stats = replace(
            self.stats,
            documents=self.stats.documents + len(found),
            text_bytes=self.stats.text_bytes + sum(encoded.piece_bytes),
            tokens=tokens,
        )

    def close(self) -> None:
        """Everything is on the disk when this returns."""
        for file in self.files:
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def place(self) -> None:
        for place in self.places:
            os.replace(_aside(place), place)

    def discard(self) -> None:
        """Leave nothing behind that was not put in its place."""
        for file, place in zip(self.files, self.places, strict=False):
            with suppress(OSError):  # what it still holds may not fit on the disk; it is unwanted
                file.close()
            _aside(place).unlink(missing_ok=True)


def _finish(
    folder: Path,
    writers: dict[str, _Writer],
    tokenizer: Tokenizer,
    dtype: np.dtype[np.unsignedinteger],
    done: ShardStats,
) -> None:
    for writer in writers.values():
        writer.close()
    index = {
        "format": FORMAT,
        "complete": True,
        "dtype": dtype.str,
        "kind": tokenizer.kind,
        "vocab": tokenizer.vocab,
        "end": tokenizer.end,
        "tokenizer_sha256": tokenizer.fingerprint(),
        "documents": done.documents,
        "text_bytes": done.text_bytes,
        "tokens": done.tokens,
        "splits": {
            split: {
                "documents": writer.stats.documents,
                "text_bytes": writer.stats.text_bytes,
                "tokens": writer.stats.tokens,
                "name_bytes": writer.name_bytes,
                "sha256": writer.hash.hexdigest(),
            }
            for split, writer in writers.items()
        },
    }
    aside = _aside(folder / INDEX)
    with open(aside, "w", encoding="utf-8") as file:
        json.dump(index, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    for writer in writers.values():
        writer.place()
    os.replace(aside, folder / INDEX)


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.part")


def _full(folder: Path, done: ShardStats) -> str:
    free = shutil.disk_usage(folder).free / 1e6
    return (
        f"the disk is full after {done.tokens} tokens of {done.documents} documents ({folder}, "
        f"{free:.0f} MB free); free some space or set out to a folder on another disk; nothing "
        "half-written was kept"
    )
