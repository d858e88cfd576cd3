"""WARC: the pages of a web crawl, read by fastwarc.

A record that is broken is set aside with its place; reading goes on at the next one. Source: ISO
28500:2017, "WARC file format".
"""

import io
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, BinaryIO

from ..errors import MissingError
from .html import PAGE_BYTES, Described, Page, decoded_page, extractor
from .setaside import Source

_MARKS = {b"\x1f\x8b": b"\x1f\x8b\x08", b"\x28\xb5": b"\x28\xb5\x2f\xfd"}
"""First bytes of a packed file -> those of each record in it."""
_PLAIN_MARK = b"WARC/1."
_LOOK_BYTES = 1 << 20
_HEADER_BYTES = 1 << 16
"""Longer than any header of a record is, packed or not."""
_TEXT_TYPES = ("text/html", "application/xhtml+xml", "text/plain")
_PASSED_RECORD_BYTES = 1 << 30
"""Longer records are not unpacked in order to be passed over: the next one is looked for."""
_MOST_BROKEN = 1000
"""A file with so many more broken starts than records is not read to its end."""


def warc(file: BinaryIO, source: Source) -> Described:
    """The main text of each page of a crawl, packed or not: responses, resources and conversions
    that are HTML or plain text; `url`, `date` and `title` in the meta. The label is the number of
    the record, from 1.

    Args:
        file: binary, able to seek, at its start.
        source: told of pages that are set aside: broken, not text, or with an HTTP error.

    Raises:
        MissingError: fastwarc or turbohtml is not installed.
    """
    main_text = extractor()
    number = 0
    for record, where in _records(file, source):
        number += 1
        body = b""
        try:
            kind = _text_type(record)
            body = _body(record)
            source.report.bytes += len(body)
            content, codec = decoded_page(body, told=record.http_charset or "")
            page = Page(content, "") if kind == "text/plain" else main_text(content)
        except (OSError, ValueError) as error:
            source.set_aside(number, f"{error}; record at byte {where}", body)
            continue
        source.report.encoding = source.report.encoding or codec
        url, date = record.headers.get("WARC-Target-URI"), record.headers.get("WARC-Date")
        meta = {"url": url, "date": date, "title": page.title}
        yield str(number), page.text, {name: value for name, value in meta.items() if value}


def _records(file: BinaryIO, source: Source) -> Iterator[tuple[Any, int]]:
    """(record, the byte it starts at) of each record that may hold a page."""
    if not find_spec("fastwarc"):
        raise MissingError("fastwarc", "text", "reading WARC")
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    wanted = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion
    starts = _Starts(file, _MARKS.get(file.read(2), _PLAIN_MARK))
    start, told, trust, given = 0, False, _MOST_BROKEN, -1
    while start >= 0:
        file.seek(start)
        here = start
        try:
            for record in ArchiveIterator(file, auto_decode="none", fsspec_args=False):
                here, told, trust = record.stream_pos, False, trust + 1
                if record.record_type & wanted:
                    given = here
                    yield record, here
                if record.content_length > _PASSED_RECORD_BYTES:
                    break
            else:
                _tell_broken_end(file, starts, here, given, source)
                return
        except (OSError, ValueError) as error:
            if not told:
                source.set_aside(0, f"broken record after byte {here} ({error})")
            told, trust = True, trust - 1
            if not trust:
                source.set_aside(
                    0,
                    f"what is after byte {here}: not read, as {_MOST_BROKEN} more places look like "
                    "the start of a record than are one",
                )
                return
        start = starts.after(here)


class _Starts:
    """Where records may start in a file, of which no stretch is read twice to find them."""

    def __init__(self, file: BinaryIO, mark: bytes):
        self._file, self._mark = file, mark
        self._held, self._place = b"", 0

    def after(self, place: int) -> int:
        """The next start after byte `place`, or -1."""
        start = place + 1
        while True:
            if self._place <= start <= self._place + len(self._held):
                found = self._held.find(self._mark, start - self._place)
                if found >= 0:
                    return self._place + found
                start = max(start, self._place + len(self._held) - len(self._mark) + 1)
            self._file.seek(start)
            self._held, self._place = self._file.read(_LOOK_BYTES), start
            if len(self._held) < len(self._mark):
                return -1


