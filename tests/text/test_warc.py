import gzip
import io
import random
import sys
import zlib

import pyarrow as pa
import pytest

from lingloom.errors import DataError
from lingloom.text import warc as warc_module
from lingloom.text.read import TextSettings, documents

pytest.importorskip("fastwarc")

DATE = "2020-01-02T03:04:05Z"


def body_of(name: str) -> bytes:
    text = f"<p>{f'Page {name} tells of rivers and mountains. ' * 5}</p>"
    return f"<html><title>{name}</title><body><main>{text}</main></body></html>".encode()


def record(name, body=None, kind="text/html", status="200 OK", headers="", typed="response"):
    body = body_of(name) if body is None else body
    http = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{headers}\r\n".encode() + body
    head = (
        f"WARC/1.0\r\nWARC-Type: {typed}\r\nWARC-Target-URI: http://a.example/{name}\r\n"
        f"WARC-Date: {DATE}\r\nContent-Type: application/http;msgtype={typed}\r\n"
        f"Content-Length: {len(http)}\r\n\r\n"
    )
    return head.encode() + http + b"\r\n\r\n"


def read(path, aside=None, reports=None, **settings):
    sink = ([] if aside is None else aside).append
    return list(documents(TextSettings(read=str(path), **settings), sink, reports))


def titles(found):
    return [d.meta.get("title") for d in found]


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("each", [True, False], ids=["record by record", "as one"])
def test_a_crawl_gives_its_pages_with_address_and_date(tmp_path, pack, each):
    records = [record(name) for name in "abc"]
    packed = b"".join(map(pack, records)) if each else pack(b"".join(records))
    path = tmp_path / ("crawl.warc" + {gzip.compress: ".gz", zstd: ".zst"}.get(pack, ""))
    path.write_bytes(packed)
    reports = []
    found = read(path, reports=reports)
    assert [d.id for d in found] == [f"{path}:{i}" for i in (1, 2, 3)]
    assert found[1].meta == {"url": "http://a.example/b", "date": DATE, "title": "b"}
    assert "Page b tells of rivers and mountains." in found[1].text
    assert (reports[0].format, reports[0].documents, reports[0].encoding) == ("warc", 3, "utf-8")


def test_the_encodings_of_http_are_taken_off(tmp_path):
    half = len(body_of("d")) // 2
    chunks = [body_of("d")[:half], body_of("d")[half:], b""]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
    records = [
        record("a", gzip.compress(body_of("a")), headers="Content-Encoding: gzip\r\n"),
        record("b", zlib.compress(body_of("b")), headers="Content-Encoding: deflate\r\n"),
        record("c", zstd(body_of("c")), headers="Content-Encoding: zstd\r\n"),
        record("d", chunked, headers="Transfer-Encoding: chunked\r\n"),
        record("e", headers="Content-Encoding: gzip\r\n"),  # a header that no longer holds
        record("f", "<title>价格</title><p>价格和产品</p>".encode("gbk"), "text/html; charset=gbk"),
        record("g", b"just words < & more", "text/plain"),
    ]
    (tmp_path / "c.warc").write_bytes(b"".join(records))
    found = read(tmp_path / "c.warc")
    assert titles(found) == ["a", "b", "c", "d", "e", "价格", None]
    assert found[3].text.count("Page d tells") == 5
    assert found[6].text == "just words < & more"


def test_requests_are_passed_over_and_what_is_no_page_is_set_aside(tmp_path):
    records = [
        record("q", typed="request"),
        record("a"),
        record("i", b"\x89PNG\r\n", "image/png"),
        record("n", status="404 Not Found"),
        record("x", b"no gzip"[:3] + b"\x1f", headers="Content-Encoding: gzip\r\n"),
        record("y", b"\x1f\x8b\x08 broken", headers="Content-Encoding: gzip\r\n"),
        record("e", b"<html></html>"),
        record("z"),
    ]
    (tmp_path / "c.warc").write_bytes(b"".join(records))
    aside, reports = [], []
    found = read(tmp_path / "c.warc", aside, reports)
    assert titles(found) == ["a", None, "z"]
    start = sum(map(len, records[:2]))
    assert [(r["line"], r["reason"]) for r in aside][:2] == [
        (2, f"content type 'image/png', not HTML or plain text; record at byte {start}"),
        (3, f"HTTP status 404; record at byte {start + len(records[2])}"),
    ]
    assert aside[2]["reason"].startswith("Gzip decompression error")
    assert aside[3]["reason"].startswith("no main text in the page; record at byte")
    assert reports[0].set_aside == len(aside) == 4


def damaged(data: bytes) -> bytes:
    return data[:30] + bytes(b ^ 0xFF for b in data[30:60]) + data[60:]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd], ids=["plain", "gzip", "zstd"])
