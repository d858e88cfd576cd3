"""Penalties, clipping, weight averaging and early stopping, on numbers worked by hand."""

import copy
import json
import math

import pytest
import torch

from lingloom.errors import DataError, RecipeError
from lingloom.loading import load
from lingloom.models.glove import GloVeSettings
from lingloom.models.rnn import RNNSettings
from lingloom.models.word2vec import Word2VecSettings
from lingloom.recipe import Recipe
from lingloom.train.optim import ParameterGroup
from lingloom.train.regularise import (
    EarlyStopping,
    WeightAverage,
    add_penalties,
    clip_by_norm,
    clip_by_value,
    gradient_norm,
)


def group(weights, grads, decay=True, name="w"):
    w, g = torch.tensor(weights), torch.tensor(grads)
    return ParameterGroup(name, w, g, decay, [(name, w.shape)], "vector")


def test_penalties_add_their_gradients_where_weights_decay():
    decaying = group([2.0, -3.0, 0.0], [1.0, 1.0, 1.0])
    free = group([2.0, -3.0, 0.0], [1.0, 1.0, 1.0], decay=False)
    add_penalties([decaying, free], l1=0.1, l2=0.01)
    assert decaying.grad.tolist() == pytest.approx([1.12, 0.87, 1.0])
    assert free.grad.tolist() == [1.0, 1.0, 1.0]


def test_penalties_are_the_gradient_that_autograd_finds():
    w = torch.randn(50, generator=torch.Generator().manual_seed(1)).requires_grad_()
    (0.3 * w.abs().sum() + 0.2 / 2 * w.square().sum()).backward()
    ours = group(w.tolist(), [0.0] * 50)
    add_penalties([ours], l1=0.3, l2=0.2)
    torch.testing.assert_close(ours.grad, w.grad)


def test_no_penalty_changes_no_bit():
    ours = group([1.0, 2.0], [0.1, 0.2])
    kept = ours.grad.clone()
    add_penalties([ours])
    assert torch.equal(ours.grad, kept)


def test_clipping_by_norm_scales_3_4_5_to_length_1():
    groups = [group([0.0], [3.0]), group([0.0], [4.0], decay=False)]
    assert clip_by_norm(groups, 1.0) == pytest.approx(5.0)
    assert [float(g.grad) for g in groups] == pytest.approx([0.6, 0.8], abs=1e-6)
    assert gradient_norm(groups) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("max_norm", [0.5, 1000.0])
def test_clipping_by_norm_equals_torchs(max_norm):
    draw = torch.Generator().manual_seed(2)
    grads = [torch.randn(n, generator=draw) for n in (1000, 77)]
    theirs = [torch.nn.Parameter(torch.zeros_like(g)) for g in grads]
    for p, g in zip(theirs, grads, strict=True):
        p.grad = g.clone()
    ours = [group([0.0] * len(g), g.tolist()) for g in grads]
    norm = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    assert clip_by_norm(ours, max_norm) == pytest.approx(float(norm), rel=1e-6)
    for a, p in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, p.grad, rtol=1e-6, atol=0)


def test_the_norm_of_millions_of_gradients_is_exact():
    draw = torch.Generator().manual_seed(4)
    g = torch.randn(5_000_000, generator=draw)
    ours = ParameterGroup("w", torch.zeros_like(g), g, True, [("w", g.shape)], "vector")
    assert gradient_norm([ours]) == pytest.approx(float(g.double().norm()), rel=1e-6)


def test_gradients_within_the_norm_keep_every_bit():
    ours = group([0.0, 0.0], [0.3, 0.4])
    kept = ours.grad.clone()
    clip_by_norm([ours], 1.0)
    assert torch.equal(ours.grad, kept)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite_is_told_and_changes_nothing(bad):
    ours = group([0.0, 0.0], [bad, 3.0])
    assert not math.isfinite(clip_by_norm([ours], 1.0))
    assert float(ours.grad[1]) == 3.0


def test_clipping_by_value_equals_torchs():
    ours = group([0.0] * 4, [-3.0, -0.2, 0.2, math.inf])
    clip_by_value([ours], 0.5)
    theirs = torch.nn.Parameter(torch.zeros(4))
    theirs.grad = torch.tensor([-3.0, -0.2, 0.2, math.inf])
    torch.nn.utils.clip_grad_value_([theirs], 0.5)
    assert ours.grad.tolist() == theirs.grad.tolist() == pytest.approx([-0.5, -0.2, 0.2, 0.5])


# --------------------------------------------------------------------------- weight averaging


def test_the_average_is_the_weighted_mean_of_all_weights_so_far():
    ours = group([1.0], [0.0])
    average = WeightAverage([ours], decay=0.5)
    seen = []
    for w in (1.0, 3.0, 7.0):
        ours.master.fill_(w)
        average.update()
        seen.append(float(average.state["w.average"]))
    # 1; (0.5 * 1 + 3) / 1.5; (0.25 * 1 + 0.5 * 3 + 7) / 1.75
    assert seen == pytest.approx([1.0, 7 / 3, 5.0])


