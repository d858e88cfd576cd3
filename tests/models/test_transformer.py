"""The Transformer of 2017: equal to torch's with the same weights, and to the paper's formulas."""

import math

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lingloom.errors import RecipeError, ShapeError
from lingloom.loading import load
from lingloom.models.port import load_model, save_model
from lingloom.models.transformer import TransformerSettings, sinusoids
from lingloom.tokens.batch import PairBatch
from lingloom.tokens.pairs import padded_pairs

END = 0
SMALL = TransformerSettings(vocab=32, context=16, layers=2, heads=4, width=32, dropout=0)
SHAPES = {
    "post": SMALL,
    "pre": SMALL.model_copy(update={"norm": "pre", "decoder_layers": 3}),
    "learned": SMALL.model_copy(update={"positions": "learned", "shared": False}),
    "untied": SMALL.model_copy(update={"tied": False, "scale_embed": False, "ff_width": 40}),
}
every_shape = pytest.mark.parametrize("settings", SHAPES.values(), ids=list(SHAPES))


def fresh(settings):
    """A model whose biases and gains are not at their resting places."""
    torch.manual_seed(1)
    model = settings.build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def some(lengths=((9, 7), (4, 12), (11, 1))):
    """Pairs of these lengths."""
    draw = torch.Generator().manual_seed(0)
    ids = [[torch.randint(1, 32, (n,), generator=draw).tolist() for n in pair] for pair in lengths]
    return padded_pairs([s for s, _ in ids], [t for _, t in ids], END)


