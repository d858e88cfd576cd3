"""Answers from passages, from the file to the command line; and labels of two texts."""

import io
import json
import random

import pytest

import lingloom
from lingloom.cli import main
from lingloom.errors import DataError, RecipeError
from lingloom.models.port import load_model, save_model
from lingloom.runs import RunFolder
from lingloom.tasks.answer import answer
from lingloom.text.stopwords import StopWordsSettings
from lingloom.tokens.open import open_tokenizer
from lingloom.tokens.words import WordsSettings

TRAIN = ["train.steps=250", "train.batch=32", "train.eval_every=125", "train.lr=1e-2"]
TRAIN += ["train.optimizer=muon"]
ASKS = {"who": ["ann", "bob", "eve"], "what": ["hat", "cup", "car"], "where": ["rome", "oslo"]}


def questions(n, seed=0, without=0.0):
    """(passage, question, answers): each passage holds a word of each kind, at any place."""
    chance = random.Random(seed)
    for _ in range(n):
        words = [chance.choice(kind) for kind in ASKS.values()] + chance.choices("xyz", k=3)
        chance.shuffle(words)
        passage = " ".join(words)
        for ask in chance.sample([*ASKS], 2):
            answers = [word for word in words if word in ASKS[ask]]
            if chance.random() < without:
                passage, answers = " ".join(w for w in words if w not in answers), []
            yield passage, ask, answers
            passage = " ".join(words)


def squad(rows):
    """The rows as SQuAD nests them; each passage has its questions together."""
    passages = {}
    for i, (passage, question, answers) in enumerate(rows):
        told = [{"text": a, "answer_start": passage.index(a)} for a in answers]
        row = {"id": f"q{i}", "question": question, "answers": told}
        passages.setdefault(passage, []).append(row)
    data = [{"title": "t", "paragraphs": [{"context": p, "qas": q}]} for p, q in passages.items()]
    return json.dumps({"version": "2.0", "data": data})


