"""A run from raw text to report: whole, stopped, killed, resumed, refused."""

import json
import os
import random
import signal
import threading
from pathlib import Path

import pytest

import lingloom
from lingloom.cli import main
from lingloom.errors import DataError, RecipeError, RunError
from lingloom.pipeline.judges.language import whole_words
from lingloom.runs import RunFolder

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "mat",
    "saw",
    "dog",
    "ran",
    "猫",
    "坐",
    "在",
    "垫子",
    "上",
    "狗",
    "跑",
]
RECIPE = """
text: {read: text.txt, unit: line, heldout_frac: 0.1}
tokens: {kind: bpe, vocab: 300}
baseline: {kind: ngram, order: 3}
model: {kind: llama, layers: 2, heads: 2, kv_heads: 1, width: 32, context: 32}
train: {steps: 12, batch: 4, lr: 3e-3, precision: fp32, eval_every: 5, checkpoint: {every: 3}}
decode: {max_new_tokens: 12}
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with a text and a recipe, and the current one."""
    draw = random.Random(0)
    lines = (" ".join(draw.choices(WORDS, k=draw.randint(5, 25))) for _ in range(400))
    (tmp_path / "text.txt").write_text("\n".join(lines), "utf-8")
    (tmp_path / "small.yaml").write_text(RECIPE, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def losses(run: str) -> list[tuple[int, float]]:
    return [(r["step"], r["loss"]) for r in RunFolder(run).read_log()]


def test_one_command_leads_from_text_to_a_measured_talking_model(here, capsys):
    assert main(["train", "small.yaml"]) == 0
    told = capsys.readouterr().err
    assert told.startswith("plan ") and "bits per byte" in told and "came" in told
    run = RunFolder("runs/small")
    assert [step for step, _ in losses("runs/small")] == list(range(1, 13))
    scores = run.read_json("scores.json")["scores"]
    assert set(scores) == {"3-gram", "llama"}
    assert all(s["low"] <= s["value"] <= s["high"] for s in scores["llama"])
    assert "<html" in run.report.read_text("utf-8")
    assert "heldout" in run.read_json("data/figures.json")["kept"]

    assert main(["ask", "small", "the cat", "decode.seed=3"]) == 0
    first = capsys.readouterr().out
    assert main(["ask", "small", "the cat", "decode.seed=3"]) == 0
    assert capsys.readouterr().out == first != "\n"
    model = lingloom.load("runs/small")
    assert model.generate("the cat", seed=3) + "\n" == first
    assert main(["measure", "small", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["scores"][0]
    assert again["value"] == pytest.approx(scores["llama"][0]["value"], rel=1e-6)
    for view in ("batch", "recipe", "losses"):
        assert main(["show", "small", view]) == 0
        assert capsys.readouterr().out
    assert main(["prove", "small"]) == 0
    assert capsys.readouterr().out.count("✓") >= 7
    assert main(["export", "small", "exported"]) == 0
    assert lingloom.load("exported").generate("the cat", seed=3, max_new_tokens=12) + "\n" == first


def test_a_run_that_only_counts_goes_the_same_way(here, capsys):
    assert main(["train", "small.yaml", "model={kind: ngram, order: 3}", "baseline=null"]) == 0
    assert "3-gram: bits per byte" in capsys.readouterr().err
    assert main(["ask", "small", "the cat"]) == 0
    assert main(["prove", "small"]) == 0


def test_a_stopped_run_goes_on_to_the_same_bits(here):
    lingloom.run("small.yaml", "out=runs/straight")
    stop_after = 5
    seen = 0

    def stop() -> bool:
        nonlocal seen
        seen += 1
        return seen >= stop_after

    from lingloom.api import begin

    for _ in begin("small.yaml", ["out=runs/stopped"], stop)[1]:
        pass
    assert len(losses("runs/stopped")) == stop_after
    assert RunFolder("runs/stopped").read_json("run.json")["state"] == "stopped"
    lingloom.run("runs/stopped")
    assert losses("runs/stopped") == losses("runs/straight")


def test_however_a_run_is_ended_it_goes_on_to_the_same_losses(here, end_by):
    words = ("train", "small.yaml", "train.steps=60", "baseline=null")
    assert end_by(None, None, *words, "out=runs/straight")[0] == 0
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        run = f"runs/{number.name}"
        log = RunFolder(run)
        code, told = end_by(number, lambda log=log: len(log.read_log()) >= 20, *words, f"out={run}")
        if number != signal.SIGKILL:
            assert code == 130
            assert f"go on with: lingloom train {run}" in told
        assert len(losses(run)) < 60
        code, told = end_by(None, None, "train", run)
        assert code == 0, told
        assert losses(run) == losses("runs/straight")


def test_a_damaged_newest_checkpoint_costs_some_steps_only(here):
    lingloom.run("small.yaml", "out=runs/straight")
    from lingloom.api import begin

    count = iter(range(100))
    for _ in begin("small.yaml", ["out=runs/hurt"], lambda: next(count) >= 7)[1]:
        pass
    newest = sorted(RunFolder("runs/hurt").checkpoints.glob("step-*/tensors.safetensors"))[-1]
    damaged = bytearray(newest.read_bytes())
    damaged[-1] ^= 1
    newest.write_bytes(damaged)
    told = []
    lingloom.run("runs/hurt", tell=told.append)
    events = [e.facts["events"] for e in told if e.stage == "train" and e.what == "progress"]
    assert "damaged" in events[0]["resumed"]
    assert losses("runs/hurt") == losses("runs/straight")


def test_what_may_not_change_in_a_run_is_named(here):
    lingloom.run("small.yaml", "train.steps=3")
    with pytest.raises(RecipeError) as error:
        lingloom.run("runs/small", "model.width=64", "seed=1", "train.steps=4")
    assert str(error.value).splitlines() == [
        f"{key} (command line): cannot change in runs/small, which was begun with another value; "
        "start a new run with it, or change one of train.steps, train.eval_every, "
        "train.checkpoint, train.tensorboard, measure, decode"
        for key in ("model.width", "seed")
    ]
    lingloom.run("runs/small", "train.steps=4")
    assert [step for step, _ in losses("runs/small")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        (["text.read=none.txt"], RecipeError, "no such file 'none.txt'"),
        (["tokens.vocab=5000"], DataError, "the text supports"),
        (["model.context=12000"], DataError, "do not fill one row of model.context 12000"),
        (["model.vocab=100"], RecipeError, "model.vocab: 100 is smaller than the tokenizer's 300"),
        (["text.heldout_frac=0"], DataError, "raise text.heldout_frac (now 0)"),
        (["model.width=33"], RecipeError, "width 33 is not a multiple of heads 2; set width=32"),
        (["train.stepz=4", "model.widht=3"], RecipeError, "did you mean"),
    ],
)
def test_a_run_that_cannot_be_says_why(here, words, kind, says):
    with pytest.raises(kind) as error:
        lingloom.run("small.yaml", *words)
    assert says in str(error.value)


def test_two_runs_never_share_a_folder(here):
    lingloom.run("small.yaml", "train.steps=1")
    with pytest.raises(RunError, match="already holds a run; go on with it: lingloom train"):
        lingloom.run("small.yaml")
    with (
        RunFolder("runs/small").writing(),
        pytest.raises(RunError, match="is writing to this run"),
    ):
        lingloom.run("runs/small", "train.steps=2")


@pytest.mark.parametrize("key", ["read", "heldout"])
def test_text_from_a_pipe_is_left_for_the_run_to_read(here, key):
    os.mkfifo("pipe")
    text = Path("text.txt").read_text("utf-8")
    words = [f"text.{key}=pipe", "text.dedup=false", "tokens=characters", "baseline=null"]
    writer = threading.Thread(target=Path("pipe").write_text, args=(text, "utf-8"), daemon=True)
    writer.start()
    lingloom.estimate("small.yaml", *words)
    writer.join(0.3)
    assert writer.is_alive()  # it waits for the first who opens the pipe
    lingloom.run("small.yaml", *words, "train.steps=1")
    assert RunFolder("runs/small").read_json("run.json")["state"] == "finished"


def test_a_plan_trains_no_tagger(here, monkeypatch):
    Path("words.txt").write_text("猫 坐 在 垫子 上\n" * 9, "utf-8")
    monkeypatch.setattr("lingloom.tokens.words.train_tagger", None)
    tokens = "tokens={kind: words, segment: tagger, segmented: words.txt}"
    assert lingloom.estimate("small.yaml", tokens, "baseline=null").parameters


def test_a_prompt_longer_than_the_context_is_refused_not_cut(here, capsys):
    lingloom.run("small.yaml", "train.steps=1")
    assert main(["ask", "small", "cat " * 100]) == 1
    assert "tokens do not fit model.context 32" in capsys.readouterr().err


def test_a_model_too_large_for_the_machine_is_refused_before_anything_is_made(here):
    words = ["model.layers=80", "model.width=8192", "model.heads=64", "model.kv_heads=8"]
    with pytest.raises(RunError, match="the largest term is .* would fit: "):
        lingloom.run("small.yaml", *words)
    assert not Path("runs/small").exists()


def test_a_model_that_reads_few_tokens_is_asked_by_short_prompts(here):
    lingloom.run("small.yaml", "tokens=bytes", "baseline=null", "model.context=8", "train.steps=2")
    samples = RunFolder("runs/small").read_json("samples.json")
    assert samples and all(0 < len(s["prompt"].encode()) <= 4 for s in samples)


@pytest.mark.parametrize(
    ("line", "beginning", "whole"),
    [
        ("The café opened", "The café op", "The café"),
        ("The café opened", "The café", "The café"),
        ("The café, opened", "The café", "The café"),
        ("Antidisestablishment", "Antidis", "Antidis"),
        ("第 12 章 春天来了", "第 12 章 春天", "第 12 章 春天"),
        ("read otherwise", "Read oth", "Read oth"),
        ("As I don't", "As I don", "As I"),
        ("The café", "The caf\ufffd", "The"),
    ],
)
def test_prompts_of_samples_end_at_a_whole_word(line, beginning, whole):
    assert whole_words(line, beginning) == whole
