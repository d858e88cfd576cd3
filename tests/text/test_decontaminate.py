"""Documents that hold text of an evaluation set are told, and of which set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lingloom.text import decontaminate
from lingloom.text.decontaminate import (
    DecontaminateSettings,
    contaminated,
    gram_set,
    hash_ranges,
    hit_counts,
    overlaps,
)
from lingloom.text.texts import Texts

DEFAULT = DecontaminateSettings()
LETTERS = "a b c d e f g h i j k l m n"  # 14 tokens: two grams of 13
QUESTION = "which river runs through the capital of the country"  # 9 tokens
CHINESE = "从前有座山，山里有座庙，庙里有个老和尚"  # 17 characters: five grams of 13


def hits_of(evaluation, documents, **settings):
    grams = gram_set([(0, Texts.of_strings(evaluation))], DecontaminateSettings(**settings))
    return overlaps(Texts.of_strings(documents), grams)[0].tolist()


def test_a_document_is_hit_by_runs_of_thirteen_tokens():
    documents = [
        f"so {LETTERS.upper()}, he said",
        "so a b c d e f g h i j k l m, he said",
        "so a b c d e f g h i j k l, he said",
        "a b c d e f g x h i j k l m n",
        "",
    ]
    assert hits_of([LETTERS], documents) == [2, 1, 0, 0, 0]


def test_chinese_is_told_by_characters_whatever_the_punctuation():
    documents = ["他说：从前有座山山里有座庙庙里有个老和尚。", CHINESE[:15], CHINESE[:13]]
    assert hits_of([CHINESE], documents) == [5, 1, 0]


def test_a_short_evaluation_text_is_looked_for_as_a_whole_and_a_tiny_one_not():
    documents = [
        f"Quiz: {QUESTION}? Answer: Paris",
        QUESTION,
        QUESTION.replace("river", "r"),
        "Paris",
    ]
    assert hits_of([QUESTION, "Paris"], documents) == [1, 1, 0, 0]
    assert hits_of([QUESTION, "Paris"], documents, min_size=10) == [0, 0, 0, 0]
    assert hits_of([QUESTION, "Paris"], documents, min_size=1) == [2, 1, 0, 1]
    assert hits_of([QUESTION], ["which river runs", ""]) == [0, 0]


def test_repeats_in_a_document_count_each_time_and_in_the_evaluation_once():
    assert hits_of([LETTERS, LETTERS], [f"{LETTERS}. {LETTERS}."]) == [4]


def test_the_report_names_the_benchmarks_that_were_hit():
    pieces = [(0, [LETTERS]), (63, [CHINESE]), (63, [QUESTION]), (1, [CHINESE, "never seen " * 13])]
    grams = gram_set([(i, Texts.of_strings(some)) for i, some in pieces], DEFAULT)
    documents = Texts.of_strings([LETTERS + "，" + CHINESE, QUESTION, "clean", CHINESE])
    hits, shingles, owners = overlaps(documents, grams)
    assert hits.tolist() == [7, 1, 0, 5]
    assert shingles.tolist() == [19, 1, 1, 5]
    assert owners.tolist() == [1 | 2 | 1 << 63, 1 << 63, 0, 2 | 1 << 63]
    names = ["a", "b", *map(str, range(61)), "z"]
    counts = hit_counts(owners, names)
    assert (counts["a"], counts["b"], counts["z"], sum(counts.values())) == (1, 2, 3, 6)


def test_what_is_dropped_follows_hits_and_share():
    hits, shingles = np.array([0, 1, 2, 9]), np.array([5, 5, 4, 900])
    for settings, wanted in (
        ({}, [0, 1, 1, 1]),
        ({"min_hits": 2}, [0, 0, 1, 1]),
        ({"min_frac": 0.2}, [0, 1, 1, 0]),
        ({"min_frac": 0.5, "min_hits": 3}, [0, 0, 0, 0]),
    ):
        assert contaminated(hits, shingles, DecontaminateSettings(**settings)).tolist() == wanted


TEXT = st.lists(st.sampled_from("abc山"), max_size=30).map(" ".join)


@pytest.mark.parametrize("passes", [1, 2, 7])
@given(evaluation=st.lists(TEXT, max_size=5), documents=st.lists(TEXT, max_size=5))
def test_passes_and_python_give_what_one_pass_of_the_kernel_gives(passes, evaluation, documents):
    settings = DecontaminateSettings(size=4, min_size=2)
    texts, found = Texts.of_strings(documents), []
    benchmarks = [(i, Texts.of_strings([text])) for i, text in enumerate(evaluation)]
    for low, high in hash_ranges(passes):
        grams = gram_set(benchmarks, settings, low, high)
        assert grams[0].size == 4
        for table in grams:
            assert all(low <= h <= high for h in table.hashes.tolist())
        found.append(overlaps(texts, grams))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(decontaminate, "kernels", lambda: None)
            for got, wanted in zip(found[-1], overlaps(texts, grams), strict=True):
                assert got.tolist() == wanted.tolist()
    hits, owners = sum(f[0] for f in found), np.bitwise_or.reduce([f[2] for f in found])
    assert hits.tolist() == [brute_hits(evaluation, text) for text in documents]
    assert (owners > 0).tolist() == (hits > 0).tolist()
    assert all(f[1].tolist() == found[0][1].tolist() for f in found)


def brute_hits(evaluation, document):
    words = document.split()
    grams = set()
    for text in map(str.split, evaluation):
        if len(text) >= 2:
            size = min(4, len(text))
            grams |= {tuple(text[i : i + size]) for i in range(len(text) - size + 1)}
    runs = [tuple(words[i : i + n]) for n in (2, 3, 4) for i in range(len(words) - n + 1)]
    return sum(run in grams for run in runs)


def test_the_ranges_cover_all_hashes_once():
    ranges = hash_ranges(3)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 2**64 - 1
    assert all(a[1] + 1 == b[0] for a, b in zip(ranges, ranges[1:], strict=False))


def test_sizes_that_contradict_each_other_are_refused():
    with pytest.raises(ValidationError, match="min_size 8 is above size 5; lower it"):
        DecontaminateSettings(size=5)