def recipe(folder, name):
    path = folder / f"{name}.yaml"
    path.write_text(
        f"""text: {{read: {folder}/{name}.json, heldout_frac: 0.2, field: question,
  second_field: context, answer_field: answers}}
tokens: {{kind: words}}
model: {{kind: bert, head: span, layers: 1, heads: 2, width: 32, context: 10}}
train: {{objective: {{kind: span, question: 4, stride: 4}}}}
seed: 1
out: {folder}/{name}
"""
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("answers")
    (found / "all.json").write_text(squad(questions(250)))
    (found / "some.json").write_text(squad(questions(400, seed=1, without=0.3)))
    return found


@pytest.fixture(scope="module")
def run(folder):
    lingloom.run(recipe(folder, "all"), *TRAIN)
    return RunFolder(folder / "all")


@pytest.fixture(scope="module")
def run_without(folder):
    lingloom.run(recipe(folder, "some"), *TRAIN, "train.objective.no_answer=0")
    return RunFolder(folder / "some")


def values(run, who):
    return {score["name"]: score["value"] for score in run.read_json("scores.json")["scores"][who]}


def test_answers_are_found_and_the_simplest_guess_finds_none(run):
    guess, model = run.read_json("scores.json")["scores"]
    assert (guess, model) == ("the sentence most like the question", "bert")
    assert values(run, "bert")["exact match"] > 0.9
    assert values(run, guess)["exact match"] == 0
    (score, _) = run.read_json("scores.json")["scores"]["bert"]
    assert (score["unit"], score["of"]) == ("(SQuAD)", "passages")
    assert score["fixes"]["questions"] > score["n"]
    sample = run.read_json("samples.json")[0]
    assert sample["text"] in sample["prompt"]
    assert "nats/end" in run.report.read_text("utf-8")


def test_no_question_of_a_held_out_passage_is_trained_on(run):
    from lingloom.pipeline.prepare import open_data

    data = open_data(run)
    passages = [
        {tuple(data.seconds[split].document(i).tolist()) for i in range(texts.documents)}
        for split, texts in (("train", data.train), ("heldout", data.heldout))
    ]
    assert all(passages)
    assert not passages[0] & passages[1]


def test_a_question_without_an_answer_gets_none(run_without):
    found = values(run_without, "bert")
    assert list(found) == [
        "exact match",
        "F1",
        "exact match where there is an answer",
        "F1 where there is an answer",
        "exact match where there is none",
    ]
    assert found["exact match where there is none"] > 0.8
    assert found["exact match where there is an answer"] > 0.8
    model = lingloom.load(run_without.path)
    assert model.answer("who", "x y hat z rome") == ""
    (found,) = model.answered([("who", "x y ann hat z rome")])
    assert (found.answer, found.start, found.stop) == ("ann", 4, 7)
    assert found.lead > 0
    assert 0 < found.chance <= 1


def test_answers_in_every_window_of_a_long_passage_are_found(run):
    model = lingloom.load(run.path)
    for at in range(0, 60, 7):
        words = ["x", "y", "z"] * 20
        words[at] = "bob"
        (found,) = model.answered([("who", " ".join(words))])
        assert (found.answer, found.start) == ("bob", 2 * at)


def test_a_stopped_run_goes_on_to_the_same_bits(folder, run):
    words = [*TRAIN, f"out={folder}/again"]
    again, events = lingloom.api.begin(folder / "all.yaml", words, stop=lambda: True)
    list(events)
    lingloom.run(again.path)
    losses = [[r["loss"] for r in each.read_log() if r["loss"]] for each in (again, run)]
    assert losses[0] == losses[1]


def test_it_is_asked_on_the_command_line(run, run_without, capsys, monkeypatch):
    assert main(["ask", str(run.path), "who", "x x eve y hat rome"]) == 0
    assert capsys.readouterr().out == "eve\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("x x eve y hat rome\n"))
    assert main(["ask", str(run.path), "who", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["answer"], found["start"], found["stop"]) == ("eve", 4, 7)
    assert main(["ask", str(run_without.path), "who", "x y z"]) == 0
    out = capsys.readouterr()
    assert out.out == "\n"
    assert "no answer in the passage" in out.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["", "x"], "the question is empty, so there is nothing to find; ask something"),
        (["who", " "], "the passage is empty, so nothing can be found in it; give some text"),
        (
            ["who who who who who", "x"],
            "'who who who who who...': a question of 5 tokens is longer than "
            "train.objective.question=4; shorten it",
        ),
        (["who", "x", "y"], "'y' (command line): is one text more than this model reads; put q"),
        (["who", "x", "decode.beams=2"], "decode.beams (command line): has no effect, this mo"),
    ],
)
def test_what_cannot_be_asked_is_told(run, words, message, capsys):
    assert main(["ask", str(run.path), *words]) in (1, 2)
    assert message in capsys.readouterr().err


def test_a_model_that_reads_two_texts_asks_for_both(run, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("who"))
    assert main(["ask", str(run.path)]) == 1
    assert (
        "this model reads two texts at once; write both, as in: lingloom ask RUN"
        in capsys.readouterr().err
    )


