"""The compiled encoder beside the `tokenizers` library, whose ids it must give for every text."""

import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from lingloom.native.kernels import kernels
from lingloom.tokens.bytelevel import (
    BYTE_NAMES,
    BPESettings,
    BPETokenizer,
    split_words,
    words_and_bytes,
)
from lingloom.tokens.native_bpe import NativeBPE, native_bpe, sure_characters

pytestmark = pytest.mark.skipif(kernels() is None, reason="the kernels are not built here")

ENGLISH = Path(json.__file__).read_text("utf-8") + Path(random.__file__).read_text("utf-8")
CHINESE = (
    "从前有一座山，山里有一座庙，庙里有个老和尚。他说：“学而时习之，不亦说乎？有朋自远方来！”\n"
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下\n"
    "　　中文　和 English 混排，２０２４年１月 2024年，繁體字與简体字，𠮷野家😀👨‍👩‍👧‍👦。\r\n"
) * 3
SPACES = " \t\n\r\x0b\x0c\x1c\x85\xa0\u1680\u2003\u2028\u3000\u200b"


def library_of(vocab, merges):
    names = {name: i for i, name in enumerate(dict.fromkeys([*BYTE_NAMES, *vocab]))}
    return words_and_bytes(tokenizers.Tokenizer(tokenizers.models.BPE(names, merges)))


def native_of(library):
    native = native_bpe(library, BYTE_NAMES, split_words())
    assert native is not None
    return native


def named(text):
    """How the library writes the bytes of `text`."""
    return "".join(BYTE_NAMES[b] for b in (text if isinstance(text, bytes) else text.encode()))


def pair_library():
    """Joins letter-, digit-, blank- or mark-like bytes with any other, so that ids show words."""
    pairs = [(BYTE_NAMES[a], b) for a in b"a1! '\n\r" for b in BYTE_NAMES]
    pairs += [(a, BYTE_NAMES[b]) for a in BYTE_NAMES for b in b"a1! '\n\r"]
    pairs = list(dict.fromkeys(pairs))
    return library_of(["".join(pair) for pair in pairs], pairs)


@pytest.fixture(scope="module")
def pairs():
    library = pair_library()
    return library, native_of(library)


@pytest.fixture(scope="module")
def learnt():
    tokenizer = BPESettings(vocab=1500).train([ENGLISH, CHINESE, CHINESE[7:]])
    assert tokenizer.native is not None
    return tokenizer


def check(library, native, texts):
    ids, ends, sizes = native.encode(texts)
    assert sizes.tolist() == [len(t.encode()) for t in texts]
    found = [part.tolist() for part in np.split(ids, ends[:-1])]
    assert found == [library.encode(t, add_special_tokens=False).ids for t in texts]


def test_every_character_is_seen_alike_wherever_it_stands():
    library = pair_library()
    native = native_of(library)
    every = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    some = every[:0x700] + every[0x700::211]
    for start in range(0, len(some), 4096):
        around = [
            f"a{c}\r!{c}\r {c}\r{c}a\r{c}\n\r1{c}1 {c}  {c}a{c}{c} \n{c} \n\n"
            for c in some[start:][:4096]
        ]
        check(library, native, ["".join(around)])
    # The same character at both ends of a text and before each kind of neighbour, and most blocks.
    every = every[::7]
    for start in range(0, len(every), 1 << 17):
        check(library, native, ["".join(f"{c}a {c}\n" for c in every[start:][: 1 << 17])])


def test_contractions_are_found_in_any_case_and_nowhere_else():
    letters = "stmdrevlSTMDREVLkKſKʼnß" + "ﬀﬁﬂﬃﬄﬅﬆẗẖ\u0307\u0308i'"
    ends = [a + b for a in ["", *letters] for b in letters]
    texts = [f"{lead}'{end}{tail}" for end in ends for lead in ("", "a", " ") for tail in ("", "x")]
    pairs = [("'", BYTE_NAMES[b]) for b in range(256) if BYTE_NAMES[b] != "'"]
    pairs += [(BYTE_NAMES[b], "x") for b in range(256)]
    for library in (library_of(["".join(p) for p in pairs], pairs), pair_library()):
        check(library, native_of(library), texts)


@pytest.mark.parametrize("character", [*SPACES, "'", "a", "中", "1", "!"])
def test_every_character_is_tried_after_an_apostrophe_and_among_spaces(character):
    library = pair_library()
    runs = [
        a + character * n + b
        for n in (1, 2, 3)
        for a in ("", "a", " ", "\n", "'", "!", "\t")
        for b in ("", "a", " ", "\n", "'", "!", "1", " a", "\ra", " !", "\u3000a")
    ]
    check(library, native_of(library), runs)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.text(
            st.one_of(
                st.sampled_from(
                    " \n\r\t\u3000'sStTrReEvVlLmMdDſab19!,.。，、中文的一是😀\u200d\ufe0f\u0301é"
                ),
                st.characters(exclude_categories=["Cs"]),
            ),
            max_size=60,
        ),
        max_size=4,
    )
)
def test_mixed_text_gives_the_ids_of_the_library(learnt, pairs, texts):
    check(learnt.library, learnt.native, texts or [""])
    check(*pairs, texts or [""])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_joins_give_the_ids_of_the_library(data):
    # Joins in any order, tokens made in several ways, joins that cut characters in two: what a file
    # may hold, if not what training makes.
    units = [named(c) for c in "的一"] + [BYTE_NAMES[b] for b in "的一a".encode()]
    merges, names = [], list(dict.fromkeys(c for unit in units for c in unit))
    for _ in range(data.draw(st.integers(0, 14))):
        pair = (data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names)))
        merges.append(pair)
        names.append("".join(pair))
    if data.draw(st.booleans()):
        data.draw(st.randoms()).shuffle(merges)
    library = library_of(names, merges)
    text = st.text(st.sampled_from("的一a七"), max_size=14)
    check(library, native_of(library), data.draw(st.lists(text, min_size=1, max_size=8)))


