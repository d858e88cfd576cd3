"""Labels from text to answers: texts told apart, words told apart, asked and measured."""

import json
import random
import struct

import numpy as np
import pytest

import lingloom
from lingloom.cli import main
from lingloom.errors import DataError, RecipeError, ShapeError
from lingloom.runs import RunFolder

TRAIN = ["train.steps=60", "train.batch=16", "train.eval_every=20", "train.lr=1e-2"]


def mails(n, seed=0):
    chance = random.Random(seed)
    for _ in range(n):
        label = chance.choice(["ham", "spam"])
        word = {"ham": "lunch", "spam": "prize"}[label]
        words = [
            chance.choice(["you", "me", "now", "the", "we"]) for _ in range(chance.randint(2, 9))
        ]
        words.insert(chance.randrange(len(words)), word)
        yield label, " ".join(words)


def sentences(n, seed=0):
    chance = random.Random(seed)
    for _ in range(n):
        words = [(w, "O") for w in chance.choices("abcdef", k=chance.randint(2, 6))]
        at = chance.randrange(len(words))
        words[at:at] = [("X", "B-PER"), (chance.choice("abc"), "I-PER")]
        yield words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("labels")
    rows = [f"{label}\t{text}\n" for label, text in mails(300)]
    (found / "mails.tsv").write_text("".join(rows))
    blocks = ["".join(f"{w}\t{t}\n" for w, t in words) for words in sentences(200)]
    (found / "names.conll").write_text("\n".join(blocks))
    (found / "mails.yaml").write_text(
        f"""text:
  {{read: {found}/mails.tsv, field: 2, label_field: 1, heldout_frac: 0.2, dedup: false}}
tokens: {{kind: words}}
model: {{kind: textcnn, width: 8, filters: 4, context: 16, dropout: 0}}
out: {found}/mails
"""
    )
    (found / "names.yaml").write_text(
        f"""text: {{read: {found}/names.conll, label_field: 2, heldout_frac: 0.2, dedup: false}}
tokens: {{kind: bytes}}
model: {{kind: crf, width: 8, embed_width: 8, context: 32, dropout: 0, constraint: bio}}
out: {found}/names
"""
    )
    return found


@pytest.fixture(scope="module")
def mail_run(folder):
    lingloom.run(folder / "mails.yaml", *TRAIN)
    return RunFolder(folder / "mails")


@pytest.fixture(scope="module")
def name_run(folder):
    lingloom.run(folder / "names.yaml", *TRAIN, "train.steps=120")
    return RunFolder(folder / "names")


def values(run, who):
    return {score["name"]: score["value"] for score in run.read_json("scores.json")["scores"][who]}


def test_texts_are_told_apart_better_than_by_guessing(mail_run):
    scores = mail_run.read_json("scores.json")
    guess, model = scores["scores"]
    assert guess.startswith("always '")
    assert model == "textcnn"
    assert values(mail_run, "textcnn")["accuracy"] > 0.95 > values(mail_run, guess)["accuracy"]
    assert scores["confusion"]["labels"] == ["ham", "spam"]
    held = mail_run.read_json("data/figures.json")["kept"]["heldout"]
    assert sum(map(sum, scores["confusion"]["rows"])) == held
    assert mail_run.read_json("samples.json")
    assert "nats/label" in mail_run.report.read_text("utf-8")


def test_words_are_told_apart_better_than_each_by_itself(name_run):
    found = values(name_run, "crf")
    assert found["entity F1"] > 0.9
    assert values(name_run, "each word's usual label")["entity F1"] < 0.7
    assert set(found) == {"entity F1", "entity precision", "entity recall", "accuracy", "macro-F1"}


def test_the_recipe_of_a_run_names_the_labels_it_found(mail_run, name_run):
    recipes = [lingloom.loading.read_tree(run.recipe)["model"] for run in (mail_run, name_run)]
    assert recipes[0]["labels"] == 2
    assert recipes[1]["labels"] == 3
    assert recipes[1]["label_names"] == ["B-PER", "I-PER", "O"]


def test_a_run_that_is_stopped_goes_on_to_the_same_bits(folder, mail_run):
    words = [*TRAIN, f"out={folder}/again"]
    run, events = lingloom.api.begin(folder / "mails.yaml", words, stop=lambda: True)
    list(events)
    assert run.read_json("run.json")["state"] == "stopped"
    lingloom.run(folder / "again")
    losses = [[r["loss"] for r in each.read_log() if r["loss"]] for each in (run, mail_run)]
    assert losses[0] == losses[1]


