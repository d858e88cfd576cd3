"""The Transformer of 2017: equal to torch's with the same weights, and to the paper's formulas."""

import math

import pytest
import torch
from torch import nn

from lingloom.errors import RecipeError
from lingloom.loading import load
from lingloom.models.transformer import TransformerSettings, sinusoids
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


@torch.no_grad()
def test_casting_the_weights_does_not_round_the_waves():
    model = fresh(SMALL)
    waves = model.waves.clone()
    assert torch.equal(model.to(torch.bfloat16).waves, waves)


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
