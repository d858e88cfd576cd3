"""GloVe: counts by hand, in any memory, and the weighted squares of the paper."""

import math

import numpy as np
import pytest
import torch

from lingloom.errors import DataError
from lingloom.loading import load
from lingloom.models.glove import GloVeSettings
from lingloom.plan.minutes import TextFigures
from lingloom.plan.plan import Limits, make_plan
from lingloom.text.document import Document
from lingloom.tokens import cooccurrence
from lingloom.tokens.batch import WordPairs
from lingloom.tokens.cooccurrence import counted_pairs
from lingloom.tokens.reading import Reading
from lingloom.tokens.shards import Shards
from lingloom.tokens.words import WordsSettings
from lingloom.tokens.write import write_shards
from lingloom.train.objectives.co_occurrence import CoOccurrenceSettings, Pairs
from lingloom.train.settings import TrainSettings


def text_of(folder, texts, known=None):
    """(tokenizer, shards) of `texts`, whose known words are those of `known`."""
    tokenizer = WordsSettings(segment="none").train(known or texts)
    documents = (("train", Document(text, f"{i}", "")) for i, text in enumerate(texts))
    for _ in write_shards(documents, tokenizer, folder):
        pass
    return tokenizer, Shards.open(folder, "train")


def table(tokenizer, pairs):
    name = tokenizer.token_of
    return {(name(p["word"]), name(p["other"])): pytest.approx(float(p["count"])) for p in pairs}


def test_counts_are_those_worked_by_hand(tmp_path):
    tokenizer, texts = text_of(tmp_path, ["a b ? c a", "c", "b b"], known=["a b c"])
    pairs = counted_pairs(texts, tokenizer, 2, 10**6)
    # the unknown word is left out: a b c a. a-b 1, a-c 1/2 + 1, b-c 1, b-a 1/2; b b counts twice
    assert table(tokenizer, pairs) == {
        ("a", "b"): 1.5,
        ("b", "a"): 1.5,
        ("a", "c"): 1.5,
        ("c", "a"): 1.5,
        ("b", "c"): 1,
        ("c", "b"): 1,
        ("b", "b"): 2,
    }
    assert [path.name for path in tmp_path.iterdir() if "pairs" in path.name] == [
        f"train.pairs-2-{texts.sha256[:12]}.bin"
    ]


