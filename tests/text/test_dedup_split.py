import hashlib
import random

import pytest

from lingloom.text.dedup import SeenDigests, digest
from lingloom.text.document import Document
from lingloom.text.split import choosers_of, split_of, splits_of


def test_the_digest_is_the_same_on_every_machine():
    wanted = hashlib.blake2b("从前 once".encode(), digest_size=16).digest()
    assert digest("从前 once") == wanted
    assert digest("").hex() == "cae66941d9efbd404e4d88758ea67670"


@pytest.mark.parametrize("memory_bytes", [1, 2_000, 50_000, 64 << 20])
def test_the_answers_do_not_depend_on_the_memory(tmp_path, memory_bytes):
    rng = random.Random(1)
    values = [digest(str(rng.randrange(4_000))) for _ in range(10_000)]
    values[17] = values[4_000] = b"\0" * 16  # zeros at the end are part of a digest
    values[18] = values[5_000] = b"\1" + b"\0" * 15
    known: set[bytes] = set()
    wanted = []
    for value in values:
        wanted.append(value not in known)
        known.add(value)
    got = []
    with SeenDigests(memory_bytes, tmp_path) as seen:
        for start in range(0, len(values), 700):
            got += seen.add(values[start : start + 700])
        assert len(seen) == len(known)
        assert (seen.files > 0) == (memory_bytes < 64 << 20)
        assert len(list(tmp_path.glob("*/*.digests"))) == seen.files
    assert got == wanted
    assert list(tmp_path.iterdir()) == []


def test_the_split_is_decided_by_the_text_alone():
    one, two = Document("same text", "a:1", "a"), Document("same text", "b:9", "b", {"x": 1})
    for seed in range(50):
        assert split_of(one, 0.5, seed) == split_of(two, 0.5, seed)
    texts = [f"text {i}" for i in range(20_000)]
    splits = splits_of([digest(text) for text in texts], 0.05)
    assert splits == [split_of(Document(text, "", ""), 0.05) for text in texts]
    assert 850 < splits.count("heldout") < 1150
    assert splits_of([digest("x")], 0.0) == ["train"]


def test_another_seed_holds_out_others_and_a_greater_share_only_adds():
    digests = [digest(str(i)) for i in range(10_000)]
    held = [{i for i, s in enumerate(splits_of(digests, 0.1, k)) if s == "heldout"} for k in (0, 1)]
    assert 50 < len(held[0] & held[1]) < 150
    more = {i for i, s in enumerate(splits_of(digests, 0.2)) if s == "heldout"}
    assert held[0] < more


def test_the_split_stays_as_it_was():
    splits = splits_of([digest(str(i)) for i in range(40)], 0.2, 7)
    assert [i for i, s in enumerate(splits) if s == "heldout"] == [3, 8, 14, 18, 22, 24, 31, 37, 38]


def test_half_of_the_held_out_texts_choose_whatever_share_is_held_out():
    digests = [digest(str(i)) for i in range(20_000)]
    held = [i for i, s in enumerate(splits_of(digests, 0.1)) if s == "heldout"]
    chosen = choosers_of(digests)
    assert 0.45 < sum(chosen[i] for i in held) / len(held) < 0.55
    other = choosers_of(digests, 1)
    assert 0.45 < sum(a == b for a, b in zip(chosen, other, strict=True)) / 20_000 < 0.55
    assert choosers_of(digests[:7]) == chosen[:7]


def test_what_chooses_stays_as_it_was():
    chosen = choosers_of([digest(str(i)) for i in range(20)], 7)
    assert [i for i, c in enumerate(chosen) if c] == [1, 5, 7, 8, 13, 14, 16, 17]
