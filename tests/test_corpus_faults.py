"""What cannot be done is told, with what to do about it."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from lingloom.cli import main
from lingloom.corpus_recipe import read_corpus
from lingloom.errors import DataError, RunError
from lingloom.runs import RunFolder
from lingloom.text.corpus import reading
from lingloom.text.corpus.arranging import Layout
from lingloom.text.corpus.cleaning import clean_tasks
from lingloom.text.corpus.opened import Corpus
from lingloom.text.corpus.reading import read_tasks
from lingloom.text.corpus.work import mapped, perform, write_batches
from lingloom.text.corpus.writing import gram_tasks
from lingloom.text.places import Place


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    rows = [" ".join(f"word{i}x{k}" for k in range(20)) for i in range(20)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": r}) + "\n" for r in rows))
    (tmp_path / "r.yaml").write_text("text: {read: a.jsonl}\nworkers: 1\nout: c\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["memory=much"], 2, "'much' is not a size; write it as 512MB or 2GB"),
        (["memory=200MB"], 2, "memory: 200MB is too little to write files of shard_mb=32"),
        (["filters=[gofer]"], 2, "gofer"),
        (["weights={'*': -1}"], 2, "weights"),
        (["weights={b*: 1}"], 2, "weights: 'b*' matches none of the 1 files that are read"),
        (["dedup.audit=true", "dedup.near=false"], 2, "set near=true with it"),
        (["dedup.keep=best_source"], 2, "keep=best_source needs the sources"),
        (["text.dedup=false"], 2, "text.dedup: has no effect on a corpus; see dedup.exact instead"),
        (["text.read=b.jsonl"], 2, "no such file 'b.jsonl'"),
        (["decontaminate.read=e.txt"], 2, "decontaminate.read: no such file 'e.txt'"),
        (["decontaminate.read=many"], 2, "decontaminate.read: 64 files, and at most 63"),
        (["filters=[{kind: short, min_chars: 9999}]"], 1, "filters: none of 20 documents is kept"),
        (["text.read=empty.txt"], 1, "no document in 1 files of 'empty.txt'"),
        (["out=."], 2, "out: . holds 'a.jsonl', which is read"),
        (["out=run"], 1, "run: holds a training run"),
    ],
)
def test_mistakes_are_told(here, capsys, words, code, message):
    (here / "empty.txt").touch()
    (here / "many").mkdir()
    for i in range(64):
        (here / f"many/{i}.txt").touch()
    (here / "run").mkdir()
    for name in ("run.json", "recipe.yaml"):
        (here / "run" / name).write_text("{}")
    assert main(["clean", "r.yaml", *words]) == code
    assert message in capsys.readouterr().err
    assert main(["clean", "r.yaml"]) == 0, "a mistake must not stand in the way of the next try"


def test_folders_of_others_are_left_alone(here, capsys):
    (here / "c/train").mkdir(parents=True)
    (here / "c/recipe.yaml").write_text("flour: 500 g\n")
    (here / "c/train/mine.txt").write_text("mine")
    assert main(["clean", "r.yaml"]) == 1
    assert "c: holds files that are no corpus of ours ('train')" in capsys.readouterr().err
    assert (here / "c/train/mine.txt").read_text() == "mine"


def test_a_corpus_is_not_its_own_input(here, capsys):
    assert main(["clean", "r.yaml"]) == 0
    assert main(["clean", "r.yaml", "text.read=c", "out=d"]) == 2
    assert "name the files that you mean, as in c/train/*.parquet" in capsys.readouterr().err
    assert main(["clean", "r.yaml", "text.read=c/train/*.parquet"]) == 2
    assert "out: c holds 'c/train/00000.parquet', which is read" in capsys.readouterr().err
    assert main(["clean", "r.yaml", "text.read=c/train/*.parquet", "out=d"]) == 0


def test_two_processes_do_not_write_to_one_corpus(here, capsys):
    with RunFolder(here / "c").writing():
        assert main(["clean", "r.yaml"]) == 1
    assert f"process {os.getpid()} is writing to this" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    schema = pa.schema([("a", pa.int64())])

    def tables():
        yield pa.table({"a": [1]}, schema)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RunError, match=r"b: cannot be written \(No space left on device\); make"):
        write_batches(tmp_path / "b", tables(), schema)
    assert list(tmp_path.iterdir()) == []
    write_batches(tmp_path / "b", [pa.table({"a": [1]}, schema)], schema)
    with pytest.raises(RunError, match="No space left"):
        write_batches(tmp_path / "b", tables(), schema)
    assert mapped(tmp_path / "b").to_pylist() == [{"a": 1}], "the earlier file stays whole"


MANY = """
import resource, sys
from lingloom.cli import main
resource.setrlimit(resource.RLIMIT_NOFILE, (90, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
sys.exit(main(["clean", "many.yaml"]))
"""


def test_more_files_than_may_be_open_at_once(here):
    (here / "data").mkdir()
    for i in range(150):
        words = " ".join(f"w{i % 140}x{k}" for k in range(40))
        (here / f"data/{i:03}.txt").write_text(f"{words} {'' if i % 20 else i}\n")
    (here / "many.yaml").write_text(
        "text: {read: data}\ndedup: {passages: line, audit: true}\nworkers: 1\nout: many\n"
        "split: {validation_frac: 0.2, test_frac: 0.1}\n"
    )
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = Corpus("many").manifest
    assert figures["documents"] == 150
    assert [figures["duplicates"][how] for how in ("exact", "near")] == [9, 1]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConnectionError("no answer"), "error: no answer\n"),
        (OSError(errno.EMFILE, "Too many open files", "a"), "error: a: Too many open files\n"),
        (
            OSError(errno.EACCES, "Permission denied", "a"),
            "error: a: cannot be read or written (Permission denied); look at its permissions and "
            "at the room on the disk\n",
        ),
    ],
)
def test_permissions_are_named_only_where_they_are_the_matter(
    here, capsys, monkeypatch, error, message
):
    def failing(rest):
        raise error

    monkeypatch.setattr("lingloom.verbs.clean.run", failing)
    assert main(["clean", "r.yaml"]) == 1
    assert capsys.readouterr().err == message


def test_a_lost_file_between_stages_is_told(here, capsys):
    assert main(["clean", "r.yaml", "keep_work=true"]) == 0
    for kept in (here / "c/.work").glob("clean-*.arrow"):
        kept.unlink()
    assert main(["clean", "r.yaml", "keep_work=true", "dedup.passages=line"]) == 1
    assert f"delete {here}/c/.work and run the same command again" in capsys.readouterr().err


def test_an_input_that_changes_while_it_is_read_is_told(here, capsys, monkeypatch):
    read = reading.documents_of

    def growing(place, source, settings):
        yield from read(place, source, settings)
        with open(place.path, "a") as file:
            file.write(json.dumps({"text": "a row more"}) + "\n")

    monkeypatch.setattr(reading, "documents_of", growing)
    assert main(["clean", "r.yaml"]) == 1
    said = capsys.readouterr().err
    assert "a.jsonl: changed while it was read; run the same command again" in said
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert main(["clean", "r.yaml"]) == 0
    assert Corpus("c").manifest["documents"] == 21


def test_an_input_that_may_not_be_read_is_set_aside_and_told(here, capsys, monkeypatch):
    (here / "b.jsonl").write_text('{"text": "never seen"}\n')
    real = Place.opened

    def refused(place):
        if place.name == "b.jsonl":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(place)

    monkeypatch.setattr(Place, "opened", refused)
    assert main(["clean", "r.yaml", "text.read=[a.jsonl,b.jsonl]"]) == 0
    assert Corpus("c").manifest["set_aside"] == 1
    (aside,) = map(json.loads, (here / "c/set_aside.jsonl").read_text().splitlines())
    assert aside["file"] == "b.jsonl"
    assert aside["reason"] == "cannot be read (Permission denied)"
    assert main(["clean", "r.yaml", "text.read=b.jsonl", "out=d"]) == 1
    assert "no document in 1 files of 'b.jsonl'; 1 lines or files were set" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("words", "split"),
    [
        (["split={validation_frac: 0, test_frac: 0}"], "validation"),
        (["split.validation_frac=0.00001"], "validation"),
        (["weights={'*': 0.00001}", "split.validation_frac=0.4"], "train"),
    ],
)
def test_a_split_may_be_empty_and_is_not_trained_on(here, capsys, words, split):
    assert main(["clean", "r.yaml", *words]) == 0
    corpus = Corpus("c")
    assert split not in corpus.splits and list(corpus.documents(split)) == []
    for view in ([], ["dropped"], ["sources"], ["duplicates"], ["holdout"]):
        assert main(["show", "c", *view]) == 0
    (here / "t.yaml").write_text("text: {read: c}\ntokens: {kind: bytes}\nout: run\n")
    assert main(["train", "t.yaml"]) == 1
    assert f"c: its {split} split holds no document; make the corpus again" in (
        capsys.readouterr().err
    )


def test_weights_that_leave_out_everything_are_told(here, capsys):
    assert main(["clean", "r.yaml", "weights={'*': 0}"]) == 1
    assert "documents is kept (20 for 'weight of the source')" in capsys.readouterr().err


class Task:
    def __init__(self, folder, key, act):
        self.folder, self.key, self.act = str(folder), key, act

    def run(self):
        if self.act == "burst":
            raise MemoryError("3 bytes")
        raise DataError("a mistake")


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [("burst", RunError, "t: no memory left"), ("err", DataError, "a mistake")],
)
def test_errors_of_tasks_are_those_of_the_run(tmp_path, act, error, message):
    with pytest.raises(error, match=message):
        perform(Task(tmp_path, "t", act))
    assert list(tmp_path.iterdir()) == []


def test_tasks_name_their_files_for_every_folder_and_keep_their_names(here, monkeypatch):
    (here / "list.txt").write_text("word1x1\n")
    filters = [{"kind": "words", "files": ["list.txt"]}]
    filters += [{"kind": "urls", "domain_files": ["list.txt"]}]
    recipe = read_corpus("r.yaml", [f"filters={json.dumps(filters)}"])
    work = (here / "c/.work").absolute()
    (reading_task,) = read_tasks(recipe.text, work, 10**6)
    assert reading_task.file.place.name == "a.jsonl" and reading_task.file.seen
    (part,) = perform(reading_task)["parts"]
    (cleaning,) = clean_tasks(recipe, work, [part["file"]])
    (here / "e").mkdir()
    (here / "e/test.txt").write_text("a line of a test that is long enough for a gram or more\n")
    (here / "e/readme.bin").write_text("a line that is no test, although it is long enough\n")
    words = ["decontaminate.read=e", "decontaminate.held_out=false"]
    settings = read_corpus("r.yaml", words)
    (grams,) = gram_tasks(settings, work, Layout(1, 1, 1), [], 1)
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert perform(reading_task)["report"]["name"] == "a.jsonl"
    assert perform(cleaning)["documents"] == 19, "the list was found and read"
    assert perform(grams)["documents"] == {"e/readme.bin": 0, "e/test.txt": 1}
    assert perform(grams)["set_aside"] == {"e/readme.bin": 1, "e/test.txt": 0}


def test_a_file_that_a_worker_does_not_see_is_an_error_and_not_set_aside(here):
    recipe = read_corpus("r.yaml", ["decontaminate.read=a.jsonl", "decontaminate.held_out=false"])
    tasks = [
        *read_tasks(recipe.text, here / "w", 10**6),
        *gram_tasks(recipe, here / "w", Layout(1, 1, 1), [], 1),
    ]
    (here / "a.jsonl").unlink()
    for task in tasks:
        with pytest.raises(DataError, match=r"^a\.jsonl: is not seen by this worker; put it on"):
            perform(task)
