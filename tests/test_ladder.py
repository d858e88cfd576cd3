"""A ladder from its text to its page: whole, stopped, killed, resumed, refused."""

import inspect
import json
import random
import signal
from importlib import import_module
from pathlib import Path

import pytest

from lingloom.cli import main
from lingloom.errors import RecipeError, RunError
from lingloom.loading import load
from lingloom.models.kinds import MODELS
from lingloom.pipeline.ladder import planning
from lingloom.pipeline.ladder.climb import climb, is_ladder, open_ladder
from lingloom.pipeline.ladder.facts import source_of_test
from lingloom.pipeline.ladder.rungs import RUNGS
from lingloom.pipeline.ladder.settings import LadderSettings, best_width, seconds_in
from lingloom.plan.band import Band
from lingloom.plan.minutes import StepTime
from lingloom.recipe import Recipe
from lingloom.runs import RunFolder
from lingloom.settings import Kinds
from lingloom.tokens.shards import Shards

WORDS = ["the", "cat", "sat", "on", "mat", "saw", "dog", "ran", "猫", "坐", "在", "上", "狗", "跑"]
SMALL = [
    *("tokens.kind=characters", "width=16", "context=32", "batch=4", "text.heldout_frac=0.1"),
    *("decode.max_new_tokens=8", "measure.resamples=50", "text.unit=line"),
]
STEP_S = {"rnn": 0.02, "gpt2": 0.01, "llama": 0.04}
"""What a step takes here by the clock of these tests."""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    draw = random.Random(0)
    lines = (" ".join(draw.choices(WORDS, k=draw.randint(5, 25))) for _ in range(300))
    (tmp_path / "text.txt").write_text("\n".join(lines), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def clock(monkeypatch) -> None:
    def step_time(model, train, probe_s):
        seconds = STEP_S[model.kind]
        return StepTime(Band(seconds, 0.5 * seconds, 2 * seconds), probed=True)

    monkeypatch.setattr(planning, "step_time", step_time)


ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("rung", RUNGS.values(), ids=RUNGS)
def test_every_rung_names_its_formula_its_code_and_the_test_that_proves_it(rung):
    assert rung.formula
    for language in ("", ".zh"):
        assert (ROOT / f"docs/theory/{rung.theory}{language}.md").is_file()
    module, name = rung.code.split(":")
    assert inspect.getsource(getattr(import_module(f"lingloom.{module}"), name))
    test = rung.proof.split("::")[1]
    assert f"def {test}(" in source_of_test(rung.proof)


def ladder(*words: str) -> LadderSettings:
    return load(LadderSettings, {"text": {"read": ["text.txt"]}}, [*SMALL, *words]).settled()


def steps_of(folder: str, rung: str) -> int:
    return len(RunFolder(f"{folder}/rungs/{rung}").read_log())


def test_one_command_leads_from_text_to_a_page_of_every_family(here, clock, capsys):
    words = ["budget=1s", "rungs=[gpt2, 2-gram, elman, 1-gram]", "--json"]
    assert main(["ladder", "text.txt", *SMALL, *words]) == 0
    out, told = capsys.readouterr()
    answer = json.loads(out)
    assert [rung["name"] for rung in answer["rungs"]] == ["1-gram", "2-gram", "elman", "gpt2"]
    assert answer["ladder"] == "runs/ladder-text"
    assert told.startswith("ladder ") and "came" in told
    assert told.count("tokenizer ") == 1, "the text is tokenised once"
    first, second, *_ = answer["rungs"]
    gap = second["against_the_rung_below"]
    assert first["against_the_rung_below"] is None
    values = [rung["bits_per_byte"]["value"] for rung in (first, second)]
    assert gap["value"] == pytest.approx(values[1] - values[0], abs=1e-9)
    assert gap["low"] <= gap["value"] <= gap["high"]
    page = Path(answer["page"]).read_text("utf-8")
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    for rung in answer["rungs"]:
        assert f"<strong>{rung['name']}</strong>" in page
        assert RunFolder(f"runs/ladder-text/rungs/{rung['name']}").report.is_file()


def test_every_rung_trains_for_the_same_time_and_reads_the_same_shards(here, clock):
    for _ in climb(ladder("budget=1s", "rungs=[elman, gpt2]")):
        pass
    assert steps_of("runs/ladder-text", "elman") == 25  # half a second of 0.02 s
    assert steps_of("runs/ladder-text", "gpt2") == 50
    folders = ["runs/ladder-text/data", *(f"runs/ladder-text/rungs/{n}/data" for n in RUNGS)]
    shared = [Path(f, "index.json").stat().st_ino for f in folders if Path(f).exists()]
    assert len(shared) == 3 and len(set(shared)) == 1
    assert Shards.open("runs/ladder-text/rungs/gpt2/data", "train").tokens > 1000


def test_by_flops_every_rung_computes_as_much_and_all_take_the_budget(here, clock):
    plan = planning.plan_ladder(ladder("budget=9s", "by=flops", "rungs=[elman, gpt2, llama]"))
    flops = [plan.rungs[name].train_flops for name in plan.steps]
    assert max(flops) / min(flops) < 1.05
    kinds = {"elman": "rnn", "gpt2": "gpt2", "llama": "llama"}
    taken = sum(steps * STEP_S[kinds[name]] for name, steps in plan.steps.items())
    assert taken == pytest.approx(9, rel=0.05)
    assert plan.share == pytest.approx(flops[0], rel=0.05)


def test_a_ladder_that_was_stopped_keeps_what_is_done_and_goes_on_with_the_rest(here, clock):
    words = ("budget=1s", "rungs=[2-gram, elman, gpt2]")
    for _ in climb(ladder(*words, "out=straight")):
        pass
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 35  # elman has 25 steps, so gpt2 is stopped

    for _ in climb(ladder(*words, "out=stopped"), stop):
        pass
    assert not Path("stopped/ladder.html").exists()
    assert steps_of("stopped", "elman") == 25 and 0 < steps_of("stopped", "gpt2") < 50
    done = Path("stopped/rungs/elman/report.html").stat().st_mtime_ns
    for _ in climb(open_ladder("stopped")):
        pass
    assert Path("stopped/ladder.html").is_file()
    assert Path("stopped/rungs/elman/report.html").stat().st_mtime_ns == done
    losses = [
        [(r["step"], r["loss"]) for r in RunFolder(f"{name}/rungs/gpt2").read_log()]
        for name in ("straight", "stopped")
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_however_a_ladder_is_ended_the_running_rung_goes_on(here, end_by, number):
    words = ["ladder", "text.txt", *SMALL, "budget=4s", "rungs=[2-gram, elman]", "out=it"]
    checkpoints = Path("it/rungs/elman/checkpoints")
    code, told = end_by(number, lambda: any(checkpoints.glob("step-*")), *words)
    if number == signal.SIGTERM:
        assert code == 130 and "go on with: lingloom ladder it" in told
    steps = load(Recipe, "it/rungs/elman/recipe.yaml").train.steps
    code, told = end_by(None, None, "ladder", "it")
    assert code == 0, told
    assert "resumed: going on from" in told
    log = RunFolder("it/rungs/elman").read_log()
    assert [r["step"] for r in log] == list(range(1, steps + 1))
    assert Path("it/ladder.html").is_file()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.txt"], "no such file 'none.txt'"),
        (["text.txt", "rungs=[gtp2]"], "'gtp2' is not one of 1-gram, "),
        (["text.txt", "rungs=[gtp2]"], "did you mean 'gpt2'?"),
        (["text.txt", "budget=soon"], "'soon' is not a time; write it as 90s, 20min, 2h or 1d"),
        (["text.txt", "budget=0s"], "'0s' is not a time"),
        (["text.txt", "budget=0.1s"], "leaves 0 steps of 0.04 s to 'llama'"),
        (["text.txt", "text.read=other"], "ladder takes the text before the keys"),
        ([], "usage: lingloom ladder CORPUS..."),
    ],
)
def test_a_ladder_that_cannot_be_says_why(here, clock, capsys, words, says):
    assert main(["ladder", *words, *(SMALL if words else [])]) == 2
    assert says in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_budget_that_is_too_small_names_one_that_would_do(here, clock):
    with pytest.raises(RecipeError) as error:
        planning.plan_ladder(ladder("budget=1s", "rungs=[elman, gpt2, llama]"))
    assert str(error.value) == (
        "budget: 1s for 3 rungs leaves 8 steps of 0.04 s to 'llama', and with fewer than 20 it "
        "would learn nothing; set budget=1min or more, or a smaller width, or fewer rungs"
    )