def test_models_are_asked_from_python(mail_run, name_run):
    model = lingloom.load(mail_run.path)
    assert model.classify("you now prize me") == "spam"
    assert model.classify(["we lunch now", "the prize"]) == ["ham", "spam"]
    (found,) = model.classified(["the prize"])
    assert list(found.chances) == ["spam", "ham"]
    assert sum(found.chances.values()) == pytest.approx(1)
    model = lingloom.load(name_run.path)
    expected = [("a", "O"), ("X", "B-PER"), ("a", "I-PER"), ("b", "O")]
    assert model.tag("a X a b") == expected
    (found,) = model.tagged([["a", "X", "a", "b"]])
    assert [(w.word, w.label) for w in found.words] == expected
    assert [(s.text, s.kind, s.start, s.stop) for s in found.stretches] == [("X a", "PER", 1, 3)]


def test_a_text_of_stop_words_alone_is_told_and_measured_as_training_read_it(folder, capsys):
    words = ["train.steps=2", "train.batch=16", "train.eval_every=0"]
    words += ["tokens.stop_words={lists: [english]}", f"out={folder}/stopped"]
    (folder / "few.tsv").write_text("spam\tprize the\nham\tThe the me\nham\tlunch\n")
    words += [f"text.read=[{folder}/mails.tsv, {folder}/few.tsv]"]
    model = lingloom.run(folder / "mails.yaml", *words)
    names = [model.tokenizer.token_of(i) for i in range(model.tokenizer.vocab)]
    assert {"lunch", "prize"} < set(names) and not {"the", "me", "The"} & set(names)
    assert model.classify("the THE me") in ("ham", "spam")
    assert main(["measure", f"{folder}/stopped", f"text.read={folder}/few.tsv"]) == 0
    assert "n=3 documents" in capsys.readouterr().out


def test_words_that_are_tagged_are_not_left_out(folder):
    words = ["tokens={kind: words, stop_words: {top: 2}}", f"out={folder}/refused"]
    with pytest.raises(RecipeError, match="objective tag learns what or where each word is; leave"):
        lingloom.run(folder / "names.yaml", *words)


def test_a_list_of_stop_words_is_looked_for_before_text_is_read(folder):
    words = ["tokens={kind: words, stop_words: {lists: [gone.txt]}}", "text.read=-"]
    with pytest.raises(RecipeError, match="stop words 'gone.txt': neither english nor chinese"):
        lingloom.run(folder / "mails.yaml", *words, f"out={folder}/gone")
    assert not (folder / "gone").exists()


def test_what_models_cannot_be_asked_is_refused(mail_run, name_run):
    model = lingloom.load(mail_run.path)
    with pytest.raises(RecipeError, match="trained to classify cannot tag; ask it by .classify"):
        model.tag("a")
    with pytest.raises(DataError, match="the text is empty, so there is nothing to tell of it"):
        model.classify(" ")
    with pytest.raises(
        ShapeError, match=r"17 tokens do not fit model.context 16; shorten the text"
    ):
        model.classify("me " * 17)
    with pytest.raises(DataError, match="'a b' is given as one word and is none"):
        lingloom.load(name_run.path).tagged([["a b"]])
    (name_run.model / "labels.json").rename(name_run.model / "aside.json")
    with pytest.raises(DataError, match=r"labels.json: no such file, so nothing says what"):
        lingloom.load(name_run.path).tag("a")
    (name_run.model / "aside.json").rename(name_run.model / "labels.json")


