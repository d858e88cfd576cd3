"""Word vectors from text to answers: trained, asked, written to files, and started from."""

import json
import random

import numpy as np
import pytest

import lingloom
from lingloom.cli import main
from lingloom.errors import DataError, RecipeError
from lingloom.models.vector_files import read_vectors, write_vectors
from lingloom.runs import RunFolder

STEPS = ["train.steps=30", "train.eval_every=0", "train.checkpoint.every=0"]
LIKE = [("cat", "dog", 9), ("red", "blue", 8), ("cat", "blue", 1), ("dog", "moon", 2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Text in which animals stand among animals and colours among colours."""
    found, chance = tmp_path_factory.mktemp("vectors"), random.Random(0)
    kinds = [["cat", "dog", "cow", "hen"], ["red", "blue", "green", "白"]]
    lines = [" ".join(chance.choice(chance.choice(kinds)) for _ in range(2)) for _ in range(20)]
    lines += [" ".join(chance.choices(kinds[i % 2], k=12)) for i in range(300)]
    (found / "text.txt").write_text("\n".join(lines), "utf-8")
    (found / "like.txt").write_text("\n".join(f"{a} {b} {n}" for a, b, n in LIKE), "utf-8")
    common = f"""text: {{read: {found}/text.txt, unit: line, heldout_frac: 0.1, dedup: false}}
tokens: {{kind: words}}
measure: {{similarity: [{found}/like.txt], resamples: 50}}
"""
    (found / "word2vec.yaml").write_text(
        f"{common}model: {{kind: word2vec, width: 8, context: 32}}\n"
        "train: {batch: 8, micro: 4, lr: 0.3, optimizer: {kind: adagrad, rows: true},\n"
        "        objective: {kind: skip_gram, window: 2, sample: 0, shared: 8}}\n"
    )
    (found / "tree.yaml").write_text(
        f"{common}model: {{kind: word2vec, width: 8, context: 32}}\n"
        "train: {batch: 8, micro: 4, lr: 0.3, optimizer: {kind: adagrad, rows: true},\n"
        "        objective: {kind: skip_gram, window: 2, sample: 0, softmax: hierarchical}}\n"
    )
    (found / "glove.yaml").write_text(
        f"{common}model: {{kind: glove, width: 8}}\n"
        "train: {batch: 32, micro: 16, lr: 0.1, optimizer: {kind: adagrad}}\n"
    )
    return found


def trained(folder, kind, *more):
    out = folder / "-".join([kind, *more]).replace("=", "-")
    if not out.exists():
        lingloom.run(folder / f"{kind}.yaml", *STEPS, f"out={out}", *more)
    return RunFolder(out)


@pytest.mark.parametrize(
    "kind, more",
    [
        ("word2vec", []),
        ("word2vec", ["train.objective.kind=cbow"]),
        ("tree", []),
        ("glove", []),
    ],
)
def test_words_of_a_kind_come_near_each_other(folder, kind, more):
    run = trained(folder, kind, *more)
    model = lingloom.load(run.path)
    near = {found.word for found in model.nearest("cat", 3)}
    assert near == {"dog", "cow", "hen"}
    assert model.similarity("red", "白") > model.similarity("red", "cow")
    assert model.analogy("cat", "dog", "red", 1)[0].word in ("blue", "green", "白")
    loss, likeness = run.read_json("scores.json")["scores"][model.model.settings.kind]
    assert loss["name"].startswith("held-out loss of") and loss["value"] > 0
    assert (likeness["n"], likeness["of"]) == (3, "pairs of 4") and likeness["value"] >= 0.5
    assert run.read_json("samples.json") and run.report.is_file()


@pytest.mark.parametrize("kind", ["word2vec", "glove"])
def test_a_run_proves_its_promises(folder, kind):
    run = trained(folder, kind)
    passed = {proof.name: proof.passed for proof in lingloom.prove(run.path)}
    assert passed.pop("exported = trained, elsewhere") is None  # transformers has no such kind
    assert passed["exported = trained"] and all(passed.values())


def test_the_command_line_says_what_is_near(folder, capsys):
    run = str(trained(folder, "word2vec").path)
    assert main(["nearest", run, "cat", "+", "dog", "-", "red", "count=2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["words"] == "cat + dog - red" and len(told["nearest"]) == 2
    assert main(["ask", run, "cat"]) == 0
    assert "dog" in capsys.readouterr().out
    assert main(["nearest", run, "cta"]) == 1
    assert "'cta' is not among the 8 words" in capsys.readouterr().err
    assert main(["nearest", run]) == 2
    assert main(["show", run, "batch"]) == 0
    capsys.readouterr()
    assert main(["measure", run, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [score["n"] for score in told["scores"]][1] == 3
    assert main(["measure", run, "text.read=x.txt"]) == 2
    assert main(["ask", run, "cat", "decode.seed=1"]) == 2


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_vectors_are_exported_and_an_embedding_starts_from_them(folder, name, capsys):
    run, file = trained(folder, "word2vec"), folder / name
    assert main(["export", str(run.path), str(file)]) == 0
    words, vectors = read_vectors(file)
    assert "白" in words and vectors.shape == (8, 8)
    model = lingloom.load(run.path)
    row = model.tokenizer.id_of("白")
    assert np.array_equal(
        vectors[words.index("白")], model.model.embed.weight[row].detach().numpy()
    )


@pytest.mark.parametrize("source", ["a file", "a run"])
def test_another_family_starts_from_them_and_notes_how_many_were_found(folder, source):
    run, out = trained(folder, "word2vec"), folder / f"rnn-{source[2:]}"
    path = str(run.path)
    if source == "a file":
        path = str(folder / "some.vec")
        words, vectors = ["cat", "dog", "elsewhere"], np.eye(3, 8, dtype=np.float32)
        write_vectors(path, words, vectors)
    tiny = ["model.kind=rnn", "model.width=8", "model.layers=1", "model.context=16"]
    more = ["train.steps=1", "train.batch=2", "train.lr=1e-9", "train.optimizer.kind=sgd"]
    off = ["measure.similarity=[]", "train.objective=null", f"train.embed_from={path}"]
    model = lingloom.run(folder / "bare.yaml", f"out={out}", *tiny, *more, *off[2:])
    begun = RunFolder(out).read_json("run.json")["begun_from"]
    assert begun == {"vectors": path, "found": 2 if source == "a file" else 10, "tokens": 10}
    row = model.model.embed.weight[model.tokenizer.id_of("cat")].detach().numpy()
    wanted = np.eye(8)[0] if source == "a file" else lingloom.load(run.path).model.embed.weight
    if source == "a run":
        wanted = wanted[lingloom.load(run.path).tokenizer.id_of("cat")].detach().numpy()
    assert np.allclose(row, wanted, atol=1e-5)


@pytest.fixture(scope="module", autouse=True)
def bare(folder):
    (folder / "bare.yaml").write_text(
        f"text: {{read: {folder}/text.txt, unit: line, heldout_frac: 0.1, dedup: false}}\n"
        "tokens: {kind: words}\n"
    )


def test_vectors_that_do_not_fit_are_refused(folder):
    path = folder / "wide.txt"
    write_vectors(path, ["cat"], np.ones((1, 5), np.float32))
    tiny = ["model.kind=rnn", "model.width=8", "model.layers=1", "model.context=16"]
    with pytest.raises(RecipeError, match=r"train.embed_from: .* 5 numbers, .* have 8; set"):
        out = f"out={folder / 'refused'}"
        lingloom.run(folder / "bare.yaml", out, *tiny, f"train.embed_from={path}")
    assert not (folder / "refused").exists()
    run = trained(folder, "glove").path
    with pytest.raises(RecipeError, match=r"glove.* of 8 numbers, and the model's have 6; set"):
        wider = [*tiny, "model.width=6", f"train.embed_from={run}", "text.read=-"]
        lingloom.run(folder / "bare.yaml", out, *wider)
    write_vectors(path, ["zzz"], np.ones((1, 8), np.float32))
    with pytest.raises(DataError, match="has none of the 10 tokens"):
        out = f"out={folder / 'refused2'}"
        lingloom.run(folder / "bare.yaml", out, *tiny, f"train.embed_from={path}")
    with pytest.raises(DataError, match="gone.txt: there is no such file of vectors"):
        out = f"out={folder / 'refused3'}"
        lingloom.run(folder / "bare.yaml", out, *tiny, f"train.embed_from={folder / 'gone.txt'}")
    counting = ["model={kind: ngram}", "train.objective=null"]
    with pytest.raises(RecipeError, match="train.embed_from: an n-gram model counts and has no"):
        lingloom.estimate(folder / "bare.yaml", *counting, f"train.embed_from={path}")
    assert not (folder / "refused3").exists()  # it is looked for before anything is read


def test_a_frozen_embedding_is_still_the_file_s_after_stops_and_going_on(folder):
    path = str(folder / "frozen.vec")
    write_vectors(path, ["cat", "dog"], np.eye(2, 8, dtype=np.float32))
    tiny = ["model.kind=rnn", "model.width=8", "model.layers=1", "model.context=16"]
    keys = [f"train.embed_from={path}", "train.embed_frozen=true", "model.tied=false"]
    few = ["train.batch=2", "train.lr=0.1", f"out={folder / 'frozen'}"]
    first = lingloom.run(folder / "bare.yaml", *tiny, *keys, *few, "train.steps=2")
    again = lingloom.run(folder / "frozen", "train.steps=4")
    tables = [model.model.embed.weight.detach() for model in (first, again)]
    assert np.array_equal(*tables) and not np.array_equal(
        *(model.model.head.weight.detach() for model in (first, again))
    )
    assert tables[0][first.tokenizer.id_of("dog")].tolist() == np.eye(8)[1].tolist()


def test_files_of_words_are_for_vectors_of_words(folder):
    with pytest.raises(
        RecipeError, match=r"measure.similarity: has no effect on objective next_token"
    ):
        lingloom.run(
            folder / "bare.yaml", "model.kind=rnn", "measure.similarity=[x.txt]", "out=none"
        )
