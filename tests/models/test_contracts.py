"""What every family promises that goes on from a text; a newcomer adds one row. Others stand in the
tables of what they learn; test_objective_contracts.py names these."""

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lingloom.errors import RecipeError, ShapeError
from lingloom.loading import load, to_yaml
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.kinds import MODELS as ROWS
from lingloom.models.llama import LlamaSettings, RopeStretch
from lingloom.models.model import NeuralModel
from lingloom.models.ngram import NGramSettings
from lingloom.models.port import load_model, save_model
from lingloom.models.rmsnorm import RMSNorm
from lingloom.models.rnn import RNNSettings
from lingloom.settings import Kinds, Settings
from lingloom.tokens.batch import Batch
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.parameters import Parameters
from lingloom.train.workers import Workers

END = 0
MODELS = [
    NGramSettings(vocab=32, end=END, order=3, context=16),
    GPT2Settings(vocab=32, context=16, layers=2, heads=4, width=32),
    GPT2Settings(vocab=32, context=16, layers=2, heads=2, width=20, bias=False, tied=False),
    LlamaSettings(vocab=32, context=16, layers=2, heads=4, kv_heads=2, width=32),
    LlamaSettings(vocab=32, context=16, layers=2, heads=2, width=20, tied=False),
    RNNSettings(vocab=32, context=16, width=20),
    RNNSettings(vocab=32, context=16, width=20, embed_width=12, cell="peephole"),
    RNNSettings(vocab=32, context=16, width=20, cell="gru", tied=False, output_bias=True),
    RNNSettings(vocab=32, context=16, layers=1, width=20, cell="elman_sigmoid", embed_width=8),
]
NEURAL = [settings for settings in MODELS if settings.kind != "ngram"]
TRANSFORMERS = [settings for settings in NEURAL if settings.kind in ("gpt2", "llama")]
"""Families that cannot read beyond their context."""
RECURRENT = [settings for settings in NEURAL if settings.kind == "rnn"]


def name_of(settings):
    kind = getattr(settings, "cell", settings.kind)
    return kind + ("" if getattr(settings, "tied", True) else "-untied")


every_model = pytest.mark.parametrize("settings", MODELS, ids=name_of)
every_neural_model = pytest.mark.parametrize("settings", NEURAL, ids=name_of)
every_transformer = pytest.mark.parametrize("settings", TRANSFORMERS, ids=name_of)
every_recurrent_model = pytest.mark.parametrize("settings", RECURRENT, ids=name_of)


def fresh(settings):
    """A model with something in it, ready to be asked."""
    torch.manual_seed(1)
    model = settings.build()
    if isinstance(model, NeuralModel):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
        return model.eval()
    chance = np.random.default_rng(1)
    model.fit([chance.integers(1, settings.vocab, 40) for _ in range(8)])
    return model


def batch_of(ids, segments=None):
    return Batch(ids, ids, segments)


def test_every_family_that_goes_on_from_a_text_has_a_row_here():
    able = {kind for kind in ROWS if "next_token" in Kinds(ROWS).settings_class(kind).objectives}
    assert {settings.kind for settings in MODELS} == able


@every_model
@torch.no_grad()
def test_the_past_never_sees_the_future(settings):
    model, ids = fresh(settings), torch.randint(1, 32, (2, 10))
    changed = ids.clone()
    changed[:, 7:] = changed[:, 7:] % 31 + 1
    before, after = model.logits(batch_of(ids)), model.logits(batch_of(changed))
    torch.testing.assert_close(before[:, :7], after[:, :7], rtol=0, atol=1e-6)
    assert not torch.allclose(before[:, 7:], after[:, 7:])


