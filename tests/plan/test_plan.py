"""The plan as a whole: refusals word for word, suggestions that fit, bands, promise and outcome."""

from dataclasses import replace

import pytest
import torch

from lingloom.errors import RunError
from lingloom.loading import load
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.llama import LlamaSettings
from lingloom.models.ngram import NGramSettings
from lingloom.plan import fit, memory
from lingloom.plan.band import Term, exactly, total
from lingloom.plan.minutes import (
    Rates,
    StepTime,
    TextFigures,
    learning_terms,
    measure_rates,
    typical_rates,
)
from lingloom.plan.outcome import Outcome, compare
from lingloom.plan.plan import Limits, Plan, make_plan, size
from lingloom.plan.probe import probe
from lingloom.train.settings import RegulariseSettings, TrainSettings

MODEL = GPT2Settings(vocab=300, context=32, width=64, layers=4, heads=4)
TRAIN = TrainSettings(steps=20, batch=8, micro=4, workers=1, precision="fp32", eval_every=10)
TEXT = TextFigures(
    train_bytes=100_000, heldout_bytes=5_000, train_tokens=40_000, heldout_tokens=2_000
)
PLENTY = Limits(memory_bytes=1e12, disk_bytes=1e12)


@pytest.fixture
def quiet(monkeypatch):
    """A process that itself holds exactly 100 MB, so that messages can be compared."""
    monkeypatch.setattr(memory, "resident_bytes", lambda: 100_000_000)
    fit._counted.cache_clear()
    fit._passes.cache_clear()


def apply(suggestion, model, train):
    """The recipe after `key=value key=value`."""
    changes = {"model": [], "train": []}
    for change in suggestion.split():
        section, _, rest = change.partition(".")
        changes[section].append(rest)
    before = {"model": model, "train": train}
    return tuple(load(type(old), old.model_dump(), changes[name]) for name, old in before.items())


def test_a_plan_that_fits_refuses_nothing():
    plan = make_plan(MODEL, TRAIN, TEXT, PLENTY, probe_s=0)
    plan.require()
    assert plan.refusals == []
    assert plan.tokens_seen == 20 * 8 * 32
    assert plan.epochs == pytest.approx(5120 / 40_000)
    assert plan.train_flops == 3 * MODEL.build().flops_per_token(32) * 5120


def test_70_billion_parameters_are_refused_at_once_and_word_for_word(quiet):
    big = LlamaSettings(
        vocab=32_000, context=2048, width=8192, layers=80, heads=64, kv_heads=8, ff_width=28672,
        tied=False,
    )  # fmt: skip
    train = TrainSettings(precision="bf16", checkpoint={"keep": 1, "every": 0}, steps=10, workers=1)
    plan = make_plan(big, train, TEXT, Limits(16e9, 1e13))
    assert plan.parameters == 68_976_648_192
    with pytest.raises(RunError) as refusal:
        plan.require()
    message = str(refusal.value)
    assert message.startswith(
        "memory: the run needs 1.2 TB and 16 GB are free; the largest term is optimizer moments "
        "with 552 GB; what would fit: model.layers="
    )
    changed = apply(message.rpartition("what would fit: ")[2], big, train)
    assert make_plan(*changed, TEXT, Limits(16e9, 1e13), probe_s=0).refusals == []


@pytest.mark.parametrize("free", [280e6, 480e6])
def test_every_suggestion_is_enough_by_itself(quiet, free):
    model = LlamaSettings(vocab=512, context=128, width=128, layers=6, heads=8)
    train = TrainSettings(batch=64, micro=64, workers=1, precision="fp32")
    limits = Limits(free, 1e12)
    plan = make_plan(model, train, TEXT, limits, probe_s=0)
    (refusal,) = plan.refusals
    suggestions = refusal.rpartition("what would fit: ")[2].split("; or ")
    assert all("=" in suggestion for suggestion in suggestions)
    for suggestion in suggestions:
        changed = apply(suggestion, model, train)
        assert make_plan(*changed, TEXT, limits, probe_s=0).refusals == [], suggestion


