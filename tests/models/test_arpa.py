"""ARPA files: KenLM's own file equalled, round trips, and the ways a file can be wrong."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from lingloom.errors import DataError
from lingloom.models.arpa import arpa_name, is_arpa_file, name_of, write_arpa
from lingloom.models.arpa_reading import LINE_CHARS, open_arpa, read_arpa
from lingloom.models.ngram import NGram, NGramSettings

TEXT = ["a b a b c", "b c a a b", "c c a b", "a a a b c b"]
WORDS = ["a", "b", "c", "<unk>", "</s>"]

# KenLM: lmplz -o 3 --discount_fallback on TEXT, one document a line.
LMPLZ = r"""\data\
ngram 1=6
ngram 2=12
ngram 3=17

\1-grams:
-1.0377885	<unk>	0
0	<s>	-0.19795969
-0.75696194	</s>	0
-0.5228787	a	-0.4349236
-0.6642079	b	-0.120822154
-0.6642079	c	-0.22704998

\2-grams:
-0.7060064	b </s>	0
-0.6614723	c </s>	0
-0.5677754	<s> a	-0.30103
-0.4496468	a a	-0.30103
-0.46670008	b a	-0.30103
-0.61592835	c a	-0.30103
-0.55251896	<s> b	-0.30103
-0.33036056	a b	-0.30103
-0.6148621	c b	-0.30103
-0.55251896	<s> c	-0.30103
-0.6414307	b c	-0.30103
-0.6148621	c c	-0.30103

\3-grams:
-0.5252116	a b </s>
-0.2230136	c b </s>
-0.5595876	b c </s>
-0.36901206	<s> a a
-0.46316677	a a a
-0.36901206	c a a
-0.5674888	a b a
-0.54100263	b c a
-0.20685843	c c a
-0.31544772	<s> a b
-0.24641173	a a b
-0.13449721	b a b
-0.31544772	c a b
-0.5405537	b c b
-0.21171376	<s> b c
-0.5028399	a b c
-0.20665038	<s> c c

