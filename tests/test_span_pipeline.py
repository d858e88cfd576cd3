"""A model that fills gaps, from raw text to its report; and what its recipe may not say."""

import json
import random
from pathlib import Path

import pytest

import lingloom
from lingloom.cli import main
from lingloom.errors import RecipeError
from lingloom.models.t5 import T5Settings
from lingloom.recipe import read
from lingloom.runs import RunFolder
from lingloom.train.objectives.span_corruption import SpanCorruptionSettings
from lingloom.train.settings import TrainSettings

WORDS = ["the", "cat", "sat", "on", "mat", "saw", "dog", "ran", "猫", "坐", "在", "垫子", "狗"]
RECIPE = """
text: {read: text.txt, unit: line, heldout_frac: 0.1}
tokens: {kind: bpe, vocab: 262}
model: {kind: t5, layers: 1, heads: 2, width: 32, context: 32}
train: {steps: 8, batch: 4, lr: 3e-3, precision: fp32, eval_every: 4, checkpoint: {every: 4}}
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    draw = random.Random(0)
    lines = (" ".join(draw.choices(WORDS, k=draw.randint(5, 25))) for _ in range(300))
    (tmp_path / "text.txt").write_text("\n".join(lines), "utf-8")
    (tmp_path / "small.yaml").write_text(RECIPE, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_command_leads_from_text_to_a_model_that_fills_gaps(here, capsys):
    assert main(["train", "small.yaml"]) == 0
    assert "nats per target token" in capsys.readouterr().err
    run = RunFolder("runs/small")
    nats, perplexity = run.read_json("scores.json")["scores"]["t5"]
    assert nats["low"] < nats["value"] < nats["high"]
    assert (nats["unit"], nats["of"], perplexity["unit"]) == ("nats/token", "windows", "")
    assert nats["value"] == pytest.approx(run.read_log()[-1]["evaluation"]["loss"], rel=1e-6)
    samples = run.read_json("samples.json")
    assert all("___" in s["prompt"] and "there stood: " in s["text"] for s in samples)

    model = lingloom.load("runs/small")
    assert model.tokenizer.vocab == model.model.settings.vocab == 362
    assert main(["ask", "small", "the ___ sat", "--json", "decode.temperature=0"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = model.fill_gaps("the ___ sat", temperature=0)
    assert (told["text"], told["gaps"]) == (found.text, found.gaps)
    assert found.text.startswith("the") and found.text.endswith(" sat")
    with pytest.raises(RecipeError, match="trained to fill_gaps cannot generate"):
        model.generate("the")

    assert main(["measure", "small", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["scores"][0]
    assert again == nats
    assert main(["show", "small", "batch"]) == 0
    told = capsys.readouterr().out
    assert "source: " in told and "target: <extra_id_0>" in told
    assert main(["prove", "small", "--json"]) == 0
    proofs = {proof["name"]: proof["passed"] for proof in json.loads(capsys.readouterr().out)}
    assert len(proofs) == 7 and all(proofs.values())


def test_a_stopped_run_goes_on_to_the_same_losses(here):
    steady = "train.schedule={kind: constant}"
    lingloom.run("small.yaml", steady, "out=straight")
    lingloom.run("small.yaml", steady, "out=halves", "train.steps=4")
    main(["train", "halves", "train.steps=8"])
    whole, halves = (
        [(r["step"], r["loss"]) for r in RunFolder(out).read_log() if r["loss"] is not None]
        for out in ("straight", "halves")
    )
    assert whole == halves
    assert len(whole) == 8


def test_a_plan_counts_the_sentinels(here):
    plan = lingloom.estimate("small.yaml")
    lingloom.run("small.yaml")
    assert plan.parameters == RunFolder("runs/small").read_json("run.json")["parameters"]
    stored = "tokens={kind: stored, folder: runs/small/data}"
    assert lingloom.estimate("small.yaml", stored).parameters == plan.parameters


def test_a_t5_learns_from_pairs_too(here):
    rows = [f"{i} the cat\t{i} 猫" for i in range(200)]
    (here / "pairs.tsv").write_text("\n".join(rows), "utf-8")
    pairs = ("text.read=pairs.tsv", "text.field=1", "text.target_field=2")
    settings = read(
        "small.yaml",
        [*pairs, "train.objective.kind=pairs", "tokens={kind: bytes}", "measure.decoded=0"],
    )
    assert settings.train.objective.kind == "pairs"
    model = lingloom.run(settings.model_copy(update={"out": "pairs"}))
    assert model.tokenizer.vocab == 257
    assert isinstance(model.translate("7 the cat"), str)
    model.export(here / "elsewhere")
    for folder in ("pairs/model", "elsewhere"):  # each says what was learnt
        opened = lingloom.load(here / folder)
        assert opened.translate("7 the cat", temperature=0) == model.translate(
            "7 the cat", temperature=0
        )


def test_a_recurrent_model_of_pairs_shows_where_it_looks(here, capsys):
    rows = [f"{i} cats\t{i} 猫" for i in range(200)]
    (here / "pairs.tsv").write_text("\n".join(rows), "utf-8")
    words = ["text.read=pairs.tsv", "text.field=1", "text.target_field=2", "tokens={kind: bytes}"]
    model = "model={kind: seq2seq, width: 16, context: 16}"
    run = lingloom.run("small.yaml", *words, model, "measure.decoded=0", "out=pairs")
    assert isinstance(run.translate("7 cats", temperature=0, beams=2), str)
    capsys.readouterr()
    assert main(["show", "pairs", "attention", "rows=2", "--json"]) == 0
    pairs = json.loads(capsys.readouterr().out)["rows"]
    assert len(pairs) == 2
    for pair in pairs:
        assert pair["source"][-1] == pair["target"][-1] == "<|end|>"
        assert len(pair["weights"]) == len(pair["target"])
        assert all(sum(row) == pytest.approx(1) for row in pair["weights"])
        assert {len(row) for row in pair["weights"]} == {len(pair["source"])}
    assert main(["show", "pairs", "attention", "rows=1"]) == 0
    assert "--- pair 0: " in capsys.readouterr().out
    lingloom.run("small.yaml")
    assert main(["show", "small", "attention"]) == 2
    assert "none of which says alone where it looks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("objective", "context", "message"),
    [
        ({"sentinels": 2}, 64, "2 are too few for rows of model.context 64, which have 3 gaps"),
        ({}, 2, "model.context: 2 has no room for a token, a gap and END"),
    ],
)
def test_rows_that_cannot_be_made_are_a_mistake_in_the_recipe(objective, context, message):
    settings = SpanCorruptionSettings(**objective)
    with pytest.raises(RecipeError, match=message):
        settings.lengths(T5Settings(vocab=9, context=context))
    rows = SpanCorruptionSettings().pretended(T5Settings(vocab=9), TrainSettings(), 5, 64)
    assert rows.source.shape == (5, 64)
    assert rows.ids.shape == rows.targets.shape == (5, 14)