def test_a_character_that_a_neighbour_may_break_begins_as_bytes():
    one, de = named("一"), named("的")
    inner = [(one[0], one[1]), (one[:2], one[2])]
    cutting = (named("a"), one[:2])

    def sure(merges):
        names = {n: i for i, n in enumerate([*BYTE_NAMES, *("".join(m) for m in merges)])}
        rows = np.array([(names[a], names[b], names[a + b]) for a, b in merges], np.uint32)
        return sure_characters(
            np.arange(256, dtype=np.uint32)[
                [int(np.flatnonzero(np.array(BYTE_NAMES) == n)[0]) for n in BYTE_NAMES]
            ],
            *rows.T,
        )

    assert sure(inner) == "一"
    assert sure([*inner, cutting]) == "一"
    assert sure([inner[0], cutting, inner[1]]) == ""
    # A neighbour takes the first or the last byte before 一 is whole.
    assert sure([inner[0], (de[2], one[0]), inner[1]]) == ""
    assert sure([inner[0], (one[2], de[0]), inner[1]]) == ""
    assert sure([inner[1], inner[0]]) == "", "a join before the one that makes its part"


def test_real_text_gives_the_ids_of_the_library(learnt):
    corpus = pytest.importorskip("chatterbot_corpus")
    texts = sorted((Path(corpus.__file__).parent / "data" / "chinese").glob("*.yml"))
    check(learnt.library, learnt.native, [p.read_text("utf-8") for p in texts[:6]])
    sources = sorted(Path(json.__file__).parent.parent.glob("[a-d]*.py"))[:12]
    check(learnt.library, learnt.native, [p.read_text("utf-8") for p in sources])


@pytest.mark.parametrize(
    "unit", ["a", "的", "ab", " ", "\n", " \n", "!", "1", "'", "\u3000", "一山"]
)
def test_a_word_without_end_is_encoded_as_the_library_does(learnt, unit):
    for size in (250, 256, 257, 260, 3000, 100_000):
        text = unit * (size // len(unit))
        check(learnt.library, learnt.native, [text, f"x{text}y"])


@pytest.mark.parametrize("unit", ["a", " ", "\n"])
def test_a_megabyte_of_one_character_is_encoded(learnt, unit):
    text = unit * (1 << 20)
    ids, ends, sizes = learnt.native.encode([text])
    assert learnt.decode(ids.tolist()) == text
    assert (len(ids), sizes.tolist()) == (ends[0], [1 << 20])


def test_bytes_alone_are_their_own_ids():
    library = library_of([], [])
    ids, ends, _ = native_of(library).encode(["", "é\0", ""])
    assert ids.tolist() == [BYTE_NAMES.index(n) for n in named("é\0")]
    assert ends.tolist() == [0, 3, 3]


def test_no_texts_have_no_ids(learnt):
    assert learnt.encode_batch([]) == []
    assert [ids.tolist() for ids in learnt.encode_batch(["", ""])] == [[], []]


def test_threads_share_one_encoder(learnt):
    texts = [ENGLISH[i : i + 3000] for i in range(0, 60_000, 3000)]
    expected = [learnt.library.encode(t, add_special_tokens=False).ids for t in texts]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert [learnt.encode(t) for t in texts] == expected
            assert list(pool.map(learnt.encode, texts)) == expected
    assert len(learnt.native._kept) <= 4


def test_half_a_surrogate_pair_is_left_to_the_slower_ways(learnt):
    assert learnt.decode(learnt.encode("a\ud800b")) == "a\ufffdb"
    with pytest.raises(UnicodeEncodeError):
        learnt.native.encode(["a\ud800b"])


@pytest.mark.parametrize(
    "change",
    [
        lambda library: setattr(library, "normalizer", tokenizers.normalizers.NFC()),
        lambda library: setattr(library, "pre_tokenizer", tokenizers.pre_tokenizers.ByteLevel()),
        lambda library: library.enable_truncation(3),
        lambda library: library.enable_padding(length=9),
        lambda library: library.add_tokens(["the"]),
        lambda library: setattr(library.model, "dropout", 0.5),
        lambda library: setattr(library.model, "ignore_merges", True),
    ],
)
def test_what_does_more_than_join_is_left_to_the_library(change):
    library = library_of(["th", "the"], [("t", "h"), ("th", "e")])
    assert isinstance(native_bpe(library, BYTE_NAMES, split_words()), NativeBPE)
    change(library)
    assert native_bpe(library, BYTE_NAMES, split_words()) is None


def test_joins_that_tiktoken_would_make_otherwise_are_encoded_by_the_kernel():
    library = library_of(["bc", "ab", "abc"], [("b", "c"), ("a", "b"), ("ab", "c")])
    expected = library.encode("abc").ids
    library.add_special_tokens(["<|end|>"])
    tokenizer = BPETokenizer(library, False)
    assert tokenizer.native is not None
    assert tokenizer.encode("abc") == expected
