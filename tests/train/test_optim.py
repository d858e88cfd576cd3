"""Optimizers: the papers' first step by hand, torch's own twenty steps, and exact resume."""

import copy
import math

import pytest
import torch
from pydantic import ValidationError

from lingloom.errors import DataError, RecipeError
from lingloom.models.gpt2 import GPT2Settings
from lingloom.settings import Kinds
from lingloom.train.adafactor import AdafactorSettings
from lingloom.train.adagrad import AdaGradSettings
from lingloom.train.adam import AdamSettings, AdamWSettings
from lingloom.train.descent import MomentumSettings, NesterovSettings, SGDSettings
from lingloom.train.muon import MuonSettings, orthogonal
from lingloom.train.optim import OPTIMIZERS, ParameterGroup, check_state
from lingloom.train.parameters import Parameters

KINDS = [Kinds(OPTIMIZERS, kind).build_default() for kind in OPTIMIZERS]
KINDS.append(AdaGradSettings(rows=True))
every_kind = pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)
LAYOUT = {
    "matrix": [("a", (6, 4)), ("b", (4, 6)), ("c", (6, 4))],
    "embedding": [("table", (5, 4))],
    "vector": [("gain", (7,)), ("bias", (3,))],
}


def groups(kinds=("matrix", "embedding", "vector"), decay=("matrix", "embedding"), seed=0):
    draw = torch.Generator().manual_seed(seed)
    made = []
    for kind in kinds:
        shapes = [(name, torch.Size(shape)) for name, shape in LAYOUT[kind]]
        n = sum(shape.numel() for _, shape in shapes)
        w = torch.randn(n, generator=draw)
        made.append(ParameterGroup(kind, w, torch.zeros(n), kind in decay, shapes, kind))
    return made


def one_weight(w, g, decay=True):
    shapes = [("w", torch.Size([len(w)]))]
    return [ParameterGroup("all", torch.tensor(w), torch.tensor(g), decay, shapes, "vector")]


def gradient(step, n):
    return torch.randn(n, generator=torch.Generator().manual_seed(1000 * step + n))


def run(optimizer, made, steps, lr=0.01):
    for step in steps:
        for group in made:
            group.grad.copy_(gradient(step, len(group.grad)))
        optimizer.update(step, lr)


def apart_from_torch(settings, build, kinds=("matrix", "embedding", "vector"), lr=0.01, steps=20):
    """Largest difference between our weights and torch's after `steps` with the same gradients."""
    ours = groups(kinds)
    theirs = {
        name: torch.nn.Parameter(view.clone())
        for group in ours
        for name, view in group.views(group.master)
    }
    decays = {name: group.decay for group in ours for name, _ in group.views(group.master)}
    reference = build(
        [p for name, p in theirs.items() if decays[name]],
        [p for name, p in theirs.items() if not decays[name]],
    )
    optimizer = settings.build(ours)
    for step in range(steps):
        run(optimizer, ours, [step], lr)
        for group in ours:
            for name, g in group.views(group.grad):
                theirs[name].grad = g.clone()
        reference.step()
    return max(
        float((view - theirs[name].detach()).abs().max())
        for group in ours
        for name, view in group.views(group.master)
    )


# --------------------------------------------------------------------------- against torch