def test_a_folder_that_holds_something_else_is_left_alone(here, clock):
    Path("mine").mkdir()
    Path("mine/letter.txt").write_text("dear", "utf-8")
    with pytest.raises(RunError, match="mine: holds something other than a ladder"):
        next(climb(ladder("out=mine")))
    assert not is_ladder("mine")


def test_what_was_begun_stays_as_it_is(here, clock, capsys):
    words = ("budget=3s", "rungs=[1-gram, 2-gram]", "out=it")
    for _ in climb(ladder(*words)):
        pass
    with pytest.raises(RecipeError, match="it: holds a ladder with another width, seed; go on"):
        next(climb(ladder(*words, "width=32", "seed=1")))
    assert main(["ladder", "it", "width=32"]) == 2
    assert "a ladder that was begun stays as it is" in capsys.readouterr().err
    assert main(["ladder", "it"]) == 0, "a finished one writes its page again"


def test_times_are_read_as_people_write_them():
    assert [seconds_in(t) for t in ("90s", "20min", "1.5 h", "2d")] == [90, 1200, 5400, 172800]
    for wrong in ("20", "min", "-3s", "2 weeks"):
        with pytest.raises(ValueError, match="is not a time"):
            seconds_in(wrong)


def test_more_time_makes_a_wider_ladder():
    widths = [best_width(seconds) for seconds in (1, 60, 3600, 86400)]
    assert widths == sorted(widths) and widths[0] < widths[-1]


def test_every_family_that_goes_on_from_text_has_a_rung():
    going_on = {
        kind
        for kind in MODELS
        if getattr(Kinds(MODELS).settings_class(kind), "objectives", ("next_token",))[0]
        == "next_token"
    }
    missing = going_on - {rung.model["kind"] for rung in RUNGS.values()}
    assert not missing, f"add a row for each of {missing} to pipeline/ladder/rungs.py"


@pytest.mark.parametrize("name", RUNGS)
def test_every_rung_is_a_recipe_of_its_own(here, name):
    settings = ladder()
    recipe = settings.recipe(RUNGS[name], 30, Path("runs/x"))
    assert recipe.model.kind == RUNGS[name].model["kind"]
    if not RUNGS[name].counts:
        assert (recipe.train.steps, recipe.train.batch, recipe.model.width) == (30, 4, 16)
        assert recipe.train.lr == pytest.approx(RUNGS[name].lr * 8)
