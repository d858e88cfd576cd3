"""Pairs of texts in batches: like lengths together, the same at the same step, none left out."""

import numpy as np
import pytest
import torch

from lingloom.errors import DataError, RecipeError
from lingloom.text.document import Document
from lingloom.tokens.batch import IGNORE
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.pairs import Pairs, fitting, ordered_batches, padded_pairs, pair_batch
from lingloom.tokens.reading import Reading
from lingloom.tokens.shards import Shards
from lingloom.tokens.write import write_shards

TOKENIZER = BytesSettings().train(["a"])
END = TOKENIZER.end


def reading(folder, pairs, targets=True):
    """Stored pairs of texts, one token per byte."""
    both = []
    for i, (source, target) in enumerate(pairs):
        both.append(("train", Document(source, f"f.tsv:{i + 1}", "f.tsv")))
        if targets:
            both.append(("train-target", Document(target, f"f.tsv:{i + 1}", "f.tsv")))
    list(write_shards(iter(both), TOKENIZER, folder))
    there = ("train", "train-target") if targets else ("train", "train")
    texts, others = (Shards.open(folder, split, TOKENIZER) for split in there)
    return Reading(texts, TOKENIZER, others if targets else None)


def many(count=500):
    chance = np.random.default_rng(0)
    lengths = chance.integers(1, 30, count)
    return [("s" * n, "t" * int(n + chance.integers(0, 3))) for n in lengths.tolist()]


def test_a_source_ends_with_end_and_a_target_stands_between_two(tmp_path):
    rows = padded_pairs([[5, 6], [7]], [[8], [9, 3, 4]], end=0)
    assert rows.source.tolist() == [[5, 6, 0], [7, 0, 0]]
    assert rows.source_seen.tolist() == [[True, True, True], [True, True, False]]
    assert rows.ids.tolist() == [[0, 8, 0, 0], [0, 9, 3, 4]]
    assert rows.targets.tolist() == [[8, 0, IGNORE, IGNORE], [9, 3, 4, 0]]
    assert (rows.tokens, rows.scored(), rows.context) == (6 + 8, 6, 4)


def test_every_pair_comes_once_in_an_epoch_and_in_another_order_in_the_next(tmp_path):
    pairs = Pairs(reading(tmp_path, many()), context=40, batch=7, seed=3)
    steps = int(pairs.steps_per_epoch)
    assert steps == 72
    first, second = (
        [i for step in range(epoch * steps, (epoch + 1) * steps) for i in pairs.rows(step).tolist()]
        for epoch in (0, 1)
    )
    assert sorted(first) == sorted(second) == list(range(500))
    assert first != second


def test_a_step_holds_the_same_pairs_whenever_it_is_asked_for(tmp_path):
    stored = reading(tmp_path, many())
    first, second = (Pairs(stored, 40, 16, seed=3) for _ in range(2))
    backwards = {step: second.at(step) for step in reversed(range(60))}
    for step in range(60):
        one, other = first.at(step), backwards[step]
        assert all(
            torch.equal(one.tensors()[name], other.tensors()[name]) for name in one.tensors()
        )
    assert first.document_ids(5) == [f"f.tsv:{i + 1}" for i in first.rows(5)]
    assert not torch.equal(Pairs(stored, 40, 16, seed=4).at(0).ids, first.at(0).ids)


def test_source_and_target_of_a_row_belong_together(tmp_path):
    stored = reading(tmp_path, [(f"<{i}>", f"[{i}]") for i in range(100)])
    pairs = Pairs(stored, 16, 10, seed=0)
    for step in range(5):
        rows = pairs.at(step)
        for b in range(10):
            source = TOKENIZER.decode(rows.source[b][rows.source_seen[b]].tolist())
            target = TOKENIZER.decode(rows.ids[b].tolist())
            assert source[1:-1] == target[1:-1]


def test_pairs_of_like_length_stand_together(tmp_path):
    pairs = Pairs(reading(tmp_path, many(1500)), context=40, batch=16, seed=1)
    found = [pairs.at(step) for step in range(int(pairs.steps_per_epoch))]
    places = sum(rows.tokens for rows in found)
    tokens = sum(rows.scored() + int(rows.source_seen.sum()) for rows in found)
    assert tokens / places > 0.93  # rows taken as they come: 0.55


def test_a_pair_that_is_too_long_is_an_error_that_names_it_and_both_lengths(tmp_path):
    stored = reading(tmp_path, [("abc", "de"), ("abcdefgh", "ij"), ("k", "l" * 30)])
    with pytest.raises(DataError) as error:
        Pairs(stored, 8, 2, seed=0)
    assert str(error.value) == (
        "f.tsv:2: 9 tokens of source and 3 of target, END included, do not fit model.context 8 "
        "(1 more pairs are unfit); raise it to 31, or set train.objective.unfit=leave_out"
    )
    pairs = Pairs(stored, 8, 2, seed=0, unfit="leave_out")
    assert pairs.fitting.left_out == 2
    assert pairs.rows(0).tolist() == [0]


def test_an_empty_side_is_an_error_that_names_the_pair(tmp_path):
    for empty, side in ((("", "b"), "source"), (("a", ""), "target")):
        stored = reading(tmp_path / side, [("abc", "de"), empty])
        with pytest.raises(DataError, match=rf"^f\.tsv:2: its {side} has no tokens; remove the "):
            fitting(stored, 8)


def test_texts_without_targets_are_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"holds texts without targets; name .*target_field"):
        Pairs(reading(tmp_path, [("a", "b")], targets=False), 8, 2, seed=0)


def test_when_no_pair_fits_the_least_that_would_is_named(tmp_path):
    stored = reading(tmp_path, [("a" * 9, "b"), ("a", "b" * 20)])
    with pytest.raises(DataError, match=r"none of 2 pairs fits model\.context 8; .* has 10 tokens"):
        Pairs(stored, 8, 2, seed=0, unfit="leave_out")


def test_ordered_batches_hold_every_pair_once_long_and_short_ones_mixed(tmp_path):
    stored = reading(tmp_path, many(100))
    found = fitting(stored, 40)
    batches = list(ordered_batches(stored, found, 8))
    assert sorted(i for _, rows in batches for i in rows.tolist()) == list(range(100))
    widths = [rows.context for rows, _ in batches]
    assert widths != sorted(widths, reverse=True)
    assert all(torch.equal(rows.ids, pair_batch(stored, some).ids) for rows, some in batches)


def test_some_pairs_are_spread_evenly_over_all(tmp_path):
    found = fitting(reading(tmp_path, many(100)), 40)
    assert found.spread(10).chosen.tolist() == list(range(0, 100, 10))
    assert found.spread(1000).chosen.tolist() == list(range(100))


def test_a_batch_is_as_wide_as_its_longer_side():
    rows = padded_pairs([[1] * 40, [2]], [[3], [4, 5]], 0)
    assert (rows.context, rows.tokens) == (41, 2 * 41 + 2 * 3)
