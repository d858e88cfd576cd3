"""A run of pairs, from a table to a translation: planned, shown, proven, asked, measured."""

import json
import math
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

import lingloom
from lingloom.api import estimate
from lingloom.cli import main
from lingloom.errors import DataError, MissingError, RecipeError, ShapeError
from lingloom.loading import load
from lingloom.measure.pairs import compare
from lingloom.measure.perplexity import MeasureSettings
from lingloom.models.port import load_model
from lingloom.models.transformer import Transformer
from lingloom.pipeline.prepare import open_data
from lingloom.recipe import Recipe, read
from lingloom.runs import RunFolder
from lingloom.trust import serving_proofs

pytest.importorskip("sacrebleu")
RECIPE = """
text: {read: pairs.tsv, format: tsv, field: 1, target_field: 2, heldout_frac: 0.2}
tokens: {kind: words}
model: {kind: transformer, layers: 1, heads: 2, width: 32, context: 12, dropout: 0.1, norm: pre}
train:
  steps: 40
  batch: 16
  lr: 1e-2
  precision: fp32
  eval_every: 20
  schedule: {kind: inverse_sqrt, warmup: 10}
  regularise: {label_smoothing: 0.1}
decode: {temperature: 0, beams: 2, length_penalty: 0.6, max_new_tokens: 12}
measure: {decoded: 12, resamples: 50}
"""
FEW = MeasureSettings(resamples=1)
NUMBERS = {"one": "一", "two": "二", "three": "三", "four": "四"}


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """A folder with a trained run that writes numbers in Chinese; some have two targets."""
    folder = tmp_path_factory.mktemp("pairs")
    lines = []
    for n in (1, 2, 3, 4):
        for words in product(NUMBERS, repeat=n):
            target = " ".join(NUMBERS[word] for word in words)
            lines.append(f"{' '.join(words)}\t{target}\tnote {len(lines)}")
            if len(lines) % 5 == 0:
                lines.append(f"{' '.join(words)}\t{target} 了\tanother")
    (folder / "pairs.tsv").write_text("\n".join(lines), "utf-8")
    (folder / "pairs.yaml").write_text(RECIPE, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", "pairs.yaml"]) == 0
    return folder


@pytest.fixture
def run(here, monkeypatch) -> RunFolder:
    monkeypatch.chdir(here)
    return RunFolder("runs/pairs")


def test_all_targets_of_a_source_fall_to_one_split(run):
    data = open_data(run)
    sources = {}
    for split in ("train", "heldout"):
        reading = data.reading(split)
        assert reading.targets.documents == reading.texts.documents
        sources[split] = {
            data.tokenizer.decode(reading.texts.document(i).tolist())
            for i in range(reading.texts.documents)
        }
    assert len(sources["train"]) > 150 and len(sources["heldout"]) > 20
    assert not sources["train"] & sources["heldout"]


def test_a_run_says_what_it_learnt_by_its_scores(run):
    scores = {s["name"]: s for s in run.read_json("scores.json")["scores"]["transformer"]}
    assert list(scores) == ["bits per byte", "nats per token", "BLEU", "chrF"]
    assert scores["BLEU"]["fixes"]["sacrebleu"].startswith("nrefs:")
    assert "tok:zh" in scores["BLEU"]["fixes"]["sacrebleu"]
    assert scores["BLEU"]["fixes"]["decode"]["beams"] == 2
    assert "decode" not in scores["bits per byte"]["fixes"]
    assert scores["BLEU"]["fixes"]["references"] == "as words spell them"
    assert scores["BLEU"]["n"] == 12 and scores["BLEU"]["of"] == "sources"
    assert "12 of" in scores["BLEU"]["fixes"]["decoded"]
    assert {score["of"] for score in scores.values()} == {"sources"}
    for name in ("bits per byte", "nats per token"):
        assert scores[name]["low"] <= scores[name]["value"] <= scores[name]["high"]
    losses = [r["evaluation"]["loss"] for r in run.read_log() if "evaluation" in r]
    assert scores["nats per token"]["value"] == pytest.approx(losses[-1], rel=1e-4)
    assert "<html" in run.report.read_text("utf-8")
    sample = run.read_json("samples.json")[0]
    assert "(reference: " in sample["text"] and "2 beams" in sample["decoding"]


def test_measuring_again_gives_the_same_scores(run, capsys):
    assert main(["measure", "pairs", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["scores"]
    assert again == run.read_json("scores.json")["scores"]["transformer"]


def test_a_folder_without_a_run_is_measured_on_pairs(run, tmp_path, capsys):
    (tmp_path / "other.tsv").write_text("one\t一\ntwo two\t二 二\nfive\t五\n", "utf-8")
    lingloom.load("pairs").export(tmp_path / "out")
    found = []
    for model in ("pairs", f"{tmp_path}/out"):
        words = [f"text.read={tmp_path}/other.tsv", "text.field=1", "text.target_field=2"]
        assert main(["measure", model, *words, "measure.decoded=0", "--json"]) == 0
        found.append([s["value"] for s in json.loads(capsys.readouterr().out)["scores"]])
    assert found[0] == found[1] and len(found[0]) == 2


def test_other_pairs_can_be_measured_too(run, tmp_path, capsys):
    (tmp_path / "other.tsv").write_text("one\t一\ntwo two\t二 二\nfive\t五\none\t一 了\n", "utf-8")
    assert main(["measure", "pairs", f"text.read={tmp_path}/other.tsv", "--json"]) == 0
    scores = {s["name"]: s for s in json.loads(capsys.readouterr().out)["scores"]}
    assert list(scores) == ["bits per byte", "nats per token", "BLEU", "chrF"]
    assert scores["BLEU"]["n"] == 3 and scores["BLEU"]["fixes"]["pairs"] == 4
    assert "nrefs:var" in scores["BLEU"]["fixes"]["sacrebleu"]


def test_asking_translates_one_text_or_the_lines_of_the_input(run, capsys, monkeypatch):
    model = lingloom.load("pairs")
    several = model.translate(["one two", "three"])
    assert main(["ask", "pairs", "one two"]) == 0
    assert capsys.readouterr().out == several[0] + "\n"
    assert main(["ask", "pairs", "one two", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["source"], found["text"]) == ("one two", several[0])
    assert found["log_probability"] < 0 and found["reason"] in ("end", "length", "context")
    monkeypatch.setattr("sys.stdin", sys.stdin)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    monkeypatch.setattr(sys.stdin, "read", lambda: "one two\n\nthree\n", raising=False)
    assert main(["ask", "pairs"]) == 0
    assert capsys.readouterr().out.splitlines() == several
    assert model.translate("three") == several[1]


def test_what_such_a_model_cannot_do_is_refused(run):
    model = lingloom.load("pairs")
    with pytest.raises(RecipeError, match=r"was trained to translate cannot generate; ask it by"):
        model.generate("one")
    with pytest.raises(DataError, match="text 1: is empty"):
        model.translate(["one", ""])
    with pytest.raises(ShapeError, match=r"14 tokens do not fit model\.context 12"):
        model.translate("one " * 13)
    with pytest.raises(RecipeError, match="beams 4, which look for the likeliest"):
        model.translate("one", beams=4, temperature=1.0)


def test_the_batch_is_shown_with_sources_and_targets(run, capsys):
    assert main(["show", "pairs", "batch", "step=3"]) == 0
    shown = capsys.readouterr().out
    assert "source: " in shown and "target: " in shown
    assert main(["show", "pairs", "batch", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["rows"][0]
    words = row["source_text"].removesuffix("<|end|>").split()
    assert row["target_text"].startswith("".join(NUMBERS[word] for word in words))
    assert row["target_text"].endswith("<|end|>")


def test_the_promises_hold_for_a_run_of_pairs(run, capsys):
    assert main(["prove", "pairs", "--json"]) == 0
    proofs = {proof["name"]: proof["passed"] for proof in json.loads(capsys.readouterr().out)}
    assert proofs == {
        "accumulation = full batch": True,
        "resumed = straight": True,
        "the order of the data is pure": True,
        "exported = trained": True,
        "exported = trained, elsewhere": None,  # transformers has no such kind
        "training prompt = serving prompt": True,
        "decoding = training": True,
    }


def test_an_export_that_says_something_else_is_found(run, monkeypatch):
    def spoilt(folder):
        model = load_model(folder)
        with torch.no_grad():
            model.decoder[0].cross.kv.bias[-1] += 1e-3
        return model

    monkeypatch.setattr(serving_proofs, "load_model", spoilt)
    (found,) = (p for p in lingloom.prove("pairs") if p.name == "exported = trained")
    assert found.passed is False and found.numbers["weights"] == "differ"


def test_decoding_that_says_something_else_is_found(run, monkeypatch):
    right = Transformer.step
    monkeypatch.setattr(Transformer, "step", lambda *given: right(*given) * 1.001)
    (found,) = (p for p in lingloom.prove("pairs") if p.name == "decoding = training")
    assert found.passed is False


def test_an_exported_model_translates_alike(run, tmp_path):
    lingloom.load("pairs").export(tmp_path / "out")
    texts, greedy = ["one two", "four"], {"temperature": 0}
    again = lingloom.load(tmp_path / "out").translate(texts, **greedy)
    whole = {**greedy, "beams": 1, "length_penalty": 0}
    assert again == lingloom.load("pairs").translate(texts, **whole)


def test_the_plan_goes_by_the_length_of_the_pairs(run):
    plan = estimate("pairs.yaml")
    recipe = read("pairs.yaml", [])
    row, rest = divmod(plan.tokens_seen, 2 * 40 * 16)
    assert rest == 0 and 2 <= row < recipe.model.context
    assert plan.parameters > 0 and not plan.refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["text.target_field=''"], "text.target_field: objective pairs learns to write a target"),
        (
            ["model={kind: gpt2}", "decode.beams=1", "decode.length_penalty=0"],
            "text.target_field: objective next_token reads no targets; leave text.target_field '2'",
        ),
        (
            ["model={kind: gpt2}", "text.target_field=''"],
            "decode.beams: 2 beams are for models that write a text for another one",
        ),
        (["train.packing=documents"], "train.packing: 'documents' has no effect on objective pair"),
        (["train.objective={kind: next_token}"], "model.kind transformer cannot learn next_token"),
    ],
)
def test_recipes_that_cannot_be_are_refused_before_anything_is_read(run, changes, message):
    with pytest.raises(RecipeError, match=message.replace("(", r"\(")):
        read("pairs.yaml", changes)


def test_a_cleaned_corpus_has_no_targets(run, tmp_path):
    (tmp_path / "a.txt").write_text("\n\n".join(f"some text {i} to clean" for i in range(30)))
    (tmp_path / "c.yaml").write_text(f"text: {{read: {tmp_path}/a.txt}}\nsplit: {{}}\n")
    assert main(["clean", str(tmp_path / "c.yaml"), f"out={tmp_path}/corpus"]) == 0
    with pytest.raises(RecipeError, match=r"text\.(target_field|format|field)"):
        lingloom.run("pairs.yaml", f"text.read={tmp_path}/corpus", f"out={tmp_path}/run")


def test_without_sacrebleu_training_does_not_begin(run, tmp_path, monkeypatch):
    monkeypatch.setattr("lingloom.measure.pairs.find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"lingloom\[tasks\]"):
        lingloom.run("pairs.yaml", f"out={tmp_path}/run")
    recipe = load(Recipe, RunFolder("runs/pairs").recipe, ["measure.decoded=0", "train.steps=11"])
    scores = lingloom.run(recipe.model_copy(update={"out": str(tmp_path / "other")}))
    assert scores.task == "translate"
    found = RunFolder(tmp_path / "other").read_json("scores.json")["scores"]["transformer"]
    assert [s["name"] for s in found] == ["bits per byte", "nats per token"]


# --------------------------------------------------------------------------- BLEU by hand


def test_bleu_is_the_formula_of_its_paper_by_hand():
    # 5 of 6 words, 3 of 5 pairs, 1 of 4 threes; no four: smoothed to 1 / (2 * 3); no penalty
    text, reference = "the cat sat on a mat", "the cat sat on the mat"
    (bleu, chrf) = compare([text], [[reference]])
    counts = (5 / 6, 3 / 5, 2 / 4, 1 / 3)
    assert bleu.value == pytest.approx(100 * math.prod(counts) ** 0.25, abs=1e-6)
    assert bleu.low is None and bleu.n == 1
    assert "tok:13a" in bleu.fixes["sacrebleu"] and "nc:6" in chrf.fixes["sacrebleu"]


def test_each_text_may_have_its_own_number_of_references_and_the_best_counts():
    texts = ["the cat sat on the mat", "a dog ran to the house"]
    several = [["no such thing at all", texts[0]], [texts[1]]]
    bleu, chrf = compare(texts, several)
    assert (bleu.value, chrf.value) == pytest.approx((100, 100))
    assert bleu.low == pytest.approx(100) and "nrefs:var" in bleu.fixes["sacrebleu"]


def test_chinese_is_counted_by_characters_and_thai_too():
    bleu, _ = compare(["我 喜欢 猫。"], [["我喜欢猫。"]])
    assert bleu.value == pytest.approx(100) and "tok:zh" in bleu.fixes["sacrebleu"]
    thai, _ = compare(["แมวนั่ง"], [["แมวนั่ง"]])
    assert "tok:char" in thai.fixes["sacrebleu"]


def test_nothing_alike_has_an_interval_too():
    bleu, _ = compare(["x y z"] * 3, [["a b c"]] * 3)
    assert (bleu.value, bleu.low, bleu.high) == (0, 0, 0)


def test_the_interval_of_bleu_is_that_of_drawing_texts_anew():
    texts = [f"the {word} sat on a mat today" for word in ("cat", "dog", "cow", "hen")] * 5
    right = [[f"the {word} sat on a mat now"] for word in ("cat", "dog", "cow", "fox")] * 5
    for score in compare(texts, right):
        assert score.low < score.value < score.high < 100
    settings = MeasureSettings(resamples=40, seed=3)
    bleu, _ = compare(texts, right, settings)
    chance, found = np.random.default_rng(3), []
    for _ in range(40):
        drawn = chance.integers(20, size=20)
        found.append(compare([texts[i] for i in drawn], [right[i] for i in drawn], FEW)[0].value)
    assert (bleu.low, bleu.high) == pytest.approx(tuple(np.quantile(found, [0.025, 0.975])))
