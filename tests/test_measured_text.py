"""What of other text is not measured is told, by whatever family, with its reasons."""

import json

import pytest

import lingloom
from lingloom.cli import main
from lingloom.errors import RecipeError

TRAIN = ["train.steps=2", "train.batch=4", "train.eval_every=0"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with runs that tell texts apart, tell words apart and write targets, and texts of
    which some are bad."""
    folder = tmp_path_factory.mktemp("measured")
    mails = ["ham\tlunch now\n", "spam\tprize now\n", "ham\tlunch we\n", "spam\tprize we\n"] * 5
    (folder / "mails.tsv").write_text("".join(mails))
    (folder / "pairs.tsv").write_text("".join(f"{'a b ' * n}\t{'c ' * n}\n" for n in range(1, 7)))
    tags = "".join(f"{word}\tO\nX\tN\n\n" for word in "abcdefghijklmnopqrst")
    (folder / "tags.conll").write_text(tags)
    text = "text: {heldout_frac: 0.4, dedup: false"
    recipes = {
        "mails": f"{text}, read: mails.tsv, field: 2, label_field: 1}}\n"
        "model: {kind: textcnn, width: 4, filters: 2, context: 4}\n",
        "tags": f"{text}, read: tags.conll, label_field: 2}}\n"
        "model: {kind: crf, width: 4, embed_width: 4, context: 8}\n",
        "pairs": f"{text}, split_seed: 1, read: pairs.tsv, field: 1, target_field: 2}}\n"
        "model: {kind: transformer, layers: 1, heads: 1, width: 8, context: 13}\n"
        "train: {objective: {kind: pairs, unfit: leave_out}}\nmeasure: {decoded: 0}\n",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, recipe in recipes.items():
            (folder / f"{name}.yaml").write_text(f"{recipe}tokens: {{kind: words}}\n")
            lingloom.run(f"{name}.yaml", *TRAIN)
    (folder / "bad.tsv").write_text("ham\tlunch\n\tno label\n\tnor here\nspam\tprize\nham\n")
    (folder / "untold.tsv").write_text("a b\tc\na\t\nb\t\n" + "a " * 20 + "\tc\n")
    (folder / "odd.jsonl").write_text(
        '{"text": "a X", "tags": "O N"}\n{"text": "a X", "tags": "O"}\n{"text": "a"}\n'
    )
    return folder


@pytest.fixture(autouse=True)
def inside(here, monkeypatch):
    monkeypatch.chdir(here)


def measured(capsys, *words):
    assert main(["measure", *words]) == 0
    return capsys.readouterr()


def test_lines_without_a_label_are_told(capsys):
    told = measured(capsys, "mails", "text.read=bad.tsv")
    assert "n=2 documents" in told.out
    assert told.err.splitlines() == [
        "2 documents of bad.tsv; 0 dropped, 3 set aside",
        "  set aside 2, first bad.tsv:2: no label in field '1'",
        "  set aside 1, first bad.tsv:5: 1 columns; text.field is 2",
        "  all set aside: runs/mails/measured/set_aside.jsonl",
    ]
    kept = (lingloom.runs.RunFolder("runs/mails").path / "measured/set_aside.jsonl").read_text()
    assert [json.loads(line)["line"] for line in kept.splitlines()] == [2, 3, 5]


def test_lines_without_a_label_stand_in_json(capsys):
    told = json.loads(measured(capsys, "mails", "text.read=bad.tsv", "--json").out)
    assert (told["documents"], told["dropped"]) == (2, [])
    assert told["set_aside"] == [
        {"reason": "no label in field '1'", "count": 2, "first": "bad.tsv:2"},
        {"reason": "1 columns; text.field is 2", "count": 1, "first": "bad.tsv:5"},
    ]
    assert told["records"]["set_aside"] == "runs/mails/measured/set_aside.jsonl"


def test_a_model_without_a_run_tells_the_reasons_and_the_first_places(capsys):
    words = ["text.read=bad.tsv", "text.field=2", "text.label_field=1"]
    told = measured(capsys, "runs/mails/model", *words, "--json")
    assert "set aside 2, first bad.tsv:2: no label in field '1'" in told.err
    assert "all set aside" not in told.err
    assert json.loads(told.out)["records"] == {}


def test_empty_targets_and_pairs_that_do_not_fit_are_told(capsys):
    told = measured(capsys, "pairs", "text.read=untold.tsv")
    assert "n=1 sources" in told.out
    assert told.err.splitlines() == [
        "2 documents of untold.tsv; 0 dropped, 2 set aside",
        "  set aside 2, first untold.tsv:2: no target in field '2'",
        "  all set aside: runs/pairs/measured/set_aside.jsonl",
        "1 pairs are empty on one side or do not fit model.context, and are left out",
    ]


def test_texts_whose_words_and_labels_differ_in_number_are_told(capsys):
    words = ["text.read=odd.jsonl", "text.label_field=tags", "text.format=jsonl"]
    told = measured(capsys, "tags", *words)
    assert "n=1 documents" in told.out
    assert told.err.splitlines() == [
        "2 documents of odd.jsonl; 1 dropped, 1 set aside",
        "  dropped 1, first odd.jsonl:2: words and labels differ in number",
        "  all dropped: runs/tags/measured/dropped.jsonl",
        "  set aside 1, first odd.jsonl:3: no label in field 'tags'",
        "  all set aside: runs/tags/measured/set_aside.jsonl",
    ]


def test_texts_alone_do_not_measure_a_model_that_tells_what_they_are():
    with pytest.raises(RecipeError) as error:
        lingloom.load("mails").measure(["lunch now"])
    assert str(error.value) == (
        "runs/mails/model: a textcnn model that was trained to classify is not measured on texts "
        "alone; measure it on a file, which says what is right, with: lingloom measure RUN "
        "text.read=FILE"
    )


def test_training_tells_the_first_place_of_what_was_set_aside(capsys):
    assert main(["train", "mails.yaml", "text.read=[mails.tsv,bad.tsv]", *TRAIN, "out=runs/b"]) == 0
    told = capsys.readouterr().err
    assert "3 set aside" in told
    assert "set aside first: bad.tsv:2: no label in field '1'; all of them: runs/b/data/" in told
