"""Signatures estimate what they say, bands find what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lingloom.text import minhash
from lingloom.text.minhash import (
    EMPTY,
    NOWHERE,
    MinHashSettings,
    band_hashes,
    bands_for,
    candidate_probability,
    permutations,
    signatures,
)
from lingloom.text.texts import Texts

SMALL = MinHashSettings(bands=3, rows=7)


def words(numbers) -> str:
    return " ".join(f"w{n}" for n in numbers)


def test_a_signature_is_the_least_of_each_permutation():
    """Size 1, one band of two rows: the shingle of a text of one token is its hash."""
    settings = MinHashSettings(size=1, bands=1, rows=2, seed=3)
    a, b = (numbers.astype(np.uint64) for numbers in permutations(2, 3))
    hashes, _ = minhash_hashes("sun moon 山")
    wanted = [min((int(a[i]) * (h % 2**32) + int(b[i])) % 2**32 for h in hashes) for i in (0, 1)]
    assert signatures(Texts.of_strings(["sun moon 山 sun"]), settings).tolist() == [wanted]


def minhash_hashes(text):
    from lingloom.text.shingles import ShingleSettings, shingle_hashes

    hashes, offsets = shingle_hashes(Texts.of_strings([text]), ShingleSettings(size=1))
    return hashes.tolist(), offsets


@pytest.mark.parametrize("unit", ["tokens", "chars"])
@given(strings=st.lists(st.text(max_size=80), max_size=4), size=st.integers(1, 6))
def test_the_kernel_gives_the_signatures_of_python(unit, strings, size):
    settings, texts = (
        SMALL.model_copy(update={"unit": unit, "size": size}),
        Texts.of_strings(strings),
    )
    got = signatures(texts, settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minhash, "kernels", lambda: None)
        wanted = signatures(texts, settings)
    assert got.dtype == wanted.dtype == np.uint32
    assert got.tolist() == wanted.tolist()


@pytest.mark.parametrize("shared", [0, 150, 240, 300])
def test_agreement_estimates_similarity_without_bias(shared):
    """300 tokens each, `shared` in common: Jaccard shared / (600 - shared). 100 pairs of 140
    numbers: the mean lies within four of its standard errors, and the spread is the binomial's."""
    settings = MinHashSettings(size=1)
    pairs = [
        (range(i, i + 300), range(i + 300 - shared, i + 600 - shared))
        for i in range(0, 10**5, 1000)
    ]
    left, right = (Texts.of_strings([words(pair[k]) for pair in pairs]) for k in (0, 1))
    agree = (signatures(left, settings) == signatures(right, settings)).mean(axis=1)
    truth = shared / (600 - shared)
    deviation = np.sqrt(truth * (1 - truth) / 140)
    assert abs(agree.mean() - truth) <= 4 * deviation / np.sqrt(len(pairs))
    assert 0.7 * deviation <= agree.std() <= 1.3 * deviation


def test_bands_agree_where_all_their_rows_do():
    rows = np.arange(12, dtype=np.uint32).reshape(1, 12).repeat(3, axis=0)
    rows[1, 5] = 99  # in the second of three bands
    rows[2] = np.roll(rows[2], 4)  # the same numbers in other bands
    hashes = band_hashes(rows, 3, 4)
    assert hashes.shape == (3, 3)
    assert (hashes[0] == hashes[1]).tolist() == [True, False, True]
    assert len(np.unique(hashes)) == 7


def test_a_text_without_shingles_is_in_no_bucket():
    found = signatures(Texts.of_strings(["", "...", "🙂", "x"]), SMALL)
    assert (found[:3] == EMPTY).all()
    assert not (found[3] == EMPTY).any()
    assert (band_hashes(found, 3, 7) == NOWHERE).all(axis=1).tolist() == [True, True, True, False]
    assert band_hashes(found[:0], 3, 7).shape == (0, 3)


def test_the_published_choices_of_bands():
    """datasketch with 128 permutations takes 9 bands of 13 at .8, which SlimPajama used, and 25 of
    5 at .5."""
    assert bands_for(0.8, 128, 0.5) == (9, 13)
    assert bands_for(0.5, 128, 0.5) == (25, 5)


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95])
def test_a_threshold_alone_chooses_bands_that_miss_few(threshold):
    settings = MinHashSettings(threshold=threshold)
    assert settings.bands * settings.rows <= 140
    assert candidate_probability(threshold, settings.bands, settings.rows) > 0.97
    assert candidate_probability(threshold / 2, settings.bands, settings.rows) < 0.5
    assert MinHashSettings(**settings.model_dump()) == settings


def test_the_default_bands_are_those_of_the_default_threshold():
    assert MinHashSettings() == MinHashSettings(threshold=0.8)
    published = MinHashSettings(threshold=0.8, bands=9, rows=13, unit="chars", size=13)
    assert (published.bands, published.rows) == (9, 13)


def test_bands_without_rows_are_refused():
    with pytest.raises(ValidationError, match="give both of bands and rows, or neither"):
        MinHashSettings(bands=10)


def test_the_probability_of_being_compared():
    assert candidate_probability(0.8, 14, 8) == pytest.approx(0.9236, abs=1e-4)
    assert candidate_probability(0.8, 9, 13) == pytest.approx(0.3988, abs=1e-4)
    default = MinHashSettings()
    assert candidate_probability(default.threshold, default.bands, default.rows) > 0.99
    assert candidate_probability(0.3, default.bands, default.rows) < 0.005


def test_signatures_stay_as_they_were():
    found = signatures(
        Texts.of_strings(["The quick brown fox jumps over the lazy dog"]), MinHashSettings()
    )
    assert found.shape == (1, 140)
    assert found[0, :4].tolist() == [879064836, 1604996388, 276790953, 1180418590]
    assert band_hashes(found, 20, 7)[0, :2].tolist() == [11669069327686503818, 1950843473997743843]
