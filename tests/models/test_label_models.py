"""What every family promises that tells labels: of texts, or of their words. One row a newcomer."""

import json
from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lingloom.errors import DataError, RecipeError, RunError, ShapeError
from lingloom.loading import load, to_yaml
from lingloom.models.bert import BertSettings
from lingloom.models.crf import CRFSettings
from lingloom.models.given_vectors import begin_from, freeze, need_given, need_vectors
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.kinds import MODELS as ROWS
from lingloom.models.mlp import MLPSettings
from lingloom.models.port import load_model, save_model
from lingloom.models.textcnn import TextCNNSettings
from lingloom.settings import Kinds
from lingloom.tokens.batch import IGNORE, Passages
from lingloom.tokens.words import WordsSettings
from lingloom.train.loop import train
from lingloom.train.objectives.kinds import OBJECTIVES
from lingloom.train.objectives.labelled import known_labels
from lingloom.train.objectives.objective import objective_of
from lingloom.train.parameters import Parameters
from lingloom.train.settings import TrainSettings
from lingloom.train.workers import Workers

LABELS = 3
BERT = {"vocab": 32, "context": 9, "labels": LABELS, "layers": 1, "width": 8, "ff_width": 20}
MODELS = [
    MLPSettings(vocab=257, context=9, labels=LABELS, width=8, layers=2),
    MLPSettings(vocab=257, context=9, labels=LABELS, width=8, activation="tanh"),
    MLPSettings(vocab=257, context=9, labels=LABELS, width=8, gradient="by_hand"),
    TextCNNSettings(vocab=32, context=9, labels=LABELS, width=8, filters=4, dropout=0),
    TextCNNSettings(
        vocab=32, context=9, labels=LABELS, width=8, filters=5, dropout=0, multichannel=True
    ),
    CRFSettings(vocab=32, context=9, labels=LABELS, width=8, embed_width=6, layers=2, dropout=0),
    CRFSettings(vocab=32, context=9, labels=LABELS, embed_width=6, layers=0, dropout=0),
    CRFSettings(vocab=32, context=9, labels=LABELS, width=8, chain=False, dropout=0),
    BertSettings(**BERT | {"layers": 2}, head="classify"),
    BertSettings(**BERT, head="tag"),
    BertSettings(**BERT, head="tag", chain=True, constraint="bio", label_names=["B-X", "I-X", "O"]),
]
READING = [settings for settings in MODELS if settings.kind != "mlp"]
"""Families whose texts may be shorter than the context."""


def name_of(settings):
    more = {"mlp": "activation", "textcnn": "filters", "crf": "layers", "bert": "head"}
    chain = "-chain" if getattr(settings, "chain", False) else ""
    return f"{settings.kind}-{getattr(settings, more[settings.kind])}{chain}"


every_model = pytest.mark.parametrize("settings", MODELS, ids=name_of)
every_reader = pytest.mark.parametrize("settings", READING, ids=name_of)


def fresh(settings):
    torch.manual_seed(1)
    model = settings.build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model.eval()


def rows_of(settings, count=4, seed=0):
    """Rows of a full context, each but the first shorter where that may be."""
    objective = objective_of(settings, TrainSettings())
    rows = objective.pretended(settings, TrainSettings(), count, settings.context)
    if settings.kind == "mlp":
        return rows
    sizes = torch.arange(settings.context, settings.context - count, -1)
    seen = torch.arange(settings.context) < sizes[:, None]
    targets = None
    if rows.targets is not None:
        targets = rows.targets.masked_fill(~seen, IGNORE)
        targets[1, 1] = targets[2, 0] = IGNORE  # no first tokens of words
    return replace(rows, seen=seen, targets=targets)


def scores_of(model, rows):
    return model.label_scores(model.hidden(rows), rows)


def loss_of(model, rows):
    return objective_of(model.settings, TrainSettings()).loss(model, rows)


