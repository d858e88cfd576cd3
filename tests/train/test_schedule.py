"""Schedules: worked values at given steps, and what holds for every kind."""

import math

import pytest
from pydantic import ValidationError

from lingloom.errors import RecipeError
from lingloom.settings import Kinds
from lingloom.train.schedule import (
    SCHEDULES,
    ConstantSettings,
    CosineSettings,
    ExponentialSettings,
    InverseSqrtSettings,
    InverseTimeSettings,
    LinearSettings,
    StepSettings,
    WSDSettings,
    steps_of,
)

KINDS = [Kinds(SCHEDULES, kind).build_default() for kind in SCHEDULES]
every_kind = pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)


@pytest.mark.parametrize(
    ("settings", "worked"),
    [
        (ConstantSettings(), {0: 1, 99: 1}),
        (ConstantSettings(warmup=4), {0: 0.25, 1: 0.5, 2: 0.75, 3: 1, 4: 1, 99: 1}),
        # 1 / (1 + 0.1 t)
        (InverseTimeSettings(rate=0.1), {0: 1, 10: 0.5, 30: 0.25, 90: 0.1}),
        (InverseTimeSettings(rate=0.1, floor=0.2), {30: 0.25, 90: 0.2}),
        (InverseTimeSettings(rate=0.1, warmup=10), {4: 0.5, 10: 1, 20: 0.5}),
        # halves every 25 steps
        (ExponentialSettings(), {0: 1, 25: 0.5, 50: 0.25, 75: 0.125, 5: 0.5**0.2}),
        (ExponentialSettings(gamma=0.9, every=1), {1: 0.9, 2: 0.81, 3: 0.729}),
        (ExponentialSettings(gamma=0.1, every=10, floor=0.01), {10: 0.1, 20: 0.01, 30: 0.01}),
        # stairs at 30, 60 and 90
        (StepSettings(), {0: 1, 29: 1, 30: 0.1, 59: 0.1, 60: 0.01, 90: 0.001}),
        (StepSettings(gamma=0.5, every=10, floor=0.2), {9: 1, 10: 0.5, 20: 0.25, 30: 0.2}),
        (InverseSqrtSettings(warmup=4), {0: 0.25, 3: 1, 4: 1, 16: 0.5, 64: 0.25}),
        (InverseSqrtSettings(warmup=0.04, floor=0.3), {1: 0.5, 16: 0.5, 36: 1 / 3, 64: 0.3}),
        (LinearSettings(warmup=0), {0: 1, 25: 0.75, 50: 0.5, 99: 0.01}),
        (LinearSettings(warmup=20, floor=0.2), {19: 1, 20: 1, 60: 0.6, 99: 1 - 0.8 * 79 / 80}),
        (CosineSettings(warmup=0, floor=0), {0: 1, 50: 0.5, 25: (1 + math.sqrt(0.5)) / 2}),
        (CosineSettings(warmup=0.1), {4: 0.5, 9: 1, 10: 1, 55: 0.55}),
        (WSDSettings(warmup=10, decay=20, shape="linear"), {10: 1, 80: 1, 85: 0.75, 90: 0.5}),
        (WSDSettings(warmup=0, decay=0.2), {80: 1, 85: 0.5, 99: 1 - math.sqrt(0.95)}),
        (WSDSettings(warmup=0, decay=16, floor=0.2), {84: 1, 88: 0.6}),
        (WSDSettings(warmup=0, decay=1000, shape="linear"), {0: 1, 50: 0.5}),
        (WSDSettings(warmup=0, decay=0), {0: 1, 99: 1}),
    ],
    ids=lambda x: x.kind if hasattr(x, "kind") else "",
)
def test_the_factor_is_the_worked_one(settings, worked):
    found = {step: settings.factor(step, 100) for step in worked}
    assert found == pytest.approx(worked, abs=1e-12)


@every_kind
def test_warm_up_rises_evenly_and_meets_the_full_rate(settings):
    warm = settings.model_copy(update={"warmup": 8})
    assert [warm.factor(step, 100) for step in range(8)] == [(s + 1) / 8 for s in range(8)]
    assert warm.factor(8, 100) == 1


@every_kind
def test_after_the_warm_up_the_rate_never_rises_and_stays_between_0_and_1(settings):
    factors = [settings.factor(step, 100) for step in range(settings.warmup >= 0 and 2, 130)]
    assert all(0 <= f <= 1 for f in factors)
    assert all(a >= b for a, b in zip(factors, factors[1:], strict=False))


@every_kind
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_the_shortest_runs_have_a_rate_at_every_step(settings, steps):
    assert all(0 < settings.factor(step, steps) <= 1 for step in range(steps))


@every_kind
def test_a_run_that_is_all_warm_up_ends_at_the_full_rate(settings):
    assert settings.model_copy(update={"warmup": 10}).factor(9, 10) == 1


def test_a_length_is_steps_or_a_share():
    assert [steps_of(x, 400) for x in (0, 0.02, 0.5, 1, 37)] == [0, 8, 200, 1, 37]


def test_the_rate_of_the_transformer_is_the_one_of_its_paper():
    lr = (512 * 4000) ** -0.5
    for n in (1, 100, 4000, 4001, 16000, 100_000):
        step = n - 1 if n <= 4000 else n
        found = lr * InverseSqrtSettings(warmup=4000).factor(step, 100_000)
        assert found == pytest.approx(512**-0.5 * min(n**-0.5, n * 4000**-1.5), rel=1e-12)


def test_the_stable_part_does_not_depend_on_the_length_of_the_run():
    settings = WSDSettings(warmup=10, decay=20)
    assert [settings.factor(s, 100) for s in range(80)] == [
        settings.factor(s, 1000) for s in range(80)
    ]


@pytest.mark.parametrize("settings", [ConstantSettings, InverseSqrtSettings])
def test_a_warm_up_longer_than_the_run_is_refused(settings):
    with pytest.raises(RecipeError) as error:
        settings(warmup=200).factor(0, 100)
    assert str(error.value) == (
        "train.schedule.warmup: 200 steps do not fit train.steps 100; "
        "shorten it, or give it as a share such as 0.02"
    )


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (ConstantSettings, {"warmup": -1}),
        (ConstantSettings, {"warmup": 2.5}),
        (ConstantSettings, {"floor": 0.1}),
        (InverseTimeSettings, {"rate": 0}),
        (ExponentialSettings, {"gamma": 1.5}),
        (ExponentialSettings, {"every": 0}),
        (StepSettings, {"gamma": 0}),
        (LinearSettings, {"floor": 1.1}),
        (CosineSettings, {"floor": -0.1}),
        (WSDSettings, {"shape": "cosine"}),
        (WSDSettings, {"decay": float("inf")}),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        settings(**wrong)


def test_every_setting_is_documented():
    for settings in KINDS:
        for name, field in type(settings).model_fields.items():
            assert name == "kind" or field.description, f"{settings.kind}.{name}"
