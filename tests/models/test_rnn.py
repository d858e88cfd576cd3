"""Recurrent cells against torch.nn, against the formula in numpy, and against a worked example."""

import math

import numpy as np
import pytest
import torch

from lingloom.errors import RecipeError
from lingloom.loading import load
from lingloom.models.decode import DecodeSettings, generate
from lingloom.models.dropout import dropout
from lingloom.models.recurrent import CELLS
from lingloom.models.rnn import RNNSettings
from lingloom.tokens.batch import Batch

REFERENCES = {
    "elman_tanh": lambda: torch.nn.RNN(5, 7),
    "elman_relu": lambda: torch.nn.RNN(5, 7, nonlinearity="relu"),
    "lstm": lambda: torch.nn.LSTM(5, 7),
    "gru": lambda: torch.nn.GRU(5, 7),
}
every_cell = pytest.mark.parametrize("cell", CELLS)
every_reference = pytest.mark.parametrize("cell", REFERENCES)


def cell_like(kind, reference=None):
    """A cell of 5 inputs and width 7 with random weights, or those of `reference`."""
    torch.manual_seed(2)
    cell = CELLS[kind](5, 7, dropconnect=0.0, recurrent_dropout=0.0)
    with torch.no_grad():
        for name, parameter in cell.named_parameters():
            other = getattr(reference, f"{name}_l0", None)
            parameter.copy_(torch.randn_like(parameter) / 2 if other is None else other)
    return cell


def start_of(cell, rows=4):
    return tuple(torch.randn(rows, 7) for _ in range(cell.parts))


def gradients(outputs, parameters):
    weights = torch.cos(torch.arange(outputs.numel(), dtype=outputs.dtype)).view_as(outputs)
    return torch.autograd.grad((outputs * weights).sum(), parameters)


