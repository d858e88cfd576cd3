"""Bytes of a file in pieces, decompressed on the way, however large the file is."""

import bz2
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

PIECE_BYTES = 1 << 18
UNSUSPECTED_BYTES = 1 << 26
"""A packed file may hold so much, however small it is."""

_GZIP, _BZIP2, _ZSTD = b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd"
_ZSTD_PIECE_BYTES = 1 << 16  # what is lost at most when a zstd file breaks off


@contextmanager
def opened(path: Path | None) -> Iterator[BinaryIO]:
    """The file at `path`, or standard input for None, which is not closed."""
    if path is None:
        yield sys.stdin.buffer
    else:
        with path.open("rb") as file:
            yield file


def pieces(
    file: BinaryIO, damaged: Callable[[str], None], max_expansion: int = 1 << 30
) -> Iterator[bytes]:
    """The content of `file`; gzip, bzip2 and zstd are told by the first bytes, not by the name.

    Args:
        file: a buffered binary file, at its start.
        damaged: called with the reason when the file breaks off or is damaged; the pieces that
            could be read before that have been given.
        max_expansion: of a file that unpacks to more than so many times what was read of it, and
            to more than UNSUSPECTED_BYTES, the rest is lost.
    """
    counted = _Counted(file)
    unpacked = 0
    for piece in _unpacked(counted, damaged):
        unpacked += len(piece)
        if unpacked > max(max_expansion * counted.bytes_read, UNSUSPECTED_BYTES):
            damaged(
                f"unpacks to more than {max_expansion} times its size (text.max_expansion); the "
                f"rest of the file after {unpacked - len(piece)} bytes is lost"
            )
            return
        yield piece


def _unpacked(file: "_Counted", damaged: Callable[[str], None]) -> Iterator[bytes]:
    start = file.start
    if start.startswith(_GZIP):
        yield from _gunzip(file, damaged)
    elif start.startswith(_BZIP2):
        yield from _bunzip2(file, damaged)
    elif start.startswith(_ZSTD):
        yield from _unzstd(file, damaged)
    else:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _gunzip(file: "_Counted", damaged: Callable[[str], None]) -> Iterator[bytes]:
    # zlib itself and not the gzip module, which drops the last piece of a file that breaks off
    member, packed = None, b""
    while True:
        packed = packed or file.read(PIECE_BYTES)
        if not packed:
            break
        if member is None:
            if not packed.strip(b"\0"):  # padding after the last member
                packed = b""
                continue
            member = zlib.decompressobj(wbits=31)
        try:
            piece = member.decompress(packed, PIECE_BYTES)
        except zlib.error as error:
            damaged(f"damaged gzip ({error}); the rest of the file is lost")
            return
        if piece:
            yield piece
        packed = member.unused_data if member.eof else member.unconsumed_tail
        if member.eof:
            member = None
    if member is not None:
        damaged("gzip file breaks off; the rest of the file is lost")


def _bunzip2(file: "_Counted", damaged: Callable[[str], None]) -> Iterator[bytes]:
    stream, packed = bz2.BZ2Decompressor(), b""
    begun = False
    while True:
        packed = packed or (file.read(PIECE_BYTES) if stream.needs_input else b"")
        if not packed and stream.needs_input:
            break
        try:
            piece = stream.decompress(packed, PIECE_BYTES)
        except OSError as error:
            damaged(f"damaged bzip2 ({error}); the rest of the file is lost")
            return
        begun, packed = True, b""
        if piece:
            yield piece
        if stream.eof:  # dumps that can be read from the middle are many streams end to end
            stream, packed, begun = bz2.BZ2Decompressor(), stream.unused_data, False
    if begun:
        damaged("bzip2 file breaks off; the rest of the file is lost")


def _unzstd(file: "_Counted", damaged: Callable[[str], None]) -> Iterator[bytes]:
    unpacked = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    while True:
        try:
            piece = unpacked.read(_ZSTD_PIECE_BYTES)
        except OSError as error:
            damaged(f"damaged zstd ({error}); the rest of the file is lost")
            return
        if not piece:
            return
        yield piece


class _Counted:
    """A file that Arrow may read and not close, and how much of it was read."""

    closed = False

    def __init__(self, file: BinaryIO):
        self.start = cast(bytes, file.peek(4))[:4]  # type: ignore[attr-defined]
        self.bytes_read = 0
        self._file = file

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.bytes_read += len(piece)
        return piece

    def close(self) -> None:
        pass
