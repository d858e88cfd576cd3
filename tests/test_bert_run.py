"""BERT from text to answers: taught by hidden tokens, then by labels, asked and measured."""

import json
import random

import numpy as np
import pytest
import torch

import lingloom
from lingloom.cli import main
from lingloom.errors import DataError, RecipeError, ShapeError
from lingloom.models.bert import BertSettings
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.port import load_model, save_model
from lingloom.plan.memory import memory_terms
from lingloom.runs import RunFolder
from lingloom.tasks.embed import embed
from lingloom.tasks.fill import fill
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.characters import CharactersSettings
from lingloom.tokens.extra import with_extra
from lingloom.tokens.tokenizer import MASK
from lingloom.train.objectives.masked_token import MaskedTokenSettings
from lingloom.train.settings import TrainSettings

SMALL = ["model.layers=1", "model.heads=2", "model.width=16", "model.context=32"]
TRAIN = ["train.steps=6", "train.batch=4", "train.eval_every=3", "train.checkpoint.every=3"]


def sentences(n, seed=0):
    """Lines of a small language in which the last word says what the first one was."""
    chance = random.Random(seed)
    pairs = {"cat": "meows", "dog": "barks", "cow": "moos"}
    for _ in range(n):
        animal = chance.choice(list(pairs))
        yield animal, f"the {animal} of {chance.choice(['ann', 'bob', 'eve'])} {pairs[animal]} ."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("bert")
    lines = [line for _, line in sentences(300)]
    documents = ["\n".join(lines[i : i + 5]) for i in range(0, 300, 5)]
    (found / "text.txt").write_text("\n\n".join(documents), "utf-8")
    rows = [f"{line}\t{animal}" for animal, line in sentences(120, seed=1)]
    (found / "labelled.tsv").write_text("text\tanimal\n" + "\n".join(rows), "utf-8")
    tags = {"cat": "ANIMAL", "dog": "ANIMAL", "cow": "ANIMAL", "ann": "WHO", "bob": "WHO"}
    rows = [
        f"{line}\t{' '.join(tags.get(word, 'O') for word in line.split())}"
        for _, line in sentences(120, seed=2)
    ]
    (found / "tagged.tsv").write_text("text\ttags\n" + "\n".join(rows), "utf-8")
    (found / "masked.yaml").write_text(
        f"""text: {{read: {found}/text.txt, unit: paragraph, heldout_frac: 0.1}}
tokens: {{kind: characters}}
model: {{kind: bert}}
out: {found}/masked
"""
    )
    return found


@pytest.fixture(scope="module")
def masked(folder):
    lingloom.run(folder / "masked.yaml", *SMALL, *TRAIN)
    return folder / "masked"


@pytest.fixture(scope="module")
def followers(folder):
    words = [f"out={folder}/followers", "model.head=next_sentence"]
    lingloom.run(folder / "masked.yaml", *SMALL, *TRAIN, *words)
    return folder / "followers"


def classify(folder, out, *words):
    text = [f"text.read={folder}/labelled.tsv", "text.label_field=animal", "text.dedup=false"]
    model = ["model.kind=bert", "model.head=classify", f"out={folder}/{out}"]
    (folder / "classify.yaml").write_text("text: {heldout_frac: 0.1}\n")
    return lingloom.run(folder / "classify.yaml", *text, *model, *SMALL, *TRAIN, *words)


def names_of(run):
    scores = RunFolder(run).read_json("scores.json")["scores"]["bert"]
    assert all(s["low"] <= s["value"] <= s["high"] for s in scores)
    return {s["name"]: s["value"] for s in scores}


# ------------------------------------------------------------------ taught by hidden tokens


def test_hidden_tokens_are_measured_with_intervals(masked, followers):
    scores = names_of(masked)
    assert set(scores) == {"nats per masked token", "accuracy of masked tokens"}
    assert 0 < scores["nats per masked token"] < 1.5 * np.log(40)
    both = names_of(followers)
    assert set(both) == {*scores, "accuracy of next sentences"}
    assert 0 <= both["accuracy of next sentences"] <= 1


def test_every_promise_holds_on_the_run(masked, followers):
    for run in (masked, followers):
        proofs = {proof.name: proof.passed for proof in lingloom.prove(run)}
        assert proofs == {
            "accumulation = full batch": True,
            "resumed = straight": True,
            "the order of the data is pure": True,
            "exported = trained": True,
            "exported = trained, elsewhere": True,
        }