def test_counts_do_not_depend_on_memory_or_on_chunks(tmp_path, monkeypatch):
    draw = np.random.default_rng(0)
    words = [f"w{int(i)}" for i in draw.integers(0, 300, 4000) ** 2 // 300]
    cuts = [0, 1000, 1003, 2500, 4000]
    documents = [" ".join(words[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)]
    tokenizer, texts = text_of(tmp_path, documents)
    whole = np.array(counted_pairs(texts, tokenizer, 5, 10**9))
    (path,) = tmp_path.glob("train.pairs*")
    path.unlink()
    monkeypatch.setattr(cooccurrence, "_CHUNK", 170)
    again = np.array(counted_pairs(texts, tokenizer, 5, 1))  # 4096 counts at a time: several runs
    assert len(whole) > 2 * 4096
    assert np.array_equal(np.sort(whole), np.sort(again))
    expected: dict[tuple[int, int], float] = {}
    for index in range(texts.documents):
        ids = texts.document(index).tolist()
        for i, a in enumerate(ids):
            for j in range(max(0, i - 5), i):
                for key in ((a, ids[j]), (ids[j], a)):
                    expected[key] = expected.get(key, 0) + 1 / (i - j)
    assert {(p["word"], p["other"]): pytest.approx(float(p["count"])) for p in whole} == expected


def test_text_without_neighbours_is_refused(tmp_path):
    tokenizer, texts = text_of(tmp_path, ["a", "b"])
    with pytest.raises(DataError, match="no two known words stand within 3 of each other"):
        counted_pairs(texts, tokenizer, 3, 10**6)


def test_the_loss_is_equation_8_of_the_paper():
    torch.manual_seed(0)
    model = GloVeSettings(vocab=5, width=3).build()
    rows = WordPairs(torch.tensor([[0, 1], [4, 4]]), torch.tensor([16.0, 250.0]))
    loss, count = CoOccurrenceSettings().loss(model, rows)
    w, c = model.embed.weight, model.beside.weight
    b, d = model.bias, model.bias_beside
    first = (w[0] @ c[1] + b[0] + d[1] - math.log(16)) ** 2 * 0.16**0.75
    second = (w[4] @ c[4] + b[4] + d[4] - math.log(250)) ** 2
    torch.testing.assert_close(loss, first + second)
    assert count == 2
    torch.testing.assert_close(model.word_vectors(), w + c)


def test_every_pair_is_read_once_an_epoch_in_an_order_that_the_seed_decides():
    pairs = np.zeros(10, dtype=cooccurrence.PAIR)
    pairs["word"], pairs["count"] = np.arange(10), 1
    order = Pairs(pairs, batch=4, seed=1)
    read = torch.cat([order.at(i).ids[:, 0] for i in range(5)]).tolist()
    assert sorted(read[:10]) == sorted(read[10:]) == list(range(10))
    assert read[:10] != read[10:]
    assert order.steps_per_epoch == 2.5
    again = Pairs(pairs, batch=4, seed=1).at(3)
    assert torch.equal(again.ids, order.at(3).ids)


def test_vectors_learn_the_logarithm_of_counts():
    torch.manual_seed(0)
    model = GloVeSettings(vocab=6, width=4).build()
    ids = torch.cartesian_prod(torch.arange(6), torch.arange(6))
    rows = WordPairs(ids, torch.arange(1.0, 37.0))
    settings, optimizer = CoOccurrenceSettings(), torch.optim.Adagrad(model.parameters(), lr=0.3)
    for _ in range(400):
        optimizer.zero_grad()
        loss, count = settings.loss(model, rows)
        loss.backward()
        optimizer.step()
    assert loss.item() / count < 1e-3


def test_texts_shorter_than_the_window_are_counted(tmp_path):
    tokenizer, texts = text_of(tmp_path, ["a", "b a", "c"])
    pairs = counted_pairs(texts, tokenizer, 10, 10**6)
    assert table(tokenizer, pairs) == {("a", "b"): 1, ("b", "a"): 1}


def test_a_part_of_what_is_held_out_is_like_all_of_it(tmp_path):
    """Pairs are counted in the order of words, of which the first are the most frequent."""
    words = [f"w{i}" for i in range(60)]
    chance = np.random.default_rng(0)
    lines = [" ".join(chance.choice(words, 40)) for _ in range(60)]
    tokenizer, texts = text_of(tmp_path, lines)
    reading = Reading(texts, tokenizer)
    first = next(CoOccurrenceSettings().heldout(reading, GloVeSettings(vocab=99), 1))
    assert len(first.ids.unique()) > 50


def test_what_counting_takes_is_planned_from_the_size_of_the_text():
    settings = CoOccurrenceSettings(memory_mb=100)
    found = settings.preparation(1.9e6)
    pairs = found.lasting_bytes[0] / cooccurrence.PAIR.itemsize
    assert pairs == pytest.approx(6.6e6, rel=0.05)  # as counted in such a text
    assert settings.preparation(7.2e6).lasting_bytes[0] / 12 == pytest.approx(18.7e6, rel=0.05)
    assert found.memory_bytes[0] == 100e6
    assert found.disk_bytes[0] > found.lasting_bytes[0]  # sorted runs
    small = settings.preparation(2000)
    assert small.memory_bytes[0] < 3e6 and small.disk_bytes[0] == small.lasting_bytes[0]
    none = settings.preparation(0)
    assert none.memory_bytes == none.disk_bytes == none.seconds_s == (0, 0, 0)


def test_the_plan_counts_it_in_memory_time_and_disk():
    train = load(TrainSettings, {"steps": 3, "batch": 8})
    text = TextFigures(1e7, 1e5, train_tokens=2e6)
    plan = make_plan(GloVeSettings(vocab=50), train, text, Limits(1e12, 1e12), probe_s=0)
    for terms in (plan.seconds, plan.disk):
        assert "counting of pairs" in [term.name for term in terms]
    large = {"steps": 3, "batch": 8, "objective": {"kind": "co_occurrence", "memory_mb": 4000}}
    train = load(TrainSettings, large)
    plan = make_plan(GloVeSettings(vocab=50), train, text, Limits(1e9, 1e12), probe_s=0)
    assert plan.refusals and "the largest term is counting of pairs" in plan.refusals[0]