@every_model
@torch.no_grad()
def test_reading_in_steps_scores_like_reading_in_one_go(settings):
    model, ids = fresh(settings), torch.randint(1, 32, (3, 16))
    whole = model.logits(batch_of(ids))
    assert whole.shape == (3, 16, 32)
    assert whole.dtype == torch.float32
    cache, read = model.new_cache(3, 16), 0
    for tokens in (5, 1, 4, 1, 1, 4):
        found = model.step(ids[:, read : read + tokens], cache)
        read += tokens
        torch.testing.assert_close(found, whole[:, read - 1], rtol=1e-5, atol=1e-5)


@every_model
@torch.no_grad()
def test_packed_documents_score_as_if_each_stood_alone(settings):
    model = fresh(settings)
    ids = torch.randint(1, 32, (2, 12))
    ids[0, 4] = ids[1, 9] = END
    lengths = ((5, 7), (10, 2))
    segments = torch.tensor([[0] * a + [1] * b for a, b in lengths])
    packed = model.logits(batch_of(ids, segments))
    for row, (first, _) in enumerate(lengths):
        for part in (slice(0, first), slice(first, 12)):
            alone = ids[row : row + 1, part]
            if settings.kind == "ngram" and part.start:  # opens each later segment with END
                alone = torch.cat((torch.tensor([[END]]), alone), dim=1)
            scores = model.logits(batch_of(alone))[0, -ids[row, part].numel() :]
            torch.testing.assert_close(packed[row, part], scores, rtol=1e-5, atol=1e-5)


@every_model
@torch.no_grad()
def test_what_is_saved_and_loaded_scores_the_same(settings, tmp_path):
    model, ids = fresh(settings), torch.randint(1, 32, (2, 9))
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert torch.equal(model.logits(batch_of(ids)), again.logits(batch_of(ids)))
    save_model(again, tmp_path / "twice")
    assert load_model(tmp_path / "twice").settings == again.settings
    assert sorted(f.name for f in tmp_path.iterdir()) == ["model", "twice"]


@every_model
def test_settings_come_back_from_a_recipe_unchanged(settings):
    text = to_yaml(settings)
    assert isinstance(settings, Settings)
    chosen = Kinds(ROWS).settings_class(settings.kind)
    path_free = load(chosen, settings.model_dump(mode="json"))
    assert path_free == settings
    assert f"kind: {settings.kind}" in text


@every_transformer
def test_too_many_tokens_are_an_error_that_names_both_lengths(settings):
    model, ids = fresh(settings), torch.zeros(1, 17, dtype=torch.int64)
    expected = (
        "17 tokens do not fit model.context 16; shorten the text or train with a larger "
        "model.context"
    )
    cache = model.new_cache(1, 16)
    model.step(ids[:, :15], cache)
    for attempt in (
        lambda: model.hidden(batch_of(ids)),
        lambda: model.new_cache(1, 17),
        lambda: model.step(ids[:, :2], cache),
    ):
        with pytest.raises(ShapeError) as error:
            attempt()
        assert str(error.value) == expected
    assert model.step(ids[:, :1], cache).shape == (1, 32)


@every_recurrent_model
@torch.no_grad()
def test_a_model_without_a_hard_context_reads_on(settings):
    model, ids = fresh(settings), torch.randint(1, 32, (2, 40))
    assert model.endless
    assert model.logits(batch_of(ids)).shape == (2, 40, 32)
    cache = model.new_cache(2, 16)
    found = [model.step(piece, cache) for piece in ids.split(8, dim=1)]
    torch.testing.assert_close(found[-1], model.logits(batch_of(ids))[:, -1])


@every_transformer
def test_a_cache_refuses_tokens_for_which_it_has_no_room(settings):
    model, ids = fresh(settings), torch.zeros(2, 4, dtype=torch.int64)
    with pytest.raises(ShapeError, match=r"4 tokens do not fit a cache made for 3"):
        model.step(ids, model.new_cache(2, 3))


@every_neural_model
def test_a_cache_refuses_another_number_of_sequences(settings):
    model, ids = fresh(settings), torch.zeros(2, 4, dtype=torch.int64)
    with pytest.raises(ShapeError, match=r"2 sequences do not fit a cache made for 1"):
        model.step(ids, model.new_cache(1, 8))


