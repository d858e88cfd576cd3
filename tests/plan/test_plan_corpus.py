"""The plan of a cleaning recipe: numbers that add up and grow with the text, as printed."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lingloom.cli import main
from lingloom.corpus_recipe import read_corpus
from lingloom.plan import corpus as planning
from lingloom.plan.band import Band, Term
from lingloom.plan.corpus import CorpusPlan, plan_corpus
from lingloom.text.corpus.settings import CorpusSettings


@pytest.fixture
def recipe(tmp_path, monkeypatch) -> CorpusSettings:
    rows = [" ".join(f"word{i}x{k}" for k in range(60)) for i in range(100)] + ["word0x0 word0x1"]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": r}) + "\n" for r in rows))
    (tmp_path / "r.yaml").write_text(
        "text: {read: a.jsonl}\nfilters: [{kind: short, min_chars: 50}]\nworkers: 2\nout: c\n"
    )
    monkeypatch.chdir(tmp_path)
    return read_corpus("r.yaml", []).settings


def test_the_terms_add_up_to_the_bands(recipe):
    plan = plan_corpus(recipe)
    assert plan.workers == 2
    assert plan.seconds_s.value == pytest.approx(sum(t.amount.value for t in plan.seconds))
    assert plan.core_hours.value == pytest.approx(plan.seconds_s.value * 2 / 3600)
    assert plan.disk_bytes.value == pytest.approx(sum(t.amount.value for t in plan.disk))
    for band in (plan.seconds_s, plan.core_hours, plan.disk_bytes, plan.memory):
        assert 0 < band.low < band.value < band.high
    assert plan.memory.high == recipe.memory_bytes
    assert {"read", "clean", "scatter", "write"} <= {term.name for term in plan.seconds}
    assert 0.99 < plan.kept_frac < 1


def test_disk_and_time_grow_with_the_size_asked_for(recipe):
    plans = [plan_corpus(recipe, size) for size in (1e6, 1e9)]
    assert [plan.text_bytes for plan in plans] == [1e6, 1e9]
    disk = [plan.disk_bytes.value for plan in plans]
    assert disk[1] / disk[0] == pytest.approx(1000, rel=1e-3)
    for plan in plans:
        ratio = plan.text_bytes / plan.sample_bytes * 1 / plan.workers
        assert plan.seconds[0].name == "read"
        assert plan.seconds_s.value <= plan.sample_seconds_s * ratio
    assert plan_corpus(recipe, 0).seconds_s.value == 0


def test_time_is_what_the_sample_took_times_its_share(recipe, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(planning.time, "perf_counter", lambda: float(next(clock)))
    plan = plan_corpus(recipe, 8_000_000)
    seconds = {term.name: term.amount.value for term in plan.seconds}
    assert seconds["read"] == pytest.approx(8e6 / plan.sample_bytes / 2)
    assert seconds["clean"] == pytest.approx(seconds["scatter"])


def test_the_band_of_the_disk_holds_the_truth(recipe, capsys):
    plan = plan_corpus(recipe)
    assert main(["clean", "r.yaml", "keep_work=true", "workers=1"]) == 0
    capsys.readouterr()

    truth = sum(path.stat().st_size for path in Path("c/.work").iterdir())
    assert plan.disk_bytes.low < truth < plan.disk_bytes.high
    rows = Path("a.jsonl").read_text().splitlines()
    assert plan.sample_bytes == sum(len(json.loads(row)["text"]) for row in rows)
    assert plan.text_bytes == plan.sample_bytes  # what JSON adds to the text is not text


def test_a_plan_writes_nothing_where_it_is_asked(recipe, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    plan_corpus(recipe)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "words", "code", "message"),
    [
        ("", [], 1, "text.read: no document to take a sample of; look with: lingloom look FILES"),
        ("x", ["size=much"], 2, "size (command line): 'much' is not a size; write it as 512MB"),
        ("x", ["text.read=b.jsonl"], 2, "text.read: no such file 'b.jsonl'"),
        ("x", ["memory=100MB"], 2, "memory: 100MB is too little"),
    ],
)
def test_what_cannot_be_planned_is_told(recipe, capsys, text, words, code, message):
    if not text:
        Path("a.jsonl").write_text("")
    assert main(["plan", "r.yaml", *words]) == code
    assert message in capsys.readouterr().err


def test_a_plan_as_json_holds_every_number(recipe, capsys):
    assert main(["plan", "r.yaml", "size=1GB", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["text_bytes"] == 1e9 and found["workers"] == 2
    assert set(found["memory"]) == {"value", "low", "high"}
    assert {term["name"] for term in found["disk"]} == {"corpus", "dropped", "between the stages"}


PLAN = CorpusPlan(
    text_bytes=5e12,
    sample_bytes=24_000_000,
    sample_seconds_s=30.0,
    kept_frac=0.625,
    workers=2,
    seconds=[Term("read", Band(3600, 1800, 7200)), Term("clean", Band(7200, 3600, 14400))],
    memory=Band(1.2e9, 4e8, 2e9),
    disk=[Term("corpus", Band(2e12, 1e12, 3e12)), Term("dropped", Band(0, 0, 0))],
)


PRINTED = """\
plan       5.0 TB of text, 2 workers; from 24.0 MB cleaned here in 30 s, of which 62% was kept
time       3 h 0 min (1 h 30 min to 6 h 0 min)
           6.00 core hours (3.00 to 12.00)
    clean                    2 h 0 min (1 h 0 min to 4 h 0 min)
    read                     1 h 0 min (30 min 0 s to 2 h 0 min)
memory     1.2 GB (400.0 MB to 2.0 GB); at most what memory=2GB allows
disk       2.0 TB (1.0 TB to 3.0 TB)
    corpus                   2.0 TB (1.0 TB to 3.0 TB)
    dropped                  0 B
           note: more text repeats more of itself, so later stages may take less
"""


def test_a_plan_is_printed_line_by_line(recipe, capsys, monkeypatch):
    monkeypatch.setattr(planning, "plan_corpus", lambda settings, size: PLAN)
    assert main(["plan", "r.yaml"]) == 0
    assert capsys.readouterr().out == PRINTED


def test_weights_and_packed_files_are_planned_as_they_will_be(recipe, tmp_path):
    plain = plan_corpus(recipe)
    weighed = plan_corpus(recipe.model_copy(update={"weights": {"a.*": 5}}))
    assert weighed.kept_frac == pytest.approx(5 * plain.kept_frac, rel=0.05)
    rows = [json.loads(line)["text"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    texts = [f"{row} {'从前有座山。' * 50}" for row in rows]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", compression="zstd")
    text = recipe.text.model_copy(update={"read": "a.parquet"})
    planned = plan_corpus(recipe.model_copy(update={"text": text}))
    assert planned.text_bytes == sum(len(t.encode()) for t in texts)
