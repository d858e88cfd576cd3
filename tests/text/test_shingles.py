"""Tokens and shingles: by hand, the same with and without the compiled kernels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lingloom.native.kernels import kernels
from lingloom.text.shingles import (
    ShingleSettings,
    character_table,
    shingle_counts,
    shingle_hashes,
    twin_shingles,
)
from lingloom.text.texts import Texts

SETTINGS = [
    ShingleSettings(unit=unit, size=size) for unit in ("tokens", "chars") for size in (1, 3, 256)
]
ODD = (
    "aB9 \n\t\0你，。\u00e9\u0301\u00ad\u200b\u200dİΣ🙂กิ-_'ǅ"
    "\ufe0f\u3000が゛한\U000e0101\U0010ffff𠀀٣"
)


def hashes_of(text: str, **settings) -> list[int]:
    hashes, offsets = shingle_hashes(Texts.of_strings([text]), ShingleSettings(**settings))
    assert offsets.tolist() == [0, len(hashes)]
    return hashes.tolist()


def same(a: str, b: str, **settings) -> bool:
    return hashes_of(a, **settings) == hashes_of(b, **settings) != []


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't stop, 3.14!", ["don", "t", "stop", "3", "14"]),
        ("从前有 GPT2模型。", ["从", "前", "有", "gpt2", "模", "型"]),
        ("cafe\u0301 CAFE\u0301", ["cafe\u0301", "cafe\u0301"]),
        ("co\u00adoperate zero\u200bwidth", ["cooperate", "zero", "width"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("カタカナ", ["カ", "タ", "カ", "ナ"]),
        ("ไทย กิ", ["ไ", "ท", "ย", "กิ"]),
        ("\u0301x 葛\U000e0101城", ["x", "葛", "城"]),
        ("ΣΟΦΙΑ ٣٤ ½", ["σοφια", "٣٤", "½"]),
        ("a_b…🙂—c\0d", ["a", "b", "c", "d"]),
        ("。！ \n\t-_'🙂", []),
        ("", []),
    ],
)
def test_tokens_are_words_and_chinese_characters(text, tokens):
    """Each expected token alone must have the hash that the text's token has."""
    assert hashes_of(text, size=1) == [hashes_of(token, size=1)[0] for token in tokens]


def test_shingles_are_the_runs_of_tokens_in_order():
    five = hashes_of("One two three four FIVE six", size=5)
    wanted = [hashes_of("one two three four five")[0], hashes_of("two, three: four five six")[0]]
    assert five == wanted
    assert hashes_of("山里有座庙", size=2) == [
        hashes_of(two, size=2)[0] for two in ("山里", "里有", "有座", "座庙")
    ]
    assert hashes_of("b a", size=2) != hashes_of("a b", size=2)
    assert hashes_of("ab", size=2) != hashes_of("a b", size=2)


def test_a_short_text_is_one_shingle_of_all_its_tokens():
    assert same("just three words", "Just: three... words", size=5)
    assert len(hashes_of("just three words", size=5)) == 1
    assert hashes_of("just three words", size=5) == hashes_of("just three words", size=3)


def test_characters_are_taken_as_slimpajama_takes_them():
    """Lower case, no ASCII punctuation, white space collapsed: modelzoo's get_features."""
    text = " \n The  quick -- brown\tFOX's\u3000tail. 他说：“好”\n"
    plain = "the quick brown foxs tail 他说：“好”"
    grams = [plain[i : i + 13] for i in range(len(plain) - 12)]
    got = hashes_of(text, unit="chars", size=13)
    assert got == hashes_of(plain, unit="chars", size=13)
    inner = [i for i, gram in enumerate(grams) if gram == gram.strip()]  # not cut at a space
    for i in inner:
        assert hashes_of(grams[i], unit="chars", size=13) == [got[i]]
    assert len(set(got)) == len(got) == len(grams) > len(inner) > 8
    assert hashes_of("-- !?\n", unit="chars") == []


def test_the_hashes_are_those_of_the_docstring_and_never_change():
    def finished(x):
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            x = (x ^ (x >> 33)) * factor % 2**64
        return x ^ (x >> 33)

    def token(text):
        total = 0xCBF29CE484222325
        for char in text:
            total = (total ^ ord(char)) * 0x100000001B3 % 2**64
        return finished(total)

    base = 0x9E3779B97F4A7C15
    wanted = finished((token("the") * base**2 + token("cat") * base + token("山")) % 2**64)
    assert hashes_of("The cat 山", size=3) == [wanted]
    assert hashes_of("The quick brown fox jumps over") == [
        7058866846973086292,
        16557124905821604976,
    ]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@given(strings=st.lists(st.text() | st.text(alphabet=ODD, max_size=300), max_size=4))
def test_the_kernel_gives_what_python_gives(settings, strings):
    texts = Texts.of_strings(strings)
    hashes, offsets = shingle_hashes(texts, settings)
    wanted = [twin_shingles(text, settings) for text in strings]
    got = [hashes[offsets[i] : offsets[i + 1]].tolist() for i in range(len(strings))]
    assert got == wanted
    assert shingle_counts(texts, settings).tolist() == [len(some) for some in wanted]


@pytest.mark.parametrize("length", [1022, 1023, 1024, 1025, 2047, 2048, 5000])
@pytest.mark.parametrize("unit", ["tokens", "chars"])
def test_long_texts_lose_nothing_where_the_kernel_pauses(length, unit):
    text = "".join("ab 你"[i * 7919 % 4] for i in range(length * 2))
    settings = ShingleSettings(unit=unit, size=1)
    assert hashes_of(text, unit=unit, size=1) == twin_shingles(text, settings)


def test_every_character_has_a_class_that_python_agrees_with():
    table = character_table()
    for code in [*range(0x3000), *range(0x4E00, 0x4F00), *range(0x1F000, 0x20200)]:
        char, entry = chr(code), int(table[code])
        kind = entry >> 21 & 7
        assert (entry >> 24 & 1) == char.isspace()
        assert (kind in (1, 4)) == char.isalnum() or 0xE01 <= code < 0x1100 or not char.isalnum()
        if len(char.lower()) == 1:
            assert entry & 0x1FFFFF == ord(char.lower())
    assert table.shape == (0x110000,)


@pytest.mark.skipif(kernels() is None, reason="needs the compiled kernels")
def test_bytes_that_are_no_utf8_do_not_hurt():
    rng = np.random.default_rng(1)
    for raw in (b"\xf0", b"\xe4\xbd", b"a\xff\x80b\xc3", rng.bytes(5000)):
        data = np.frombuffer(raw, np.uint8)
        texts = Texts(data, np.array([0, len(data)], np.int64))
        for settings in SETTINGS:
            hashes, offsets = shingle_hashes(texts, settings)
            assert len(hashes) == offsets[-1] <= len(raw)


@pytest.mark.parametrize("size", [0, -1, 257])
def test_a_shingle_has_1_to_256_units(size):
    with pytest.raises(ValidationError, match="size"):
        ShingleSettings(size=size)
