"""Files that are broken, hostile, or no files at all."""

import gzip
import json
import os
import socket
import tracemalloc

import pyarrow as pa
import pyarrow.parquet
import pytest

from lingloom.errors import DataError
from lingloom.text import stream
from lingloom.text.clean import CleanSettings, clean
from lingloom.text.lines import ROW_CHARS
from lingloom.text.read import TextSettings, documents


def read(entry, aside=None, reports=None, **settings):
    sink = ([] if aside is None else aside).append
    return list(documents(TextSettings(read=str(entry), **settings), sink, reports))


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_packed_file_that_grows_without_end_is_cut_and_told(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(stream, "UNSUSPECTED_BYTES", 1 << 20)
    path = tmp_path / "bomb.txt.gz"
    path.write_bytes(pack(b"one line of text\n" * 200_000))
    aside = []
    found = read(path, aside, unit="line")
    assert 40_000 < len(found) < 180_000
    (record,) = aside
    assert record["line"] == 0
    assert record["reason"].startswith(
        "unpacks to more than 100 times its size (text.max_expansion); the rest of the file after "
    )
    aside = []
    assert len(read(path, aside, unit="line", max_expansion=100_000)) == 200_000
    assert not aside


def test_a_small_packed_file_is_no_bomb(tmp_path):
    (tmp_path / "same.txt.gz").write_bytes(gzip.compress(b"a\n" * 200_000))
    aside = []
    assert len(read(tmp_path, aside)) == 200_000
    assert not aside


def test_a_line_of_200_mb_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "line.txt"
    with path.open("wb") as file:
        for _ in range(200):
            file.write(b"word " * 200_000)
    tracemalloc.start()
    sizes = [len(d.text) for d in documents(TextSettings(read=str(path)), print)]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(sizes) == 200_000_000
    assert max(sizes) <= 1_000_000
    assert peak_bytes < 20_000_000


def test_a_row_of_200_mb_is_set_aside_in_bounded_memory(tmp_path):
    path = tmp_path / "row.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "first"}\n{"text": "')
        for _ in range(200):
            file.write(b"word " * 200_000)
        file.write(b'"}\n{"text": "last"}\n')
    aside = []
    tracemalloc.start()
    found = read(path, aside)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [d.text for d in found] == ["first", "last"]
    assert [(r["line"], r["reason"]) for r in aside] == [
        (2, f"row of more than {ROW_CHARS} characters")
    ]
    assert peak_bytes < 5 * ROW_CHARS


def test_nul_bytes_are_removed_from_text_and_files_of_them_set_aside(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"some words\0 of a text\nand more of it\n")
    (tmp_path / "b.txt").write_bytes(bytes(5000))
    (tmp_path / "c.jsonl").write_text('{"text": "one\\u0000 two"}\n')
    aside = []
    found = [clean(d.text, CleanSettings()) for d in read(tmp_path, aside)]
    assert found == ["some words of a text", "and more of it", "one two"]
    assert [r["reason"] for r in aside] == ["not text; if it is, set text.encoding"]


def test_what_is_no_file_is_passed_over_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket may not be long
    os.mkdir("data")
    with open("data/a.txt", "w") as file:
        file.write("text")
    os.mkfifo("data/pipe.txt")
    os.symlink("nowhere", "data/torn.txt")
    os.symlink("self.txt", "data/self.txt")
    os.symlink("/dev/zero", "data/zero.txt")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("data/socket.txt")
        aside = []
        assert [d.text for d in read("data", aside)] == ["text"]
    reasons = {r["file"]: r["reason"] for r in aside}
    no_file = "found in a folder, and not a regular file"
    assert {
        name: reasons[f"data/{name}.txt"] for name in ("pipe", "socket", "zero")
    } == dict.fromkeys(("pipe", "socket", "zero"), no_file)
    assert reasons["data/torn.txt"] == "cannot be read (No such file or directory)"
    assert reasons["data/self.txt"].startswith("cannot be read (Too many levels of symbolic links")
    assert [d.text for d in read("data/*.txt")] == ["text"]


def test_links_that_lead_back_are_not_followed_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.makedirs("data/inner")
    os.makedirs("elsewhere")
    for name in ("data/a.txt", "data/inner/b.txt", "elsewhere/c.txt"):
        with open(name, "w") as file:
            file.write(name)
    os.symlink("../..", "data/inner/up")
    os.symlink("../../data", "data/inner/again")
    os.symlink("../elsewhere", "data/linked")
    assert sorted(d.text for d in read("data")) == [
        "data/a.txt",
        "data/inner/b.txt",
        "elsewhere/c.txt",
    ]
    assert [d.text for d in read("data/**/*.txt")] == ["data/a.txt", "data/inner/b.txt"]


def test_patterns_find_what_a_shell_finds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", ".hidden.txt", "in/b.txt", "in/deep/c.txt", ".git/d.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    assert [d.text for d in read("*.txt")] == ["a.txt"]
    assert [d.text for d in read("**/*.txt")] == ["a.txt", "in/b.txt", "in/deep/c.txt"]
    assert [d.text for d in read("in/**")] == ["in/b.txt", "in/deep/c.txt"]
    assert [d.text for d in read(".*.txt")] == [".hidden.txt"]
    assert [d.text for d in read(f"{tmp_path}/i?/*.txt")] == ["in/b.txt"]


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("one line\n" * 3)
    reading = documents(TextSettings(read=str(path)), print)
    next(reading)
    with path.open("a") as file:
        file.write("and another\n")
    with pytest.raises(DataError) as caught:
        list(reading)
    assert str(caught.value) == (
        f"{path}: changed while it was read; run the same command again once nothing writes to it"
    )


def rows(path, *pairs):
    path.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in pairs))


def test_documents_may_bring_their_ids_and_repeated_ones_are_told_apart(tmp_path):
    path = tmp_path / "d.jsonl"
    rows(path, ("x", "one"), (7, "two"), ("x", "three"), (None, "four"), ("x", "five"))
    reports = []
    found = read(path, reports=reports, id_field="id")
    assert [d.id.removeprefix(f"{path}:") for d in found] == ["x", "7", "x#3", "4", "x#5"]
    assert reports[0].repeated_ids == 2
    table = tmp_path / "d.parquet"
    pa.parquet.write_table(pa.table({"key": ["p", "p"], "text": ["a", "b"]}), table)
    assert [d.id for d in read(table, id_field="key")] == [f"{table}:p", f"{table}:p#2"]


def test_no_two_documents_of_a_file_have_the_same_id(tmp_path):
    path = tmp_path / "d.jsonl"
    rows(path, *((id_, f"text {i}") for i, id_ in enumerate(["2", None, "a", "a#5", "a"])))
    reports = []
    found = [d.id.removeprefix(f"{path}:") for d in read(path, reports=reports, id_field="id")]
    assert found == ["2", "2#2", "a", "a#5", "a#5#5"]
    assert reports[0].repeated_ids == 1


def test_an_id_field_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "d.jsonl"
    rows(path, ("x", "one"))
    with pytest.raises(DataError) as caught:
        read(path, id_field="key")
    assert str(caught.value) == (
        f"{path}:1: no id in a field 'key' -- set text.id_field to the field that holds it, "
        "or leave it out"
    )


def test_the_address_of_a_row_is_kept(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text('{"url": "http://a.example/", "text": "a"}\n{"text": "b"}\n')
    assert [d.meta for d in read(path)] == [{"url": "http://a.example/"}, {}]
