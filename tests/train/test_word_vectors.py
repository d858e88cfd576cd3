"""Skip-gram and bag of words: the block products against the papers' sums, pair by pair."""

import math

import numpy as np
import pytest
import torch

from lingloom.errors import DataError
from lingloom.models.word2vec import Word2VecSettings
from lingloom.tokens.batch import WordRows
from lingloom.tokens.huffman import huffman_paths
from lingloom.train.objectives import around
from lingloom.train.objectives.cbow import CBOWSettings
from lingloom.train.objectives.skip_gram import SkipGramSettings

VOCAB, WIDTH = 20, 6
PATHS = torch.from_numpy(huffman_paths(np.arange(VOCAB) ** 2))


def model_of(seed=0):
    torch.manual_seed(seed)
    model = Word2VecSettings(vocab=VOCAB, width=WIDTH, context=100).build().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model


def rows_of(softmax, T=70, window=3):
    """Two rows, the second with two documents and padding."""
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(VOCAB, (2, T), generator=draw)
    places = torch.arange(T).repeat(2, 1)
    reach = torch.randint(1, window + 1, (2, T), generator=draw)
    places[1, T // 2 :] += window
    places[1, T - 9 :], reach[1, T - 9 :] = -1 - window, 0
    hierarchical = softmax == "hierarchical"
    chance = None if hierarchical else torch.randint(VOCAB, (2, 4), generator=draw)
    return WordRows(ids, places, reach, chance, PATHS[ids] if hierarchical else None, read=T)


def pairs_of(rows):
    """(row, place, place in its window) of every pair."""
    for b, row in enumerate(rows.place.tolist()):
        for i, place in enumerate(row):
            for j, other in enumerate(row):
                if 0 < abs(place - other) <= int(rows.reach[b, i]):
                    yield b, i, j


def cost(model, read, rows, b, j, negatives):
    """What it costs to foretell the word at place j of row b from the vector `read`."""
    out = model.output.weight
    if rows.paths is not None:
        steps = [int(n) for n in rows.paths[b, j] if n]
        signed = [math.copysign(1, n) * (out[abs(n) - 1] @ read) for n in steps]
        return -sum(torch.nn.functional.logsigmoid(s) for s in signed)
    met = -torch.nn.functional.logsigmoid(out[rows.ids[b, j]] @ read)
    drawn = -torch.nn.functional.logsigmoid(-out[rows.chance[b]] @ read)
    return met + negatives * drawn.mean()


def skip_gram(model, rows, negatives):
    total, count = torch.zeros((), dtype=torch.float64), 0
    for b, i, j in pairs_of(rows):
        total += cost(model, model.embed.weight[rows.ids[b, i]], rows, b, j, negatives)
        count += 1
    return total, count


def cbow(model, rows, negatives):
    around = {}
    for b, i, j in pairs_of(rows):
        around.setdefault((b, i), []).append(int(rows.ids[b, j]))
    total = torch.zeros((), dtype=torch.float64)
    for (b, i), ids in around.items():
        total += cost(model, model.embed.weight[ids].mean(dim=0), rows, b, i, negatives)
    return total, len(around)


@pytest.mark.parametrize("T", [70, 32, 2])
@pytest.mark.parametrize("softmax", ["negative", "hierarchical"])
@pytest.mark.parametrize("kind, by_pairs", [(SkipGramSettings, skip_gram), (CBOWSettings, cbow)])
def test_the_loss_and_its_gradients_are_the_papers_sums(kind, by_pairs, softmax, T):
    chance = {"negatives": 2, "shared": 4} if softmax == "negative" else {}
    settings = kind(window=3, softmax=softmax, **chance)
    ours, theirs, rows = model_of(), model_of(), rows_of(softmax, T)
    if T == 2:
        rows = WordRows(**{n: t[:1] for n, t in rows.tensors().items()}, read=2)
    loss, count = settings.loss(ours, rows)
    wanted, pairs = by_pairs(theirs, rows, negatives=2)
    assert count == pairs
    torch.testing.assert_close(loss.double(), wanted, rtol=1e-6, atol=1e-9)
    (3 * loss).backward()
    (3 * wanted).backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad.to_dense(), b.grad, rtol=1e-6, atol=1e-9)


def test_a_row_in_pieces_costs_the_same():
    settings, model, rows = SkipGramSettings(window=3, shared=4), model_of(), rows_of("negative")
    whole, count = settings.loss(model, rows)
    parts = [settings.loss(model, piece) for piece in rows.split(1)]
    assert count == sum(n for _, n in parts)
    torch.testing.assert_close(whole, sum(loss for loss, _ in parts))