@every_reference
@pytest.mark.parametrize("fused", [True, False], ids=["whole", "step by step"])
def test_a_cell_equals_the_librarys_with_the_same_weights(cell, fused):
    torch.manual_seed(7)
    reference = REFERENCES[cell]()
    ours = cell_like(cell, reference)
    ours.fast_on = ("cpu",) if fused else ()
    x, state = torch.randn(9, 4, 5, requires_grad=True), start_of(ours)
    hx = tuple(s[None] for s in state)
    expected, last = reference(x, hx if len(hx) > 1 else hx[0])
    found, end = ours(x, state, None)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    last = last if isinstance(last, tuple) else (last,)
    for a, b in zip(end, last, strict=True):
        torch.testing.assert_close(a, b[0], rtol=1e-6, atol=1e-6)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    theirs = gradients(expected, [x, *(getattr(reference, f"{n}_l0") for n in names)])
    own = gradients(found, [x, *(getattr(ours, n) for n in names)])
    for a, b in zip(own, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_peepholes_equal_the_formula_step_by_step():
    cell = cell_like("peephole").double()
    x, (h, c) = torch.randn(6, 4, 5).double(), (s.double() for s in start_of(cell))
    found, (last_h, last_c) = cell(x, (h, c), None)
    w = {name: p.detach().numpy() for name, p in cell.named_parameters()}
    bias = w["bias_ih"] + w["bias_hh"]

    def s(z):
        return 1 / (1 + np.exp(-z))

    h, c = h.numpy(), c.numpy()
    for t in range(6):
        z = x[t].numpy() @ w["weight_ih"].T + h @ w["weight_hh"].T + bias
        zi, zf, zg, zo = np.split(z, 4, axis=1)
        i = s(zi + w["peep_i"] * c)
        f = s(zf + w["peep_f"] * c)
        c = f * c + i * np.tanh(zg)
        o = s(zo + w["peep_o"] * c)
        h = o * np.tanh(c)
        np.testing.assert_allclose(found[t].detach().numpy(), h, rtol=1e-12)
    np.testing.assert_allclose(last_h.detach().numpy(), h, rtol=1e-12)
    np.testing.assert_allclose(last_c.detach().numpy(), c, rtol=1e-12)


def test_without_peepholes_the_peephole_cell_is_the_lstm():
    lstm, peephole = cell_like("lstm"), cell_like("peephole")
    with torch.no_grad():
        for name, parameter in peephole.named_parameters():
            parameter.copy_(getattr(lstm, name, torch.zeros(7)))
    x, state = torch.randn(9, 4, 5), start_of(lstm)
    torch.testing.assert_close(peephole(x, state, None)[0], lstm(x, state, None)[0])


def one_by_one(kind):
    """A cell of one number whose weights are all 1 and biases 0."""
    cell = CELLS[kind](1, 1, dropconnect=0.0, recurrent_dropout=0.0)
    for name, parameter in cell.named_parameters():
        torch.nn.init.constant_(parameter, 0.0 if name.startswith("bias") else 1.0)
    return cell.double()


@torch.no_grad()
def test_a_step_of_every_cell_worked_by_hand():
    x, h, c = (torch.tensor([[value]], dtype=torch.float64) for value in (0.5, 0.25, 2.0))
    s, z = lambda v: 1 / (1 + math.exp(-v)), 0.75  # x + h
    memory = s(z) * 2 + s(z) * math.tanh(z)
    seen = s(z + 2) * 2 + s(z + 2) * math.tanh(z)
    n = math.tanh(0.5 + s(z) * 0.25)
    expected = {
        "elman_tanh": math.tanh(z),  # 0.635149
        "elman_relu": z,
        "elman_sigmoid": s(z),  # 0.679179
        "lstm": s(z) * math.tanh(memory),  # c = 1.789737, h = 0.642322
        "peephole": s(z + seen) * math.tanh(seen),  # c = 2.476812, h = 0.948349
        "gru": s(z) * 0.25 + (1 - s(z)) * n,  # n = 0.584845, h = 0.357425
    }
    assert set(expected) == set(CELLS)
    assert memory == pytest.approx(1.789737, abs=1e-6)
    assert seen == pytest.approx(2.476812, abs=1e-6)
    for kind, value in expected.items():
        cell = one_by_one(kind)
        found, _ = cell(x[None], (h, c)[: cell.parts], None)
        assert float(found) == pytest.approx(value, abs=1e-12), kind


@every_cell
def test_the_later_gradient_is_that_of_autograd(cell, monkeypatch):
    ours = cell_like(cell).double()
    x, state = torch.randn(9, 4, 5).double(), tuple(s.double() for s in start_of(ours))
    restarts = torch.rand(9, 4) < 0.2
    parameters = list(ours.parameters())
    later = gradients(ours(x, state, restarts)[0], parameters)
    monkeypatch.setattr(
        "lingloom.models.recurrent.later_gradient",
        lambda weight, bias, seen, given: ([bias] * len(given), weight),
    )
    plain = gradients(ours(x, state, restarts)[0], parameters)
    for a, b in zip(later, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def small(**changes):
    plain = {"vocab": 16, "context": 12, "layers": 2, "width": 10}
    return RNNSettings(**plain | changes)


def test_dropped_recurrent_weights_stay_dropped_for_a_whole_row():
    cell = CELLS["lstm"](5, 7, dropconnect=0.5, recurrent_dropout=0.0).train()
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter)
    x, state = torch.randn(9, 4, 5), start_of(cell)
    torch.manual_seed(3)
    found, _ = cell(x, state, None)
    torch.manual_seed(3)
    with torch.no_grad():
        cell.weight_hh.copy_(dropout(cell.weight_hh, 0.5))
    cell.dropconnect = 0.0
    torch.testing.assert_close(cell(x, state, None)[0], found)


def test_the_hidden_share_of_a_state_is_the_same_at_every_step():
    cell = CELLS["elman_relu"](7, 7, dropconnect=0.0, recurrent_dropout=0.5).train()
    torch.nn.init.zeros_(cell.weight_ih)
    torch.nn.init.eye_(cell.weight_hh)
    torch.nn.init.ones_(cell.bias_ih)
    torch.nn.init.zeros_(cell.bias_hh)
    found, _ = cell(torch.zeros(4, 3, 7), (torch.zeros(3, 7),), None)
    # a number that is hidden stays at 1, one that is kept doubles and gains 1 at every step
    kept = found[1] == 3
    assert kept.any() and not kept.all()
    for t, value in enumerate((1, 3, 7, 15)):
        assert torch.equal(found[t], torch.where(kept, float(value), 1.0))


def test_variational_dropout_drops_the_same_values_at_every_step():
    model = small(dropout=0.5, variational=True).build().train()
    ones = torch.ones(6, 3, 10)
    same, other = model._drop(ones), small(dropout=0.5).build().train()._drop(ones)
    assert (same == same[:1]).all() and 0 < (same[0] == 0).sum() < 30
    assert not (other == other[:1]).all()


def test_weights_start_in_the_asked_range():
    model = small(init_range=0.1, tied=False, output_bias=True).build()
    for name, parameter in model.named_parameters():
        assert 0.05 < parameter.abs().max() <= 0.1, name
    assert model.head.weight.shape == (16, 11)
    forget = small(init_range=0.1, forget_bias=1.0).build().layers[0].bias_ih.chunk(4)
    assert [bool((gate > 0.5).all()) for gate in forget] == [False, True, False, False]


def test_the_last_column_of_an_output_with_bias_is_the_bias():
    model, ids = small(tied=False, output_bias=True).build(), torch.randint(16, (2, 5))
    with torch.no_grad():
        before = model.logits(Batch(ids, ids))
        model.head.weight[:, -1] += 3
        torch.testing.assert_close(model.logits(Batch(ids, ids)), before + 3)


def test_a_generation_goes_on_beyond_the_context():
    ids = list(generate(small(context=4).build(), [1, 2, 3, 4, 5, 6], None,
                        DecodeSettings(max_new_tokens=30)))  # fmt: skip
    assert len(ids) == 30


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"output_bias": True}, "output_bias needs an output of its own; set tied=false"),
        ({"variational": True}, "variational has no effect without dropout"),
        ({"cell": "gru", "forget_bias": 1}, "forget_bias 1 has no effect on cell gru"),
        ({"cell": "gated"}, "'gated' is not one of"),
    ],
)
def test_settings_without_effect_are_a_mistake_in_the_recipe(sizes, message):
    with pytest.raises(RecipeError, match=message):
        load(RNNSettings, sizes)
