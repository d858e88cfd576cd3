"""Files by URL: what a path can be, a URL can be, and what goes wrong is told."""

import bz2
import gzip
import io
import json
import os
import sys
import tracemalloc
from contextlib import contextmanager
from types import SimpleNamespace

import fsspec
import pyarrow as pa
import pyarrow.parquet
import pytest

from lingloom.errors import DataError, MissingError, RecipeError, RunError
from lingloom.loading import load
from lingloom.text.corpus.reading import fingerprint, read_tasks
from lingloom.text.corpus.settings import CorpusSettings
from lingloom.text.estimate import text_bytes
from lingloom.text.look import LookSettings, look
from lingloom.text.places import places, require_apart
from lingloom.text.read import TextSettings, documents

ROWS = "".join(json.dumps({"text": f"the {i}th line"}) + "\n" for i in range(3)).encode()


HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>%b</p>" % (b"Rivers run. " * 20)
CRAWL = (
    b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/\r\n"
    b"WARC-Date: 2020-01-02T03:04:05Z\r\nContent-Type: application/http;msgtype=response\r\n"
    b"Content-Length: %d\r\n\r\n%b\r\n\r\n" % (len(HTTP), HTTP)
)
"""One page."""


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(data)
    return sink.getvalue().to_pybytes()


def parquet(texts) -> bytes:
    file = io.BytesIO()
    pa.parquet.write_table(pa.table({"text": texts}), file)
    return file.getvalue()


