"""Near-duplicates are found, and nothing but near-duplicates."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingloom.text import clusters, near
from lingloom.text.clusters import components, kept
from lingloom.text.minhash import NOWHERE, MinHashSettings, band_hashes, signatures
from lingloom.text.near import candidate_pairs, distinct_pairs, verified
from lingloom.text.shingles import ShingleSettings
from lingloom.text.texts import Texts

DEFAULT = MinHashSettings()
TWO = ShingleSettings(size=2)
CHINESE = [chr(code) for code in range(0x4E00, 0x5A00)]
ENGLISH = [a + b + c for a in "bcdfgklmnprst" for b in ("a", "ei", "o", "u") for c in CHINESE[:60]]
ENGLISH = [word[:-1] + format(ord(word[-1]) % 60, "x") for word in ENGLISH]


def pairs_of(hashes, uids):
    return candidate_pairs(np.array(hashes, np.uint64), np.array(uids, np.int64)).tolist()


def test_a_bucket_pairs_each_text_with_the_first_and_the_next_three():
    assert pairs_of([7, 9, 7, 5, 9, 7], [30, 4, 10, 2, 3, 20]) == [
        [3, 4],
        [10, 20],
        [10, 30],
        [20, 30],
    ]
    found = pairs_of([1] * 7, range(7))
    near_by = [[a, b] for a in range(7) for b in range(a + 1, 7) if not a or b - a <= 3]
    assert found == near_by


def test_a_hot_bucket_makes_four_pairs_a_text_at_most():
    assert len(pairs_of([1] * 10_000, range(10_000))) < 40_000


def test_a_pair_of_many_buckets_is_one_pair_and_no_text_is_its_own():
    assert pairs_of([1, 1, 2, 2, 3, 3], [8, 9, 9, 8, 8, 8]) == [[8, 9]]
    assert pairs_of([1, 2, 3], [1, 2, 3]) == pairs_of([], []) == []
    assert pairs_of([int(NOWHERE)] * 3, [1, 2, 3]) == []
    twice = np.array([[1, 2], [1, 2], [0, 5], [3, 3]])
    assert distinct_pairs(twice).tolist() == [[0, 5], [1, 2]]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 40)), max_size=60), st.randoms())
def test_pairs_do_not_depend_on_the_order_and_join_all_of_a_bucket(rows, rng):
    found = pairs_of([h for h, _ in rows], [u for _, u in rows])
    assert found == sorted(found)
    shuffled = rows[:]
    rng.shuffle(shuffled)
    assert found == pairs_of([h for h, _ in shuffled], [u for _, u in shuffled])
    buckets = {h: {u for g, u in rows if g == h} for h, _ in rows}
    assert all(any({a, b} <= some for some in buckets.values()) for a, b in found)
    for some in buckets.values():
        assert all([min(some), u] in found for u in some if u != min(some))


def test_similarity_by_hand():
    """Pairs of words: ab bc cd | ab bc ce: 2 of 4. Repeats count once; both empty are not alike."""
    parts = {
        0: Texts.of_strings(["a b c d", "a b c e", "", "d c b a"]),
        5: Texts.of_strings(["山水山水", "。"]),
    }
    far = 5 << 32
    pairs = [[0, 1], [0, 0], [0, 2], [2, 2], [0, 3], [0, far], [far, far], [2, far + 1]]
    assert verified(np.array(pairs), parts, TWO).tolist() == [0.5, 1, 0, 0, 0, 0, 1, 0]
    parts[5] = Texts.of_strings(["山水", "水山水"])
    assert verified(np.array([[far, far + 1]]), parts, TWO).tolist() == [0.5]
    assert verified(np.empty((0, 2), np.int64), {}, TWO).tolist() == []
    with pytest.raises(KeyError):
        verified(np.array([[0, 9 << 32]]), parts, TWO)


@given(
    strings=st.lists(st.text(alphabet="ab 山。", max_size=40), min_size=1, max_size=6),
    data=st.data(),
)
def test_the_kernel_gives_the_similarity_of_sets(strings, data):
    some = st.lists(st.tuples(*[st.integers(0, len(strings) - 1)] * 2), max_size=12)
    pairs = np.array(data.draw(some), np.int64).reshape(-1, 2)
    parts = {0: Texts.of_strings(strings)}
    got = verified(pairs, parts, TWO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near, "kernels", lambda: None)
        assert got.tolist() == verified(pairs, parts, TWO).tolist()


def test_the_set_of_a_long_text_does_not_stay_for_the_next():
    long = " ".join(map(str, range(60_000)))
    parts = {0: Texts.of_strings([long, "a b c", "a b d", long + " more"])}
    pairs = np.array([[0, 3], [0, 1], [1, 2], [1, 0], [1, 3], [2, 1]])
    wanted = [59_999 / 60_000, 0, 1 / 3, 0, 0, 1 / 3]
    assert verified(pairs, parts, TWO).tolist() == pytest.approx(wanted, abs=1e-12)


def changed(rng, tokens, words, places):
    """`tokens` with that many of them replaced, anywhere."""
    tokens = tokens[:]
    for place in rng.sample(range(len(tokens)), places):
        tokens[place] = rng.choice(words)
    return tokens


def similarity(a, b):
    a, b = ({tuple(x[i : i + 5]) for i in range(len(x) - 4)} for x in (a, b))
    return len(a & b) / len(a | b)


@pytest.mark.parametrize(("words", "space"), [(ENGLISH, " "), (CHINESE, "")], ids=["en", "zh"])
def test_planted_near_duplicates_are_found_and_nothing_else(words, space):
    """Recall at least .98 over pairs at .8 to .95, and also just at .8; all edges true."""
    rng = random.Random(7)
    documents, planted = [], {}
    for i in range(1200):
        text = [rng.choice(words) for _ in range(200)]
        other = changed(rng, text, words, rng.randint(1, 14))  # Jaccard .95 to .5
        documents += [text, other]
        planted[2 * i, 2 * i + 1] = similarity(text, other)
    texts = Texts.of_strings([space.join(tokens) for tokens in documents])
    hashes = band_hashes(signatures(texts, DEFAULT), DEFAULT.bands, DEFAULT.rows)
    pairs = candidate_pairs(hashes.ravel(), np.repeat(np.arange(len(texts)), DEFAULT.bands))
    jaccard = verified(pairs, {0: texts}, DEFAULT)
    compared = dict(zip(map(tuple, pairs.tolist()), jaccard.tolist(), strict=True))
    assert all(
        abs(planted[pair] - value) < 1e-12 for pair, value in compared.items() if pair in planted
    )
    assert all(value < 0.1 for pair, value in compared.items() if pair not in planted)
    near_pairs = {pair for pair, value in planted.items() if value >= 0.8}
    just = {pair for pair in near_pairs if planted[pair] < 0.83}
    assert len(near_pairs) > 250
    assert len(just) > 60
    assert len(near_pairs & set(compared)) / len(near_pairs) >= 0.98
    assert len(just & set(compared)) / len(just) >= 0.98
    assert min(planted.values()) < 0.55


def brute_components(edges):
    sets = [{node} for node in {node for edge in edges for node in edge}]
    for a, b in edges:
        joined = [s for s in sets if a in s or b in s]
        sets = [s for s in sets if s not in joined] + [set().union(*joined)]
    return {node: min(s) for s in sets for node in s}


@given(st.lists(st.tuples(*[st.integers(0, 30).map(lambda n: n * 2**33)] * 2), max_size=40))
def test_clusters_are_what_edges_connect(edges):
    rows = np.array(edges, np.int64).reshape(-1, 2)
    members, roots = components(rows)
    wanted = brute_components(edges)
    assert dict(zip(members.tolist(), roots.tolist(), strict=True)) == wanted
    assert members.tolist() == sorted(wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "kernels", lambda: None)
        assert components(rows)[1].tolist() == roots.tolist()


def test_a_long_chain_is_one_cluster():
    chain = np.stack([np.arange(1, 50_000), np.arange(50_000 - 1)], axis=1)[::-1]
    members, roots = components(chain)
    assert len(members) == 50_000
    assert not roots.any()


def test_of_each_cluster_the_least_rank_stays_and_of_several_the_least_uid():
    """Clusters 2 4 5, 8 9 and 11 12; of 8 and 9, alike in rank, the first stays."""
    members, roots = np.array([2, 4, 5, 8, 9, 11, 12]), np.array([2, 2, 2, 8, 8, 11, 11])
    ranks = np.array([3, 2, 1, 7, 7, -0.5, -1])
    assert kept(members, roots, ranks).tolist() == [5, 5, 5, 8, 8, 12, 12]
    order = np.array([3, 6, 0, 5, 2, 1, 4])
    assert kept(members[order], roots[order], ranks[order]).tolist() == [8, 12, 5, 12, 5, 5, 8]
    assert kept(members[:0], roots[:0], ranks[:0]).tolist() == []