def some_rows(vocab, rows, T, drawn, window):
    """Rows with two documents and padding in the second."""
    draw = torch.Generator().manual_seed(T)
    ids = torch.randint(vocab, (rows, T), generator=draw)
    places = torch.arange(T).repeat(rows, 1)
    reach = torch.randint(1, window + 1, (rows, T), generator=draw)
    if rows > 1:
        places[1, T // 2 :] += window
        places[1, T - T // 5 :], reach[1, T - T // 5 :] = -1 - window, 0
    return WordRows(ids, places, reach, torch.randint(vocab, (rows, drawn), generator=draw), read=T)


def costs_of(model, rows, window):
    for parameter in model.parameters():
        parameter.grad = None
    loss, pairs = around.around_cost(model, rows, window, 5.0)
    (2 * loss).backward()
    with torch.no_grad():
        again, _ = around.around_cost(model, rows, window, 5.0)
    assert float(again) == float(loss.detach())
    return loss.item(), pairs, [p.grad.to_dense().double() for p in model.parameters()]


@pytest.mark.usefixtures("needs_kernels")
@pytest.mark.parametrize(
    "width, rows, T, drawn, window, size",
    [
        (6, 2, 70, 4, 3, 1.0),
        (100, 3, 90, 64, 5, 0.3),
        (17, 2, 33, 100, 100, 2.0),  # scores beyond 20, where torch's softplus is the score
        (32, 1, 1, 1, 1, 1.0),  # nobody to look at
        (48, 2, 5, 16, 7, 20.0),  # scores beyond 88, where exp overflows
        (1, 1, 40, 129, 2, 1.0),
    ],
)
def test_the_kernel_and_torch_agree(width, rows, T, drawn, window, size):
    torch.manual_seed(0)
    model = Word2VecSettings(vocab=20, width=width, context=100).build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_().mul_(size)
    batch = some_rows(20, rows, T, drawn, window)
    found = costs_of(model, batch, window)
    exact = costs_of(model.double(), batch, window)  # by torch
    assert found[0] == pytest.approx(exact[0], rel=1e-5) and found[1] == exact[1]
    for ours, theirs in zip(found[2], exact[2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.usefixtures("needs_kernels")
@pytest.mark.parametrize("field, bad", [("ids", 20), ("ids", -1), ("chance", 20), ("chance", -9)])
def test_words_outside_of_the_vocabulary_are_refused_by_the_kernel(field, bad):
    model, batch = (
        Word2VecSettings(vocab=20, width=6, context=100).build(),
        some_rows(20, 1, 9, 3, 2),
    )
    getattr(batch, field)[0, 1] = bad
    with pytest.raises(DataError, match="a word id is outside of 0 to 19"):
        around.around_cost(model, batch, 2, 5.0)


@pytest.mark.usefixtures("needs_kernels")
def test_the_kernel_takes_no_memory_for_gradients_that_nobody_wants(monkeypatch):
    model = Word2VecSettings(vocab=20, width=6, context=100).build()
    monkeypatch.setattr(torch.Tensor, "new_empty", None)
    with torch.no_grad():
        around.around_cost(model, some_rows(20, 1, 9, 3, 2), 2, 5.0)


@pytest.mark.parametrize("chance", [1e20, -1e20])
def test_the_kernel_and_torch_agree_on_scores_beyond_all_numbers(
    chance, needs_kernels, without_kernels
):
    """A word drawn by chance whose score is minus infinity costs nothing; plus infinity, all."""
    model = Word2VecSettings(vocab=20, width=1, context=100).build()
    batch = WordRows(
        torch.tensor([[0, 1]]),
        torch.tensor([[0, 1]]),
        torch.tensor([[1, 1]]),
        torch.tensor([[2]]),
        read=2,
    )
    with torch.no_grad():
        model.embed.weight.fill_(1e20)
        model.output.weight.fill_(1.0)
        model.output.weight[2] = chance
    found = costs_of(model, batch, 1)
    without_kernels()
    exact = costs_of(model, batch, 1)
    assert found[:2] == exact[:2] == (0 if chance < 0 else torch.inf, 2)
    for ours, theirs in zip(found[2], exact[2], strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.usefixtures("needs_kernels")
def test_a_vector_that_is_not_finite_is_not_hidden_by_the_kernel():
    model, batch = (
        Word2VecSettings(vocab=20, width=6, context=100).build(),
        some_rows(20, 1, 9, 3, 2),
    )
    with torch.no_grad():
        model.embed.weight[batch.ids[0, 4], 2] = torch.nan
    assert around.around_cost(model, batch, 2, 5.0)[0].isnan()