\end\
"""

# KenLM: query on that model; log10 p of each word and of </s>.
QUERY = {
    "a b c": [-0.5677754, -0.31544772, -0.5028399, -0.5595876],
    "c b a": [-0.55251896, -0.9158921, -0.7677301, -1.4929155],
    "": [-0.9549216],
    "b b b z": [-0.55251896, -1.08606, -0.78503, -1.1586107, -0.75696194],
}


def ids_of(text: str, words: list[str]) -> np.ndarray:
    unknown = words.index("<unk>")
    ids = [words.index(w) if w in words else unknown for w in text.split()]
    return np.array([*ids, words.index("</s>")])


def fitted(order: int = 3, **settings) -> NGram:
    model = NGramSettings(vocab=5, end=4, order=order, **settings).build()
    model.fit(ids_of(line, WORDS)[:-1] for line in TEXT)
    return model


@pytest.fixture
def lmplz(tmp_path: Path) -> Path:
    path = tmp_path / "lmplz.arpa"
    path.write_text(LMPLZ)
    return path


def test_a_model_of_kenlm_scores_as_in_kenlm(lmplz: Path):
    model, words = read_arpa(lmplz)
    assert words == ["<unk>", "a", "b", "c", "</s>"] and model.end == 4
    assert model.sizes() == [6, 12, 17]
    for text, expected in QUERY.items():
        scores = model.score(ids_of(text, words)) / np.log(10)
        np.testing.assert_allclose(scores, expected, atol=2e-6)


def test_fitting_the_same_text_gives_the_same_model_as_kenlm(lmplz: Path):
    theirs, words = read_arpa(lmplz)
    ours = fitted()
    assert ours.sizes() == theirs.sizes()
    # lmplz reported D1 = 0.428571, D2 = 1.67857, D3+ = 1.28571 for bigrams, fallback elsewhere.
    assert [d.fallback for d in ours.discounts] == [True, False, True]
    assert ours.discounts[1].two == pytest.approx(1.67857, abs=1e-5)
    order = [WORDS.index(w) for w in words]
    for context in [[], [0], [4, 0], [1, 2], [2, 2], [4, 1, 1], [0, 1]]:
        same = [words.index(WORDS[i]) for i in context]
        np.testing.assert_allclose(
            ours.distribution(context)[order], theirs.distribution(same), rtol=5e-6
        )


@pytest.mark.parametrize("name", ["model.arpa", "model.arpa.gz"])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_a_model_written_and_read_gives_the_same_scores(tmp_path: Path, name, order):
    model, path = fitted(order), tmp_path / name
    write_arpa(model, [*"abc", "?", "|end|"], path, unknown=3)
    again, words = read_arpa(path)
    assert words == ["<unk>", "a", "b", "c", "</s>"]
    assert again.end == 4 and again.settings.order == order
    ids = np.array([0, 1, 2, 4, 4, 3, 3, 2, 0, 1, 4])
    renumbered = np.array([words.index(WORDS[i]) for i in ids])
    np.testing.assert_allclose(again.score(renumbered), model.score(ids), rtol=1e-7)
    raw = path.read_bytes()
    assert (raw[:2] == b"\x1f\x8b") == name.endswith(".gz")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_file_has_the_form_that_others_read(tmp_path: Path):
    path = tmp_path / "m.arpa"
    write_arpa(fitted(2), WORDS, path)
    lines = path.read_text().splitlines()
    assert lines[:5] == ["\\data\\", "ngram 1=6", "ngram 2=12", "", "\\1-grams:"]
    assert lines[-1] == "\\end\\"
    begin = next(line for line in lines if "\t<s>\t" in line)
    assert begin.startswith("-99\t<s>\t-0.")
    bigrams = lines[lines.index("\\2-grams:") + 1 : -2]
    assert len(bigrams) == 12
    assert all(line.count("\t") == 1 and line.startswith("-0.") for line in bigrams)


def test_blanks_in_names_are_spelt_out_and_come_back(tmp_path: Path):
    assert arpa_name(" a\u3000") == "<U+0020>a<U+3000>"
    assert arpa_name("") == "<>" and arpa_name("织语") == "织语"
    for name in (" a\u3000", "", "织语", "\0", "<U+0041>", "<U+110000>", "<U+20>"):
        assert name_of(arpa_name(name)) == name
    path = tmp_path / "m.arpa"
    write_arpa(fitted(), [" ", "\u2028", "织", "\x85", "x"], path)
    assert "<U+0020>" in path.read_text()
    assert read_arpa(path)[1] == ["<unk>", " ", "\u2028", "织", "\x85", "</s>"]


def test_a_file_opens_with_the_tokenizer_of_its_words(lmplz: Path):
    model, tokenizer = open_arpa(lmplz)
    assert (tokenizer.kind, tokenizer.vocab, tokenizer.unknown, tokenizer.end) == ("words", 5, 0, 4)
    assert (model.vocab, model.end) == (5, 4)
    for text, expected in QUERY.items():
        ids = np.array([*tokenizer.encode(text), tokenizer.end])
        np.testing.assert_allclose(model.score(ids) / np.log(10), expected, atol=2e-6)
    assert tokenizer.encode("a\tz <unk>\u3000c") == [1, 0, 0, 3]


def test_chinese_is_parted_at_white_space_alone(lmplz: Path):
    lmplz.write_text(
        LMPLZ.replace("\ta\t", "\t从前有\t").replace(" a", " 从前有").replace("\ta ", "\t从前有 ")
    )
    tokenizer = open_arpa(lmplz)[1]
    assert tokenizer.encode("从前有 b 从前 有") == [1, 2, 0, 0]


def test_the_unknown_word_may_be_written_in_capitals(lmplz: Path):
    lmplz.write_text(LMPLZ.replace("<unk>", "<UNK>"))
    model, words = read_arpa(lmplz)
    assert words == ["<unk>", "a", "b", "c", "</s>"]
    assert model.log_prob([], 0) / np.log(10) == pytest.approx(-1.0377885)


CLOSED = LMPLZ.replace("ngram 1=6", "ngram 1=5").replace("-1.0377885\t<unk>\t0\n", "")


@pytest.mark.parametrize("text", [CLOSED, LMPLZ.replace("-1.0377885\t<unk>", "-99\t<unk>")])
def test_without_an_unknown_word_none_has_any_probability(tmp_path: Path, text):
    path = tmp_path / "closed.arpa"
    path.write_text(text)
    model, tokenizer = open_arpa(path)
    known = model.score(np.array([*tokenizer.encode("a b c"), tokenizer.end])) / np.log(10)
    np.testing.assert_allclose(known, QUERY["a b c"], atol=2e-6)
    assert model.log_prob([], 0) == -np.inf
    assert model.distribution([0])[0] == 0
    assert model.step(torch.tensor([[4, 1]]), model.new_cache(1, 2))[0, 0] == -torch.inf
    write_arpa(model, [*map(tokenizer.token_of, range(5))], tmp_path / "m.arpa", unknown=0)
    assert read_arpa(tmp_path / "m.arpa")[0].log_prob([1], 0) == -np.inf


def test_what_was_read_is_kept_like_any_model(lmplz: Path, tmp_path: Path):
    model = read_arpa(lmplz)[0]
    model.save(tmp_path)
    ids = np.array([1, 2, 3, 4, 0, 4])
    np.testing.assert_array_equal(NGram.load(tmp_path).score(ids), model.score(ids))


def test_the_name_of_a_file_says_what_it_is(tmp_path: Path):
    assert is_arpa_file("x/m.arpa") and is_arpa_file(tmp_path / "m.arpa.gz")
    assert not is_arpa_file("m.gz") and not is_arpa_file("arpa")
    (tmp_path / "run.arpa").mkdir()
    assert not is_arpa_file(tmp_path / "run.arpa")


def test_a_word_named_as_our_end_of_text_is_refused(lmplz: Path):
    lmplz.write_text(LMPLZ.replace("<unk>", "<|end|>"))
    with pytest.raises(DataError, match=r"'<\|end\|>' is among its words.*rename it"):
        open_arpa(lmplz)


def test_unicode_blanks_inside_words_of_others_do_not_split_them(lmplz: Path):
    lmplz.write_text(
        LMPLZ.replace("\tc\t", "\tc\x0b\x85\t")
        .replace(" c", " c\x0b\x85")
        .replace("\tc ", "\tc\x0b\x85 ")
    )
    assert "c\x0b\x85" in read_arpa(lmplz)[1]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a", "b", "a", "d", "e"], "token ids 0 and 2 are both written 'a'"),
        (["a", "<s>", "c", "d", "e"], "token ids 1 and 5 are both written '<s>'"),
        (["a", "</s>", "c", "d", "e"], "token ids 1 and 4 are both written '</s>'"),
        (["a", "b"], "2 names for a vocabulary of 5"),
    ],
)
def test_names_must_be_one_to_one(tmp_path: Path, names, problem):
    with pytest.raises(DataError, match=problem):
        write_arpa(fitted(), names, tmp_path / "m.arpa")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("\\data\\", "data", 1, "opens an ARPA file"),
        ("ngram 2=12", "ngram 3=12", 3, "'ngram 2=COUNT'"),
        ("ngram 2=12", "ngram 2=many", 3, "'ngram 2=COUNT'"),
        ("ngram 2=12", "ngram 2=13", 27, "12 2-grams end here, the header promises 13"),
        ("\\2-grams:", "\\4-grams:", 14, "'\\\\2-grams:' must stand"),
        ("-0.5228787\ta", "zero\ta", 10, "is no 1-gram: could not convert"),
        ("-0.5228787\ta", "0.5\ta", 10, "are no such numbers"),
        ("-0.5228787\ta", "nan\ta", 10, "are no such numbers"),
        ("-0.4349236", "inf", 10, "are no such numbers"),
        ("-0.4349236", "31", 10, "are no such numbers"),
        ("\tb\t-0.120822154\n-0.6642079\tc", "\t<U+0085>\t0\n-1\t\x85", 12, "is there twice"),
        ("ngram 2=12", f"ngram 2={'9' * 5000}", 3, "'ngram 2=COUNT'"),
        ("ngram 3=17", "".join(f"ngram {n}=1\n" for n in range(3, 12)), 10, "order above 8"),
        ("-0.5228787\ta", "-0.5228787\tb", 11, "'b' is there twice"),
        ("</s>\t0\n", "</t>\t0\n", 7, "no unigram </s>"),
        ("<s> a\t", "<s> q\t", 17, "'q' is not among the 1-grams"),
        ("b a\t", "c a\t", 20, "2-gram is there twice"),
        ("<s> a a", "<s> a", 32, "3 fields, not 4 or 5"),
        ("-0.5252116\ta b </s>", "-0.5252116\tb b </s>", 29, "first 2 words of this 3-gram"),
    ],
)
def test_a_malformed_file_names_its_line(lmplz: Path, old, new, line, problem):
    assert old in LMPLZ
    lmplz.write_text(LMPLZ.replace(old, new, 1))
    with pytest.raises(DataError, match=problem) as caught:
        read_arpa(lmplz)
    assert str(caught.value).startswith(f"{lmplz}:{line}: ")


@pytest.mark.parametrize("keep", [0, 5, 30, 200, 700, len(LMPLZ) - 7])
def test_a_file_cut_short_is_refused(lmplz: Path, keep):
    lmplz.write_text(LMPLZ[:keep])
    with pytest.raises(DataError, match=str(lmplz)):
        read_arpa(lmplz)


def test_a_damaged_gzip_or_binary_file_is_refused(tmp_path: Path):
    path = tmp_path / "m.gz"
    path.write_bytes(gzip.compress(LMPLZ.encode())[:-30])
    with pytest.raises(DataError, match="cannot be read"):
        read_arpa(path)
    path.write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(DataError, match=f"{path}:1: cannot be read"):
        read_arpa(path)
    with pytest.raises(DataError, match="no such file -- give an ARPA file"):
        read_arpa(tmp_path / "none.arpa")
    for empty in ("", "\n \n"):
        path.write_text(empty)
        with pytest.raises(DataError, match=f"{path}: is empty -- copy it"):
            read_arpa(path)


def test_a_line_without_end_is_not_read_whole(tmp_path: Path):
    path = tmp_path / "m.arpa.gz"
    path.write_bytes(gzip.compress(b"\\data\\\n" + b"x" * (LINE_CHARS + 1)))
    with pytest.raises(DataError, match=f"{path}:2: {LINE_CHARS} characters without a line break"):
        read_arpa(path)
