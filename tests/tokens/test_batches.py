"""The order of data and the batches made of it: computed, never stored."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies

from lingloom.errors import DataError
from lingloom.text.document import Document
from lingloom.tokens.batch import IGNORE, Batch
from lingloom.tokens.batches import Batches
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.evaluation import evaluation_batches
from lingloom.tokens.order import draw, permute
from lingloom.tokens.shards import Shards
from lingloom.tokens.write import write_shards

TOKENIZER = BytesSettings().train([])
END = TOKENIZER.end


def shards_of(folder, texts):
    documents = (("train", Document(text, f"doc {i}", "")) for i, text in enumerate(texts))
    for _ in write_shards(documents, TOKENIZER, folder):
        pass
    return Shards.open(folder, "train")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    texts = ["".join(chr(97 + (i + j) % 26) for j in range(i * 7 % 60)) for i in range(40)]
    return shards_of(tmp_path_factory.mktemp("shards"), texts)


# ------------------------------------------------------------------ the permutation


@settings(max_examples=50, deadline=None)
@given(n=strategies.integers(1, 3000), key=strategies.integers(0, 2**64 - 1))
def test_every_place_is_taken_exactly_once(n, key):
    assert np.array_equal(np.sort(permute(np.arange(n), n, key)), np.arange(n))


def test_the_order_stays_what_it_was():
    assert permute(np.arange(10), 10, 0).tolist() == [6, 0, 4, 8, 3, 9, 2, 5, 1, 7]
    assert permute(np.arange(10), 10, 1).tolist() == [6, 2, 1, 7, 3, 4, 8, 9, 5, 0]
    few = permute(np.array([0, 1, 2, 10**9 - 1]), 10**9, 2026)
    assert few.tolist() == [206517479, 501595958, 799754656, 769952348]


def test_any_place_can_be_asked_for_alone_and_in_any_shape():
    whole = permute(np.arange(1000), 1000, 7)
    asked = np.array([[3, 999], [500, 0]])
    assert permute(asked, 1000, 7).tolist() == whole[asked].tolist()


def test_the_order_looks_shuffled():
    n = 20_000
    out = permute(np.arange(n), n, 5)
    correlation = np.corrcoef(np.arange(n), out)[0, 1]
    neighbours = np.mean(np.abs(np.diff(out)) == 1)
    assert abs(correlation) < 0.03
    assert neighbours < 0.001
    assert abs(np.mean(out == permute(np.arange(n), n, 6)) * n - 1) < 5


def test_draws_depend_on_every_key_and_on_their_order():
    assert len({draw(2**40, a, b) for a in range(30) for b in range(30)}) == 900
    assert draw(10, 3) < 10


# ------------------------------------------------------------------ batches


def test_targets_are_the_ids_one_place_later(shards):
    batch = Batches(shards, context=16, batch=4, seed=0).at(0)
    assert batch.ids.shape == batch.targets.shape == (4, 16)
    assert batch.ids.dtype == batch.targets.dtype == torch.int64
    assert torch.equal(batch.ids[:, 1:], batch.targets[:, :-1])
    assert batch.segments is None


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_an_epoch_has_each_token_as_a_target_once(shards, batch):
    batches = Batches(shards, context=16, batch=batch, seed=3)
    assert batches.windows == shards.tokens // 16
    assert batches.steps_per_epoch == batches.windows / batch
    for epoch in range(2):
        first = epoch * batches.windows
        rows = range(first, first + batches.windows)
        starts = [int(batches.starts(row // batch)[row % batch]) for row in rows]
        scored = np.concatenate([np.arange(s + 1, s + 17) for s in starts]) % shards.tokens
        assert len(set(scored.tolist())) == batches.windows * 16


def test_epochs_differ_in_order_and_in_where_windows_begin(shards):
    batches = Batches(shards, context=16, batch=1, seed=3)
    first, second = (
        [int(batches.starts(e * batches.windows + i)[0]) for i in range(batches.windows)]
        for e in (0, 1)
    )
    assert sorted(first) != first
    assert {s % 16 for s in first} != {s % 16 for s in second}


def test_a_step_is_a_pure_function_of_seed_and_step(shards):
    ahead = Batches(shards, context=16, batch=4, seed=9)
    straight = [ahead.at(step) for step in range(30)]
    resumed = Batches(Shards.open(shards.path.parent, "train"), context=16, batch=4, seed=9)
    for step in (29, 0, 17, 5):
        assert torch.equal(resumed.at(step).ids, straight[step].ids)
        assert torch.equal(resumed.at(step).targets, straight[step].targets)
    other = Batches(shards, context=16, batch=4, seed=10)
    assert not torch.equal(other.at(0).ids, straight[0].ids)


def test_larger_batches_read_the_same_rows_in_the_same_order(shards):
    one, four = (Batches(shards, context=16, batch=b, seed=9) for b in (1, 4))
    rows = torch.cat([one.at(step).ids for step in range(80)])
    assert torch.equal(torch.cat([four.at(step).ids for step in range(20)]), rows)


def test_the_text_is_a_ring(tmp_path):
    shards = shards_of(tmp_path, ["abc", "de"])  # a b c END d e END, and again
    batches = Batches(shards, context=6, batch=1, seed=0)
    assert batches.windows == 1
    ring = [97, 98, 99, END, 100, 101, END]
    seen = {tuple([*b.ids[0].tolist(), int(b.targets[0, -1])]) for b in map(batches.at, range(60))}
    assert seen == {tuple((ring * 2)[i : i + 7]) for i in range(7)}


def test_documents_packing_starts_a_segment_at_each_end(tmp_path):
    shards = shards_of(tmp_path, ["abc", "de"])
    plain = Batches(shards, context=6, batch=2, seed=0, packing="stream")
    packed = Batches(shards, context=6, batch=2, seed=0, packing="documents")
    for step in range(10):
        batch = packed.at(step)
        assert torch.equal(batch.ids, plain.at(step).ids)
        for ids, segments in zip(batch.ids.tolist(), batch.segments.tolist(), strict=True):
            rises = [b - a for a, b in zip(segments, segments[1:], strict=False)]
            assert rises == [int(i == END) for i in ids[1:]]


def test_a_batch_goes_to_a_device_with_all_its_parts():
    ids = torch.arange(6).view(2, 3)
    for segments in (None, ids // 2):
        there = Batch(ids, ids + 1, segments).to(torch.device("meta"))
        assert there.ids.is_meta and there.targets.is_meta
        assert there.segments is None if segments is None else there.segments.is_meta
        assert Batch(ids, ids, segments).to(ids.device).ids is ids


def test_the_documents_of_a_step_are_named(tmp_path):
    texts = ["abc", "de", "", "fghi"]
    shards = shards_of(tmp_path, texts)
    batches = Batches(shards, context=3, batch=1, seed=1)
    owner = [f"doc {i}" for i, text in enumerate(texts) for _ in range(len(text) + 1)]
    for step in range(20):
        start = int(batches.starts(step)[0])
        expected = [owner[(start + j) % shards.tokens] for j in range(4)]
        assert sorted(batches.document_ids(step)) == sorted(set(expected))


def test_too_little_text_for_one_row_is_refused(tmp_path):
    shards = shards_of(tmp_path, ["abc", "de"])
    Batches(shards, context=6, batch=1, seed=0)
    with pytest.raises(DataError) as caught:
        Batches(shards, context=7, batch=1, seed=0)
    assert str(caught.value) == (
        f"{tmp_path / 'train.bin'}: 7 tokens do not fill one row of model.context 7 and its next "
        "token; read more text, or set model.context=6 or less"
    )


# ------------------------------------------------------------------ evaluation


@pytest.mark.parametrize("batch", [1, 5, 64])
@pytest.mark.parametrize(("context", "stride"), [(8, 0), (8, 1), (8, 3), (8, 8), (1, 0), (100, 0)])
def test_every_token_is_scored_once_after_its_own_past(shards, context, stride, batch):
    found = [[] for _ in range(shards.documents)]
    for rows, owner in evaluation_batches(shards, context, batch, stride, end=END):
        B, T = rows.ids.shape
        assert (batch >= B, context >= T) == (True, True)
        assert owner.shape == (B, T)
        assert owner.dtype == np.int64
        for ids, targets, owners in zip(rows.ids, rows.targets, owner, strict=True):
            scored = (targets != IGNORE).numpy()
            assert np.array_equal(scored, owners >= 0)
            assert len(set(owners[scored])) == 1
            document = int(owners[scored][0])
            whole = [END, *shards.document(document).tolist(), END]
            for t in np.flatnonzero(scored):
                past = ids[: t + 1].tolist()
                places = [
                    p for p in range(1, len(whole)) if whole[max(0, p - len(past)) : p] == past
                ]
                assert int(targets[t]) in [whole[p] for p in places]
                least = context - (stride or max(1, context // 2))
                begins = past[0] == END
                assert begins or len(past) > least
            found[document] += targets[scored].tolist()
    for document, targets in enumerate(found):
        assert sorted(targets) == sorted([*shards.document(document).tolist(), END])


def test_windows_of_a_long_document():
    class One:
        documents = 1

        def document(self, index):
            return np.arange(1, 10)  # END 1 2 3 4 5 6 7 8 9 END

    rows = []
    for batch, _ in evaluation_batches(One(), 4, 1, 2, end=0):
        rows += list(zip(batch.ids.tolist(), batch.targets.tolist(), strict=True))
    no = IGNORE
    assert rows == [
        ([0, 1, 2, 3], [1, 2, 3, 4]),
        ([2, 3, 4, 5], [no, no, 5, 6]),
        ([4, 5, 6, 7], [no, no, 7, 8]),
        ([6, 7, 8, 9], [no, no, 9, 0]),
    ]


def test_short_documents_are_not_padded_to_the_context(shards):
    places = sum(b.ids.numel() for b, _ in evaluation_batches(shards, 64, 4, end=END))
    assert places < 1.4 * shards.tokens