def test_a_stopped_run_goes_on_to_the_same_weights(masked, folder):
    half = [*SMALL, *TRAIN, f"out={folder}/again", "train.steps=3"]
    recipe = folder / "masked.yaml"
    lingloom.run(recipe, *half, "train.schedule=constant")
    lingloom.run(folder / "again", "train.steps=6")
    lingloom.run(recipe, *half[:-2], f"out={folder}/once", "train.schedule=constant")
    once, again = (load_model(folder / name / "model") for name in ("once", "again"))
    for a, b in zip(once.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_its_verbs_answer_or_say_why_not(masked, capsys):
    assert main(["ask", str(masked), "the [MASK]at of <mask>nn"]) == 0
    out = capsys.readouterr()
    assert out.out.startswith("the ") and len(out.out.strip()) == len("the xat of ynn")
    assert "[MASK] 2: " in out.err
    assert main(["measure", str(masked), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)["scores"]
    stored = RunFolder(masked).read_json("scores.json")["scores"]["bert"]
    assert measured == stored
    assert main(["show", str(masked), "batch", "rows=1"]) == 0
    out = capsys.readouterr().out
    assert "<mask>" in out and len(out.rpartition("hidden: ")[2].split(" ")) >= 3
    for words, told in (
        (["ask", str(masked), "the cat"], "no [MASK] in 'the cat'"),
        (["ask", str(masked), "[MASK]", "decode.top_k=2"], "this model does not write"),
        (["measure", str(masked), "text.read=x.txt"], "is measured on the held-out part"),
    ):
        assert main(words) in (1, 2)
        assert told in capsys.readouterr().err


def test_samples_show_gaps_and_what_fills_them(masked):
    samples = RunFolder(masked).read_json("samples.json")
    assert samples
    for sample in samples:
        assert "[MASK]" in sample["prompt"]
        assert "[MASK]" not in sample["text"]
        assert "%" in sample["decoding"]


def test_what_cannot_be_learnt_is_told_before_anything_is_read(folder):
    for words, told in (
        (["model.head=none"], "with head=none learns nothing"),
        (["train.objective=next_token"], "cannot learn next_token, only masked_token"),
        (["model.head=tag"], "objective tag learns from labels"),
        (["train.packing=documents"], "train.packing: 'documents' has no effect on objective"),
        (["model.labels=3"], "labels 3 has no effect on head=masked"),
        (
            ["train.objective={kind: masked_token, mask_frac: 0.9, random_frac: 0.2}"],
            "together more than all hidden tokens",
        ),
        (
            ["train.objective={kind: masked_token, segment: forward}"],
            "segment and segment_file have no effect without whole_words",
        ),
    ):
        with pytest.raises(RecipeError, match=told):
            lingloom.estimate(folder / "masked.yaml", *SMALL, *words)


def test_a_plan_knows_what_the_run_will_hold(folder):
    plan = lingloom.estimate(folder / "masked.yaml", *SMALL, "tokens={kind: bpe, vocab: 300}")
    assert plan.parameters == sum(
        p.numel()
        for p in BertSettings(vocab=301, layers=1, heads=2, width=16, context=32)
        .build()
        .parameters()
    )


def test_only_hidden_places_are_multiplied_with_the_vocabulary():
    """Of a vocabulary that is larger than all else, the scores of all places would take 7 times as
    much as those of 15 in a hundred."""
    train = TrainSettings(batch=4, micro=4, workers=1, objective=MaskedTokenSettings())
    model = BertSettings(vocab=60_000, layers=1, heads=1, width=8, context=128)
    term = next(t for t in memory_terms(model, train) if t.name == "activations")
    hidden, every = (4 * places * 60_000 * 2 for places in (19, 128))  # bf16
    assert term.amount.value < 0.5 * every
    assert term.amount.value > hidden


# ------------------------------------------------------------------ filling and embedding


def fresh(tokenizer, context=32):
    torch.manual_seed(0)
    settings = BertSettings(vocab=tokenizer.vocab, layers=1, heads=1, width=32, context=context)
    return settings.build().eval()


def test_each_gap_is_filled_and_all_else_stays():
    tokenizer = with_extra(CharactersSettings().train(["从前有一座山，山上有一座庙 cat"]), [MASK])
    found = fill(fresh(tokenizer), tokenizer, "从[MASK]有<mask>座山", best=3)
    assert len(found.text) == len("从前有一座山")
    assert (found.text[0], found.text[2], found.text[4:]) == ("从", "有", "座山")
    assert [len(place) for place in found.choices] == [3, 3]
    for place in found.choices:
        assert all(a.chance >= b.chance for a, b in zip(place, place[1:], strict=False))
        assert sum(c.chance for c in place) <= 1
        assert all(MASK not in c.token for c in place)


def test_a_text_without_a_gap_or_too_long_is_told():
    tokenizer = with_extra(BytesSettings().train([]), [MASK])
    model = fresh(tokenizer)
    with pytest.raises(DataError, match=r"no \[MASK\] in 'the cat'; write it where a word"):
        fill(model, tokenizer, "the cat")
    with pytest.raises(ShapeError, match=r"33 tokens do not fit model\.context 32"):
        fill(model, tokenizer, "[MASK]" + "a" * 30)


def test_a_vector_is_the_mean_over_a_text_alone_however_it_is_padded():
    tokenizer = BytesSettings().train([])
    texts = ["a", "the cat sat", "从前", "b" * 20]
    for model in (
        fresh(tokenizer),
        GPT2Settings(vocab=257, layers=1, heads=2, width=16, context=32).build().eval(),
    ):
        together = embed(model, tokenizer, texts)
        assert together.shape == (4, model.settings.width)
        torch.testing.assert_close(together.norm(dim=1), torch.ones(4))
        for text, vector in zip(texts, together, strict=True):
            torch.testing.assert_close(embed(model, tokenizer, [text])[0], vector)
        raw = embed(model, tokenizer, texts, normalise=False)
        torch.testing.assert_close(torch.nn.functional.normalize(raw, dim=-1), together)
        with pytest.raises(DataError, match="no text to make a vector of"):
            embed(model, tokenizer, [])


def test_a_model_without_a_head_makes_vectors(tmp_path, capsys):
    tokenizer = BytesSettings().train([])
    settings = BertSettings(vocab=257, layers=1, heads=1, width=8, context=32, head="pooled")
    tokenizer.save(tmp_path / "tokens")
    save_model(settings.build(), tmp_path / "model", tmp_path / "tokens")
    model = lingloom.load(tmp_path / "model")
    assert model.embed(["a", "b"]).shape == (2, 8)
    with pytest.raises(RecipeError, match=r"ask it by \.embed"):
        model.fill("[MASK]")
    assert main(["ask", str(tmp_path / "model"), "the cat"]) == 0
    assert len(capsys.readouterr().out.split()) == 8


# ------------------------------------------------------------------ taught by labels after that


def test_labels_are_learnt_from_the_weights_of_a_run(masked, folder):
    stored = f"tokens={{kind: stored, folder: {masked}/model}}"
    start = [stored, f"model.start_from={masked}", "train.lr=1e-9"]
    model = classify(folder, "tuned", *start)
    begun = RunFolder(folder / "tuned").read_json("run.json")["begun_from"]
    assert begun["random"] == [
        *("classifier.bias", "classifier.weight", "pooler.bias", "pooler.weight"),
    ]
    theirs = load_model(masked / "model")
    for name in ("embed.weight", "positions", "blocks.0.ff.up.weight"):
        ours = model.model.get_parameter(name)
        torch.testing.assert_close(ours, theirs.get_parameter(name), rtol=0, atol=1e-6)


def test_both_kinds_of_labels_are_told_by_a_run_and_by_what_it_exports(masked, folder, capsys):
    stored = f"tokens={{kind: stored, folder: {masked}/model}}"
    start = [stored, f"model.start_from={masked}"]
    model = classify(folder, "told", *start)
    assert model.classify("the cow of eve moos .") in ("cat", "cow", "dog")
    tagged = [f"text.read={folder}/tagged.tsv", "text.label_field=tags", "model.head=tag"]
    told = classify(folder, "tagged", *start, *tagged).tag("the dog of bob barks .")
    assert [word for word, _ in told] == ["the", "dog", "of", "bob", "barks", "."]
    assert {tag for _, tag in told} <= {"ANIMAL", "O", "WHO"}
    for run in ("told", "tagged"):
        assert main(["ask", str(folder / run), "the dog of bob barks ."]) == 0
        assert capsys.readouterr().out
    for run, head in ((folder / "told", "classify"), (folder / "tagged", "tag")):
        assert all(proof.passed for proof in lingloom.prove(run))
        config = json.loads((run / "model" / "config.json").read_text("utf-8"))
        assert config["lingloom"]["head"] == head
        names = {"classify": ["cat", "cow", "dog"], "tag": ["ANIMAL", "O", "WHO"]}[head]
        assert [config["id2label"][str(i)] for i in range(3)] == names


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tokens=bytes"], r"model\.vocab: the tokenizer here has \d+ ids, .* \d+; take its"),
        (["model.width=8"], r"model\.width: 8, and .* has 16; set model\.width=16"),
        (["model.layers=2", "model.heads=1"], r"model\.layers: 2,.*\nmodel\.heads: 1, "),
    ],
)
def test_weights_that_do_not_fit_are_told_with_both_sizes(masked, folder, words, told, request):
    if not words[0].startswith("tokens"):
        words = [f"tokens={{kind: stored, folder: {masked}/model}}", *words]
    with pytest.raises(RecipeError, match=told):
        classify(folder, request.node.name, f"model.start_from={masked}", *words)
