"""A run that a mistake ended before anything was learnt is begun anew by the corrected recipe."""

import random
import shutil

import pytest

import lingloom
from lingloom.errors import DataError, RecipeError, RunError
from lingloom.pipeline.anew import may_begin_anew
from lingloom.runs import RunFolder

RECIPE = """
text: {read: mails.tsv, field: 2, label_field: 1, heldout_frac: 0.2, dedup: false}
tokens: {kind: bpe, vocab: 280}
model: {kind: textcnn, width: 4, filters: 2, context: 64, dropout: 0}
train: {steps: 2, batch: 4, eval_every: 0}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The run of a recipe in the current folder; not yet made."""
    draw = random.Random(0)
    words = ["lunch", "prize", "now", "we", "you", "me", "the", "about", "again", "today"]
    lines = (
        f"{draw.choice(['ham', 'spam'])}\t{' '.join(draw.choices(words, k=6))}" for _ in range(80)
    )
    (tmp_path / "mails.tsv").write_text("\n".join(lines), "utf-8")
    (tmp_path / "mails.yaml").write_text(RECIPE, "utf-8")
    monkeypatch.chdir(tmp_path)
    return RunFolder("runs/mails")


def fails(kind, says, *words, recipe="mails.yaml"):
    with pytest.raises(kind) as error:
        lingloom.run(recipe, *words)
    assert says in str(error.value)


def finished(run):
    return run.read_json("run.json")["state"] == "finished"


def test_a_corrected_recipe_begins_anew_where_no_data_were_finished(run):
    fails(DataError, "tokens.vocab", "tokens.vocab=3000")
    assert run.exists() and not (run.data / "figures.json").exists()
    lingloom.run("mails.yaml")
    assert finished(run)
    assert lingloom.load(run.path).tokenizer.vocab == 280


def test_the_run_itself_may_not_change(run):
    fails(DataError, "tokens.vocab", "tokens.vocab=3000")
    fails(RecipeError, "tokens.vocab", "tokens.vocab=270", recipe="runs/mails")
    lingloom.run("mails.yaml")
    assert run.read_json("run.json")["seed"] == 0


def test_a_folder_that_only_looks_like_a_run_is_never_touched(run):
    """A project of one's own with a recipe.yaml and a folder data, and a corpus."""
    run.data.mkdir(parents=True)
    shutil.copy("mails.tsv", run.data)
    run.recipe.write_text(RECIPE + "# mine\n", "utf-8")
    fails(RunError, "already holds a run", f"out={run.path}")
    fails(RunError, "already holds a run", "text.read=runs/mails/data/mails.tsv", f"out={run.path}")
    assert (run.data / "mails.tsv").is_file() and "# mine" in run.recipe.read_text("utf-8")


def test_what_else_lies_in_the_folder_of_a_failed_run_stays(run):
    fails(DataError, "tokens.vocab", "tokens.vocab=3000")
    (run.data / "notes.txt").write_text("mine")
    lingloom.run("mails.yaml")
    assert finished(run) and (run.data / "notes.txt").read_text() == "mine"


def test_a_corrected_recipe_begins_anew_where_data_were_finished_and_nothing_learnt(run):
    fails(RecipeError, "model.labels: 3, but the text has 2 labels", "model.labels=3")
    assert (run.data / "figures.json").is_file() and may_begin_anew(run)
    fails(RecipeError, "model.labels", "model.labels=2", recipe="runs/mails")
    lingloom.run("mails.yaml")
    assert finished(run)


def test_a_corrected_text_is_read_again(run):
    fails(RecipeError, "model.labels: 3", "model.labels=3")
    with open("mails.tsv", "a", encoding="utf-8") as file:
        file.writelines(f"eggs\tbreakfast {n}\n" for n in range(20))
    model = lingloom.run("mails.yaml", "model.labels=3")
    assert model.labels.names == ("eggs", "ham", "spam") and finished(run)


def test_a_run_that_learnt_is_never_begun_anew(run):
    lingloom.run("mails.yaml")
    kept = sorted(path for path in run.path.rglob("*") if path.is_file())
    for state in ("finished", "failed", "stopped"):
        run.note(state=state)
        fails(RunError, "already holds a run; go on with it", "train.lr=1e-2")
        fails(RecipeError, "train.lr (command line): cannot", "train.lr=0.1", recipe="runs/mails")
    assert sorted(path for path in run.path.rglob("*") if path.is_file()) == kept


@pytest.mark.parametrize("made", ["checkpoints/step-1", "model/config.json", "log.jsonl"])
def test_whatever_training_made_is_a_reason_to_keep_the_run(run, made):
    fails(DataError, "tokens.vocab", "tokens.vocab=3000")
    assert may_begin_anew(run)
    (run.path / made).parent.mkdir(exist_ok=True)
    (run.path / made).write_text('{"step": 1}\n')
    assert not may_begin_anew(run)
    fails(RunError, "already holds a run; go on with it")
    assert (run.path / made).is_file()


def test_data_that_were_finished_and_no_mistake_ended_are_kept(run):
    _, events = lingloom.api.begin("mails.yaml", [])
    for event in events:
        if (event.stage, event.what) == ("train", "begin"):
            break
    events.close()
    assert (run.data / "figures.json").is_file() and not may_begin_anew(run)
    fails(RunError, "already holds a run; go on with it: lingloom train runs/mails")
    lingloom.run("runs/mails")
    assert finished(run)