def test_reading_goes_on_after_a_broken_record(tmp_path, pack):
    a, b, c, d = (pack(record(name)) for name in "abcd")
    broken = damaged(b) if pack is not bytes else b"WARC/1.0 nonsense\r\n" * 9
    path = tmp_path / "c.warc"
    path.write_bytes(a + broken + c + d)
    aside = []
    assert titles(read(path, aside)) == ["a", "c", "d"]
    assert len(aside) == 1
    assert aside[0]["reason"].startswith("broken record after byte 0 (")


def test_a_crawl_that_breaks_off_says_so(tmp_path):
    path = tmp_path / "c.warc"
    path.write_bytes(record("a") + record("b")[:-40])
    aside = []
    assert titles(read(path, aside)) == ["a"]
    assert "record breaks off after" in aside[0]["reason"]
    path.write_bytes(gzip.compress(record("a")) + gzip.compress(record("b"))[:-60])
    aside = []
    assert titles(read(path, aside)) == ["a"]
    assert len(aside) == 1


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("left", [8, 12, 40])
def test_a_crawl_that_breaks_off_within_a_header_says_so(tmp_path, pack, left):
    path, whole = tmp_path / "c.warc", pack(record("a")) + pack(record("b"))
    path.write_bytes(whole + pack(record("c"))[:left])
    aside = []
    assert titles(read(path, aside)) == ["a", "b"]
    assert len(aside) == 1, aside
    path.write_bytes(whole)
    aside = []
    assert titles(read(path, aside)) == ["a", "b"] and not aside


def test_a_record_of_zeros_without_end_is_neither_held_nor_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(warc_module, "_PASSED_RECORD_BYTES", 1 << 25)
    page = gzip.compress(bytes(60_000_000))
    bomb = record("bomb", page, headers="Content-Encoding: gzip\r\n")
    long = record("long", bytes(40_000_000))
    path = tmp_path / "c.warc.gz"
    path.write_bytes(b"".join(map(gzip.compress, [bomb, long, record("a")])))
    aside = []
    assert titles(read(path, aside)) == ["a"]
    assert [r["reason"].partition(";")[0] for r in aside] == ["page of more than 8388608 bytes"] * 2


def test_a_crawl_from_a_pipe_is_read(tmp_path, monkeypatch):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    monkeypatch.setattr(
        sys,
        "stdin",
        type(
            "In",
            (),
            {
                "buffer": io.BufferedReader(
                    Pipe(gzip.compress(record("a")) + gzip.compress(record("b")))
                )
            },
        ),
    )
    assert titles(read("-", format="warc")) == ["a", "b"]


@pytest.mark.parametrize(
    "start", [b"\x1f\x8b\x08" + bytes(7) + b"\xff", b"\x28\xb5\x2f\xfd", b"WARC/1."]
)
def test_a_crawl_of_broken_starts_alone_is_given_up(tmp_path, monkeypatch, start):
    monkeypatch.setattr(warc_module, "_MOST_BROKEN", 50)
    path, aside = tmp_path / "c.warc", []
    path.write_bytes(start * 5000)
    with pytest.raises(DataError, match="no document"):
        read(path, aside)
    assert [r["reason"].partition(" (")[0] for r in aside] == [
        "broken record after byte 0",
        f"what is after byte {49 * len(start)}: not read, as 50 more places look like the start of "
        "a record than are one",
    ]


def test_a_record_after_many_broken_starts_is_read(tmp_path):
    path = tmp_path / "c.warc"
    path.write_bytes(b"WARC/1." * 900 + b"\n" + record("a"))
    assert titles(read(path)) == ["a"]


def test_places_of_starts_are_found_across_the_pieces_that_are_read(monkeypatch):
    monkeypatch.setattr(warc_module, "_LOOK_BYTES", 5)
    data = b"ab.abab..ab....a..........b.ab"
    starts = warc_module._Starts(io.BytesIO(data), b"ab")
    wanted = [i for i in range(len(data)) if data.startswith(b"ab", i)]
    found = [-1]
    while (place := starts.after(found[-1])) >= 0:
        found.append(place)
    assert found[1:] == wanted
    assert [starts.after(p) for p in (3, 8, -1, 27, 28, 99)] == [5, 9, 0, 28, -1, -1]


def test_noise_does_no_harm(tmp_path):
    draw = random.Random(3)
    whole = b"".join(gzip.compress(record(name)) for name in "abcd")
    path = tmp_path / "c.warc.gz"
    for _ in range(60):
        raw = bytearray(whole)
        for _ in range(draw.randrange(1, 6)):
            raw[draw.randrange(2, len(raw))] ^= draw.randrange(1, 256)
        path.write_bytes(raw[: draw.randrange(len(raw) // 2, len(raw) + 1)])
        aside, reports = [], []
        sink = aside.append
        list(documents(TextSettings(read=[str(path), "python:topics"]), sink, reports))
        assert reports[0].documents + len(aside) >= 1