@every_neural_model
@torch.no_grad()
def test_operations_are_counted_as_torch_counts_them(settings):
    model, ids = fresh(settings), torch.zeros(2, 16, dtype=torch.int64)
    products = torch.backends.mkldnn.flags(enabled=False, allow_tf32=None)  # no closed kernels
    with sdpa_kernel(SDPBackend.MATH), products, FlopCounterMode(display=False) as counter:
        model.logits(batch_of(ids))
    assert model.flops_per_token(16) * 32 == pytest.approx(counter.get_total_flops(), rel=0.02)


@every_neural_model
def test_weight_decay_falls_on_matrices_only(settings):
    model = fresh(settings)
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim == 2 and name != "positions"
        assert model.decays(name, parameter) == matrix, name


@every_neural_model
def test_micro_batches_give_one_loss_and_one_gradient(settings, autograd):
    ids = torch.arange(1, 25).view(4, 6)
    rows = Batch(ids, ids.roll(-1, 1))
    found = [autograd(fresh(settings), next_token, rows)]
    for micro in (4, 3, 1):
        parameters = Parameters(fresh(settings), torch.float32)
        loss, count = Workers(parameters, next_token, compiled=False, seed=0)(0, rows, micro)
        found.append((loss / count, parameters.grad.clone()))
    for loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5)
        torch.testing.assert_close(gradient, found[0][1], rtol=1e-4, atol=1e-6)


@every_neural_model
def test_only_tables_that_are_looked_up_in_alone_have_gradients_row_by_row(settings):
    ids = torch.arange(1, 25).view(4, 6)
    model = fresh(settings)
    model.sparse_gradients(True)
    next_token(model, Batch(ids, ids.roll(-1, 1)))[0].backward()
    assert model.embed.weight.grad.is_sparse == (model.embed.weight is not model.output_weight())
    model.zero_grad()
    model.sparse_gradients(False)
    next_token(model, Batch(ids, ids.roll(-1, 1)))[0].backward()
    assert not any(p.grad.is_sparse for p in model.parameters())


@every_neural_model
def test_every_weight_learns(settings):
    model = fresh(settings)
    loss = model.logits(batch_of(torch.randint(32, (2, 16)))).logsumexp(-1).sum()
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@every_neural_model
@torch.no_grad()
def test_the_working_precision_may_be_bf16(settings):
    model, ids = fresh(settings), torch.randint(32, (2, 16))
    exact = model.logits(batch_of(ids))
    model.to(torch.bfloat16)
    assert model.hidden(batch_of(ids)).dtype == torch.bfloat16
    rough = model.logits(batch_of(ids))
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.1)


@every_neural_model
def test_dropping_happens_only_while_training(settings):
    for rates in ({"dropout": 0.5}, {"dropconnect": 0.5}):
        model, ids = fresh(settings.model_copy(update=rates)), torch.randint(32, (2, 16))
        sure = fresh(settings).logits(batch_of(ids))
        assert torch.equal(model.logits(batch_of(ids)), sure)
        model.train()
        assert not torch.allclose(model.logits(batch_of(ids)), model.logits(batch_of(ids)))


