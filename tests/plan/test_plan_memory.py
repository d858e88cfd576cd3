"""What the plan counts is what training builds."""

from unittest import mock

import pytest
import torch

from lingloom.models.bert import BertSettings
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.llama import LlamaSettings
from lingloom.models.rnn import RNNSettings
from lingloom.models.transformer import TransformerSettings
from lingloom.plan import memory
from lingloom.plan.band import Band, about, exactly, total
from lingloom.plan.rehearse import Ledger, micro_batch_bytes, standing
from lingloom.settings import Kinds
from lingloom.tokens.batch import Batch
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.optim import OPTIMIZERS
from lingloom.train.parameters import Parameters
from lingloom.train.settings import RegulariseSettings, TrainSettings

GPT2 = GPT2Settings(vocab=50, context=16, width=32, layers=2, heads=4)
LLAMA = LlamaSettings(vocab=50, context=16, width=32, layers=2, heads=4, kv_heads=2, tied=False)
RNN = RNNSettings(vocab=50, context=16, width=32, layers=2, cell="peephole")
GRU = RNNSettings(vocab=50, context=16, width=32, layers=2, cell="gru", dropout=0.1)
every_model = pytest.mark.parametrize("model", [GPT2, LLAMA, RNN, GRU], ids=lambda m: m.kind)
every_optimizer = pytest.mark.parametrize("kind", OPTIMIZERS)


def training(**keys):
    return TrainSettings(**{"batch": 4, "micro": 2, "workers": 1, "precision": "bf16", **keys})


@every_model
def test_parameters_are_those_of_the_real_model(model):
    assert standing(model, training()).parameters == sum(
        p.numel() for p in model.build().parameters()
    )


def test_the_parameters_of_gpt2_small_are_the_published_124_million():
    small = GPT2Settings(vocab=50257, context=1024, width=768, layers=12, heads=12)
    assert standing(small, training()).parameters == 124_439_808


def test_the_parameters_of_llama_7b_are_the_published_ones():
    seven = LlamaSettings(
        vocab=32000, context=2048, width=4096, layers=32, heads=32, ff_width=11008, tied=False
    )
    assert standing(seven, training()).parameters == 6_738_415_616


@every_model
@every_optimizer
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_buffers_are_as_large_as_the_ones_that_training_holds(model, kind, precision):
    optimizer = Kinds(OPTIMIZERS).settings_class(kind)()
    train = training(precision=precision, optimizer=optimizer)
    real = Parameters(
        model.build(), getattr(torch, {"bf16": "bfloat16", "fp32": "float32"}[precision])
    )
    planned = standing(model, train)
    assert planned.masters_bytes == real.master.nbytes
    assert planned.working_bytes == (real.working.nbytes if precision == "bf16" else 0)
    assert planned.gradients_bytes == sum(grad.nbytes for grad in real.grads)
    assert planned.optimizer_bytes == sum(
        t.nbytes for t in optimizer.build(real.groups).state.values()
    )


def test_averaging_and_early_stopping_each_hold_the_weights_once_more():
    train = training(regularise=RegulariseSettings(ema=0.99, patience=2))
    planned = standing(GPT2, train)
    assert planned.average_bytes == planned.best_bytes == planned.masters_bytes
    names = [term.name for term in memory.buffers(planned)]
    assert "average of the weights" in names and "best weights so far" in names