def test_the_mildest_change_comes_first_and_is_the_nearest(quiet):
    model = LlamaSettings(vocab=512, context=128, width=128, layers=6, heads=8)
    train = TrainSettings(batch=64, micro=64, workers=1, precision="fp32")
    budget = total(memory.memory_terms(model, train)).value * 0.7
    first = fit.nearest_changes(model, train, budget)[0]
    assert first == "train.micro=32"


def test_training_the_tokenizer_may_be_the_peak_and_is_made_smaller(quiet):
    text = TextFigures(train_bytes=1e9, rates=replace(typical_rates("bpe"), learn_most_bytes=2e7))
    plan = make_plan(MODEL, TRAIN, text, PLENTY, probe_s=0)
    (term,) = (t for t in plan.memory if t.name == "training the tokenizer")
    assert term.amount.value == 30 * 2e7
    plan = make_plan(MODEL, TRAIN, text, Limits(500e6, 1e12), probe_s=0)
    (refusal,) = plan.refusals
    assert "the largest term is training the tokenizer with 600 MB" in refusal
    fewer = float(refusal.rpartition("what would fit: tokens.sample_bytes=")[2])
    less = replace(text, rates=replace(text.rates, learn_most_bytes=fewer))
    assert make_plan(MODEL, TRAIN, less, Limits(500e6, 1e12), probe_s=0).refusals == []
    ready = replace(text, ready=True)
    assert make_plan(MODEL, TRAIN, ready, Limits(500e6, 1e12), probe_s=0).refusals == []


def test_early_stopping_may_end_a_run_soon():
    step, none = StepTime(exactly(2.0), probed=True), TextFigures(1.0, 0.0, 1.0, 0.0)
    patient = TRAIN.model_copy(
        update={"regularise": RegulariseSettings(patience=1), "eval_every": 2}
    )
    for train, least in ((TRAIN, 20), (patient, 4)):
        terms = {t.name: t.amount for t in learning_terms(train, step, none, 32, 0.0)}
        assert (terms["training"].low, terms["training"].value) == (2.0 * least, 2.0 * 20)


def test_what_no_change_can_save_needs_a_larger_machine(quiet):
    plan = make_plan(MODEL, TRAIN, TEXT, Limits(90e6, 1e12))
    assert plan.refusals == [
        "memory: the run needs 214 MB and 90 MB are free; the largest term is Python and libraries "
        "with 100 MB; what would fit: use a larger machine"
    ]


def test_a_full_disk_is_refused_and_fewer_checkpoints_suggested():
    one = 3 * 4 * make_plan(MODEL, TRAIN, TEXT, PLENTY, probe_s=0).parameters
    train = TRAIN.model_copy(update={"steps": 1000})
    plan = make_plan(MODEL, train, TEXT, Limits(1e12, 2.8 * one + 600_000), probe_s=0)
    assert plan.refusals == [
        f"disk: the run needs {size(plan.disk_bytes.value)} and {size(plan.disk_free_bytes)} are "
        f"free; the largest term is checkpoints with {size(3 * one)}; what would fit: "
        "train.checkpoint.keep=1; or train.checkpoint.every=0"
    ]


def test_a_run_that_may_just_not_fit_is_told_so(quiet):
    needs = make_plan(MODEL, TRAIN, TEXT, PLENTY, probe_s=0).memory_bytes
    plan = make_plan(MODEL, TRAIN, TEXT, Limits(needs.value * 1.01, 1e12), probe_s=0)
    assert plan.refusals == []
    assert [note for note in plan.notes if note.startswith("memory: expected to fit, with ")]


def test_reading_the_same_text_many_times_is_noted():
    plan = make_plan(MODEL, TRAIN.model_copy(update={"steps": 2000}), TEXT, PLENTY, probe_s=0)
    assert plan.notes[0].startswith("every token will be read 13 times;")


def test_every_band_is_in_order_and_no_term_is_negative():
    for probe_s in (0.0, 0.5):
        plan = make_plan(MODEL, TRAIN, TEXT, PLENTY, baseline=_ngram(), probe_s=probe_s)
        assert plan.probed is (probe_s > 0)
        for term in [*plan.memory, *plan.seconds, *plan.disk]:
            amount = term.amount
            assert 0 <= amount.low <= amount.value <= amount.high, term


def test_a_plan_survives_json():
    plan = make_plan(MODEL, TRAIN, TEXT, Limits(90e6, 1e3))
    assert Plan.from_json(plan.to_json()) == plan


