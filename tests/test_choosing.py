"""Where weights are chosen by held-out text, other held-out text is scored."""

import random
from dataclasses import replace

import pytest

import lingloom
from lingloom.api import estimate
from lingloom.cli import main
from lingloom.errors import DataError, RecipeError
from lingloom.loading import load
from lingloom.pipeline.estimate import figures_of
from lingloom.pipeline.judges.judge import judge_of
from lingloom.pipeline.prepare import open_data
from lingloom.recipe import Recipe
from lingloom.runs import RunFolder

STEPS = ["train.steps=30", "train.batch=16", "train.eval_every=10", "train.lr=1e-2"]
CHOOSES = [*STEPS, "train.regularise.patience=2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found, chance = tmp_path_factory.mktemp("choosing"), random.Random(3)
    rows = []
    for i in range(300):
        words = chance.choices(["you", "me", "now", "the"], k=4)
        words.insert(2, ("lunch", "prize")[i % 2])
        rows.append(f"{('ham', 'spam')[i % 2]}\t{' '.join(words)} {i}\n")
    (found / "mails.tsv").write_text("".join(rows))
    (found / "mails.yaml").write_text(
        f"""text: {{read: {found}/mails.tsv, field: 2, label_field: 1, heldout_frac: 0.3}}
tokens: {{kind: words}}
model: {{kind: textcnn, width: 8, filters: 4, context: 16, dropout: 0}}
"""
    )
    (found / "texts.txt").write_text("\n\n".join(f"some text {i} to learn" for i in range(400)))
    (found / "clean.yaml").write_text(
        f"text: {{read: {found}/texts.txt}}\nout: {found}/corpus\n"
        "split: {validation_frac: 0.1, test_frac: 0.1}\n"
    )
    (found / "write.yaml").write_text(
        f"text: {{read: {found}/corpus}}\ntokens: {{kind: bytes}}\n"
        "model: {kind: gpt2, layers: 1, heads: 2, width: 16, context: 16}\n"
    )
    return found


def data_of(folder):
    return open_data(RunFolder(folder))


def names(shards):
    return {shards.document_id(i) for i in range(shards.documents)}


def test_half_of_what_is_held_out_chooses_and_the_other_half_is_scored(folder):
    lingloom.run(folder / "mails.yaml", *CHOOSES, f"out={folder}/chosen")
    lingloom.run(folder / "mails.yaml", *STEPS, f"out={folder}/last")
    chosen, last = data_of(folder / "chosen"), data_of(folder / "last")
    assert last.validation is None and last.watched == "heldout"
    assert chosen.watched == "validation"
    assert names(chosen.validation) | names(chosen.heldout) == names(last.heldout)
    assert not names(chosen.validation) & names(chosen.heldout)
    assert 25 < chosen.validation.documents < 65
    assert chosen.figures["kept"]["validation"] == chosen.validation.documents
    assert names(chosen.train) == names(last.train)
    run = RunFolder(folder / "chosen")
    (accuracy,) = (
        s for s in run.read_json("scores.json")["scores"]["textcnn"] if s["name"] == "accuracy"
    )
    assert accuracy["n"] == chosen.heldout.documents
    assert accuracy["fixes"]["weights"] == "chosen by other texts (split validation)"
    assert "validation" in run.report.read_text("utf-8")


def test_the_weights_that_are_kept_are_the_best_on_what_chooses_them(folder):
    run = RunFolder(folder / "chosen")
    recipe, model = load(Recipe, run.recipe), lingloom.load(run.path).model
    found = judge_of(recipe).heldout_loss(open_data(run), model, recipe)(model)["loss"]
    curve = [r["evaluation"]["loss"] for r in run.read_log() if "evaluation" in r]
    assert found == pytest.approx(min(curve), rel=0.02)  # the curve was made in bf16


def test_the_plan_says_what_chooses(folder, capsys):
    plan = estimate(folder / "mails.yaml", *CHOOSES, f"out={folder}/none")
    assert (
        "train.regularise.patience chooses weights by one half of what is held out; scores are on "
        "the other half"
    ) in plan.notes
    plan = estimate(folder / "mails.yaml", *STEPS, f"out={folder}/none")
    assert not any("chooses" in note for note in plan.notes)


def test_too_little_held_out_text_to_choose_and_to_score_is_refused(folder):
    (folder / "one.tsv").write_text("ham\tshall we have lunch\n")
    words = [*CHOOSES, f"text.heldout={folder}/one.tsv", f"out={folder}/few"]
    with pytest.raises(DataError, match=r"do not serve both to choose weights by .* and to score"):
        lingloom.run(folder / "mails.yaml", *words)


@pytest.fixture(scope="module")
def three_parts(folder):
    """Words of a recipe with files of its own for each split; two rows of `held` come again."""
    rows = (folder / "mails.tsv").read_text().splitlines(keepends=True)
    parts = {"learnt": rows[:200] + rows[280:281], "watched": rows[200:250], "held": rows[250:]}
    wrong = {"ham": "spam", "spam": "ham"}
    for i in range(0, 50, 2):
        label, text = parts["watched"][i].split("\t")
        parts["watched"][i] = f"{wrong[label]}\t{text}"
    parts["watched"].append(rows[290])
    for name, part in parts.items():
        (folder / f"{name}.tsv").write_text("".join(part))
    files = {"read": "learnt", "validation": "watched", "heldout": "held"}
    return [f"text.{key}={folder}/{name}.tsv" for key, name in files.items()]


@pytest.mark.parametrize("steps", [STEPS, CHOOSES], ids=["last", "chosen"])
def test_named_text_is_looked_at_while_training_and_all_that_is_held_out_is_scored(
    folder, three_parts, steps
):
    out = RunFolder(folder / f"three-{len(steps)}")
    exact = "train.precision=fp32"
    lingloom.run(folder / "mails.yaml", *steps, *three_parts, exact, f"out={out.path}")
    data = open_data(out)
    assert data.figures["kept"] == {"heldout": 50, "validation": 50, "train": 200}
    assert data.figures["dropped"] == {"duplicate": 2}
    assert data.watched == "validation"
    watched = {name.partition(":")[0] for name in names(data.validation)}
    assert watched == {f"{folder}/watched.tsv"}
    scores = out.read_json("scores.json")["scores"]["textcnn"]
    assert {s["n"] for s in scores if s["name"] == "accuracy"} == {50}
    # the curve is of the watched text, in which half of the labels are wrong
    recipe, model = load(Recipe, out.recipe), lingloom.load(out.path).model

    def loss_on(split, shards) -> float:
        labels = {"train": data.labels["train"], "heldout": data.labels[split]}
        alone = replace(data, heldout=shards, validation=None, labels=labels)
        return judge_of(recipe).heldout_loss(alone, model, recipe)(model)["loss"]

    curve = [r["evaluation"]["loss"] for r in out.read_log() if "evaluation" in r]
    last = min(curve) if steps is CHOOSES else curve[-1]
    assert loss_on("validation", data.validation) == pytest.approx(last, rel=1e-5)
    assert loss_on("heldout", data.heldout) != pytest.approx(last, rel=1e-3)


def test_the_plan_of_named_text_counts_it_and_says_what_it_is_for(folder, three_parts):
    plan = estimate(folder / "mails.yaml", *CHOOSES, *three_parts, f"out={folder}/none")
    assert (
        "train.regularise.patience chooses weights by text.validation; scores are on what is held "
        "out"
    ) in plan.notes
    settings = load(Recipe, folder / "mails.yaml", three_parts)
    figures = figures_of(settings)
    size = {part: (folder / f"{part}.tsv").stat().st_size for part in ("learnt", "watched", "held")}
    assert figures.train_bytes == size["learnt"]
    assert (figures.watched_bytes, figures.heldout_bytes) == (size["watched"], size["held"])
    assert figures.bytes_read() == sum(size.values())


def test_text_that_chooses_and_is_scored_is_refused(folder, three_parts):
    both = [*three_parts, f"text.validation={folder}/held.tsv", f"out={folder}/both"]
    with pytest.raises(RecipeError, match=r"text.validation and text.heldout both name .*held.tsv"):
        lingloom.run(folder / "mails.yaml", *STEPS, *both)


def test_what_is_looked_at_is_not_trained_on_and_wrong_names_are_told_by_their_key(
    folder, three_parts
):
    def refused(*words: str) -> str:
        with pytest.raises(RecipeError) as refusal:
            lingloom.estimate(folder / "mails.yaml", *STEPS, *words, f"out={folder}/refused")
        return str(refusal.value)

    only = refused(f"text.read={folder}/watched.tsv", f"text.validation={folder}/watched.tsv")
    assert "stands in text.heldout or text.validation too, so that nothing is left" in only
    assert refused("text.validation=gone.tsv").startswith(
        "text.validation: no such file 'gone.tsv'"
    )
    assert refused("text.heldout=gone.tsv").startswith("text.heldout: no such file 'gone.tsv'")
    counting = ["model={kind: ngram}", "text.label_field=", "text.field=2"]
    assert "an n-gram model counts once" in refused(*three_parts, *counting)
    both = f"text.read=[{folder}/learnt.tsv,{folder}/watched.tsv]"
    figures = figures_of(load(Recipe, folder / "mails.yaml", [*three_parts, both]))
    assert figures.train_bytes == (folder / "learnt.tsv").stat().st_size


def test_a_corpus_is_no_text_to_look_at(folder, three_parts):
    assert main(["clean", str(folder / "clean.yaml"), f"out={folder}/whole"]) == 0
    with pytest.raises(RecipeError, match="is a cleaned corpus with splits of its own"):
        lingloom.estimate(folder / "mails.yaml", *three_parts, f"text.validation={folder}/whole")
    words = ["clean", str(folder / "clean.yaml"), f"text.validation={folder}/texts.txt"]
    assert main([*words, f"out={folder}/no"]) == 2


def test_text_that_chooses_of_which_nothing_is_kept_is_refused(folder, three_parts):
    (folder / "again.tsv").write_bytes((folder / "held.tsv").read_bytes())
    words = [*three_parts, f"text.validation={folder}/again.tsv", f"out={folder}/again"]
    with pytest.raises(
        DataError, match=r"text.validation: '.*again.tsv': no document of it is kept; it holds"
    ):
        lingloom.run(folder / "mails.yaml", *STEPS, *words)


def test_a_corpus_chooses_by_its_validation_split_and_is_scored_on_its_test_split(folder):
    assert main(["clean", str(folder / "clean.yaml")]) == 0
    lingloom.run(folder / "write.yaml", *CHOOSES, f"out={folder}/one")
    lingloom.run(folder / "write.yaml", *STEPS, f"out={folder}/two")
    one, two = data_of(folder / "one"), data_of(folder / "two")
    assert names(one.validation) == names(two.heldout)
    assert not names(one.heldout) & (names(one.validation) | names(one.train))
    assert names(one.train) == names(two.train)
    assert two.validation is None
    plan = estimate(folder / "write.yaml", *CHOOSES, f"out={folder}/none")
    assert any("its test split" in note for note in plan.notes)


def test_a_corpus_without_a_test_split_is_refused(folder, capsys):
    words = ["split.test_frac=0", f"out={folder}/bare"]
    assert main(["clean", str(folder / "clean.yaml"), *words]) == 0
    with pytest.raises(DataError) as refusal:
        lingloom.run(folder / "write.yaml", *CHOOSES, f"text.read={folder}/bare", f"out={folder}/x")
    assert str(refusal.value) == (
        f"{folder}/bare: its test split holds no document; make the corpus again from more text, "
        "or with a larger split.test_frac, or set train.regularise.patience=0"
    )


def test_a_vocabulary_that_the_text_decides_is_planned_by_its_beginning(folder):
    plan = estimate(folder / "mails.yaml", *STEPS, f"out={folder}/none")
    words = 300 + len(["you", "me", "now", "the", "lunch", "prize", "<unk>", "<|end|>"])
    assert words * 8 < plan.parameters < 1.5 * words * 8  # most are of the embedding