def test_it_is_measured_on_other_files_shown_and_proved(run, folder, capsys):
    assert main(["measure", str(run.path), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert scores == run.read_json("scores.json")["scores"]["bert"]
    other = folder / "other.json"
    other.write_text(squad(questions(20, seed=7)))
    assert main(["measure", str(run.path), f"text.read={other}", "--json"]) == 0
    score = json.loads(capsys.readouterr().out)["scores"][0]
    assert score["value"] > 0.9
    assert score["fixes"]["questions"] == 40
    assert main(["show", str(run.path), "batch", "rows=1"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("<|end|>") == 3
    assert "\nanswer: " in shown
    assert all(proof.passed for proof in lingloom.prove(run.path))


def test_a_model_folder_answers_like_its_run(run, tmp_path):
    model = load_model(run.model)
    save_model(model, tmp_path, run.model, learnt="span")
    again = lingloom.load(tmp_path)
    assert again.task == "answer"
    passage = "x x eve y hat rome"
    ours = answer(model, open_tokenizer(run.model), [("who", passage)])
    assert again.answered([("who", passage)]) == ours


def test_what_answers_need_is_asked_for_before_anything_is_read(folder):
    for words, message in (
        (["text.second_field=", "text.answer_field="], "no field of passages is named"),
        (["text.answer_field="], "learns where answers stand, and no field is named"),
        (["text.second_field="], "holds answers that stand in a passage, and no field holds"),
        (["model.head=masked", "train.objective="], "objective masked_token reads one text at a"),
        (["model.parts=1"], "parts 1 cannot tell the two texts of head=span apart"),
        (["train.regularise.label_smoothing=0.1"], "has no effect on objective span"),
        (["train.packing=documents"], "has no effect on objective span"),
        (["tokens.stop_words.lists=[english]"], "tokens.stop_words: words that are left out have"),
        (["tokens.stop_words.top=2"], "objective span learns what or where each word is; leave"),
        (["train.objective.question=7"], r"model.context: 10 has no room .* model.context=11 or m"),
    ):
        with pytest.raises(RecipeError, match=message):
            lingloom.estimate(recipe(folder, "all"), *words)
    t5 = ["model={kind: t5}", "train.objective=pairs", "text.target_field=answers"]
    with pytest.raises(RecipeError, match="text.second_field: objective pairs reads one text"):
        lingloom.estimate(recipe(folder, "all"), "text.answer_field=", *t5)


def test_a_stored_tokenizer_that_leaves_words_out_is_refused_before_anything_is_read(
    folder, tmp_path
):
    words = WordsSettings(stop_words=StopWordsSettings(lists=["english"]))
    words.train(["the cat is here"]).save(tmp_path / "tokens")
    stored = f"tokens={{kind: stored, folder: {tmp_path}/tokens}}"
    with pytest.raises(RecipeError, match=r"learns what or where .*; name another tokens\.folder"):
        lingloom.estimate(recipe(folder, "all"), stored)


def test_unanswered_questions_need_a_word_on_what_to_do(folder, tmp_path):
    with pytest.raises(DataError, match=r"\d+ of \d+ questions have no answer, and with"):
        lingloom.run(recipe(folder, "some"), "train.steps=1", f"out={tmp_path}/run")


def test_when_none_is_given_may_change_once_the_run_is_done(run_without):
    lingloom.run(run_without.path, "train.objective.no_answer=1000")
    assert values(run_without, "bert")["exact match where there is none"] == 0
    lingloom.run(run_without.path, "train.objective.no_answer=0")
    assert values(run_without, "bert")["exact match where there is none"] > 0.8


# --------------------------------------------------------------------------- labels of two texts


def pairs(n, seed=0):
    """Two texts that name an animal each, and which one the second names."""
    chance = random.Random(seed)
    for _ in range(n):
        a, b = chance.choices(["cat", "dog"], k=2)
        first, second = (
            " ".join([*chance.choices("xyz", k=chance.randint(0, 3)), word]) for word in (a, b)
        )
        yield f"{first}\t{second}\t{b}"


@pytest.fixture(scope="module")
def pair_run(folder):
    (folder / "pairs.tsv").write_text("a\tb\tlabel\n" + "\n".join(pairs(300)))
    path = folder / "pairs.yaml"
    path.write_text(
        f"""text: {{read: {folder}/pairs.tsv, heldout_frac: 0.2, field: a, second_field: b,
  label_field: label, dedup: false}}
tokens: {{kind: words}}
model: {{kind: bert, head: classify, layers: 1, heads: 2, width: 16, context: 12}}
out: {folder}/pairs
"""
    )
    lingloom.run(path, "train.steps=150", "train.batch=32", "train.lr=3e-3")
    return RunFolder(folder / "pairs")


def test_a_folder_without_a_run_is_measured_on_questions(run, folder, capsys):
    lingloom.load(run.path).export(folder / "out")
    other = folder / "others.json"
    other.write_text(squad(questions(10, seed=8)))
    fields = ("text.field=question", "text.second_field=context", "text.answer_field=answers")
    words = ["measure", f"{folder}/out", f"text.read={other}"]
    assert main([*words, *fields, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert scores[0]["value"] > 0.9 and scores[0]["fixes"]["questions"] == 20
    assert main(words) == 2
    assert "text.second_field" in capsys.readouterr().err


def test_labels_of_two_texts_are_told(pair_run, capsys):
    assert values(pair_run, "bert")["accuracy"] > 0.85
    model = lingloom.load(pair_run.path)
    assert model.classify("x cat", "y cat") == "cat"
    assert model.classify([("x cat", "y dog"), ("x dog", "y cat")]) == ["dog", "cat"]
    assert main(["ask", str(pair_run.path), "x cat", "y z dog", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["text"], found["second"], found["label"]) == ("x cat", "y z dog", "dog")
    assert main(["measure", str(pair_run.path), f"text.read={pair_run.path}.tsv", "--json"]) == 0
    accuracy = json.loads(capsys.readouterr().out)["scores"][0]
    assert accuracy["value"] > 0.85
    assert main(["show", str(pair_run.path), "batch", "rows=1"]) == 0
    assert capsys.readouterr().out.count("<|end|>") >= 3
    assert all(proof.passed for proof in lingloom.prove(pair_run.path))


def test_one_text_where_two_are_told_and_two_where_one_is(pair_run, folder, capsys, monkeypatch):
    model = lingloom.load(pair_run.path)
    with pytest.raises(DataError, match="'cat': this model tells what two texts together are; gi"):
        model.classify("cat")
    with pytest.raises(DataError, match="the text is empty, so there is nothing to tell of it"):
        model.classify("cat", " ")
    words = [f"text.read={folder}/pairs.tsv", "text.second_field=", f"out={folder}/single"]
    lingloom.run(folder / "pairs.yaml", *words, "train.steps=1")
    single = lingloom.load(folder / "single")
    with pytest.raises(DataError, match="'cat': this model tells what one text at a time are; le"):
        single.classify("cat", "dog")
    assert main(["ask", str(folder / "single"), "cat", "dog"]) == 2
    assert "this model reads one text at a time; leave the second out" in capsys.readouterr().err


def test_pairs_that_do_not_fit_are_refused_or_cut_at_the_longer_text(folder, tmp_path):
    words = ["model.context=8", "train.steps=1", f"out={tmp_path}/run"]
    with pytest.raises(DataError) as error:
        lingloom.run(folder / "pairs.yaml", *words)
    assert " tokens of both texts and 3 signs around them do not fit model.context 8, and " in str(
        error.value
    )
    assert " pairs are so long, the longest 8; raise model.context, or read only" in str(
        error.value
    )
    words = ["model.context=8", "train.steps=1", f"out={tmp_path}/cut"]
    lingloom.run(folder / "pairs.yaml", *words, "train.objective={kind: classify, cut: true}")


def test_families_that_know_one_text_refuse_two(folder):
    for model, message in (
        ("model={kind: textcnn}", "text.second_field: this textcnn cannot tell two texts apart"),
        ("model.parts=1", "text.second_field: this bert cannot tell two texts apart"),
        ("model={kind: bert, head: tag}", "text.second_field: objective tag reads one text"),
        ("model={kind: llama}", "objective next_token learns from no labels"),
    ):
        with pytest.raises(RecipeError, match=message):
            lingloom.estimate(folder / "pairs.yaml", model)