def test_an_n_gram_is_planned_by_its_tokens():
    plan = make_plan(_ngram(), TRAIN, TEXT, PLENTY)
    twice = make_plan(_ngram(), TRAIN, TextFigures(200_000, train_tokens=80_000), PLENTY)
    counts = [next(t for t in p.memory if t.name == "n-gram counts") for p in (plan, twice)]
    assert counts[1].amount.value == 2 * counts[0].amount.value
    assert plan.parameters == 0 and plan.train_flops == 0


def _ngram():
    return NGramSettings(order=3, vocab=300, end=299)


def test_evaluations_and_checkpoints_are_counted_as_often_as_they_happen():
    step = StepTime(exactly(3.0 * 8 * 32), probed=True)  # one second per token forward
    terms = {t.name: t.amount.value for t in learning_terms(TRAIN, step, TEXT, 32, 0.0)}
    assert terms["training"] == 20 * 3 * 8 * 32
    assert terms["evaluation"] == 2 * 2000
    for most, scored in ((500, 500), (9000, 2000)):
        text = replace(TEXT, eval_tokens=most)
        terms = {t.name: t.amount.value for t in learning_terms(TRAIN, step, text, 32, 0.0)}
        assert terms["evaluation"] == 2 * scored
    rare = TRAIN.model_copy(update={"eval_every": 0})
    terms = {t.name: t.amount.value for t in learning_terms(rare, step, TEXT, 32, 0.0)}
    assert terms["evaluation"] == 2000


def test_the_probe_times_real_steps_and_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    step = probe(MODEL, TRAIN, expected_s=0.01, budget_s=1.0)
    assert torch.equal(torch.get_rng_state(), before)
    assert step.probed and 0 < step.seconds.low < step.seconds.value < step.seconds.high


class _Halves:
    """A tokenizer of two bytes per token that trains in no time."""

    def train(self, texts):
        list(texts)
        return self

    def encode_batch(self, texts):
        return [text.encode()[::2] for text in texts]


def test_rates_are_measured_on_the_users_own_text():
    rates = measure_rates(["abcd" * 1000] * 5, _Halves())
    assert rates.bytes_per_token.value == pytest.approx(2.0)
    assert isinstance(rates, Rates) and rates.encode_s.value > 0
    tokens = TextFigures(train_bytes=2000, rates=rates).tokens()
    assert tokens.value == pytest.approx(1000)
    assert tokens.low < tokens.value < tokens.high


def test_promise_and_outcome_stand_side_by_side():
    plan = make_plan(MODEL, TRAIN, TEXT, PLENTY, probe_s=0)
    kept = plan.seconds_s.value
    rows = {r.what: r for r in compare(plan, Outcome(seconds_s=kept, memory_bytes=1e15))}
    assert rows["time"].kept is True and rows["time"].actual == kept
    assert rows["memory"].kept is False and rows["memory"].predicted == plan.memory_bytes.value
    assert rows["parameters"].kept is None


def test_sizes_read_as_people_say_them():
    sizes = (999, 1500, 45_000_000, 1.27e12, 2e15)
    assert [size(s) for s in sizes] == ["999 bytes", "1.5 kB", "45 MB", "1.3 TB", "2000 TB"]


def test_the_largest_term_is_named():
    terms = [Term("small", exactly(1.0)), Term("large", exactly(5.0))]
    assert total(terms).value == 6.0


def test_the_larger_of_baseline_and_training_is_the_peak():
    alone = make_plan(MODEL, TRAIN, TEXT, PLENTY, probe_s=0)
    much = TextFigures(train_bytes=1e10, train_tokens=2e9)
    small, large = (
        make_plan(MODEL, TRAIN, text, PLENTY, baseline=_ngram(), probe_s=0) for text in (TEXT, much)
    )
    assert [t.name for t in small.memory] == [t.name for t in alone.memory]
    assert large.memory[0].name == "n-gram counts"


@pytest.mark.parametrize(("kind", "tokens"), [("bytes", 990), ("words", 220), ("bpe", 300)])
def test_text_that_nobody_has_looked_at_is_counted_by_its_kind_of_tokens(kind, tokens):
    assert TextFigures(990, rates=typical_rates(kind)).tokens().value == tokens
