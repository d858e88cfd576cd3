"""Skip-gram and bag of words: the block products against the papers' sums, pair by pair."""

import math

import numpy as np
import pytest
import torch

from lingloom.models.word2vec import Word2VecSettings
from lingloom.tokens.batch import WordRows
from lingloom.tokens.huffman import huffman_paths
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