def test_weights_that_stand_still_are_their_own_average():
    ours = group([0.1, -7.0], [0.0, 0.0])
    average = WeightAverage([ours], decay=0.9999)
    for _ in range(100):
        average.update()
    torch.testing.assert_close(average.state["w.average"], ours.master, rtol=1e-6, atol=0)


def test_no_memory_is_the_last_weights():
    ours = group([1.0], [0.0])
    average = WeightAverage([ours], decay=0.0)
    for w in (1.0, 2.0):
        ours.master.fill_(w)
        average.update()
    assert float(average.state["w.average"]) == 2.0


def test_exchanging_twice_restores_every_bit():
    ours = group([0.1, 0.2, 0.3], [0.0, 0.0, 0.0])
    average = WeightAverage([ours], decay=0.7)
    average.update()
    ours.master.mul_(1.7)
    average.update()
    weights, mean = ours.master.clone(), average.state["w.average"].clone()
    average.exchange()
    assert torch.equal(ours.master, mean)
    average.exchange()
    assert torch.equal(ours.master, weights)
    assert torch.equal(average.state["w.average"], mean)


def test_an_average_that_stops_and_goes_on_equals_the_straight_one():
    def step(ours, i):
        ours.master.add_(0.1 * i)

    straight = group([0.1, 0.2], [0.0, 0.0])
    one = WeightAverage([straight], 0.9)
    for i in range(10):
        step(straight, i)
        one.update()
        if i == 4:
            saved, weights = copy.deepcopy(one.state), straight.master.clone()
    resumed = group(weights.tolist(), [0.0, 0.0])
    two = WeightAverage([resumed], 0.9)
    for name, tensor in two.state.items():
        tensor.copy_(saved[name])
    for i in range(5, 10):
        step(resumed, i)
        two.update()
    assert all(torch.equal(one.state[name], two.state[name]) for name in one.state)


def test_an_empty_average_cannot_take_the_weights_place():
    with pytest.raises(DataError) as error:
        WeightAverage([group([1.0], [0.0])], 0.9).exchange()
    assert str(error.value) == "the weight average is empty: call update after a step first"


# --------------------------------------------------------------------------- early stopping


def test_it_stops_after_patience_evaluations_without_improvement():
    stopping = EarlyStopping(patience=2)
    losses = [3.0, 2.0, 2.0, 1.8, 1.85, 1.81]
    assert [stopping.should_stop(100 * i, loss) for i, loss in enumerate(losses)] == [
        False,  # best 3.0
        False,  # best 2.0
        False,  # no better: one
        False,  # best 1.8
        False,  # one
        True,  # two
    ]
    assert (stopping.best, stopping.best_step) == (1.8, 300)
    assert stopping.why() == "no better than 1.8000 nats of step 300 for 2 evaluations"


def test_a_loss_that_is_not_a_number_is_no_improvement():
    stopping = EarlyStopping(patience=2)
    assert not stopping.should_stop(0, math.nan)
    assert stopping.should_stop(1, math.nan)
    assert stopping.why() == "none of 2 evaluations gave a finite loss"


def test_a_restored_stopping_goes_on_where_it_was():
    first = EarlyStopping(patience=3)
    for step, loss in enumerate([2.0, 2.1, 2.2]):
        assert not first.should_stop(step, loss)
    second = EarlyStopping(patience=3)
    second.restore(first.state())
    assert second.should_stop(3, 2.3)
    assert (second.best, second.best_step) == (2.0, 0)


def test_a_stopping_restored_before_any_best_has_not_forgotten_how_long_it_waited():
    first, second = EarlyStopping(patience=3), EarlyStopping(patience=3)
    for step in (0, 1):
        assert not first.should_stop(step, math.nan)
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert second.should_stop(2, math.nan)
    assert not second.should_stop(3, 9.0)


@pytest.mark.parametrize(
    "settings",
    [GloVeSettings(vocab=9), Word2VecSettings(vocab=9), RNNSettings(vocab=9, width=4)],
    ids=lambda settings: settings.kind,
)
def test_a_family_says_whether_any_of_its_weights_decay(settings):
    model = settings.build()
    assert settings.decays == any(model.decays(*each) for each in model.named_parameters())


@pytest.mark.parametrize("kind", ["glove", "word2vec", "ngram"])
@pytest.mark.parametrize("key", ["l1", "l2"])
def test_penalties_on_weights_that_do_not_decay_are_refused(kind, key):
    tree = {"text": {"read": "a.txt"}, "tokens": {"kind": "words"}, "model": {"kind": kind}}
    load(Recipe, tree)
    with pytest.raises(RecipeError) as error:
        load(Recipe, tree, [f"train.regularise.{key}=0.1"])
    assert (
        f"train.regularise.{key}: 0.1 has no effect on model.kind {kind}, none of whose weights "
        "decay; leave it out" in str(error.value)
    )


def test_patience_that_no_evaluation_can_try_is_refused():
    tree = {"text": {"read": "a.txt"}, "train": {"regularise": {"patience": 2}}}
    load(Recipe, tree)
    with pytest.raises(RecipeError) as error:
        load(Recipe, tree, ["train.eval_every=0"])
    assert (
        "regularise.patience=2 can stop nothing with eval_every=0, which evaluates only at the "
        "end; set eval_every to the steps between evaluations, or patience=0" in str(error.value)
    )
