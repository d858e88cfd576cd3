"""Gradients that come row by row teach the same as whole ones, for every optimizer."""

import pytest
import torch

from lingloom.loading import load
from lingloom.models.word2vec import Word2VecSettings
from lingloom.tokens.batch import WordRows
from lingloom.train.loop import train
from lingloom.train.objectives.cbow import CBOWSettings
from lingloom.train.objectives.skip_gram import SkipGramSettings
from lingloom.train.optim import OPTIMIZERS, ParameterGroup
from lingloom.train.regularise import add_penalties, clip_by_norm, gradient_norm
from lingloom.train.settings import TrainSettings
from lingloom.train.touched import TouchedRows

VOCAB, T = 50, 12


def rows_at(step):
    draw = torch.Generator().manual_seed(step)
    ids = torch.randint(VOCAB // 2, (4, T), generator=draw)
    places = torch.arange(T).repeat(4, 1)
    chance = torch.randint(VOCAB // 2, (4, 3), generator=draw)
    return WordRows(ids, places, torch.full_like(ids, 2), chance, read=T)


def trained(objective, optimizer, **regularise):
    torch.manual_seed(0)
    model = Word2VecSettings(vocab=VOCAB, width=6, context=T).build()
    with torch.no_grad():
        model.output.weight.normal_()
    how = {"steps": 6, "batch": 4, "micro": 1, "workers": 2, "lr": 0.05, "precision": "fp32"}
    how |= {"optimizer": optimizer, "regularise": regularise, "guard": {"spike_factor": 0}}
    records = list(train(model, objective.loss, rows_at, load(TrainSettings, how), seed=0))
    return [r.norm for r in records], model.state_dict()


KINDS = [kind for kind in OPTIMIZERS if kind != "muon"]  # which steps no tables


@pytest.mark.parametrize("kind", [*KINDS, "rows"])
@pytest.mark.parametrize("objective", [SkipGramSettings(window=2), CBOWSettings(window=2)])
def test_untouched_rows_may_be_left_alone(kind, objective, monkeypatch):
    optimizer = {"kind": "adagrad", "rows": True} if kind == "rows" else {"kind": kind}
    for regularise in ({"clip_norm": 0.01}, {"clip_norm": 0, "clip_value": 1e-3}):
        with monkeypatch.context() as patch:
            found = trained(objective, optimizer, **regularise)
            patch.setattr(TouchedRows, "of", lambda self, shapes: {})
            whole = trained(objective, optimizer, **regularise)
        assert found[0] == pytest.approx(whole[0], rel=1e-5)
        for name, weight in whole[1].items():
            torch.testing.assert_close(found[1][name], weight, rtol=1e-4, atol=1e-6)
    if kind == "rows":  # words that are never there have not moved
        torch.manual_seed(0)
        fresh = Word2VecSettings(vocab=VOCAB, width=6, context=T).build().embed.weight
        assert torch.equal(found[1]["embed.weight"][VOCAB // 2 :], fresh[VOCAB // 2 :])


def test_rows_are_known_where_they_are_half_of_all_numbers_or_fewer():
    shapes = [("a", torch.Size([5, 2])), ("b", torch.Size([4, 2])), ("c", torch.Size([2]))]
    touched = TouchedRows(workers=2, device=torch.device("cpu"))
    assert touched.of(shapes) == {}
    touched.note(0, "a", torch.tensor([3, 1, 3]))
    touched.note(1, "a", torch.tensor([0]))
    touched.note(1, "b", torch.tensor([2]))
    found = touched.of(shapes)
    assert {name: rows.tolist() for name, rows in found.items()} == {"a": [0, 1, 3], "b": [2]}
    touched.note(1, "c", None)
    assert touched.of(shapes)["c"].tolist() == [0, 1]  # 10 of 20 numbers: a whole one is all rows
    touched.note(0, "b", torch.tensor([0]))
    assert touched.of(shapes) == {} and touched.of(shapes[1:2]) != {}
    touched.forget(1)
    touched.note(1, "heat", None)
    assert touched.of([("heat", torch.Size([]))]) == {}
    found = touched.of([*shapes[:1], ("heat", torch.Size([]))])
    assert {name: rows.tolist() for name, rows in found.items()} == {"a": [1, 3], "heat": [0]}
    assert touched.of(shapes)["a"].tolist() == [1, 3]


def test_a_gradient_is_scaled_measured_and_cleared_by_its_rows():
    shapes = [("a", torch.Size([3, 2])), ("b", torch.Size([2, 2]))]
    grad = torch.zeros(10)
    grad[2:4] = torch.tensor([3.0, 4.0])
    group = ParameterGroup("all", torch.ones(10), grad, True, shapes, "embedding")
    group.rows = {"a": torch.tensor([1])}
    assert gradient_norm([group]) == 5 and clip_by_norm([group], 2.5) == 5
    assert grad.tolist() == pytest.approx([0, 0, 1.5, 2, 0, 0, 0, 0, 0, 0], rel=1e-6)
    add_penalties([group], l2=1.0)
    assert group.rows == {} and gradient_norm([group]) == pytest.approx((8 + 6.25 + 9) ** 0.5)
    group.rows = {"a": torch.tensor([0, 1, 2]), "b": torch.tensor([1])}
    group.clear_gradient()
    assert grad.tolist() == [0] * 6 + [1, 1, 0, 0] and group.rows == {}
