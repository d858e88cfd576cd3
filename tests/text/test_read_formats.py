import csv
import gzip
import io
import json
import random
import sys
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lingloom.text.read import TextSettings, documents

TEXTS = ["Once upon a time, there was a city.", "从前有一座城，城里的人都爱读书。", "so it ended"]


def read(set_aside=None, reports=None, **settings):
    aside = [] if set_aside is None else set_aside
    return list(documents(TextSettings(**settings), aside.append, reports))


def packed(data: bytes, packing: str) -> bytes:
    if packing == ".gz":
        return gzip.compress(data)
    if packing == ".zst":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as file:
            file.write(data)
        return sink.getvalue().to_pybytes()
    return data


def written(kind: str) -> bytes:
    rows = [{"id": i, "text": text} for i, text in enumerate(TEXTS)]
    if kind == "txt":
        return "\n\n".join(TEXTS).encode()
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if kind == "csv":
        return "".join(["id,text\n", *(f'{r["id"]},"{r["text"]}"\n' for r in rows)]).encode()
    if kind == "tsv":
        return "".join(["id\ttext\n", *(f"{r['id']}\t{r['text']}\n" for r in rows)]).encode()
    if kind == "yml":
        lists = "".join(f'- - "{text}"\n' for text in TEXTS)
        return f"categories:\n- tale\nconversations:\n{lists}".encode()
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv", "tsv", "parquet", "yml"])
def test_every_format_in_every_packing_gives_the_same_texts(tmp_path, kind, packing):
    path = tmp_path / f"tale.{kind}{packing}"
    path.write_bytes(packed(written(kind), packing))
    reports = []
    found = read(read=str(path), reports=reports)
    assert [d.text for d in found] == TEXTS
    assert len({d.id for d in found}) == 3
    assert all(d.source == str(path) and d.id.startswith(f"{path}:") for d in found)
    (report,) = reports
    assert (report.format, report.documents, report.set_aside) == (kind, 3, 0)


def test_an_id_is_the_file_and_the_line(tmp_path):
    path = tmp_path / "tale.txt"
    path.write_text("\n\none\nstill one\n\n\n\n  \ntwo\n\nthree", "utf-8")
    found = read(read=str(path), unit="paragraph")
    assert [(d.id, d.text) for d in found] == [
        (f"{path}:3", "one\nstill one"),
        (f"{path}:9", "two"),
        (f"{path}:11", "three"),
    ]


def test_units_of_plain_text_are_lines_paragraphs_or_the_file(tmp_path):
    path = tmp_path / "tale.txt"
    path.write_text("a\nb\n\nc\n", "utf-8")
    assert [d.text for d in read(read=str(path), unit="line")] == ["a", "b", "c"]
    assert [d.text for d in read(read=str(path), unit="paragraph")] == ["a\nb", "c"]
    assert [d.text for d in read(read=str(path), unit="file")] == ["a\nb\n\nc"]


def test_auto_reads_a_file_without_blank_lines_by_lines(tmp_path):
    (tmp_path / "reviews.txt").write_text("good\nbad\n" * 50, "utf-8")
    (tmp_path / "story.txt").write_text("Once\nupon\n\na\ntime\n\n" * 50, "utf-8")
    reports = []
    found = read(read=str(tmp_path), reports=reports)
    assert [(r.unit, r.documents) for r in reports] == [("line", 100), ("paragraph", 100)]
    assert found[100].text == "Once\nupon"


def test_paragraphs_are_the_same_however_the_file_falls_into_chunks(tmp_path):
    paragraphs = [
        f"paragraph {i} " + "words and more words\n" * (i % 40) + "end" for i in range(4000)
    ]
    path = tmp_path / "long.txt"
    path.write_text("\n\n".join(paragraphs), "utf-8")
    found = read(read=str(path), unit="paragraph")
    assert [d.text for d in found] == paragraphs
    lines = path.read_text("utf-8").split("\n")
    for document in found[::97]:
        line = int(document.id.rpartition(":")[2])
        assert lines[line - 1] == document.text.split("\n")[0]


def test_a_document_over_the_limit_is_cut_at_line_ends_and_nothing_is_lost(tmp_path):
    text = "".join(f"line {i}\n" for i in range(1000))
    path = tmp_path / "book.txt"
    path.write_text(text, "utf-8")
    found = read(read=str(path), unit="file", max_chars=100)
    assert all(len(d.text) <= 100 for d in found)
    assert "\n".join(d.text for d in found) + "\n" == text
    assert found[1].id == f"{path}:{1 + found[0].text.count(chr(10)) + 1}"
    assert len({d.id for d in found}) == len(found)


