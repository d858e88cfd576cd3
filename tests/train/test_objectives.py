"""The chunked loss against torch's own."""

import re

import pytest
import torch
from torch.nn import functional as F

from lingloom.errors import RecipeError
from lingloom.loading import load
from lingloom.models.gpt2 import GPT2Settings
from lingloom.recipe import Recipe
from lingloom.tokens.batch import IGNORE, Batch
from lingloom.train.objectives import cross_entropy
from lingloom.train.objectives.cross_entropy import next_token, token_nats


def small_model(dtype=torch.float32, vocab=37):
    torch.manual_seed(1)
    settings = GPT2Settings(vocab=vocab, context=16, layers=1, heads=2, width=16)
    return settings.build().to(dtype)


def some_batch(vocab=37, ignored=()):
    torch.manual_seed(2)
    targets = torch.randint(vocab, (3, 16))
    for place in ignored:
        targets[place] = IGNORE
    return Batch(torch.randint(vocab, (3, 16)), targets)


def gradients(model):
    return {name: p.grad.float() for name, p in model.named_parameters()}


def by_torch(model, batch, smoothing):
    scores = model.hidden(batch) @ model.output_weight().T
    return F.cross_entropy(
        scores.float().flatten(0, 1),
        batch.targets.flatten(),
        ignore_index=IGNORE,
        reduction="sum",
        label_smoothing=smoothing,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk", [1, 1 << 23], ids=["chunks", "whole"])
def test_the_chunked_loss_and_its_gradients_equal_torchs(monkeypatch, smoothing, chunk):
    monkeypatch.setattr(cross_entropy, "chunk_rows", lambda vocab: 7 if chunk == 1 else chunk)
    batch = some_batch(ignored=[(0, 3), (2, slice(5, 9))])
    ours, theirs = small_model(), small_model()
    loss, count = next_token(ours, batch, smoothing)
    loss.backward()
    expected = by_torch(theirs, batch, smoothing)
    expected.backward()
    assert count == 3 * 16 - 5
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    wanted = gradients(theirs)
    for name, grad in gradients(ours).items():
        torch.testing.assert_close(grad, wanted[name], rtol=1e-5, atol=1e-6)


def test_an_upstream_factor_scales_the_gradients():
    once, thrice = small_model(), small_model()
    next_token(once, some_batch())[0].backward()
    (3 * next_token(thrice, some_batch())[0]).backward()
    for name, grad in gradients(once).items():
        torch.testing.assert_close(gradients(thrice)[name], 3 * grad)


def test_bf16_scores_are_normalised_in_float32():
    batch, model = some_batch(), small_model(torch.bfloat16)
    loss, count = next_token(model, batch)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, by_torch(model, batch, 0.0), rtol=1e-6, atol=1e-6)
    exact = next_token(small_model(), batch)[0]
    assert abs((loss - exact).item()) / count < 0.01


def test_a_batch_without_targets_costs_nothing_and_moves_nothing():
    model = small_model()
    loss, count = next_token(model, some_batch(ignored=[slice(None)]))
    loss.backward()
    assert (loss.item(), count) == (0.0, 0)
    assert all(not grad.any() for grad in gradients(model).values())


def test_an_even_model_pays_the_logarithm_of_the_vocabulary():
    model = small_model(vocab=32)
    with torch.no_grad():
        model.output_weight().zero_()
    loss, count = next_token(model, some_batch(vocab=32))
    assert loss.item() / count == pytest.approx(3.4657359)  # ln 32


def test_token_costs_add_up_to_the_loss_and_are_zero_where_ignored():
    model, batch = small_model(), some_batch(ignored=[(1, 4)])
    costs = token_nats(model, batch)
    assert costs.shape == (3, 16)
    assert costs[1, 4] == 0
    torch.testing.assert_close(costs.sum(), next_token(model, batch)[0])


def test_a_model_may_know_its_token_costs_itself():
    class Counting:
        def token_nats(self, batch):
            return torch.full(batch.targets.shape, 2.0)

    assert token_nats(Counting(), some_batch()).sum() == 2 * 48


def test_a_model_without_hidden_states_is_scored_by_its_logits():
    class Even:
        def logits(self, batch):
            return torch.zeros(*batch.ids.shape, 8)

    batch = some_batch(vocab=8)
    torch.testing.assert_close(token_nats(Even(), batch), torch.full((3, 16), 2.0794415))


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (
            {"model": "word2vec", "train": {"regularise": {"label_smoothing": 0.1}}},
            "train.regularise.label_smoothing: 0.1 has no effect on objective skip_gram",
        ),
        (
            {"model": "word2vec", "train": {"packing": "documents"}},
            "train.packing: 'documents' has no effect on objective skip_gram",
        ),
        (
            {"model": "bert", "baseline": "ngram"},
            "baseline: counts what comes next, and cannot be compared with objective masked_token",
        ),
        (
            {"model": "word2vec", "decode": {"temperature": 0.5}},
            "decode.temperature: has no effect on objective skip_gram, of which no text is written",
        ),
        (
            {"model": "word2vec", "measure": {"stride": 4}},
            "measure.stride: has no effect on objective skip_gram, only on next_token",
        ),
        (
            {"model": "gpt2", "decode": {"beams": 2, "temperature": 0}},
            "decode.beams: 2 beams are for models that write a text for another one",
        ),
        (
            {"model": {"kind": "bert", "head": "next_sentence", "parts": 1}},
            "parts 1 cannot tell the two texts of head=next_sentence apart",
        ),
        (
            {"model": "gpt2", "train": {"objective": "masked_token"}},
            "model.kind gpt2 cannot learn masked_token, only next_token",
        ),
    ],
)
def test_what_an_objective_does_not_know_is_refused(tree, says):
    with pytest.raises(RecipeError, match=re.escape(says)):
        load(Recipe, {"text": {"read": "x"}, "tokens": {"kind": "words"}, **tree})
