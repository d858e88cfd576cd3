"""The recurrent encoder-decoder: attention by hand, and the same numbers as torch.nn's layers."""

import math

import pytest
import torch
from torch import nn

from lingloom.errors import RecipeError
from lingloom.loading import load
from lingloom.models.seq2seq import Attention, Memory, Seq2SeqSettings
from lingloom.tokens.pairs import padded_pairs

ROWS = padded_pairs([[5, 9, 2, 7], [4, 4], [3]], [[1, 2, 3], [6], [8, 8, 8, 8]], 0)
SHAPES = {
    "gru": Seq2SeqSettings(vocab=12, context=16, width=6, embed_width=5, attention_width=4),
    "lstm": Seq2SeqSettings(vocab=12, context=16, width=6, cell="lstm", tied=False),
}
every_shape = pytest.mark.parametrize("settings", SHAPES.values(), ids=list(SHAPES))


def fresh(settings):
    torch.manual_seed(1)
    return settings.build().eval()


@torch.no_grad()
def test_attention_by_hand():
    """s = (1, -1); W s = 2 - 1 = 1 and 0.5; three places with U h of (0, 0), (1, -0.5), (-1, -0.5);
    v = (2, 1): e = 2 tanh 1 + tanh 0.5, 2 tanh 2 + tanh 0, 2 tanh 0 + tanh 0."""
    attention = Attention(state=2, places=1, width=2)
    attention.query.weight.copy_(torch.tensor([[2.0, 1.0], [1.0, 0.5]]))
    attention.query.bias.zero_()
    attention.score.weight.copy_(torch.tensor([[2.0, 1.0]]))
    keys = torch.tensor([[[0.0, 0.0], [1.0, -0.5], [-1.0, -0.5], [9.0, 9.0]]])
    hides = torch.tensor([[0.0, 0.0, 0.0, -torch.inf]])
    found = attention(torch.tensor([[1.0, -1.0]]), Memory(keys, keys, hides))
    e = [2 * math.tanh(1) + math.tanh(0.5), 2 * math.tanh(2) + 0, 0.0]
    assert e == pytest.approx([1.985305, 1.928055, 0], abs=1e-6)
    whole = sum(math.exp(x) for x in e)
    assert found[0].tolist() == pytest.approx([*(math.exp(x) / whole for x in e), 0], abs=1e-6)
    assert found[0, :3].tolist() == pytest.approx([0.480377, 0.453648, 0.065974], abs=1e-6)


def theirs_of(cell, *, inputs, width, both=False):
    kind = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
    return kind(inputs, width, bidirectional=both, batch_first=True)


def copied(into, cell, suffix=""):
    for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(into, f"{part}_l0{suffix}").copy_(getattr(cell, part))


@every_shape
@torch.no_grad()
def test_the_encoder_is_torchs_over_sequences_of_their_own_lengths(settings):
    model = fresh(settings)
    theirs = theirs_of(settings.cell, inputs=settings.entry, width=6, both=True)
    copied(theirs, model.encoder[0].forth)
    copied(theirs, model.encoder[0].back, "_reverse")
    lengths = ROWS.source_seen.sum(1)
    packed = nn.utils.rnn.pack_padded_sequence(
        model.embed(ROWS.source), lengths, batch_first=True, enforce_sorted=False
    )
    expected, _ = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = model.encode(ROWS.source, ROWS.source_seen)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(found.places[row, :length], expected[row, :length])
    torch.testing.assert_close(found.keys, found.places @ model.attention.key.weight.T)


@every_shape
@torch.no_grad()
def test_the_decoder_is_the_papers_formulas_step_by_step(settings):
    model = fresh(settings)
    rows, E = ROWS, settings.entry
    memory = model.encode(rows.source, rows.source_seen)
    cell = theirs_of(settings.cell, inputs=E + 12, width=6)
    copied(cell, model.decoder[0])
    s = torch.tanh(model.start(memory.places[:, 0, 6:])).split(6, dim=1)  # of the first place
    W, U, v = (getattr(model.attention, name) for name in ("query", "key", "score"))
    expected, weights = [], []
    for y in rows.ids.T:
        e = torch.stack(
            [v(torch.tanh(W(s[0]) + U(h)))[:, 0] for h in memory.places.unbind(1)], dim=1
        )
        a = e.masked_fill(~rows.source_seen, -torch.inf).softmax(1)
        c = sum(a[:, j, None] * memory.places[:, j] for j in range(a.shape[1]))
        x = torch.cat((model.embed(y), c), dim=1)[:, None]
        state = tuple(part[None] for part in s)
        _, after = cell(x, state if len(state) > 1 else state[0])
        s = tuple(part[0] for part in (after if isinstance(after, tuple) else (after,)))
        t = model.say(torch.cat((s[0], model.embed(y), c), dim=1))
        half = t.shape[1] // 2
        expected.append(torch.stack((t[:, :half], t[:, half:])).amax(0))
        weights.append(a)
    torch.testing.assert_close(model.hidden(rows), torch.stack(expected, dim=1))
    torch.testing.assert_close(model.alignment(rows), torch.stack(weights, dim=1))


@torch.no_grad()
def test_what_counts_adds_up_and_lies_on_the_source(settings=SHAPES["gru"]):
    found = fresh(settings).alignment(ROWS)
    assert found.shape == (3, 5, 5)
    torch.testing.assert_close(found.sum(2), torch.ones(3, 5))
    assert (found[~ROWS.source_seen[:, None].expand_as(found)] == 0).all()


def test_an_option_without_effect_is_refused():
    with pytest.raises(RecipeError, match="forget_bias 1 has no effect on cell gru, which has no"):
        load(Seq2SeqSettings, {"forget_bias": 1})