def test_one_line_of_20_mb_is_cut_into_parts_with_their_own_ids(tmp_path):
    path = tmp_path / "line.txt"
    path.write_text("first\n" + "字" * 7_000_000 + "\nlast\n", "utf-8")
    found = read(read=str(path), unit="line")
    assert [d.id.rpartition(":")[2] for d in found] == [
        *("1", "2", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7"),
        "3",
    ]
    assert "".join(d.text for d in found[1:-1]) == "字" * 7_000_000
    assert found[-1].text == "last"


def test_reading_30_mb_of_text_holds_a_few_mb(tmp_path):
    path = tmp_path / "big.txt"
    with path.open("w", encoding="utf-8") as file:
        for i in range(60_000):
            file.write(f"paragraph {i} " + "some words that stand here " * 18 + "\n\n")
    assert path.stat().st_size > 29_000_000
    settings = TextSettings(read=str(path))
    tracemalloc.start()
    try:
        count = sum(1 for _ in documents(settings, lambda record: None))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 60_000
    assert peak < 8_000_000


def test_folders_and_globs_are_read_in_order_of_name_and_each_file_once(tmp_path):
    for name in ("b/2.txt", "b/10.txt", "a/x.jsonl", ".hidden/no.txt", "b/.no.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'{{"text": "{name}"}}' if name.endswith("l") else name, "utf-8")
    names = ["a/x.jsonl", "b/10.txt", "b/2.txt"]
    assert [d.text for d in read(read=str(tmp_path))] == names
    assert [d.text for d in read(read=f"{tmp_path}/**/*.txt")] == names[1:]
    both = [f"{tmp_path}/b/2.txt", str(tmp_path), f"{tmp_path}/b/../b/2.txt"]
    assert [d.text for d in read(read=both)] == ["b/2.txt", "a/x.jsonl", "b/10.txt"]


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", ["txt", "jsonl", "parquet"])
def test_standard_input_is_read_and_unpacked(monkeypatch, kind, packing):
    data = packed(written(kind), packing)
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(data)))
    monkeypatch.setattr(sys, "stdin", stdin)
    found = read(read="-", format=kind, unit="paragraph")
    assert [d.text for d in found] == TEXTS
    assert found[0].id == "-:1"
    assert not stdin.closed


def test_csv_values_may_hold_commas_quotes_and_line_ends(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('id,text\r\n1,"a, ""b""\n\nc"\r\n2,plain\r\n3,"x"\r\n', "utf-8", newline="")
    found = read(read=str(path))
    assert [(d.id, d.text) for d in found] == [
        (f"{path}:2", 'a, "b"\n\nc'),
        (f"{path}:5", "plain"),
        (f"{path}:6", "x"),
    ]


def test_csv_is_read_as_the_csv_module_reads_it(tmp_path):
    rng = random.Random(1)
    values = [
        "",
        "a",
        "a,b",
        '"',
        'say ""',
        "x\ny",
        "\n\n",
        "从前，有",
        ' "b"',
        "\t",
        '5" pipe',
        ",,",
    ]
    rows = [[rng.choice(values) for _ in range(3)] + [f"row {i}"] for i in range(3000)]
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["a", "b", "c", "text"], *rows])
    for column, name in enumerate(["a", "b", "c", "text"]):
        found = [d.text for d in read(read=str(path), field=name)]
        assert found == [row[column] for row in rows]


def test_a_csv_value_may_be_longer_than_the_csv_module_allows(tmp_path):
    long = "word, " * 100_000
    path = tmp_path / "t.csv"
    path.write_text(f'id,text,more\n1,"{long}","a ""q"""\n2,short,\n', "utf-8")
    assert [d.text for d in read(read=str(path))] == [long, "short"]
    assert [d.text for d in read(read=str(path), field="more")] == ['a "q"', ""]


def test_a_tsv_keeps_its_quotes_and_may_have_no_header(tmp_path):
    path = tmp_path / "spam.tsv"
    path.write_text('ham\t"Go" until\nspam\tfree "entry\n', "utf-8")
    assert [d.text for d in read(read=str(path), field=2)] == ['"Go" until', 'free "entry']


def test_a_conversation_is_one_document_of_its_lines(tmp_path):
    path = tmp_path / "food.yml"
    path.write_text(
        "categories:\n- 食\nconversations:\n- - 你喝酒吗\n  - 不\n- - yes\n  - 12\n", "utf-8"
    )
    found = read(read=str(path))
    assert [(d.id, d.text) for d in found] == [
        (f"{path}:4", "你喝酒吗\n不"),
        (f"{path}:6", "yes\n12"),
    ]