@every_model
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("packing", ["stream", "documents"])
def test_the_rehearsal_counts_what_a_real_pass_holds(model, precision, packing):
    train = training(precision=precision, packing=packing)
    real = (
        model.build().to(getattr(torch, {"bf16": "bfloat16", "fp32": "float32"}[precision])).train()
    )
    ids = torch.zeros(3, 16, dtype=torch.int64)
    batch = Batch(ids, ids, ids if packing == "documents" else None)
    with Ledger() as ledger:
        loss, _ = next_token(real, batch)
        loss.backward()
    assert micro_batch_bytes(model, train, 3) == pytest.approx(ledger.peak_bytes, rel=0.02)


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_the_rehearsal_knows_what_the_kernel_of_the_lstm_keeps(precision):
    model = RNNSettings(vocab=50, context=32, width=256, layers=2)
    real = model.build().to(getattr(torch, precision)).train()
    ids = torch.zeros(4, 32, dtype=torch.int64)
    with Ledger() as ledger:
        next_token(real, Batch(ids, ids))[0].backward()
    train = training(precision={"bfloat16": "bf16", "float32": "fp32"}[precision])
    assert micro_batch_bytes(model, train, 4) == pytest.approx(ledger.peak_bytes, rel=0.1)


def test_the_ledger_forgets_what_is_let_go():
    with Ledger() as ledger:
        first = torch.ones(1000)
        view = first[:10]
        assert ledger.alive_bytes == 4000
        del first, view
        assert ledger.alive_bytes == 0
        second = torch.ones(500)
    assert (ledger.alive_bytes, ledger.peak_bytes) == (second.nbytes, 4000)


@every_model
def test_nothing_is_allocated_however_large_the_model(model):
    huge = model.model_copy(update={"width": 4096, "layers": 3, "vocab": 500_000})
    before = memory.resident_bytes()
    assert micro_batch_bytes(huge, training(), 1) > 4e9
    assert memory.resident_bytes() - before < 200e6


@every_model
def test_more_sequences_layers_and_context_take_more_memory(model):
    def need(changed, micro=2):
        train = training(batch=micro, micro=micro)
        counted = memory.buffers(memory.held(changed, train))
        return total([*counted, memory.activations(changed, train, micro)]).value

    assert need(model, 4) > need(model, 2) > need(model, 1)
    assert need(model.model_copy(update={"layers": 4})) > need(model)
    assert need(model.model_copy(update={"context": 64})) > need(model)


def test_all_workers_hold_activations_and_gradients():
    one = memory.memory_terms(GPT2, training())
    with mock.patch.object(memory, "worker_count", lambda *_: 2):
        two = memory.memory_terms(GPT2, training())
    names = {"gradients": 2.0, "activations": 2.0, "master weights": 1.0}
    for name, factor in names.items():
        before, after = (next(t for t in terms if t.name == name) for terms in (one, two))
        assert after.amount.value == factor * before.amount.value


@pytest.mark.parametrize("draw", ["dropout", "dropconnect"])
def test_a_compiled_model_that_draws_is_held_and_computed_by_one_worker(draw):
    dropping = GPT2.model_copy(update={draw: 0.1})
    one, two = training(workers=1, compile=True), training(workers=2, compile=True)
    assert (memory.workers(GPT2, two), memory.workers(dropping, two)) == (2, 1)
    assert memory.workers(dropping, training(workers=2)) == 2
    assert memory.held(dropping, two) == memory.held(dropping, one)
    assert memory.activations(dropping, two, 2) == memory.activations(dropping, one, 2)


@pytest.mark.parametrize(
    ("model", "precision", "terms"),
    [
        (TransformerSettings(vocab=50, width=32, layers=1, context=16), "bf16", 1),
        (TransformerSettings(vocab=50, width=32, layers=1, context=16), "fp32", 0),
        (BertSettings(vocab=50, width=32, layers=1, context=16), "bf16", 1),
        (GPT2, "bf16", 0),
    ],
)
def test_rows_of_many_lengths_fill_the_cache_of_products(monkeypatch, model, precision, terms):
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    found = {t.name: t.amount for t in memory.memory_terms(model, training(precision=precision))}
    assert ("compiled products" in found) == terms
    if terms:
        assert found["compiled products"].value == 128 * 0.56e6


def test_bands_add_up_carefully():
    both = about(10.0, 0.5, 2.0) + exactly(1.0)
    assert both == Band(11.0, 6.0, 21.0)
    assert both.times(2.0) == Band(22.0, 12.0, 42.0)