def test_every_family_that_learns_labels_has_a_row_here():
    learnt = {kind: Kinds(ROWS).settings_class(kind).objectives for kind in ROWS}
    able = {(kind, o) for kind in ROWS for o in learnt[kind] if o in ("classify", "tag")}
    assert {(s.kind, s.learns()[0]) for s in MODELS} == able
    labelled = {o for o in OBJECTIVES if Kinds(OBJECTIVES).settings_class(o).labels_of}
    assert labelled == {"classify", "tag"}
    chained = {kind for kind in ROWS if "chain" in Kinds(ROWS).settings_class(kind).model_fields}
    assert {s.kind for s in MODELS if getattr(s, "chain", False)} == chained


@every_model
@torch.no_grad()
def test_what_is_saved_and_loaded_tells_the_same(settings, tmp_path):
    model, rows = fresh(settings), rows_of(settings)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.settings == settings
    assert torch.equal(scores_of(model, rows), scores_of(again, rows))
    assert torch.equal(loss_of(model, rows)[0], loss_of(again, rows)[0])


@every_model
def test_settings_come_back_from_a_recipe_unchanged(settings):
    chosen = Kinds(ROWS).settings_class(settings.kind)
    assert load(chosen, settings.model_dump(mode="json")) == settings
    assert f"kind: {settings.kind}" in to_yaml(settings)


@pytest.mark.parametrize("kind", ["textcnn", "crf"])
def test_what_an_earlier_version_stored_opens_unless_it_names_vectors(kind, tmp_path):
    schema = Kinds(ROWS).settings_class(kind)
    settings = schema(vocab=9, labels=2)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{to_yaml(settings)}vectors: ''\nstatic: false\n")
    assert load(schema, recipe) == settings
    save_model(settings.build(), tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    tree = json.loads(config.read_text())
    tree["lingloom"] |= {"vectors": "", "static": False}
    config.write_text(json.dumps(tree))
    assert load_model(tmp_path / "model").settings == settings
    recipe.write_text(f"{to_yaml(settings)}vectors: glove.txt\nstatic: true\n")
    with pytest.raises(RecipeError, match="'glove.txt' was written for an earlier .*embed_from"):
        load(schema, recipe)


@every_reader
@torch.no_grad()
def test_padding_changes_nothing(settings):
    model, rows = fresh(settings), rows_of(settings)
    together = scores_of(model, rows)
    for b, size in enumerate(rows.seen.sum(1).tolist()):
        alone = Passages(
            rows.ids[b : b + 1, :size],
            rows.seen[b : b + 1, :size],
            targets=None if rows.targets is None else rows.targets[b : b + 1, :size],
        )
        found = together[b] if rows.targets is None else together[b, :size]
        torch.testing.assert_close(scores_of(model, alone)[0], found, rtol=1e-5, atol=1e-5)


@every_model
def test_micro_batches_give_one_loss_and_one_gradient(settings, autograd):
    rows, objective = rows_of(settings), objective_of(settings, TrainSettings())
    found = [autograd(fresh(settings), objective.loss, rows)]
    for micro in (4, 3, 1):
        model = fresh(settings)
        parameters = Parameters(model, torch.float32)
        workers = Workers(parameters, objective.loss, compiled=False, seed=0)
        loss, count = workers(0, rows, micro)
        found.append((loss / count, parameters.grad.clone()))
    for loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5)
        torch.testing.assert_close(gradient, found[0][1], rtol=1e-4, atol=1e-6)


@every_model
def test_every_weight_learns(settings):
    model, rows = fresh(settings), rows_of(settings)
    loss, _ = loss_of(model, rows)
    loss.backward()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@every_model
@torch.no_grad()
def test_the_working_precision_may_be_bf16(settings):
    model, rows = fresh(settings), rows_of(settings)
    exact, loss = scores_of(model, rows), loss_of(model, rows)[0]
    model.to(torch.bfloat16)
    assert model.hidden(rows).dtype == torch.bfloat16
    rough = scores_of(model, rows)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.1)
    assert float(loss_of(model, rows)[0]) == pytest.approx(float(loss), rel=0.05)


@every_model
@torch.no_grad()
def test_dropping_happens_only_while_training(settings):
    rows = rows_of(settings)
    model = fresh(settings.model_copy(update={"dropout": 0.5}))
    assert torch.equal(scores_of(model, rows), scores_of(fresh(settings), rows))
    model.train()
    assert not torch.equal(scores_of(model, rows), scores_of(model, rows))