def test_answers_on_the_command_line(mail_run, name_run, capsys):
    assert main(["ask", str(mail_run.path), "the prize"]) == 0
    out, err = capsys.readouterr()
    assert out == "spam\n"
    assert err.startswith("spam ")
    assert main(["ask", str(mail_run.path), "the prize", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["label"] == "spam"
    assert set(found["chances"]) == {"ham", "spam"}
    assert main(["ask", str(name_run.path), "a X b"]) == 0
    out, err = capsys.readouterr()
    assert out == "a\tO\nX\tB-PER\nb\tI-PER\n"
    assert err == "PER: X b\n"
    assert main(["ask", str(name_run.path), "a X b", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [w["label"] for w in found["words"]] == ["O", "B-PER", "I-PER"]
    assert found["stretches"] == [{"text": "X b", "kind": "PER", "start": 1, "stop": 3}]


def test_runs_are_measured_and_proved(mail_run, name_run, folder, capsys):
    assert main(["measure", str(mail_run.path), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert scores == mail_run.read_json("scores.json")["scores"]["textcnn"]
    other = folder / "other.tsv"
    other.write_text("".join(f"{label}\t{text}\n" for label, text in mails(40, seed=9)))
    assert main(["measure", str(mail_run.path), f"text.read={other}", "--json"]) == 0
    accuracy = json.loads(capsys.readouterr().out)["scores"][0]
    assert (accuracy["name"], accuracy["n"]) == ("accuracy", 40)
    assert accuracy["value"] > 0.95
    other.write_text("eggs\twe lunch\n")
    assert main(["measure", str(mail_run.path), f"text.read={other}"]) == 1
    assert "label 'eggs' is not one of 'ham', 'spam'; correct it" in capsys.readouterr().err
    conll = folder / "names.conll"
    assert main(["measure", str(name_run.path), f"text.read={conll}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"][0]["value"] > 0.9
    for run in (mail_run, name_run):
        assert main(["show", str(run.path), "batch"]) == 0
        proofs = list(lingloom.prove(run.path))
        passed = {proof.name: proof.passed for proof in proofs}
        assert passed.pop("exported = trained, elsewhere") is None  # transformers has no such kind
        assert passed["exported = trained"] and all(passed.values())


def test_a_tag_that_the_model_does_not_know_is_told_with_its_own_line(name_run, folder, capsys):
    for text, line in (
        ("a\tO\n\nX\tB-PER\nb\tI-PER\n# newpar\nc\tI-LOC\n", 6),
        ("X\tB-LOC\n", 1),
    ):
        (folder / "dev.conll").write_text(text)
        words = [f"text.read={folder}/dev.conll", "text.label_field=2"]
        assert main(["measure", str(name_run.path), *words]) == 1
        odd = text.split()[-1]
        expected = f"dev.conll:{line}: label '{odd}' is not one of 'B-PER', 'I-PER', 'O'; correct"
        assert expected in capsys.readouterr().err
    (folder / "dev.tsv").write_text("text\tlabel\na b\tO O\na b\tO X\n")
    words = [f"text.read={folder}/dev.tsv", "text.field=text", "text.label_field=label"]
    assert main(["measure", str(name_run.path), *words]) == 1
    assert "dev.tsv:3: label 'X' is not one of" in capsys.readouterr().err


def test_a_folder_without_a_run_is_measured_as_its_run(mail_run, name_run, folder, capsys):
    keys = {mail_run: ("mails.tsv", "text.field=2", "text.label_field=1")}
    keys[name_run] = ("names.conll", "text.label_field=2")
    for run, (text, *rest) in keys.items():
        out = folder / f"{run.path.name}-out"
        lingloom.load(run.path).export(out)
        found = []
        for model in (run.path, out):
            assert main(["measure", str(model), f"text.read={folder}/{text}", *rest, "--json"]) == 0
            found.append(json.loads(capsys.readouterr().out))
        assert found[0].pop("records") and not found[1].pop(
            "records"
        )  # a run keeps what is left out
        assert found[0] == found[1]
        assert main(["measure", str(out), f"text.read={folder}/{text}"]) == 2
        assert "text.label_field: objective" in capsys.readouterr().err
    uneven = folder / "uneven.tsv"
    uneven.write_text("text\tlabel\nx said\tO O\nx said\tO\n")
    for model in (name_run.path, folder / f"{name_run.path.name}-out"):
        words = [f"text.read={uneven}", "text.field=text", "text.label_field=label", "--json"]
        assert main(["measure", str(model), *words]) == 0
        assert json.loads(capsys.readouterr().out)["scores"][-1]["n"] == 1


def test_what_was_cut_in_training_is_cut_when_asked_and_measured(folder, capsys):
    cut = [*TRAIN, "train.objective={kind: classify, cut: true}"]
    lingloom.run(folder / "mails.yaml", *cut, "model.context=8", f"out={folder}/cut")
    lingloom.load(folder / "cut").export(folder / "cut-out")
    longer = "we lunch now you me now the we prize prize prize"
    for place in (folder / "cut", folder / "cut-out"):
        model = lingloom.load(place)
        whole, short = model.classified([longer, "we lunch now you me now the we"])
        assert (whole.label, whole.left_out, short.left_out) == ("ham", 3, 0)
        assert whole.chances == pytest.approx(short.chances, abs=1e-5)
    assert main(["ask", str(folder / "cut"), longer]) == 0
    told = capsys.readouterr()
    assert told.out == "ham\n"
    assert "(only the beginning was read: the last 3 tokens do not fit model.context 8)" in told.err
    (folder / "long.tsv").write_text(f"ham\t{longer}\nspam\tthe prize\n")
    assert main(["measure", str(folder / "cut"), f"text.read={folder}/long.tsv", "--json"]) == 0
    accuracy = json.loads(capsys.readouterr().out)["scores"][0]
    assert (accuracy["value"], accuracy["fixes"]["cut texts"]) == (1, 1)


def test_words_beyond_the_cut_are_not_told(folder, capsys):
    lingloom.run(
        folder / "names.yaml",
        *TRAIN,
        "train.objective={kind: tag, cut: true}",
        "model.context=12",
        f"out={folder}/cut-names",
    )
    model = lingloom.load(folder / "cut-names")
    (found,) = model.tagged([["a"] * 30])
    assert len(found.words) + found.left_out == 30 and found.left_out > 0
    assert main(["ask", str(folder / "cut-names"), " ".join("a" * 30)]) == 0
    assert f"the last {found.left_out} words do not fit" in capsys.readouterr().err
    (folder / "long.conll").write_text("".join("a\tO\n" * 30) + "\nX\tB-PER\nb\tI-PER\n")
    words = [f"text.read={folder}/long.conll", "--json"]
    assert main(["measure", str(folder / "cut-names"), *words]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert all(score["fixes"]["cut texts"] == 1 for score in scores)


def test_a_text_that_is_too_long_for_a_model_that_cuts_none_is_refused(mail_run):
    with pytest.raises(ShapeError, match=r"tokens do not fit model\.context 16"):
        lingloom.load(mail_run.path).classify("now " * 17)


def test_text_without_labels_is_refused_before_it_is_read(folder):
    with pytest.raises(RecipeError) as error:
        lingloom.run(folder / "mails.yaml", "text.label_field=")
    assert (
        "text.label_field: objective classify learns from labels, and no field is named; set "
        "text.label_field to the field that holds them, one for the whole text; or see "
        "text.label_from" in str(error.value)
    )
    with pytest.raises(RecipeError) as error:
        lingloom.run(folder / "mails.yaml", "model.kind=gpt2", "out=none")
    assert "text.label_field: objective next_token learns from no labels" in str(error.value)


def test_numbers_of_labels_that_are_not_the_datas_are_refused(folder):
    with pytest.raises(RecipeError, match=r"model.labels: 3, but the text has 2 labels \('ham'"):
        lingloom.run(folder / "mails.yaml", "model.labels=3", f"out={folder}/three", *TRAIN)


def test_a_label_of_held_out_text_alone_is_told_and_never_right(folder, capsys):
    rows = [f"{label}\t{text}\n" for label, text in mails(60, seed=3)]
    (folder / "few.tsv").write_text("".join(rows))
    (folder / "held.tsv").write_text("ham\tlunch me\nscam\tlunch prize\n")
    words = [f"text.read={folder}/few.tsv", f"text.heldout={folder}/held.tsv"]
    words += [f"out={folder}/held", "text.heldout_frac=0", "train.steps=2"]
    assert main(["train", str(folder / "mails.yaml"), *words]) == 0
    assert "never learnt, always mistaken: scam (1)" in capsys.readouterr().err
    table = RunFolder(folder / "held").read_json("scores.json")["labels"]
    assert table["scam"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 1}


def test_images_are_told_apart_by_a_network_with_gradients_by_hand(tmp_path):
    chance = np.random.default_rng(0)
    labels = chance.integers(2, size=120)
    images = chance.integers(90, size=(120, 4, 4))
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 2] += 120  # the bright half
    for name, numbers in (("images-idx3", images), ("labels-idx1", labels)):
        shape = struct.pack(f">{numbers.ndim}I", *numbers.shape)
        raw = b"\0\0\x08" + bytes([numbers.ndim]) + shape + numbers.astype(np.uint8).tobytes()
        (tmp_path / f"t-{name}-ubyte").write_bytes(raw)
    (tmp_path / "images.yaml").write_text(
        f"""text: {{read: {tmp_path}/t-images-idx3-ubyte, heldout_frac: 0.2}}
tokens: {{kind: pixels}}
model: {{kind: mlp, context: 16, width: 8, activation: sigmoid, gradient: by_hand}}
out: {tmp_path}/run
"""
    )
    model = lingloom.run(tmp_path / "images.yaml", *TRAIN)
    assert values(RunFolder(tmp_path / "run"), "mlp")["accuracy"] > 0.9
    assert model.classify("⠀⠀⣿⣿" * 4) == "1"
    with pytest.raises(DataError, match=r"'a' \(U\+0061\) is no pixel"):
        model.classify("a" * 16)
    with pytest.raises(ShapeError, match="8 pixels are not the 16 of model.context"):
        model.classify("⣿" * 8)
    with pytest.raises(
        RecipeError, match="reads images, which have 257 token ids; set tokens.kind"
    ):
        lingloom.run(tmp_path / "images.yaml", "tokens.kind=characters", f"out={tmp_path}/other")
