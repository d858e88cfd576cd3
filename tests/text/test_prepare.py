import json

import pytest

from lingloom.errors import DataError
from lingloom.text.prepare import TextStats, prepare
from lingloom.text.read import TextSettings
from lingloom.text.setaside import JsonlSink


def run(**settings):
    dropped, aside, stats = [], [], TextStats()
    kept = list(prepare(TextSettings(**settings), dropped.append, aside.append, stats))
    return kept, dropped, aside, stats


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "a.txt").write_bytes(
        "first line \nsecond line\n二\n\x00\n".encode() + b"\xff\xff\nfirst line\n"
    )
    rows = [{"text": "second line"}, {"text": "third\r\nline"}, {"text": ""}, {"other": 1}]
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n{\n")
    return tmp_path


def test_what_comes_in_is_kept_dropped_or_set_aside_and_adds_up(corpus):
    kept, dropped, aside, stats = run(read=str(corpus), clean={"min_chars": 2}, heldout_frac=0)
    a, b = f"{corpus}/a.txt", f"{corpus}/b.jsonl"
    assert [(split, d.id, d.text) for split, d in kept] == [
        ("train", f"{a}:1", "first line"),
        ("train", f"{a}:2", "second line"),
        ("train", f"{b}:2", "third\nline"),
    ]
    assert dropped == [
        {"id": f"{a}:3", "source": a, "reason": "shorter than 2 characters", "text": "二"},
        {"id": f"{a}:4", "source": a, "reason": "empty", "text": ""},
        {"id": f"{a}:6", "source": a, "reason": "duplicate", "text": "first line"},
        {"id": f"{b}:1", "source": b, "reason": "duplicate", "text": "second line"},
        {"id": f"{b}:3", "source": b, "reason": "empty", "text": ""},
    ]
    assert [(r["file"], r["line"]) for r in aside] == [(a, 5), (b, 4), (b, 5)]
    assert (stats.documents, stats.set_aside, stats.came_in) == (8, 3, 11)
    assert stats.kept == {"train": 3}
    assert stats.kept_bytes == {"train": 10 + 11 + 10}
    assert stats.dropped == {"empty": 2, "duplicate": 2, "shorter than 2 characters": 1}
    assert stats.dropped_bytes == 10 + 11 + 3
    assert stats.by_source[b] == {"kept": 1, "kept_bytes": 10, "dropped": 2}
    assert stats.bytes_read == sum(p.stat().st_size for p in corpus.iterdir())
    assert json.loads(json.dumps(stats.as_dict()))["files"][0]["encoding"] == "utf-8"


def test_a_count_that_does_not_add_up_is_noticed(corpus):
    *_, stats = run(read=str(corpus))
    stats.kept["train"] -= 1
    with pytest.raises(AssertionError):
        stats.check()


def test_duplicates_stay_where_they_are_asked_to(corpus):
    kept, *_ = run(read=str(corpus), dedup=False)
    assert len(kept) == 6
    assert len({split for split, d in kept if d.text == "first line"}) == 1


def test_dropping_with_little_memory_is_dropping_with_much(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line {i * i % 7919}\n" for i in range(30_000)), "utf-8")
    plenty = run(read=str(path))
    made = []

    def little(memory_bytes):
        made.append(SeenDigests(10_000))
        return made[0]

    from lingloom.text.dedup import SeenDigests

    monkeypatch.setattr("lingloom.text.prepare.SeenDigests", little)
    few = run(read=str(path))
    assert few[:3] == plenty[:3]
    assert few[3].as_dict() == plenty[3].as_dict()
    assert plenty[3].dropped["duplicate"] == 30_000 - 3_960


def test_held_out_documents_are_about_the_share_asked_for(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line {i}\n" for i in range(20_000)), "utf-8")
    kept, *_, stats = run(read=str(path), heldout_frac=0.05)
    assert 850 < stats.kept["heldout"] < 1150
    assert stats.kept.total() == len(kept) == 20_000


def test_keeping_nothing_says_why(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("ab\nab\ncd\n", "utf-8")
    with pytest.raises(DataError) as caught:
        run(read=str(path), clean={"min_chars": 9})
    assert str(caught.value) == (
        f"text: none of the 3 documents of '{path}' is kept "
        "(dropped: shorter than 9 characters 3); read other text or lower text.clean.min_chars"
    )


def test_records_go_to_a_file_one_a_line(tmp_path):
    with JsonlSink(tmp_path / "new" / "dropped.jsonl") as sink:
        sink({"id": "a:1", "text": "文\n字"})
        sink({"id": "a:2", "text": ""})
    lines = (tmp_path / "new" / "dropped.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["文\n字", ""]
    assert "文" in lines[0]
    assert sink.records == 2


def test_named_files_are_held_out_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "b.txt").write_text("two\nfour\n")
    settings = TextSettings(
        read=str(tmp_path / "*.txt"), heldout=str(tmp_path / "b.txt"), unit="line", heldout_frac=0.9
    )
    found = [(split, d.text) for split, d in prepare(settings, lambda _: None, lambda _: None)]
    assert found == [("heldout", "two"), ("heldout", "four"), ("train", "one"), ("train", "three")]