@every_model
@torch.no_grad()
def test_operations_are_counted_as_torch_counts_them(settings):
    model, rows = fresh(settings), rows_of(settings)
    if settings.kind == "mlp" and settings.gradient == "by_hand":
        pytest.skip("what an autograd function multiplies is not seen by the counter")
    products = torch.backends.mkldnn.flags(enabled=False, allow_tf32=None)  # no closed kernels
    math = sdpa_kernel(SDPBackend.MATH)
    with math, products, FlopCounterMode(display=False) as counter:
        scores_of(model, rows)
    chain = 2 * LABELS**2 if getattr(model, "chain", None) else 0  # added by the loss
    counted = counter.get_total_flops() / rows.ids.numel()
    assert model.flops_per_token(settings.context) - chain == pytest.approx(counted, rel=1e-6)


@every_model
def test_weight_decay_falls_on_matrices_only(settings):
    model = fresh(settings)
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim >= 2 and name not in ("positions", "parts")
        assert model.decays(name, parameter) == matrix, name


@every_model
def test_a_model_without_labels_is_not_built(settings):
    with pytest.raises(RecipeError, match=r"model\.labels: 0 stands for the labels of the data"):
        settings.model_copy(update={"labels": 0}).build()


@every_model
def test_too_long_a_text_is_an_error_that_names_both_lengths(settings):
    rows = rows_of(settings)
    more = Passages(rows.ids.repeat(1, 2), rows.seen.repeat(1, 2))
    with pytest.raises(ShapeError, match=r"18 (tokens do not fit|pixels are not) .*\b9\b"):
        fresh(settings).hidden(more)


@every_model
@torch.no_grad()
def test_chances_add_up_and_the_best_label_is_given(settings):
    model, rows = fresh(settings), rows_of(settings)
    scores = scores_of(model, rows)
    if rows.targets is None:
        assert scores.shape == (4, LABELS)
        return
    words = rows.targets != IGNORE
    chances = model.tag_chances(scores, words)
    torch.testing.assert_close(chances[words].sum(-1), torch.ones(int(words.sum())))
    assert model.best_tags(scores, words).shape == words.shape


@every_model
def test_a_label_that_the_model_does_not_know_is_told_by_its_number(settings):
    model, rows = fresh(settings), rows_of(settings)
    name = "labels" if rows.targets is None else "targets"
    for wrong in (LABELS, 2**40, -1) + ((IGNORE,) if name == "labels" else ()):
        labels = getattr(rows, name).clone()
        labels.view(-1)[0] = wrong
        with pytest.raises(DataError) as error:
            loss_of(model, replace(rows, **{name: labels}))
        assert str(error.value) == (
            f"rows.{name}: label {wrong} is none of the 3 that the model tells apart, numbered 0 "
            "to 2; correct it, or build a model of more labels (model.labels)"
        )


def test_what_torch_finds_wrong_in_other_things_than_labels_is_not_hidden():
    for error in (IndexError("other"), RuntimeError("other")):
        with (
            pytest.raises(type(error), match="other"),
            known_labels(torch.tensor([0, 2]), fresh(MODELS[0]), "rows.labels"),
        ):
            raise error