def theirs_of(ours):
    """torch.nn.Transformer with the weights of ours."""
    s = ours.settings
    sizes = {"d_model": s.width, "nhead": s.heads, "dim_feedforward": s.inside, "dropout": 0.0}
    how = {"batch_first": True, "norm_first": s.norm == "pre", "activation": "relu"}
    reads, writes = (
        kind(**sizes, **how) for kind in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    )
    norms = [nn.LayerNorm(s.width) if s.norm == "pre" else None for _ in range(2)]
    encoder = nn.TransformerEncoder(reads, s.layers, norms[0], enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(writes, s.depth, norms[1])
    theirs = nn.Transformer(**sizes, **how, custom_encoder=encoder, custom_decoder=decoder)

    def copy(into, weight, bias):
        into.weight.copy_(weight), into.bias.copy_(bias)

    def attention(into, weights, biases, out):
        into.in_proj_weight.copy_(torch.cat(weights)), into.in_proj_bias.copy_(torch.cat(biases))
        copy(into.out_proj, out.weight, out.bias)

    with torch.no_grad():
        blocks = [*encoder.layers, *decoder.layers]
        for mine, block in zip([*ours.encoder, *ours.decoder], blocks, strict=True):
            own = mine.attention
            attention(block.self_attn, [own.qkv.weight], [own.qkv.bias], own.out)
            copy(block.linear1, mine.ff.up.weight, mine.ff.up.bias)
            copy(block.linear2, mine.ff.down.weight, mine.ff.down.bias)
            arounds = [mine.around1, mine.around2]
            if hasattr(mine, "cross"):
                look = mine.cross
                both = (look.q.weight, look.kv.weight), (look.q.bias, look.kv.bias)
                attention(block.multihead_attn, *both, look.out)
                arounds.append(mine.around3)
            for i, around in enumerate(arounds, 1):
                copy(getattr(block, f"norm{i}"), around.norm.weight, around.norm.bias)
        for into, norm in zip(norms, ("encoder_norm", "decoder_norm"), strict=True):
            if into is not None:
                copy(into, getattr(ours, norm).weight, getattr(ours, norm).bias)
    return theirs.eval()


@every_shape
@torch.no_grad()
def test_the_same_weights_give_the_same_numbers_as_in_torch(settings):
    ours, rows = fresh(settings), some()
    scale = settings.width**0.5 if settings.scale_embed else 1.0
    source_embed = ours.embed if settings.shared else ours.source_embed
    if settings.positions == "learned":
        source_places, places = ours.source_positions, ours.positions
    else:
        source_places = places = sinusoids(16, 32, torch.device("cpu"))
    S, T = rows.source.shape[1], rows.ids.shape[1]
    expected = theirs_of(ours)(
        source_embed(rows.source) * scale + source_places[:S],
        ours.embed(rows.ids) * scale + places[:T],
        tgt_mask=torch.ones(T, T, dtype=torch.bool).triu(1),
        src_key_padding_mask=~rows.source_seen,
        memory_key_padding_mask=~rows.source_seen,
    )
    found = ours.hidden(rows)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    head = ours.embed if settings.tied else ours.head
    torch.testing.assert_close(ours.logits(rows), expected @ head.weight.T, rtol=1e-5, atol=1e-5)


def test_positions_are_the_formula_of_the_paper():
    table = sinusoids(50, 6, torch.device("cpu"))
    for place in (0, 1, 7, 49):
        for i in range(3):
            angle = place / 10000 ** (2 * i / 6)
            assert float(table[place, 2 * i]) == pytest.approx(math.sin(angle), abs=3e-6)
            assert float(table[place, 2 * i + 1]) == pytest.approx(math.cos(angle), abs=3e-6)
    # by hand: sin 1 and cos 1; then 1 / 10000^(1/3) = 0.0464159
    assert table[1, :4].tolist() == pytest.approx([0.841471, 0.540302, 0.0463992, 0.9989230])


@every_shape
@torch.no_grad()
def test_padding_changes_nothing(settings):
    model, lengths = fresh(settings), [(9, 7), (4, 12), (11, 1)]
    together = model.logits(some(lengths))
    rows = some(lengths)
    for b, (S, T) in enumerate(lengths):
        alone = PairBatch(
            rows.ids[b : b + 1, : T + 1],
            rows.targets[b : b + 1, : T + 1],
            rows.source[b : b + 1, : S + 1],
            rows.source_seen[b : b + 1, : S + 1],
        )
        torch.testing.assert_close(
            together[b, : T + 1], model.logits(alone)[0], rtol=1e-5, atol=1e-5
        )
    rows.source[~rows.source_seen] = 7  # whatever stands in the padding
    torch.testing.assert_close(model.logits(rows), together, rtol=0, atol=1e-6)


@every_shape
@torch.no_grad()
def test_what_is_written_never_sees_the_future_but_all_of_the_source(settings):
    model, rows = fresh(settings), some()
    before = model.logits(rows)
    rows.ids[:, 5:] = rows.ids[:, 5:] % 31 + 1
    after = model.logits(rows)
    torch.testing.assert_close(before[:, :5], after[:, :5], rtol=0, atol=1e-6)
    assert not torch.allclose(before[:, 5:], after[:, 5:])
    rows.source[:, 4] = rows.source[:, 4] % 31 + 1  # the last token of the shortest
    assert not torch.isclose(model.logits(rows)[:, 0], after[:, 0]).all(dim=1).any()


@every_shape
@torch.no_grad()
def test_writing_in_steps_scores_like_reading_in_one_go(settings):
    model, rows = fresh(settings), some()
    whole = model.logits(rows)
    cache = model.new_cache(model.encode(rows.source, rows.source_seen), 3, 13)
    read = 0
    for tokens in (1, 1, 5, 1, 4, 1):
        found = model.step(rows.ids[:, read : read + tokens], cache)
        read += tokens
        torch.testing.assert_close(found, whole[:, read - 1], rtol=1e-5, atol=1e-5)


@every_shape
@torch.no_grad()
def test_rows_that_are_picked_go_on_as_if_they_had_been_there_from_the_start(settings):
    model, rows = fresh(settings), some()
    whole = model.logits(rows)
    cache = model.new_cache(model.encode(rows.source, rows.source_seen), 3, 13)
    model.step(rows.ids[:, :4], cache)
    for chosen in ([1, 1, 0, 2, 1], [4, 2, 3], [0, 2]):
        cache.pick(torch.tensor(chosen))
    left = [1, 2]  # of 1 1 0 2 1, the places 4 2 3; of these 0 and 2
    found = model.step(rows.ids[left][:, 4:7], cache)
    torch.testing.assert_close(found, whole[left, 6], rtol=1e-5, atol=1e-5)


@every_shape
@torch.no_grad()
def test_operations_of_both_stacks_are_counted_as_torch_counts_them(settings):
    model = fresh(settings)
    ids = torch.zeros(2, 16, dtype=torch.int64)
    rows = PairBatch(ids, ids, ids, torch.ones(2, 16, dtype=torch.bool))
    products = torch.backends.mkldnn.flags(enabled=False, allow_tf32=None)
    with sdpa_kernel(SDPBackend.MATH), products, FlopCounterMode(display=False) as counter:
        model.logits(rows)
    counted = counter.get_total_flops()
    assert model.flops_per_token(16) * rows.tokens == pytest.approx(counted, rel=0.02)


@every_shape
def test_every_weight_of_both_stacks_learns(settings):
    model = fresh(settings)
    model.logits(some()).logsumexp(-1).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
        decays = parameter.ndim == 2 and not name.endswith("positions")
        assert model.decays(name, parameter) == decays, name


@every_shape
@torch.no_grad()
def test_both_stacks_are_saved_and_loaded(settings, tmp_path):
    model, rows = fresh(settings), some()
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert again.settings == settings
    assert torch.equal(model.logits(rows), again.logits(rows))


@every_shape
@torch.no_grad()
def test_both_stacks_compute_in_bf16(settings):
    model, rows = fresh(settings), some()
    exact, waves = model.logits(rows), model.waves.clone()
    model.to(torch.bfloat16)
    assert model.hidden(rows).dtype == torch.bfloat16
    torch.testing.assert_close(model.logits(rows), exact, rtol=0.1, atol=0.15)
    assert torch.equal(model.waves, waves)


def test_dropout_falls_on_both_stacks_only_while_training():
    model, rows = fresh(SMALL.model_copy(update={"dropout": 0.5})), some()
    assert torch.equal(model.logits(rows), fresh(SMALL).logits(rows))
    model.train()
    assert not torch.allclose(model.logits(rows), model.logits(rows))


def test_the_start_is_the_one_of_glorot_and_bengio():
    model = TransformerSettings(vocab=500, width=64, heads=4, layers=1).build()
    block = model.decoder[0]
    for weight, limit in (
        (block.attention.qkv.weight, (6 / (64 + 192)) ** 0.5),
        (block.cross.kv.weight, (6 / (64 + 192)) ** 0.5),
        (block.attention.out.weight, (6 / 128) ** 0.5),
        (block.ff.up.weight, (6 / (64 + 256)) ** 0.5),
    ):
        assert 0.98 * limit < float(weight.detach().abs().max()) <= limit
    assert float(model.embed.weight.detach().std()) == pytest.approx(1 / 8, rel=0.02)
    assert not block.ff.up.bias.any() and bool((block.around1.norm.weight == 1).all())


def test_both_stacks_can_be_traced_for_compilation():
    model, rows = fresh(SMALL), some()
    traced = torch.compile(model.hidden, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(traced(rows), model.hidden(rows), rtol=1e-5, atol=1e-5)


def test_texts_that_are_too_long_and_caches_that_do_not_fit_are_refused():
    model, ids = fresh(SMALL), torch.ones(1, 17, dtype=torch.int64)
    short, seen = ids[:, :4], torch.ones(1, 17, dtype=torch.bool)
    memory = model.encode(short, seen[:, :4])
    cache = model.new_cache(memory, 1, 16)
    model.step(ids[:, :15], cache)
    for attempt in (
        lambda: model.hidden(PairBatch(ids, ids, short, seen[:, :4])),
        lambda: model.encode(ids, seen),
        lambda: model.new_cache(memory, 1, 17),
        lambda: model.step(ids[:, :2], cache),
    ):
        with pytest.raises(ShapeError, match=r"17 tokens do not fit model\.context 16"):
            attempt()
    with pytest.raises(ShapeError, match="2 targets cannot be written for 1 sources; call new_ca"):
        model.new_cache(memory, 2, 4)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"width": 30}, "width 30 is not a multiple of heads 4; set width=32"),
        ({"width": 27, "heads": 3}, "width 27 is odd, .* set width=28 or positions=learned"),
    ],
)
def test_sizes_of_both_stacks_are_checked(sizes, message):
    with pytest.raises(RecipeError, match=message):
        load(TransformerSettings, sizes)
    assert "vocab" in str(pytest.raises(RecipeError, TransformerSettings().build).value)
