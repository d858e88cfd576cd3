"""What every family promises of an objective that has no table of its own beside this one: to fill
gaps, to find answers, to learn vectors of words. A newcomer adds one row."""

from typing import get_args

import pytest
import torch

from lingloom.errors import RecipeError, ShapeError
from lingloom.loading import load, to_yaml
from lingloom.models.bert import BertSettings, Head
from lingloom.models.glove import GloVeSettings
from lingloom.models.kinds import MODELS as ROWS
from lingloom.models.port import load_model, save_model
from lingloom.models.t5 import T5Settings
from lingloom.models.word2vec import Word2VecSettings
from lingloom.settings import Kinds
from lingloom.tasks.embed import embed
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.train.objectives.kinds import OBJECTIVES
from lingloom.train.parameters import Parameters
from lingloom.train.settings import TrainSettings
from lingloom.train.workers import Workers

ELSEWHERE = {
    "next_token": "test_contracts.py",
    "pairs": "test_pair_contracts.py",
    "classify": "test_label_models.py",
    "tag": "test_label_models.py",
}
"""objective -> the table that asks for a row of every family that learns it."""
BERT = {"vocab": 32, "context": 12, "layers": 2, "heads": 2, "width": 8, "ff_width": 20}
T5 = {"vocab": 32, "context": 12, "layers": 1, "decoder_layers": 1, "heads": 2, "width": 8}
T5 |= {"head_width": 4, "ff_width": 20}
MODELS = {
    "bert-masked": ("masked_token", BertSettings(**BERT)),
    "bert-next": ("masked_token", BertSettings(**BERT, head="next_sentence")),
    "bert-span": ("span", BertSettings(**BERT, head="span")),
    "t5": ("span_corruption", T5Settings(**T5)),
    "skip-gram": ("skip_gram", Word2VecSettings(vocab=32, context=12, width=6)),
    "cbow": ("cbow", Word2VecSettings(vocab=32, context=12, width=6)),
    "glove": ("co_occurrence", GloVeSettings(vocab=32, width=6)),
}
PLACES = ("positions", "parts", "encoder_distances", "decoder_distances")
"""Tables that say where a token stands."""
VECTORS = {head: BertSettings(**BERT | {"vocab": 257}, head=head) for head in ("pooled", "none")}
"""They learn nothing by themselves: they only make vectors of texts."""
every_row = pytest.mark.parametrize(("kind", "settings"), MODELS.values(), ids=list(MODELS))
every_maker = pytest.mark.parametrize("settings", VECTORS.values(), ids=list(VECTORS))
every_model = pytest.mark.parametrize(
    "settings", [*(s for _, s in MODELS.values()), *VECTORS.values()], ids=[*MODELS, *VECTORS]
)


def objective_of(kind):
    return Kinds(OBJECTIVES).settings_class(kind)()


def fresh(settings):
    torch.manual_seed(1)
    model = settings.build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model.eval()


def rows_of(kind, settings, count=4):
    return objective_of(kind).pretended(settings, TrainSettings(), count, settings.context)


def test_every_family_has_a_row_for_every_objective_that_it_learns():
    learnt = {(kind, o) for kind in ROWS for o in Kinds(ROWS).settings_class(kind).objectives}
    here = {(settings.kind, kind) for kind, settings in MODELS.values()}
    assert here == {(kind, o) for kind, o in learnt if o not in ELSEWHERE}
    assert {o for _, o in learnt} == set(OBJECTIVES)
    bert = [s for _, s in MODELS.values() if s.kind == "bert"]
    heads = {s.head for s in [*bert, *VECTORS.values()]} | {"classify", "tag"}
    assert heads == set(get_args(Head))


@every_model
@torch.no_grad()
def test_what_is_saved_and_loaded_is_the_same_to_the_bit(settings, tmp_path):
    model = fresh(settings)
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert again.settings == settings
    kept, own = again.state_dict(), model.state_dict()
    assert kept.keys() == own.keys()
    for name, tensor in own.items():
        assert torch.equal(kept[name], tensor), name


@every_model
def test_settings_come_back_from_a_recipe_unchanged(settings):
    chosen = Kinds(ROWS).settings_class(settings.kind)
    assert load(chosen, settings.model_dump(mode="json")) == settings
    assert f"kind: {settings.kind}" in to_yaml(settings)


@every_row
def test_micro_batches_give_one_loss_and_one_gradient(kind, settings, autograd):
    rows = rows_of(kind, settings)
    found = [autograd(fresh(settings), objective_of(kind).loss, rows)]
    for micro in (4, 3, 1):
        parameters = Parameters(fresh(settings), torch.float32)
        workers = Workers(parameters, objective_of(kind).loss, compiled=False, seed=0)
        loss, count = workers(0, rows, micro)
        found.append((loss / count, parameters.grad.clone()))
    assert found[0][0] > 0
    for loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5)
        torch.testing.assert_close(gradient, found[0][1], rtol=1e-4, atol=1e-6)


@every_row
def test_every_weight_learns(kind, settings):
    model = fresh(settings)
    loss, count = objective_of(kind).loss(model, rows_of(kind, settings))
    assert count > 0
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        gradient = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
        assert gradient.abs().sum() > 0, name


@every_row
@torch.no_grad()
def test_the_working_precision_may_be_bf16(kind, settings):
    model, rows = fresh(settings), rows_of(kind, settings)
    exact, _ = objective_of(kind).loss(model, rows)
    model.to(torch.bfloat16)
    assert model.hidden(rows).dtype == torch.bfloat16
    rough, _ = objective_of(kind).loss(model, rows)
    assert float(rough) == pytest.approx(float(exact), rel=0.05)


@every_row
@torch.no_grad()
def test_dropping_happens_only_while_training(kind, settings):
    if "dropout" not in type(settings).model_fields:
        return
    rows = rows_of(kind, settings)
    model = fresh(settings.model_copy(update={"dropout": 0.5}))
    assert torch.equal(model.hidden(rows), fresh(settings).hidden(rows))
    model.train()
    assert not torch.equal(model.hidden(rows), model.hidden(rows))


@every_model
def test_weight_decay_falls_on_matrices_only_and_never_on_vectors_of_words(settings):
    model = fresh(settings)
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim >= 2 and name.split(".")[0] not in PLACES
        words = settings.kind in ("word2vec", "glove")
        assert model.decays(name, parameter) == (matrix and not words), name


@every_model
def test_a_model_without_a_vocabulary_is_not_built(settings):
    with pytest.raises(RecipeError, match=r"model\.vocab: 0 stands for the tokenizer's size"):
        settings.model_copy(update={"vocab": 0}).build()


@every_row
def test_too_long_a_row_is_an_error_that_names_both_lengths(kind, settings):
    if settings.kind == "glove":
        return  # a row is a pair
    longer = settings.model_copy(update={"context": 24})
    with pytest.raises(ShapeError, match=r"\b24 (tokens|words) do not fit model\.context 12"):
        fresh(settings).hidden(rows_of(kind, longer))


@every_maker
def test_what_only_makes_vectors_makes_them_and_learns_nothing(settings):
    assert settings.learns() == ()
    tokenizer = BytesSettings().train([])
    found = embed(fresh(settings), tokenizer, ["a b", "c"])
    assert found.shape == (2, 8)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
