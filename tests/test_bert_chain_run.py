"""BERT with a chain of labels, from a CoNLL text to answers: trained, asked, measured, exported."""

import json
import random

import pytest
import torch

import lingloom
from lingloom.cli import main
from lingloom.models.port import load_model
from lingloom.runs import RunFolder

SIZES = "layers: 1, heads: 2, width: 16, context: 32"
WORDS = "a X a d"


def sentences(n, seed=0):
    """Names are X and the word behind it, which is elsewhere no name."""
    chance = random.Random(seed)
    for _ in range(n):
        words = [(w, "O") for w in chance.choices("abcdef", k=chance.randint(2, 5))]
        at = chance.randrange(len(words))
        words[at:at] = [("X", "B-PER"), (chance.choice("abc"), "I-PER")]
        yield words


def lines(n, seed=0):
    return "\n".join("".join(f"{w}\t{t}\n" for w, t in each) for each in sentences(n, seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("chain")
    (found / "train.conll").write_text(lines(200))
    (found / "dev.conll").write_text(lines(40, seed=7))
    (found / "names.yaml").write_text(
        f"""text: {{read: {found}/train.conll, label_field: 2, heldout_frac: 0.2, dedup: false}}
tokens: {{kind: bytes}}
model: {{kind: bert, head: tag, chain: true, constraint: bio, {SIZES}}}
train: {{steps: 150, batch: 16, lr: 1e-2, eval_every: 75}}
out: {found}/run
"""
    )
    return found


@pytest.fixture(scope="module")
def run(folder):
    assert main(["train", str(folder / "names.yaml")]) == 0
    return RunFolder(folder / "run")


def test_it_trains_on_the_command_line_and_finds_whole_names(run):
    scores = run.read_json("scores.json")["scores"]
    found, guess = (
        {score["name"]: score["value"] for score in scores[who]}
        for who in ("bert", "each word's usual label")
    )
    assert found["entity F1"] > 0.8 > guess["entity F1"]
    model = load_model(run.model)
    assert model.settings.chain and model.settings.constraint == "bio"
    assert model.settings.label_names == ["B-PER", "I-PER", "O"]
    assert all(parameter.abs().sum() > 0 for parameter in model.chain.parameters())


def test_answers_are_the_chains_wherever_they_are_asked(run, folder, capsys):
    """A chain that lets nothing but O follow anything answers so in every place."""
    model = lingloom.load(run.path)
    said = model.tag(WORDS)
    assert said[:2] == [("a", "O"), ("X", "B-PER")]
    assert main(["ask", str(run.path), WORDS]) == 0
    assert capsys.readouterr().out == "".join(f"{w}\t{t}\n" for w, t in said)
    assert main(["measure", str(run.path), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)["scores"]
    assert measured == run.read_json("scores.json")["scores"]["bert"]
    assert main(["show", str(run.path), "batch", "rows=1"]) == 0
    assert "label: " in capsys.readouterr().out
    with torch.no_grad():
        model.model.chain.follow[:, :2] = -1e3
        model.model.chain.first[:2] = -1e3
    model.export(folder / "outside")
    other = lingloom.load(folder / "outside")
    assert [tag for _, tag in other.tag(WORDS)] == ["O"] * 4
    words = [f"text.read={folder}/dev.conll", "text.label_field=2", "--json"]
    assert main(["measure", str(folder / "outside"), *words]) == 0
    values = {s["name"]: s["value"] for s in json.loads(capsys.readouterr().out)["scores"]}
    assert values["entity recall"] == 0 and values["accuracy"] > 0


def test_what_is_exported_is_the_same_to_the_bit(run, folder, capsys):
    assert main(["export", str(run.path), str(folder / "out")]) == 0
    told = capsys.readouterr().err
    assert "transformers opens the encoder and each word's scores" in told
    assert 'BertForTokenClassification.from_pretrained("' in told
    assert "it leaves out the chain of labels (chain.*), with which lingloom alone answers" in told
    ours, theirs = lingloom.load(run.path), lingloom.load(folder / "out")
    assert theirs.model.settings == ours.model.settings
    stored = theirs.model.state_dict()
    for name, kept in ours.model.state_dict().items():
        assert torch.equal(stored[name], kept), name
    texts = [" ".join(word for word, _ in each) for each in sentences(40, seed=7)]
    assert theirs.tagged(texts) == ours.tagged(texts)
    words = [f"text.read={folder}/dev.conll", "text.label_field=2", "--json"]
    found = []
    for model in (run.path, folder / "out"):
        assert main(["measure", str(model), *words]) == 0
        found.append(json.loads(capsys.readouterr().out)["scores"])
    assert found[0] == found[1]


def test_every_promise_holds_on_the_run(run):
    pytest.importorskip("transformers")
    assert all(proof.passed for proof in lingloom.prove(run.path))


def test_no_answer_breaks_bio_where_nothing_was_learnt(folder):
    words = ["train.steps=1", f"out={folder}/fresh"]
    model = lingloom.run(folder / "names.yaml", *words)
    texts = [" ".join(word for word, _ in each) for each in sentences(100, seed=3)]
    for tagged in model.tagged(texts):
        before = "O"
        for word in tagged.words:
            assert word.label != "I-PER" or before != "O"
            before = word.label


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["model.chain=false"], "constraint bio is about labels that follow each other; set chain"),
        (["model.head=classify"], "head=classify tells none; leave it out, or set head=tag"),
        (["train.regularise.label_smoothing=0.1"], "model.kind bert learns whole paths; leave it"),
    ],
)
def test_options_without_effect_are_refused_on_the_command_line(folder, words, told, capsys):
    assert main(["train", str(folder / "names.yaml"), *words, f"out={folder}/no"]) == 2
    assert told in capsys.readouterr().err
    assert not (folder / "no").exists()
