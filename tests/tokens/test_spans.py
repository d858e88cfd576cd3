"""Texts with gaps, and what was in the gaps."""

import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies

from lingloom.errors import DataError
from lingloom.text.document import Document
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.order import numbers
from lingloom.tokens.reading import Reading
from lingloom.tokens.shards import Shards
from lingloom.tokens.spans import Lengths, Noise, SpanOrder, filled, heldout_spans, hide, split
from lingloom.tokens.write import write_shards

TOKENIZER = BytesSettings().train([])
END = TOKENIZER.end
SENTINELS = list(range(1000, 1100))
NOISE = Noise(0.15, 3.0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    chance = random.Random(1)
    texts = ["".join(chance.choices("abcdefghij", k=20 + i)) for i in range(40)]
    documents = (("train", Document(text, f"doc {i}", "")) for i, text in enumerate(texts))
    folder = tmp_path_factory.mktemp("shards")
    for _ in write_shards(documents, TOKENIZER, folder):
        pass
    return Shards.open(folder, "train")


# ------------------------------------------------------------------ the rule


def test_the_papers_figure_2():
    words = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week"]
    hidden = np.isin(words, ["for", "inviting", "last"])[None]
    x, y, z = 100, 101, 102
    source, target = split(np.arange(10)[None], hidden, [x, y, z])
    named = dict(enumerate(words)) | {x: "<X>", y: "<Y>", z: "<Z>"}
    assert " ".join(named[i] for i in source[0]) == "Thank you <X> me to your party <Y> week"
    assert " ".join(named[i] for i in target[0]) == "<X> for inviting <Y> last <Z>"
    assert filled(source[0], target[0], [x, y, z]) == list(range(10))


def test_the_lengths_of_the_published_pretraining():
    """512 places hold 568 tokens of text, and 114 what is hidden of it (section 3.1.4)."""
    lengths = NOISE.filling(512)
    assert lengths == Lengths(tokens=568, hidden=85, spans=28)
    assert (lengths.source, lengths.target) == (512, 114)
    assert NOISE.lengths(569).source == 513


@pytest.mark.parametrize(
    ("tokens", "frac", "mean", "expected"),
    [
        (2, 0.15, 3, (1, 1)),  # nothing can be kept or hidden of less
        (2, 0.99, 3, (1, 1)),
        (10, 0.5, 1, (5, 5)),
        (10, 0.9, 1, (9, 1)),  # as many runs are kept
        (100, 0.15, 3, (15, 5)),
    ],
)
def test_what_is_hidden_of_a_text(tokens, frac, mean, expected):
    found = Noise(frac, mean).lengths(tokens)
    assert (found.hidden, found.spans) == expected


@settings(max_examples=200, deadline=None)
@given(
    tokens=strategies.integers(2, 90),
    frac=strategies.floats(0.01, 0.99),
    mean=strategies.floats(1, 9),
    keys=strategies.lists(strategies.integers(0, 2**64 - 1), min_size=1, max_size=4),
)
def test_source_and_target_restore_the_text_whatever_is_hidden(tokens, frac, mean, keys):
    lengths = Noise(frac, mean).lengths(tokens)
    hidden = hide(lengths, keys)
    assert hidden.shape == (len(keys), tokens)
    assert (hidden.sum(1) == lengths.hidden).all()
    assert (np.diff(hidden.astype(int), axis=1) == 1).sum(1).tolist() == [lengths.spans] * len(keys)
    assert not hidden[:, 0].any()
    assert hidden[:, -1].all()
    ids = np.arange(len(keys) * tokens).reshape(len(keys), -1) + 5000
    source, target = split(ids, hidden, SENTINELS)
    assert source.shape == (len(keys), lengths.source - 1)
    assert target.shape == (len(keys), lengths.target - 1)
    for row in range(len(keys)):
        assert filled(source[row], target[row], SENTINELS) == ids[row].tolist()


def test_a_row_follows_from_its_key_alone():
    lengths = Lengths(60, 12, 4)
    whole = hide(lengths, range(8))
    assert np.array_equal(hide(lengths, [5]), whole[5:6])
    assert len(np.unique(whole, axis=0)) == 8


def test_all_ways_to_share_out_are_equally_likely():
    """7 kept tokens in 3 runs: 15 ways, and 4 hidden ones in 3 runs: 3 ways."""
    rows = hide(Lengths(11, 4, 3), range(9000))
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == 45
    assert 130 < counts.min() <= counts.max() < 270  # 200 expected, deviation 14


def test_the_gaps_stay_what_they_were():
    assert numbers(3, 7).tolist() == [
        13309476754707697221,
        2875738036014693257,
        16129155333475108587,
    ]
    (row,) = hide(Lengths(20, 6, 3), [2026])
    assert "".join(".x"[int(h)] for h in row) == "...xx.........x..xxx"


def test_what_a_target_does_not_say_stays_empty():
    x, y = SENTINELS[:2]
    assert filled([1, x, 2, y], [9, y, 5, 6], SENTINELS) == [1, 2, 5, 6]
    assert filled([1, x, 2], [x, 7, x, 8, y, 9], SENTINELS) == [1, 7, 8, 2]


# ------------------------------------------------------------------ the batches


def order_of(shards, seed=3, batch=4):
    return SpanOrder(shards, NOISE.filling(24), batch, seed, sentinels=SENTINELS)


def test_each_step_has_sources_and_targets_of_one_shape(shards):
    order = order_of(shards)
    rows, (S, T) = order.at(5), (order.lengths.source, order.lengths.target)
    assert (order.lengths.tokens, S, T) == (26, 24, 6)
    assert rows.source.shape == rows.source_seen.shape == (4, S)
    assert rows.ids.shape == rows.targets.shape == (4, T)
    assert rows.source_seen.all()
    assert (rows.source[:, -1] == END).all()
    assert (rows.targets[:, -1] == END).all()
    assert (rows.ids[:, 0] == END).all()
    assert torch.equal(rows.ids[:, 1:], rows.targets[:, :-1])
    assert rows.scored() == 4 * T


def test_the_rows_of_a_step_are_windows_of_the_text(shards):
    order = order_of(shards)
    stream = shards.ids(0, shards.tokens).tolist()
    ring = stream + stream
    seen = []
    for step in range(int(order.steps_per_epoch)):
        rows = order.at(step)
        for source, target in zip(rows.source.tolist(), rows.targets.tolist(), strict=True):
            text = filled(source[:-1], target[:-1], SENTINELS)
            assert len(text) == order.lengths.tokens
            at = [i for i in range(len(stream)) if ring[i : i + len(text)] == text]
            assert at
            seen.append(at[0])
    seen.sort()
    assert len(seen) == 4 * int(order.steps_per_epoch)
    assert all(b - a >= order.lengths.tokens for a, b in pairwise(seen))


def test_any_step_can_be_had_again_and_no_epoch_repeats_its_gaps(shards):
    first, second = order_of(shards), order_of(shards)
    later = second.at(40)
    assert torch.equal(first.at(2).source, second.at(2).source)
    assert torch.equal(first.at(40).source, later.source)
    assert not torch.equal(order_of(shards, seed=4).at(40).source, later.source)
    assert first.document_ids(2) == second.document_ids(2)
    longer = SpanOrder(shards, NOISE.filling(80), 4, 3, sentinels=SENTINELS)  # of several gaps
    places = [longer.at(step).source >= SENTINELS[0] for step in range(30)]
    assert len({tuple(each.flatten().tolist()) for each in places}) == 30


def test_held_out_text_is_read_once_whatever_the_batch(shards):
    reading = Reading(shards, TOKENIZER)
    found = {}
    for batch in (1, 3, 50):
        rows = heldout_spans(reading, NOISE, 24, batch, sentinels=SENTINELS)
        found[batch] = [
            filled(source[:-1], target[:-1], SENTINELS)
            for each in rows
            for source, target in zip(each.source.tolist(), each.targets.tolist(), strict=True)
        ]
    assert found[1] == found[3] == found[50]
    assert sum(found[1], []) == shards.ids(0, shards.tokens).tolist()


def test_too_little_text_is_refused(shards):
    with pytest.raises(DataError, match=r"1620 tokens do not fill one row, which takes 1\d+ under"):
        SpanOrder(shards, NOISE.filling(1500), 4, 0, sentinels=SENTINELS)
