"""What every family that writes one text after reading another promises; a newcomer adds a row."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lingloom.errors import RecipeError, ShapeError
from lingloom.loading import load, to_yaml
from lingloom.models.kinds import MODELS as ROWS
from lingloom.models.model import PairModel
from lingloom.models.port import load_model, save_model
from lingloom.models.seq2seq import Seq2SeqSettings
from lingloom.models.t5 import T5Settings
from lingloom.models.transformer import TransformerSettings
from lingloom.plan.rehearse import micro_batch_bytes
from lingloom.settings import Kinds
from lingloom.tokens.batch import PairBatch
from lingloom.tokens.pairs import padded_pairs
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.parameters import Parameters
from lingloom.train.settings import TrainSettings
from lingloom.train.workers import Workers

END = 0
SIZES = {"vocab": 32, "context": 16}
MODELS = {
    "transformer": TransformerSettings(**SIZES, layers=2, heads=4, width=32, dropout=0),
    "transformer-pre": TransformerSettings(**SIZES, layers=1, decoder_layers=2, heads=2, width=20,
                                           ff_width=24, norm="pre", positions="learned",
                                           scale_embed=False, shared=False, tied=False, dropout=0),
    "t5": T5Settings(**SIZES, layers=2, heads=4, width=32),
    "t5-v1.1": T5Settings(**SIZES, layers=1, decoder_layers=2, heads=3, width=20, head_width=6,
                          ff="gated_gelu", tied=False, buckets=8, distance=10),
    "seq2seq": Seq2SeqSettings(**SIZES, width=20),
    "seq2seq-lstm": Seq2SeqSettings(**SIZES, cell="lstm", layers=2, width=20, embed_width=12,
                                    attention_width=14, tied=False, forget_bias=1),
}  # fmt: skip
every_model = pytest.mark.parametrize("settings", MODELS.values(), ids=list(MODELS))
LENGTHS = ((9, 7), (4, 12), (15, 1), (1, 15))
"""Tokens of sources and targets, without the END that closes each."""


def fresh(settings):
    """A model with something in it, ready to be asked."""
    torch.manual_seed(1)
    model = settings.build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def some(lengths=LENGTHS):
    draws = torch.Generator().manual_seed(2)
    ids = [[torch.randint(1, 32, (n,), generator=draws).tolist() for n in pair] for pair in lengths]
    return padded_pairs([source for source, _ in ids], [target for _, target in ids], END)


def test_every_family_that_learns_pairs_has_a_row_here():
    able = {kind for kind in ROWS if "pairs" in Kinds(ROWS).settings_class(kind).objectives}
    assert {settings.kind for settings in MODELS.values()} == able
    assert all(isinstance(settings.build(), PairModel) for settings in MODELS.values())


@every_model
@torch.no_grad()
def test_the_past_never_sees_the_future(settings):
    model, rows = fresh(settings), some()
    before = model.logits(rows)
    assert before.shape == (4, 16, 32)
    assert before.dtype == torch.float32
    rows.ids[:, 7:] = rows.ids[:, 7:] % 31 + 1
    after = model.logits(rows)
    torch.testing.assert_close(before[:, :7], after[:, :7], rtol=0, atol=1e-6)
    assert not torch.allclose(before[:, 7:], after[:, 7:])


@every_model
@torch.no_grad()
def test_every_place_of_the_source_counts_from_the_first_token_on(settings):
    model, rows = fresh(settings), some(((9, 7),) * 10)
    rows.source[:], rows.ids[:] = rows.source[:1], rows.ids[:1]
    for row in range(1, 10):
        rows.source[row, row - 1] = rows.source[row, row - 1] % 31 + 1
    first = model.logits(rows)[:, 0]
    assert ((first[1:] - first[0]).abs().amax(1) > 1e-5).all()


@every_model
@torch.no_grad()
def test_padding_changes_nothing(settings):
    model, rows = fresh(settings), some()
    together = model.logits(rows)
    for b, (S, T) in enumerate(LENGTHS):
        tensors = (rows.ids, rows.targets, rows.source, rows.source_seen)
        ends = (T + 1, T + 1, S + 1, S + 1)
        alone = PairBatch(*(t[b : b + 1, :n] for t, n in zip(tensors, ends, strict=True)))
        found = together[b, : T + 1]
        torch.testing.assert_close(found, model.logits(alone)[0], rtol=1e-5, atol=1e-5)
    rows.source[~rows.source_seen] = 7
    torch.testing.assert_close(model.logits(rows), together, rtol=0, atol=1e-6)


@every_model
@torch.no_grad()
def test_writing_in_steps_scores_like_reading_in_one_go(settings):
    model, rows = fresh(settings), some()
    whole = model.logits(rows)
    cache, read = model.new_cache(model.encode(rows.source, rows.source_seen), 4, 16), 0
    for tokens in (5, 1, 4, 1, 1, 4):
        found = model.step(rows.ids[:, read : read + tokens], cache)
        read += tokens
        torch.testing.assert_close(found, whole[:, read - 1], rtol=1e-5, atol=1e-5)


@every_model
@torch.no_grad()
def test_rows_that_are_picked_go_on_as_they_were(settings):
    model, rows = fresh(settings), some()
    whole = model.logits(rows)
    cache = model.new_cache(model.encode(rows.source, rows.source_seen), 4, 16)
    model.step(rows.ids[:, :3], cache)
    order = torch.tensor([2, 0, 0, 3, 1])
    cache.pick(order)
    found = model.step(rows.ids[order, 3:5], cache)
    torch.testing.assert_close(found, whole[order, 4], rtol=1e-5, atol=1e-5)
    again = torch.tensor([1, 1, 3, 4])
    cache.pick(again)
    found = model.step(rows.ids[order[again], 5:6], cache)
    torch.testing.assert_close(found, whole[order[again], 5], rtol=1e-5, atol=1e-5)


@every_model
@torch.no_grad()
def test_what_is_saved_and_loaded_scores_the_same(settings, tmp_path):
    model, rows = fresh(settings), some()
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert torch.equal(model.logits(rows), again.logits(rows))
    save_model(again, tmp_path / "twice")
    assert load_model(tmp_path / "twice").settings == again.settings


@every_model
def test_settings_come_back_from_a_recipe_unchanged(settings):
    chosen = Kinds(ROWS).settings_class(settings.kind)
    assert load(chosen, settings.model_dump(mode="json")) == settings
    assert f"kind: {settings.kind}" in to_yaml(settings)


@every_model
def test_too_many_tokens_are_an_error_that_names_both_lengths(settings):
    model, rows = fresh(settings), some()
    long = torch.zeros(4, 17, dtype=torch.int64)
    seen = torch.ones_like(long).bool()
    message = r"17 tokens do not fit model\.context 16; shorten the text or train with a larger"
    memory = model.encode(rows.source, rows.source_seen)
    for attempt in (
        lambda: model.encode(long, seen),
        lambda: model.hidden(PairBatch(long, long, rows.source, rows.source_seen)),
        lambda: model.new_cache(memory, 4, 17),
    ):
        with pytest.raises(ShapeError, match=message):
            attempt()


@every_model
def test_a_cache_refuses_what_it_was_not_made_for(settings):
    model, rows = fresh(settings), some()
    memory = model.encode(rows.source, rows.source_seen)
    with pytest.raises(ShapeError, match="3 targets cannot be written for 4 sources"):
        model.new_cache(memory, 3, 8)
    cache = model.new_cache(memory, 4, 3)
    with pytest.raises(ShapeError, match="2 sequences do not fit a cache made for 4"):
        model.step(rows.ids[:2, :1], cache)
    with pytest.raises(ShapeError, match="4 tokens do not fit a cache"):
        model.step(rows.ids[:, :4], cache)
    model.step(rows.ids[:, :3], cache)


@every_model
@torch.no_grad()
def test_operations_are_counted_as_torch_counts_them(settings):
    model, ids = fresh(settings), torch.zeros(2, 16, dtype=torch.int64)
    rows = PairBatch(ids, ids, ids, ids == 0)
    products = torch.backends.mkldnn.flags(enabled=False, allow_tf32=None)  # no closed kernels
    with sdpa_kernel(SDPBackend.MATH), products, FlopCounterMode(display=False) as counter:
        model.logits(rows)
    total = counter.get_total_flops()
    assert model.flops_per_token(16) * rows.tokens == pytest.approx(total, rel=0.02)


@every_model
def test_weight_decay_falls_on_matrices_only(settings):
    model = fresh(settings)
    for name, parameter in model.named_parameters():
        places = name.endswith(("positions", "distances.weight"))
        assert model.decays(name, parameter) == (parameter.ndim == 2 and not places), name


@every_model
def test_every_weight_learns(settings):
    model = fresh(settings)
    model.logits(some()).logsumexp(-1).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@every_model
@torch.no_grad()
def test_the_working_precision_may_be_bf16(settings):
    model, rows = fresh(settings), some()
    exact = model.logits(rows)
    model.to(torch.bfloat16)
    assert model.hidden(rows).dtype == torch.bfloat16
    rough = model.logits(rows)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.1 * float(exact.abs().max()))
    cache = model.new_cache(model.encode(rows.source, rows.source_seen), 4, 16)
    model.step(rows.ids[:, :2], cache)
    found = model.step(rows.ids[:, 2:3], cache)
    torch.testing.assert_close(found, rough[:, 2], rtol=0.1, atol=0.1 * float(exact.abs().max()))


@every_model
def test_dropping_happens_only_while_training(settings):
    model, rows = fresh(settings.model_copy(update={"dropout": 0.5})), some()
    sure = fresh(settings).logits(rows)
    assert torch.equal(model.logits(rows), sure)
    model.train()
    assert not torch.allclose(model.logits(rows), model.logits(rows))


@every_model
def test_micro_batches_add_up_to_one_loss_and_one_gradient(settings, autograd):
    found = [autograd(fresh(settings), next_token, some())]
    for micro in (4, 3, 1):
        parameters = Parameters(fresh(settings), torch.float32)
        workers = Workers(parameters, next_token, compiled=False, seed=0)
        loss, count = workers(0, some(), micro)
        workers.close()
        found.append((loss / count, parameters.grad.clone()))
        assert count == 7 + 12 + 1 + 15 + 4
    (loss, gradient), *others = found
    for other, slope in others:
        assert other == pytest.approx(loss, rel=1e-6)
        torch.testing.assert_close(slope, gradient, rtol=1e-4, atol=1e-6)


@every_model
def test_memory_is_rehearsed_without_numbers(settings):
    one, two = (micro_batch_bytes(settings, TrainSettings(), micro) for micro in (8, 16))
    assert one < two < 2 * one


@every_model
def test_a_model_without_a_vocabulary_is_not_built(settings):
    with pytest.raises(RecipeError, match=r"model\.vocab: 0 stands for the tokenizer's size"):
        settings.model_copy(update={"vocab": 0}).build()


@pytest.mark.parametrize("settings", list(MODELS.values())[::2], ids=list(MODELS)[::2])
def test_the_whole_model_can_be_traced_for_compilation(settings):
    model, rows = fresh(settings), some(((3, 4), (2, 1)))
    traced = torch.compile(model.hidden, fullgraph=True, backend="aot_eager")
    plain, found = model.hidden(rows), traced(rows)
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)
    (expected,) = torch.autograd.grad(plain.square().sum(), model.embed.weight)
    (gradient,) = torch.autograd.grad(found.square().sum(), model.embed.weight)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)