def _tell_broken_end(
    file: BinaryIO, starts: "_Starts", last: int, given: int, source: Source
) -> None:
    """Set aside a record in whose header the file ends: the iterator ends there without a word.

    Args:
        file: able to seek.
        starts: of its records.
        last: where the last record that was come to begins.
        given: where the last one that was read begins; of that, its reader tells.
        source: is told.
    """
    for place in (last, starts.after(last)):
        if place == given:
            continue
        if place >= 0 and _breaks_off(file, place, whole=place == last):
            source.set_aside(0, f"breaks off within the record at byte {place}")
            return


def _breaks_off(file: BinaryIO, place: int, *, whole: bool) -> bool:
    """Whether what looks like the start of a record is one without its end; one that is packed and
    was come to has its header `whole`."""
    file.seek(place)
    rest = file.read(_HEADER_BYTES)
    if rest.startswith(_PLAIN_MARK):
        return len(rest) < _HEADER_BYTES and b"\r\n\r\n" not in rest
    if whole:
        return False
    if not rest.startswith(_MARKS[b"\x1f\x8b"]):
        return True
    try:
        begins = zlib.decompressobj(wbits=31).decompress(rest, max_length=5)
    except zlib.error:
        return False  # these bytes came about within a record
    return begins == b"WARC/"[: len(begins)] and len(rest) < _HEADER_BYTES


def _text_type(record: Any) -> str:
    """The content type of a record that may hold text.

    Raises:
        ValueError: it holds none, or an error of the server.
    """
    if record.is_http_parsed:
        status, kind = record.http_headers.status_code, record.http_content_type
        if status is None or not 200 <= status < 300:
            raise ValueError(f"HTTP status {status}")
    else:
        kind = (record.headers.get("Content-Type") or "").partition(";")[0].strip()
    kind = (kind or "").lower()
    if kind not in _TEXT_TYPES:
        raise ValueError(f"content type '{kind}', not HTML or plain text")
    return kind


def _body(record: Any) -> bytes:
    """The bytes of the page as its author wrote them.

    Raises:
        ValueError, OSError: it is too long or damaged.
    """
    size = record.content_length
    raw: bytes = b"" if size > PAGE_BYTES else record.reader.read(size)
    if size <= PAGE_BYTES and len(raw) < size:
        raise ValueError(f"record breaks off after {len(raw)} of {size} bytes")
    body = _unpacked(raw, record.http_headers) if record.is_http_parsed else raw
    if max(size, len(body)) > PAGE_BYTES:
        raise ValueError(f"page of more than {PAGE_BYTES} bytes")
    return body


def _unpacked(raw: bytes, headers: Any) -> bytes:
    """`raw` without HTTP's encodings, of which the last was put on last; one byte more than
    PAGE_BYTES at most. Crawlers often keep the header of an encoding that they have taken off."""
    from fastwarc.stream_io import BrotliReader, ChunkedReader, GzipReader, ZstdReader

    codings = [
        coding.strip().lower()
        for name in ("Transfer-Encoding", "Content-Encoding")
        for coding in reversed((headers.get(name) or "").split(","))
    ]
    for coding in codings:
        packed = io.BytesIO(raw)
        if coding == "chunked" and raw[:1] in b"0123456789abcdefABCDEF":
            raw = ChunkedReader(packed).read(PAGE_BYTES + 1)
        elif coding in ("gzip", "x-gzip") and raw.startswith(b"\x1f\x8b"):
            raw = GzipReader(packed).read(PAGE_BYTES + 1)
        elif coding == "deflate" and raw[:1] == b"\x78":
            raw = GzipReader(packed, zlib=True).read(PAGE_BYTES + 1)
        elif coding == "br" and b"<" not in raw[:64]:
            raw = BrotliReader(packed).read(PAGE_BYTES + 1)
        elif coding == "zstd" and raw.startswith(b"\x28\xb5\x2f\xfd"):
            raw = ZstdReader(packed).read(PAGE_BYTES + 1)
    return raw
