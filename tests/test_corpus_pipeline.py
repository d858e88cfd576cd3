"""A corpus from its recipe: the same bytes however it is made, and what befalls a finished one."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lingloom.cli import main
from lingloom.corpus_recipe import read_corpus
from lingloom.pipeline.corpus import clean
from lingloom.text.corpus.budget import Budget, budget
from lingloom.text.corpus.settings import CorpusSettings
from lingloom.text.read import TextSettings

WORDS = (
    "river",
    "stone",
    "light",
    "window",
    "garden",
    "morning",
    "paper",
    "silver",
    "road",
    "east",
)
SAME = ("train", "validation", "test", "dropped", "tokens", "manifest.json", "set_aside.jsonl")
"""What must be the same, however a corpus is made."""


def text(i: int) -> str:
    """Sixty words or characters, no two alike in order; every third is Chinese."""
    digest = hashlib.blake2b(str(i).encode(), digest_size=60).digest()
    if i % 3 == 0:
        return "".join(chr(0x4E00 + 80 * b + i % 80) for b in digest) + "。"
    return " ".join(f"{WORDS[b % 10]}{b // 10}" for b in digest)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with raw files, planted duplicates among them, and a recipe."""
    texts = [text(i) for i in range(150)]
    texts += [texts[i] + " the end" for i in range(20)] + texts[20:30]
    texts += [f"{t}\nA line of more than forty characters that comes again." for t in texts[30:40]]
    (tmp_path / "data").mkdir()
    for name, some in (("a", texts[::2]), ("b", texts[1::2])):
        rows = "".join(json.dumps({"text": t}) + "\n" for t in some)
        (tmp_path / f"data/{name}.jsonl").write_text(rows + "{broken\n", "utf-8")
    (tmp_path / "eval.txt").write_text(text(141) + "\n", "utf-8")
    (tmp_path / "r.yaml").write_text(
        "text: {read: data}\n"
        "filters: [{kind: short, min_chars: 50}]\n"
        "dedup: {passages: line, audit: true}\n"
        "weights: {'*b.jsonl': 1.5}\n"
        "split: {validation_frac: 0.1, test_frac: 0.1}\n"
        "decontaminate: {read: eval.txt}\n"
        "workers: 1\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(*words: str) -> Path:
    recipe = read_corpus("r.yaml", list(words))
    for _ in clean(recipe):
        pass
    return Path(recipe.out)


def contents(folder: Path) -> dict[str, str]:
    """Path -> digest, of every file that must be the same."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] in SAME
    }


def split_small(monkeypatch) -> None:
    """Parts of a few documents and many ranges of hashes, as of a small memory."""
    small = Budget(1, part_bytes=8000, range_bytes=2000)
    monkeypatch.setattr("lingloom.pipeline.corpus.budget", lambda settings, text_bytes: small)


def test_workers_and_memory_change_no_byte(here, monkeypatch):
    whole = contents(made("out=one", "tokens.kind=bytes"))
    assert len(whole) > 9
    manifest = json.loads(Path("one/manifest.json").read_text())
    assert manifest["duplicates"]["exact"] > 5 < manifest["duplicates"]["near"]
    assert manifest["shortened"] == 9 and manifest["set_aside"] == 2
    assert [b["dropped"] > 0 for b in manifest["benchmarks"].values()] == [True, False]
    assert contents(made("out=two", "workers=2", "memory=8GB", "tokens.kind=bytes")) == whole
    split_small(monkeypatch)
    small = made("out=small", "tokens.kind=bytes", "keep_work=true")
    assert contents(small) == whole
    work = [path.name for path in (small / ".work").iterdir()]
    for stage, least in (("clean", 6), ("exact", 2), ("pairs", 8), ("repeats", 2), ("grams", 2)):
        assert sum(n.startswith(stage) and n.endswith(".json") for n in work) >= least, stage


def test_ray_changes_no_byte(here):
    pytest.importorskip("ray")
    whole = contents(made("out=local"))
    words = ["clean", "r.yaml", "out=ray", "executor=ray", "workers=2", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "lingloom.cli", *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["corpus"] == "ray"
    assert contents(Path("ray")) == whole


def test_a_finished_corpus_is_not_made_again_until_something_changes(here, capsys):
    def run(*words) -> tuple[int, str]:
        code = main(["clean", "r.yaml", "out=c", *words])
        return code, capsys.readouterr().err

    code, said = run()
    assert code == 0 and "nothing to do" not in said and not Path("c/.work").exists()
    first = contents(Path("c"))
    for words in ([], ["workers=2"], ["memory=4GB"]):
        code, said = run(*words)
        assert code == 0 and "c is finished: nothing to do" in said and "read  " not in said
    changed = {}
    for what in ("a recipe", "an input", "a test", "a lost file", "a damaged manifest"):
        words = ["seed=1"] if what == "a recipe" else []
        if what == "an input":
            with Path("data/a.jsonl").open("a") as file:
                file.write(json.dumps({"text": text(900)}) + "\n")
        elif what == "a test":
            Path("eval.txt").write_text(text(130) + "\n")
        elif what == "a lost file":
            Path("c/train/00000.parquet").unlink()
        elif what == "a damaged manifest":
            Path("c/manifest.json").write_text('{"format"')
        code, said = run(*words)
        assert code == 0 and "nothing to do" not in said, what
        changed[what] = contents(Path("c"))
    assert first != changed["a recipe"] != changed["an input"] != changed["a test"]
    assert changed["a test"] == changed["a lost file"] == changed["a damaged manifest"]


def test_a_changed_recipe_redoes_only_what_it_changes(here, monkeypatch):
    from lingloom.text.corpus import work

    done: list[str] = []
    real = work.write_whole
    monkeypatch.setattr(work, "write_whole", lambda p, t: (done.append(p.name), real(p, t)))
    made("out=c", "keep_work=true")
    stages = {name.split("-")[0] for name in done}
    assert {"read", "clean", "exact", "pairs", "verify", "clusters", "scatter"} <= stages
    done.clear()
    made("out=c", "keep_work=true", "decontaminate.min_hits=2")
    assert {name.split("-")[0] for name in done} <= {"grams", "write", "dropped"}


def test_stale_files_of_an_earlier_recipe_go(here):
    made("out=c", "tokens.kind=bytes")
    assert Path("c/tokens/index.json").is_file()
    made("out=c")
    assert not Path("c/tokens").exists()
    assert contents(Path("c")) == contents(made("out=fresh"))


def test_leftovers_of_a_killed_process_are_removed(here):
    made("out=c", "keep_work=true")
    lefts = [Path(p) for p in ("c/.work/.read-1.arrow.123", "c/.manifest.json.77")]
    for left in lefts:
        left.write_text("half")
    made("out=c", "keep_work=true")
    assert not any(left.exists() for left in lefts)


def test_training_measuring_and_planning_take_a_corpus(here, capsys):
    made("out=c", "split.validation_frac=0.2")
    (here / "train.yaml").write_text(
        "text: {read: c}\ntokens: {kind: bytes}\n"
        "model: {kind: gpt2, layers: 1, heads: 1, width: 16, context: 64}\n"
        "train: {steps: 2, batch: 2, eval_every: 0}\nout: run\n"
    )
    assert main(["train", "train.yaml"]) == 0
    kept = json.loads((here / "run/data/figures.json").read_text())["kept"]
    made_of = json.loads((here / "c/manifest.json").read_text())["kept"]
    assert kept == {
        "heldout": made_of["validation"]["copies"],
        "train": made_of["train"]["copies"],
    }
    assert main(["measure", "run"]) == 0
    assert main(["plan", "train.yaml"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["text.dedup=false"], "text.dedup: has no effect on 'c', which was cleaned and split"),
        (["text.split_seed=1"], "text.split_seed: has no effect on 'c', which was cleaned"),
        (["text.read=[c,data]"], "'c' is a cleaned corpus and is read by itself"),
        (["text.read=[data,c]"], "'c' is a cleaned corpus and is read by itself"),
    ],
)
def test_a_corpus_is_read_as_it_was_made(here, capsys, words, message):
    made("out=c")
    (here / "train.yaml").write_text("text: {read: c}\ntokens: {kind: bytes}\nout: run\n")
    assert main(["train", "train.yaml", *words]) == 2
    assert message in capsys.readouterr().err


def test_an_unfinished_or_damaged_corpus_is_not_trained_on(here, capsys):
    made("out=c", "keep_work=true")
    (here / "train.yaml").write_text("text: {read: c}\ntokens: {kind: bytes}\nout: run\n")

    def said() -> str:
        shutil.rmtree("run", ignore_errors=True)
        assert main(["train", "train.yaml"]) == 1
        return capsys.readouterr().err

    whole = Path("c/manifest.json").read_text()
    for damaged, message in (
        (whole[:-9], "c/manifest.json: damaged"),
        ("[1]", "c/manifest.json: of another version (None, this one reads 1)"),
    ):
        Path("c/manifest.json").write_text(damaged)
        assert message in said()
    Path("c/manifest.json").write_text(whole)
    shard = Path("c/train/00000.parquet")
    raw = shard.read_bytes()
    shard.unlink()  # linked with the work folder
    shard.write_bytes(raw[:-8])
    assert "c/train/00000.parquet: missing or damaged" in said()
    shard.unlink()
    assert "files are missing, such as train/00000.parquet" in said()
    Path("c/manifest.json").unlink()
    assert "c: no finished corpus (no manifest.json); make it, or go on with it" in said()


def test_every_view_of_a_corpus_is_shown(here, capsys):
    made("out=c")
    capsys.readouterr()
    for view in ([], ["dropped"], ["sources"], ["duplicates"], ["holdout"]):
        assert main(["show", "c", *view]) == 0
        assert capsys.readouterr().out.count("\n") > 2
        assert main(["show", "c", *view, "--json"]) == 0
        json.loads(capsys.readouterr().out)


def test_languages_are_shown_by_source_and_of_all_and_older_corpora_have_none(here, capsys):
    (here / "raw").mkdir()
    hangul = "나무 아래에 앉은 사람은 오래된 책을 읽으며 바람 소리를 들었다"
    for name, line in (("a", hangul), ("b", "ο άνθρωπος κάθεται κάτω από το δέντρο και διαβάζει")):
        lines = "\n".join(f"{line} {i}{'.' * i}" for i in range(3 if name == "a" else 1))
        (here / f"raw/{name}.txt").write_text(lines, "utf-8")
    words = ["filters=[{kind: language, keep: [ko, el]}]", "weights={}"]
    words += ["dedup.audit=false", "dedup.near=false", "split={validation_frac: 0.3, test_frac: 0}"]
    made("text.read=raw", *words, "out=c")
    assert main(["show", "c", "sources"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split() for line in said if "ko" in line or "el" in line] == [
        *(["ko", "3"], ["el", "1"], ["languages", "kept:", "ko", "3,", "el", "1"])
    ]
    assert '<td style="width: 60%">ko<' in (here / "c/report.html").read_text("utf-8")
    (here / "train.yaml").write_text(
        "text: {read: c}\ntokens: {kind: bytes}\nmodel: {kind: ngram, order: 2}\nout: run\n"
    )
    assert main(["train", "train.yaml"]) == 0
    card = (here / "run/model/README.md").read_text("utf-8")
    assert "language:\n- ko\n- el\n" in card and "languages of its text alone (ko " in card
    figures = json.loads((here / "c/manifest.json").read_text("utf-8"))
    for place in (figures, *figures["sources"].values()):
        del place["languages"]
    (here / "c/manifest.json").write_text(json.dumps(figures), "utf-8")
    assert main(["show", "c", "sources"]) == 0
    assert "ko" not in capsys.readouterr().out


def test_the_budget_gives_up_workers_before_it_refuses(here):
    recipe = read_corpus("r.yaml", ["workers=4", "memory=2GB", "shard_mb=64"])
    assert 1 <= budget(recipe).workers < 4
    assert budget(recipe.model_copy(update={"memory": "64GB"})).workers == 4
    assert budget(recipe.model_copy(update={"workers": 0})).workers <= (os.cpu_count() or 1)


def test_parts_grow_with_the_text_and_never_beyond_the_memory():
    much = CorpusSettings(text=TextSettings(read="x"), memory="64GB", workers=2)
    assert [budget(much, size).part_bytes for size in (1e9, 32e9, 33e9, 1e12, 5e12)] == [
        *(32_000_000, 32_000_000, 64_000_000, 256_000_000, 256_000_000)
    ]
    little = much.model_copy(update={"memory": "2GB"})
    assert budget(little, 5e12).part_bytes < 256_000_000


def test_a_corpus_that_is_not_finished_is_told_and_not_taken_for_a_run(here, capsys):
    made("out=c")
    Path("c/manifest.json").unlink()
    for view in ([], ["dropped"]):
        assert main(["show", "c", *view]) == 1
        assert "c: no finished corpus (no manifest.json); make it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["ask", "c", "x"], 1, "c: is a cleaned corpus, not a run; look into it with"),
        (["prove", "c"], 1, "c: is a cleaned corpus, not a run; look into it with"),
        (["prove", "r.yaml"], 1, "r.yaml: is a recipe, not a run; make a run of it with"),
        (["train", "r.yaml"], 2, "r.yaml: is a recipe that cleans; make its corpus with"),
        (["clean", "t.yaml"], 2, "t.yaml: is a recipe that trains (it has model); train with"),
        (["plan", "t.yaml", "size=1GB"], 2, "size (command line): is for recipes that clean"),
        (["clean", "data/a.jsonl"], 2, "data/a.jsonl: is it text to read? then name it in"),
        (["clean", "r.yaml", "memory=1"], 2, "1 has no unit; write it as 512MB or 2GB"),
        (["clean", "r.yaml", "out=t.yaml"], 1, "t.yaml: is a file, so no folder can be"),
        (["clean", "r.yaml", "out=data/c"], 2, "out: data/c lies in 'data', which is read"),
        (["train", "t.yaml", "out=data/c"], 2, "out: data/c lies in 'data', which is read"),
    ],
)
def test_what_is_taken_for_something_else_is_told_with_the_verb_that_is_meant(
    here, capsys, words, code, says
):
    made("out=c", "decontaminate.read=[]")
    (here / "t.yaml").write_text("text: {read: data}\nmodel: {kind: ngram}\n")
    assert main(words) == code
    assert says in capsys.readouterr().err


def test_files_that_are_gone_from_a_corpus_are_missed(here, capsys):
    made("out=c")
    Path("c/train/00000.parquet").unlink()
    assert main(["show", "c"]) == 1
    assert "files are missing, such as train/00000.parquet" in capsys.readouterr().err
    assert main(["clean", "r.yaml", "out=c"]) == 0  # makes it again
    assert main(["show", "c"]) == 0


def test_a_recipe_for_any_text_trains_on_a_corpus_too(here):
    made("out=c")
    (here / "t.yaml").write_text(
        "text: {read: x.txt, unit: file, max_chars: 4000}\ntokens: bytes\n"
        "model: {kind: ngram, order: 2}\n"
    )
    assert main(["train", "t.yaml", "text.read=c", "out=run"]) == 0


def test_a_corpus_without_hold_outs_cannot_be_measured_on(here, capsys):
    made("out=c")
    made("out=all", "split.validation_frac=0", "split.test_frac=0")
    (here / "t.yaml").write_text(
        "text: {read: c}\ntokens: bytes\nmodel: {kind: ngram, order: 2}\nout: run\n"
    )
    assert main(["train", "t.yaml"]) == 0
    capsys.readouterr()
    assert main(["measure", "run", "text.read=all"]) == 1
    assert "the corpus all holds nothing out to measure on" in capsys.readouterr().err


def test_a_damaged_file_of_dropped_documents_is_named(here, capsys):
    made("out=c")
    Path("c/dropped/00000.parquet").write_bytes(b"abc")
    assert main(["show", "c", "dropped"]) == 1
    assert "c/dropped/00000.parquet: missing or damaged" in capsys.readouterr().err