@every_recurrent_model
@torch.no_grad()
def test_what_is_carried_goes_on_as_if_the_rows_were_one(settings):
    model, ids = fresh(settings), torch.randint(1, 32, (3, 16))
    whole = model.logits(batch_of(ids))
    state = torch.zeros(3, model.state_width())
    pieces = [model.logits(Batch(p, p, state=state)) for p in ids.split((5, 1, 10), dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=1e-5, atol=1e-5)


@every_neural_model
def test_only_families_that_carry_have_a_state(settings):
    assert (fresh(settings).state_width() > 0) == type(settings).carries


@every_transformer
def test_the_mean_over_dropped_weights_is_the_kept_layer(settings):
    model = fresh(settings.model_copy(update={"dropconnect": 0.3})).train()
    layer, x = model.blocks[0].ff.down, torch.randn(1, model.blocks[0].ff.down.in_features)
    drawn = torch.stack([layer(x) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(drawn, layer.eval()(x), rtol=0, atol=0.1)


@every_neural_model
def test_a_model_without_a_vocabulary_is_not_built(settings):
    with pytest.raises(RecipeError, match=r"model\.vocab: 0 stands for the tokenizer's size"):
        settings.model_copy(update={"vocab": 0}).build()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"kind": "gpt2", "width": 30, "heads": 4}, "width 30 is not a multiple of heads 4"),
        ({"kind": "llama", "width": 30, "heads": 4}, "width 30 is not a multiple of heads 4"),
        ({"kind": "llama", "heads": 6, "kv_heads": 4}, "heads 6 is not a multiple of kv_heads 4"),
        ({"kind": "llama", "width": 30, "heads": 6}, "width 30 / heads 6 = 5 is odd"),
    ],
)
def test_sizes_that_do_not_fit_are_a_mistake_in_the_recipe(sizes, message):
    with pytest.raises(RecipeError, match=message):
        load(Kinds(ROWS).settings_class(sizes["kind"]), sizes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_the_root_mean_square_norm_and_its_gradients_equal_the_formula(dtype):
    torch.manual_seed(0)
    norm = RMSNorm(24, eps=1e-3).to(dtype)
    x = torch.randn(3, 50, 24).to(dtype).requires_grad_()
    with torch.no_grad():
        norm.weight += torch.randn(24)
    upstream = torch.randn(3, 50, 24).to(dtype)
    exact_x, exact_weight = x.detach().double(), norm.weight.detach().double()
    exact_x.requires_grad_(), exact_weight.requires_grad_()
    exact = exact_weight * exact_x / (exact_x.square().mean(-1, keepdim=True) + 1e-3).sqrt()
    found = norm(x)
    ours = (found, *torch.autograd.grad(found, (x, norm.weight), upstream))
    theirs = (exact, *torch.autograd.grad(exact, (exact_x, exact_weight), upstream.double()))
    for a, b in zip(ours, theirs, strict=True):
        error = (a.double() - b).norm() / b.norm()
        assert error < (1e-6 if dtype == torch.float32 else 6e-3)


@pytest.mark.parametrize("settings", NEURAL[::2], ids=name_of)
def test_the_whole_model_can_be_traced_for_compilation(settings):
    model, ids = fresh(settings), torch.randint(32, (2, 16))
    batch = batch_of(ids, (ids < 8).long().cumsum(1))
    traced = torch.compile(model.hidden, fullgraph=True, backend="aot_eager")
    plain, found = model.hidden(batch), traced(batch)
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)
    (expected,) = torch.autograd.grad(plain.square().sum(), model.embed.weight)
    (gradient,) = torch.autograd.grad(found.square().sum(), model.embed.weight)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)


def test_rmsnorm_takes_rows_that_do_not_lie_in_order():
    torch.manual_seed(0)
    norm = RMSNorm(24, eps=1e-5)
    x, upstream = (torch.randn(2, 24, 5).transpose(1, 2) for _ in range(2))
    slopes = []
    for rows, wanted in ((x, upstream), (x.contiguous(), upstream.contiguous())):
        rows = rows.detach().requires_grad_()
        slopes.append(torch.autograd.grad(norm(rows), (rows, norm.weight), wanted))
    for a, b in zip(*slopes, strict=True):
        torch.testing.assert_close(a, b)


def test_a_rope_stretch_without_room_to_blend_is_refused():
    for high in (4.0, 3.0):
        with pytest.raises(ValueError, match=f"low 4 is not below high {high:g}"):
            RopeStretch(low=4.0, high=high)