@pytest.mark.parametrize("kind", ["textcnn", "crf"])
def test_given_vectors_are_taken_over_by_name(kind, tmp_path):
    tokenizer = WordsSettings(segment="none").train(["the Cat sat"])
    file = tmp_path / "v.txt"
    file.write_text("3 2\nthe 1 2\ncat 3 4\ndog 5 6\n")
    width = {"textcnn": "width", "crf": "embed_width"}[kind]
    chosen = Kinds(ROWS).settings_class(kind)
    model = chosen(vocab=5, labels=2, **{width: 2}).build()
    before = model.embed.weight.detach().clone()
    assert begin_from(model, tokenizer, str(file)) == {
        "vectors": str(file),
        "found": 2,
        "tokens": 5,
    }
    given = {"the": [1.0, 2.0], "Cat": [3.0, 4.0]}
    for i in range(5):
        expected = given.get(tokenizer.token_of(i), before[i].tolist())
        assert model.embed.weight[i].tolist() == expected

    wide = chosen(vocab=5, labels=2, **{width: 3}).build()
    with pytest.raises(RecipeError) as error:
        begin_from(wide, tokenizer, str(file))
    assert str(error.value) == (
        f"train.embed_from: {file} has vectors of 2 numbers, and the model's have 3; set the width "
        "of the model's embedding to 2"
    )
    with pytest.raises(RecipeError, match=r"this mlp has no input embedding; leave"):
        begin_from(MODELS[0].build(), tokenizer, str(file))
    with pytest.raises(DataError, match=r"has none of the 5 tokens of tokens.kind words"):
        file.write_text("1 2\ndog 5 6\n")
        begin_from(model, tokenizer, str(file))


@pytest.mark.parametrize("kind", ["textcnn", "crf", "two channels"])
def test_frozen_vectors_stay_as_they_are_while_the_rest_learns(kind):
    """Kim 2014, section 3.1: CNN-static; CNN-multichannel, where one of two tables learns."""
    two = {"multichannel": True, "windows": [2], "dropout": 0, "width": 4}
    chosen = Kinds(ROWS).settings_class("crf" if kind == "crf" else "textcnn")
    settings = chosen(vocab=9, context=9, labels=LABELS, **(two if kind == "two channels" else {}))
    torch.manual_seed(0)
    model = settings.build()
    if kind != "two channels":
        freeze(model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    rows, objective = rows_of(settings), objective_of(settings, TrainSettings())
    how = TrainSettings(steps=2, batch=4, lr=0.1, precision="fp32")
    list(train(model, objective.loss, lambda _: rows, how, seed=0))
    stays = "given.weight" if kind == "two channels" else "embed.weight"
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name == stays), name


@torch.no_grad()
def test_a_filter_of_two_channels_adds_what_it_finds_in_both():
    two = TextCNNSettings(
        vocab=5, labels=2, width=3, windows=[2], filters=4, dropout=0, multichannel=True
    )
    model, rows = two.build(), Passages(torch.tensor([[1, 4, 2]]), torch.ones(1, 3) > 0)
    assert torch.equal(model.embed.weight, model.given.weight)
    model.embed.weight.mul_(-2)
    one = two.model_copy(update={"multichannel": False}).build()
    one.out = model.out
    one.embed.weight.copy_(model.given.weight)
    (both,), (single,) = model.filters, one.filters
    single.weight.copy_(both.weight[:, 3:] - 2 * both.weight[:, :3])
    torch.testing.assert_close(model.hidden(rows), one.hidden(rows))


def test_vectors_that_cannot_be_left_as_given_are_refused():
    with pytest.raises(RecipeError, match=r"embed_frozen=true would leave .* random; set embed_f"):
        load(TrainSettings, {"embed_frozen": True})
    need_given(CRFSettings(), "v.txt", frozen=True)
    need_given(GPT2Settings(tied=False), "v.txt", frozen=True)
    need_given(BertSettings(head="classify"), "v.txt", frozen=True)
    for settings, says in (
        (GPT2Settings(), r"of this gpt2 is its output too, .*; set model.tied=false, or leave"),
        (BertSettings(), r"of this bert is its output too, .* take a family with two tables"),
        (TextCNNSettings(multichannel=True), r"has one table that learns and one that does not"),
    ):
        with pytest.raises(RecipeError, match=says):
            need_given(settings, "v.txt", frozen=True)
    with pytest.raises(RecipeError, match=r"model.multichannel: .* none is given; set train.embed"):
        need_given(TextCNNSettings(multichannel=True), "", frozen=False)
    with pytest.raises(DataError, match=r"no/v.bin: there is no such file of vectors; correct"):
        need_vectors("no/v.bin", GPT2Settings(vocab=9))
    with pytest.raises(RunError, match=r"no/such"):
        need_vectors("no/such", GPT2Settings(vocab=9))