@pytest.fixture
def bucket():
    """A file system in memory, empty; `memory://NAME` names its files."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def read(entry, aside=None, reports=None, **settings):
    sink = ([] if aside is None else aside).append
    return list(documents(TextSettings(read=entry, **settings), sink, reports))


def names(entry):
    return [place.name for place in places(entry)]


# --------------------------------------------------------------------------- what a URL means


@pytest.mark.parametrize("scheme", ["memory", "local"])
def test_a_url_means_the_files_that_a_path_means_in_the_same_order(bucket, tmp_path, scheme):
    files = ["b.txt", "a.jsonl", "sub/c.txt", "sub/deep/d.txt", "a0/e.txt", ".hid/f.txt", ".g.txt"]
    root = f"{scheme}://{tmp_path}"
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
        bucket.pipe(f"{tmp_path}/{name}", b"text")
    for entry in ("", "/", "/sub", "/b.txt", "/*.txt", "/**/*.txt", "/**", "/*/c.txt", "/.h*/*"):
        local = names(f"{tmp_path}{entry}")
        assert local and names(f"{root}{entry}") == [f"{scheme}://{name}" for name in local], entry
    assert [place.found for place in places(root)] == [True] * 5
    assert [place.found for place in places(f"{root}/*.txt")] == [False]
    assert names(f"file://{tmp_path}") == names(str(tmp_path))


def test_every_format_and_compression_is_read_by_url(bucket, tmp_path):
    images = b"\0\0\x08\x03" + b"\0\0\0\2\0\0\0\1\0\0\0\2" + bytes([1, 2, 3, 4])
    files = {
        "a.jsonl": ROWS,
        "b.jsonl.gz": gzip.compress(ROWS),
        "c.jsonl.bz2": bz2.compress(ROWS),
        "d.jsonl.zst": zstd(ROWS),
        "e.parquet": parquet(["one", "two"]),
        "f.parquet.gz": gzip.compress(parquet(["three"])),
        "g.csv": b"id,text\n1,four\n",
        "h.txt": "五\n\n六\n".encode("gb18030") * 20,
        "train-images-idx3-ubyte": images,
        "train-labels-idx1-ubyte.gz": gzip.compress(b"\0\0\x08\x01" + b"\0\0\0\2" + bytes([7, 9])),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        bucket.pipe(f"/data/{name}", data)
    near, far, reports = [], [], []
    by_path = read(str(tmp_path), near)
    by_url = read("memory://data", far, reports)
    assert [(d.text, d.meta) for d in by_url] == [(d.text, d.meta) for d in by_path]
    assert [d.id.removeprefix("memory://data/") for d in by_url] == [
        d.id.removeprefix(f"{tmp_path}/") for d in by_path
    ]
    assert [d.meta["label"] for d in by_url if "label" in d.meta] == ["7", "9"]
    assert len(by_url) == 4 * 3 + 2 + 1 + 1 + 21 + 2
    assert [r["reason"] for r in far] == [r["reason"] for r in near]
    sizes = [text_bytes(TextSettings(read=e)) for e in ("memory://data", str(tmp_path))]
    assert sizes[0] == sizes[1] > sum(map(len, files.values()))  # packed ones hold more


def test_a_crawl_is_read_by_url(bucket):
    pytest.importorskip("fastwarc")
    pytest.importorskip("turbohtml")
    bucket.pipe("/crawl.warc.gz", gzip.compress(CRAWL) * 3)
    found = read("memory://crawl.warc.gz")
    assert [d.id for d in found] == [f"memory://crawl.warc.gz:{i}" for i in (1, 2, 3)]


def test_held_out_text_validation_and_evaluation_sets_have_urls_too(bucket):
    for name in ("read", "held", "watched"):
        bucket.pipe(f"/{name}.txt", name.encode())
    found = read(
        "memory://read.txt", heldout="memory://held.txt", validation="memory://watched.txt"
    )
    assert [(d.text, d.meta.get("split")) for d in found] == [
        ("held", "heldout"),
        ("watched", "validation"),
        ("read", None),
    ]
    found = look(LookSettings(text=TextSettings(read=["memory://read.txt", "memory://held.txt"])))
    assert (found.files, found.disk_bytes, found.documents) == (2, 8, 2)


def test_the_web_address_of_a_file_may_have_a_query_behind_its_suffix():
    from lingloom.text.places import format_of

    assert format_of("https://host/a.jsonl.gz?download=true#x") == "jsonl"
    assert format_of("s3://bucket/what?.txt") == "txt"


def test_a_far_file_is_read_in_bounded_memory(tmp_path):
    with (tmp_path / "big.jsonl").open("wb") as file:
        for _ in range(100):
            file.write((json.dumps({"text": "x" * 10_000}) + "\n").encode() * 100)
    reading = documents(TextSettings(read=f"local://{tmp_path}/big.jsonl"), lambda _: None)
    next(reading)
    tracemalloc.start()
    assert sum(1 for _ in reading) == 9_999
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


# --------------------------------------------------------------------------- what goes wrong


def test_what_is_not_there_is_told_at_once(bucket):
    with pytest.raises(RecipeError) as caught:
        read("memory://none.txt")
    assert str(caught.value) == (
        "text.read: memory://none.txt: there is no such file; correct the URL, or name its folder "
        "or a pattern"
    )
    bucket.pipe("/data/a.txt", b"text")
    with pytest.raises(RecipeError) as caught:
        read("memory://data/*.jsonl")
    assert str(caught.value) == (
        "text.read: no file matches 'memory://data/*.jsonl'; name a file, a folder or a pattern "
        "such as s3://bucket/folder/**/*.jsonl.gz"
    )
    with pytest.raises(RecipeError) as caught:
        read("memry://data")
    assert str(caught.value) == (
        "text.read: 'memry://data': there is no file system 'memry'; did you mean 'memory'?"
    )
    with pytest.raises(RecipeError, match=r"a file within another \(::\) is not read; unpack it"):
        read("zip://a.txt::memory://data/a.zip")


@pytest.mark.parametrize(
    ("url", "package"),
    [("s3://bucket/a.txt", "s3fs"), ("gs://b/a", "gcsfs"), ("http://host/a.txt", "aiohttp")],
)
def test_a_file_system_whose_package_is_missing_names_it(monkeypatch, url, package):
    scheme = url.partition(":")[0]
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, scheme, raising=False)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingError) as caught:
        read(url)
    assert str(caught.value) == (
        f"reading {url} needs the package '{package}', which is not installed; "
        f"run: pip install {package}"
    )


def test_without_fsspec_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingError, match=r"needs the package 'fsspec'.*'lingloom\[text\]'"):
        read("memory://a.txt")


@pytest.mark.parametrize(
    "url",
    [
        "s3://KEY:hush@bucket/a.txt",
        "s3://KEY:hu/hush@bucket/a.txt",
        "ftp://:hush@host/a.txt",
        "https://host/a.txt?X-Amz-Credential=1&X-Amz-Signature=hush",
        "https://host/a.txt?sv=1&sig=hush",
        "https://host/a.txt?AWSAccessKeyId=hush",
        "https://hush@host/a.txt",
        "https://host/a.txt?token=abc@hush",
        "https://host/a.txt?accesstoken=hush",
        "https://host/a.txt?pwd=hush",
        "https://host/a.txt#access_token=hush",
    ],
)
def test_a_url_with_a_password_is_refused_and_not_shown(url):
    for key in (
        "text.read",
        "text.heldout",
        "text.validation",
        "text.labels",
        "decontaminate.read",
    ):
        with pytest.raises(RecipeError) as caught:
            load(CorpusSettings, {"text": {}}, [f"{key}={url}"])
        said = str(caught.value)
        assert said.startswith(f"{key} (command line): the URL {url.partition('//')[0]}//...")
        assert "has a password or a key in it" in said and "by the environment" in said
        assert "hush" not in said


def test_a_port_or_an_at_sign_or_a_user_is_no_password():
    for url in (
        "http://[::1]:8080/x@y",
        "http://h/a?monkey=1",
        "hdfs://name:8020/a@b.txt",
        "sftp://user@host/a",
        "http://h:80/a?page=2",
        "a:b@c",
    ):
        assert TextSettings(read=[url]).entries == [url]


def test_out_is_no_url_and_a_file_url_lies_where_its_path_does(tmp_path):
    with pytest.raises(RecipeError) as caught:
        load(CorpusSettings, {"text": {}}, ["out=s3://bucket/corpus"])
    assert str(caught.value) == (
        "out (command line): 's3://bucket/corpus' is a URL; write to a folder of this machine, "
        "and copy it"
    )
    with pytest.raises(RecipeError, match="lies in"):
        require_apart([f"file://{tmp_path}"], tmp_path / "run")
    require_apart(["memory://data"], tmp_path / "run")


def test_a_cleaned_corpus_by_url_is_not_read_with_what_was_dropped(bucket):
    for name in ("manifest.json", "recipe.yaml", "train/0.parquet", "dropped/0.parquet"):
        bucket.pipe(f"/c/{name}", b"")
    with pytest.raises(RecipeError, match=r"is a cleaned corpus.*: memory://c/train/\*\.parquet"):
        read("memory://c")


def test_a_far_file_that_changes_while_it_is_read_is_noticed(bucket):
    bucket.pipe("/a.jsonl", ROWS)
    before = fingerprint(*places("memory://a.jsonl"))
    assert before[0] == len(ROWS) and before == fingerprint(*places("memory://a.jsonl"))
    reading = documents(TextSettings(read="memory://a.jsonl"), lambda _: None)
    next(reading)
    bucket.pipe("/a.jsonl", ROWS.replace(b"line", b"lime"))  # of the same size
    with pytest.raises(DataError, match=r"^memory://a.jsonl: changed while it was read; run the"):
        list(reading)
    assert fingerprint(*places("memory://a.jsonl")) != before


def test_what_a_listing_told_before_does_not_hide_a_change(bucket, monkeypatch):
    """As with s3 and gs, whose listings are kept in memory."""
    real, kept = type(bucket).info, {}
    monkeypatch.setattr(
        type(bucket), "info", lambda self, path: kept.setdefault(path, real(self, path))
    )
    monkeypatch.setattr(type(bucket), "invalidate_cache", lambda self, path=None: kept.clear())
    bucket.pipe("/a.jsonl", ROWS)
    reading = documents(TextSettings(read="memory://a.jsonl"), lambda _: None)
    next(reading)
    bucket.pipe("/a.jsonl", ROWS * 2)
    with pytest.raises(DataError, match="changed while it was read"):
        list(reading)
    bucket.pipe("/a.jsonl", ROWS * 3)
    assert text_bytes(TextSettings(read="memory://a.jsonl")) == len(ROWS * 3)


def test_a_changed_far_file_is_another_task(bucket, tmp_path):
    def key():
        (task,) = read_tasks(TextSettings(read="memory://a.jsonl"), tmp_path, 1000)
        return task.key

    bucket.pipe("/a.jsonl", ROWS)
    before = key()
    bucket.pipe("/b.jsonl", ROWS)
    assert key() == before
    bucket.pipe("/a.jsonl", ROWS.upper())
    assert key() != before


class Broken:
    """A file whose second half cannot be read."""

    def __init__(self, data: bytes, error: Exception):
        self.file, self.size, self.error = io.BytesIO(data), len(data), error

    def read(self, size):
        left = self.size // 2 - self.file.tell()
        if left <= 0:
            raise self.error
        return self.file.read(min(size, left))

    def seekable(self):
        return True

    def seek(self, offset, whence):
        return self.file.seek(offset, whence)

    def tell(self):
        return self.file.tell()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", ROWS),
        ("a.jsonl.gz", gzip.compress(ROWS)),
        ("a.jsonl.zst", zstd(ROWS)),
        ("a.parquet", parquet(["one", "two"])),
        ("a.warc", CRAWL),
        ("a.warc.gz", gzip.compress(CRAWL)),
    ],
)
def test_a_network_that_breaks_off_ends_the_run_and_is_no_fault_of_the_file(
    bucket, monkeypatch, name, data
):
    class NetworkError(Exception):
        """Of no kind that Python has, as those of aiohttp."""

    if "warc" in name:
        pytest.importorskip("fastwarc")
        pytest.importorskip("turbohtml")
    monkeypatch.setitem(sys.modules, "aiohttp", SimpleNamespace(ClientError=NetworkError))
    bucket.pipe(f"/{name}", data)
    broken = Broken(data, NetworkError("connection reset"))
    monkeypatch.setattr(type(bucket), "_open", lambda *_, **__: broken)
    aside = []
    with pytest.raises(RunError) as caught:
        read(f"memory://{name}", aside)
    assert str(caught.value) == (
        f"memory://{name}: cannot be read (NetworkError: connection reset); see that the host is "
        "there and that the environment has its credentials, and run the same command again"
    )
    assert not aside


def test_a_far_file_that_may_not_be_read_says_where_credentials_belong(bucket, monkeypatch):
    bucket.pipe("/a.txt", b"text")

    def refuse(*_, **__):
        raise PermissionError("Access Denied")

    with monkeypatch.context() as patch:
        patch.setattr(type(bucket), "_open", refuse)
        with pytest.raises(DataError, match="may not be read; give the credentials by the environ"):
            read("memory://a.txt")
    monkeypatch.setattr(type(bucket), "info", refuse)
    with pytest.raises(RecipeError, match="^text.read: memory://a.txt: may not be read; give the"):
        read("memory://a.txt")


def test_a_host_that_is_not_there_is_no_missing_file(bucket, monkeypatch):
    """For http, fsspec raises FileNotFoundError whatever happened."""

    def unreached(*_, **__):
        raise FileNotFoundError("a.txt") from ConnectionRefusedError("connect call failed")

    monkeypatch.setattr(type(bucket), "info", unreached)
    for url in ("memory://a.txt", "memory://*.txt"):
        with pytest.raises(RecipeError, match=r"cannot be read \(ConnectionRefusedError: connect"):
            read(url)


def test_a_folder_below_that_cannot_be_listed_is_told(bucket, monkeypatch):
    bucket.pipe("/data/a.txt", b"text")
    bucket.pipe("/data/sub/b.txt", b"text")
    real = type(bucket).ls

    def ls(self, path, **how):
        if path.strip("/").endswith("sub"):
            raise TimeoutError("no answer")
        return real(self, path, **how)

    monkeypatch.setattr(type(bucket), "ls", ls)
    for url in ("memory://data", "memory://data/**/*.txt"):
        with pytest.raises(RecipeError, match=r"cannot be read \(TimeoutError: no answer\)"):
            read(url)


@contextmanager
def served(folder):
    """`folder` by http from this machine."""
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_files_of_a_web_server_are_read(tmp_path):
    pytest.importorskip("aiohttp")
    os.makedirs(tmp_path / "sub")
    (tmp_path / "a.jsonl").write_bytes(ROWS)
    (tmp_path / "sub/b.parquet").write_bytes(parquet(["one"]))
    with served(tmp_path) as root:
        assert len(read(f"{root}/a.jsonl?download=1")) == 3
        assert names(f"{root}/") == [f"{root}/a.jsonl", f"{root}/sub/b.parquet"]
        assert [d.text for d in read(f"{root}/**/*.parquet")] == ["one"]
        with pytest.raises(RecipeError, match="there is no such file"):
            read(f"{root}/c.jsonl")