def two_groups(make, weight_decay, **more):
    def build(decaying, others):
        halves = [
            {"params": decaying, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return make([h for h in halves if h["params"]], lr=0.01, **more)

    return build


PAIRS = [
    (SGDSettings(weight_decay=0.1), two_groups(torch.optim.SGD, 0.1)),
    (
        MomentumSettings(weight_decay=0.1, decoupled=False),
        two_groups(torch.optim.SGD, 0.1, momentum=0.9),
    ),
    (
        NesterovSettings(weight_decay=0.1, decoupled=False),
        two_groups(torch.optim.SGD, 0.1, momentum=0.9, nesterov=True),
    ),
    (AdamSettings(weight_decay=0.1), two_groups(torch.optim.Adam, 0.1)),
    (
        AdamWSettings(weight_decay=0.1),
        two_groups(torch.optim.AdamW, 0.1, betas=(0.9, 0.95)),
    ),
    (AdaGradSettings(weight_decay=0.1), two_groups(torch.optim.Adagrad, 0.1)),
    (
        AdafactorSettings(relative=True, weight_decay=0.1),
        two_groups(torch.optim.Adafactor, 0.1),
    ),
]


@pytest.mark.parametrize(("settings", "build"), PAIRS, ids=lambda x: getattr(x, "kind", ""))
def test_twenty_steps_equal_torchs(settings, build):
    assert apart_from_torch(settings, build) < 1e-6


@pytest.mark.parametrize(("scale", "name"), [("rms", "match_rms_adamw"), ("shape", "original")])
def test_twenty_steps_of_muon_equal_torchs(scale, name):
    build = two_groups(torch.optim.Muon, 0.1, adjust_lr_fn=name)
    assert apart_from_torch(MuonSettings(scale=scale), build, kinds=("matrix",)) < 1e-6


def test_muon_steps_all_but_hidden_matrices_as_adamw():
    muon, adamw = groups(), groups()
    run(MuonSettings(lr_ratio=0.5, weight_decay=0.1).build(muon), muon, range(5), lr=0.02)
    run(AdamWSettings(weight_decay=0.1).build(adamw), adamw, range(5), lr=0.01)
    assert not torch.equal(muon[0].master, adamw[0].master)
    for ours, theirs in zip(muon[1:], adamw[1:], strict=True):
        assert torch.equal(ours.master, theirs.master)


# --------------------------------------------------------------------------- first steps by hand


@pytest.mark.parametrize(
    ("settings", "first", "second"),
    [
        # w = 1, g = 2, lr = 0.1, decay 0.5: pulled by 0.5 w
        (SGDSettings(weight_decay=0.5), 1 - 0.1 * 2.5, 0.75 - 0.1 * (2 + 0.375)),
        # m = 2, then 0.9 * 2 + 2 = 3.8
        (MomentumSettings(), 0.8, 0.8 - 0.38),
        # looks ahead: 2 + 0.9 * 2 = 3.8, then 2 + 0.9 * 3.8 = 5.42
        (NesterovSettings(), 0.62, 0.62 - 0.542),
        # coupled: m = 2.5, then 0.9 * 2.5 + 2 + 0.5 * 0.75
        (MomentumSettings(weight_decay=0.5, decoupled=False), 0.75, 0.75 - 0.1 * 4.625),
        # decoupled: 1 * (1 - 0.05) - 0.2, then 0.75 * 0.95 - 0.1 * 3.8
        (MomentumSettings(weight_decay=0.5), 0.75, 0.7125 - 0.38),
        # a constant gradient gives steps of lr whatever its size
        (AdamSettings(), 0.9, 0.8),
        (AdamWSettings(weight_decay=0.5), 1 * 0.95 - 0.1, 0.85 * 0.95 - 0.1),
        # s = 4, then 8
        (AdaGradSettings(), 0.9, 0.9 - 0.1 * 2 / 8**0.5),
        # one vector: u = g / sqrt(g^2) = 1
        (AdafactorSettings(), 0.9, 0.8),
    ],
    ids=lambda x: getattr(x, "kind", ""),
)
def test_the_first_two_steps_are_those_worked_by_hand(settings, first, second):
    made = one_weight([1.0], [2.0])
    optimizer = settings.build(made)
    optimizer.update(0, 0.1)
    assert float(made[0].master) == pytest.approx(first, abs=1e-6)
    optimizer.update(1, 0.1)
    assert float(made[0].master) == pytest.approx(second, abs=1e-6)


def test_adagrad_by_row_keeps_the_direction_of_each_row():
    made = groups(("embedding",))
    table, kept = made[0].master.view(5, 4), made[0].master.view(5, 4).clone()
    made[0].grad.copy_(torch.tensor([3.0, 0, 0, 4] + [0] * 16))
    optimizer = AdaGradSettings(rows=True).build(made)
    for step in range(2):  # s = 25 / 4, then twice that
        optimizer.update(step, 0.1)
    assert optimizer.state["embedding.table.rows"].tolist() == [12.5, 0, 0, 0, 0]
    moved = 0.1 * torch.tensor([3.0, 0, 0, 4]) * (1 / 2.5 + 1 / 12.5**0.5)
    torch.testing.assert_close(table[0], kept[0] - moved)
    assert torch.equal(table[1:], kept[1:])


def test_adafactor_factors_a_matrix_as_the_paper_does():
    # G2 = [[1, 4], [9, 16]]: row means 2.5, 12.5, column means 5, 10, mean 7.5
    shapes = [("w", torch.Size([2, 2]))]
    g = torch.tensor([1.0, 2.0, 3.0, 4.0])
    made = [ParameterGroup("m", torch.zeros(4), g, False, shapes)]
    optimizer = AdafactorSettings(clip=100.0).build(made)
    optimizer.update(0, 1.0)
    v = [2.5 * 5 / 7.5, 2.5 * 10 / 7.5, 12.5 * 5 / 7.5, 12.5 * 10 / 7.5]
    by_hand = [-x / math.sqrt(s) for x, s in zip([1, 2, 3, 4], v, strict=True)]
    torch.testing.assert_close(made[0].master, torch.tensor(by_hand), rtol=1e-6, atol=0)
    assert {name: tuple(t.shape) for name, t in optimizer.state.items()} == {
        "w.rows": (2,),
        "w.columns": (2,),
    }


def test_adafactor_clips_an_update_that_grows_suddenly():
    made = one_weight([0.0], [1.0])
    optimizer = AdafactorSettings().build(made)
    optimizer.update(0, 0.1)
    made[0].grad.fill_(1000.0)
    optimizer.update(1, 0.1)  # sqrt(v) is far below 1000, so u > 1 and is brought back to 1
    assert float(made[0].master) == pytest.approx(-0.2, abs=1e-6)


def test_adafactor_gives_the_same_step_however_it_is_cut_into_chunks(monkeypatch):
    whole, cut = groups(), groups()
    run(AdafactorSettings().build(whole), whole, range(3))
    monkeypatch.setattr("lingloom.train.adafactor.CHUNK", 9)
    run(AdafactorSettings().build(cut), cut, range(3))
    for a, b in zip(whole, cut, strict=True):
        torch.testing.assert_close(a.master, b.master, rtol=0, atol=1e-6)


def test_newton_schulz_leaves_directions_and_evens_out_lengths():
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(2, 5, 8, generator=draw)
    u, _, vt = torch.linalg.svd(x, full_matrices=False)
    for made in (orthogonal(x), orthogonal(x.mT).mT):
        lengths = torch.einsum("nri,nrc,nic->ni", u, made, vt)
        assert 0.6 < float(lengths.min()) <= float(lengths.max()) < 1.3
        torch.testing.assert_close(made, u @ torch.diag_embed(lengths) @ vt, rtol=0, atol=1e-4)


def test_newton_schulz_follows_its_polynomial_on_one_number():
    x = 1.0
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    assert float(orthogonal(torch.tensor([[[7.0]]]))) == pytest.approx(x, abs=1e-5)
    assert float(orthogonal(torch.zeros(1, 2, 3)).abs().max()) == 0


def test_muon_takes_filters_as_matrices_of_one_row_each():
    def stepped(shape):
        flat = torch.randn(24, generator=torch.Generator().manual_seed(0))
        shapes = [("filters", torch.Size(shape))]
        group = ParameterGroup("all", flat.clone(), gradient(0, 24), True, shapes, "matrix")
        run(MuonSettings().build([group]), [group], range(3))
        return group.master

    assert torch.equal(stepped((4, 2, 3)), stepped((4, 6)))


def test_muon_gives_the_same_step_for_matrices_together_and_apart(monkeypatch):
    together, apart = groups(("matrix",)), groups(("matrix",))
    run(MuonSettings().build(together), together, range(3))
    monkeypatch.setattr("lingloom.train.muon.STACK", 1)
    run(MuonSettings().build(apart), apart, range(3))
    torch.testing.assert_close(together[0].master, apart[0].master, rtol=0, atol=1e-6)


# --------------------------------------------------------------------------- promises of every kind


@every_kind
def test_ten_steps_equal_five_a_stop_and_five_bit_for_bit(settings):
    straight = groups()
    run(settings.build(straight), straight, range(10))

    first = groups()
    optimizer = settings.build(first)
    run(optimizer, first, range(5))
    saved = copy.deepcopy(optimizer.state)
    weights = [group.master.clone() for group in first]

    second = groups(seed=99)
    for group, w in zip(second, weights, strict=True):
        group.master.copy_(w)
    resumed = settings.build(second)
    check_state(resumed.state, saved, "optimizer")
    for name, tensor in resumed.state.items():
        tensor.copy_(saved[name])
    run(resumed, second, range(5, 10))
    for a, b in zip(straight, second, strict=True):
        assert torch.equal(a.master, b.master)


@every_kind
@pytest.mark.parametrize("decay", [("matrix", "embedding"), ("vector",)], ids=" ".join)
def test_weight_decay_acts_only_on_groups_that_decay(settings, decay):
    decaying = settings.model_copy(update={"weight_decay": 0.5})
    plain = settings.model_copy(update={"weight_decay": 0.0})
    with_decay, without = groups(decay=decay), groups(decay=decay)
    run(decaying.build(with_decay), with_decay, range(1))
    run(plain.build(without), without, range(1))
    for a, b in zip(with_decay, without, strict=True):
        assert torch.equal(a.master, b.master) == (not a.decay), a.name


@every_kind
def test_the_gradient_and_the_buffer_stay_what_they_were(settings):
    made = groups()
    optimizer = settings.build(made)
    homes = [group.master.data_ptr() for group in made]
    run(optimizer, made, range(2))
    for group, home in zip(made, homes, strict=True):
        assert torch.equal(group.grad, gradient(1, len(group.grad)))
        assert group.master.data_ptr() == home


@every_kind
def test_it_goes_downhill(settings):
    made = groups()
    optimizer = settings.model_copy(update={"weight_decay": 0.0}).build(made)
    before = sum(float(group.master.square().sum()) for group in made)
    for step in range(100):
        for group in made:
            group.grad.copy_(group.master)
        optimizer.update(step, 0.03)
    after = sum(float(group.master.square().sum()) for group in made)
    assert after < before / 2


@every_kind
def test_a_gradient_of_zero_moves_nothing(settings):
    made = groups()
    optimizer = settings.model_copy(update={"weight_decay": 0.0}).build(made)
    kept = [group.master.clone() for group in made]
    optimizer.update(0, 0.1)
    for group, w in zip(made, kept, strict=True):
        assert torch.equal(group.master, w)


def test_views_lie_in_the_buffer():
    made = groups(("matrix",))[0]
    views = dict(made.views(made.master))
    assert {name: tuple(view.shape) for name, view in views.items()} == dict(LAYOUT["matrix"])
    views["b"].fill_(3.0)
    assert made.master[24:48].eq(3).all()
    assert not made.master[:24].eq(3).any()


# --------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (SGDSettings, {"weight_decay": -0.1}),
        (MomentumSettings, {"momentum": 1.0}),
        (NesterovSettings, {"momentum": -0.1}),
        (AdamSettings, {"beta2": 1.0}),
        (AdamWSettings, {"eps": 0.0}),
        (AdamWSettings, {"weight_decay": float("inf")}),
        (AdafactorSettings, {"clip": 0.0}),
        (AdaGradSettings, {"start": -1.0}),
        (MuonSettings, {"rounds": 0}),
        (MuonSettings, {"scale": "adamw"}),
        (SGDSettings, {"decoupled": True}),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        settings(**wrong)


def test_a_state_that_does_not_fit_is_refused():
    adamw = AdamWSettings().build(one_weight([1.0], [1.0]))
    with pytest.raises(DataError) as error:
        check_state(
            adamw.state,
            {"all.mean": torch.zeros(1), "all.momentum": torch.zeros(1)},
            "optimizer",
        )
    assert str(error.value) == (
        "the optimizer's stored state does not fit: missing ['all.square'], left over "
        "['all.momentum']; resume with the optimizer and model that wrote it"
    )
    with pytest.raises(DataError) as error:
        check_state(
            adamw.state,
            {"all.mean": torch.zeros(2), "all.square": torch.zeros(1)},
            "optimizer",
        )
    assert str(error.value) == (
        "the optimizer's stored state 'all.mean' has shape [2], this model needs [1]; "
        "resume with the model that wrote it"
    )


def test_muon_without_matrices_is_refused():
    with pytest.raises(RecipeError) as error:
        MuonSettings().build(groups(("vector",)))
    assert str(error.value) == (
        "train.optimizer.kind: 'muon' steps 2-D hidden weights and this model has none; use 'adamw'"
    )


def test_learned_positions_are_a_table_and_not_a_matrix_for_muon():
    model = GPT2Settings(vocab=16, context=8, layers=1, heads=1, width=4).build()
    owner = {n: g for g in Parameters(model, torch.float32).groups for n, _ in g.shapes}
    assert (owner["positions"].kind, owner["positions"].decay) == ("embedding", False)
    assert (owner["embed.weight"].kind, owner["embed.weight"].decay) == ("embedding", True)
    assert owner["blocks.0.ff.up.weight"].kind == "matrix"
