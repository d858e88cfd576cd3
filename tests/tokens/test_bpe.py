"""Byte-level BPE: the paper's own example, and tiktoken beside the library on the same joins."""

import json

import pytest
import tokenizers

from lingloom.errors import DataError
from lingloom.tokens.bytelevel import (
    BYTE_NAMES,
    PRE,
    WORDS,
    BPESettings,
    BPETokenizer,
    same_ids,
    words_and_bytes,
)
from lingloom.tokens.foreign import adopt
from lingloom.tokens.open import open_tokenizer

# Sennrich et al. 2016, algorithm 1: the dictionary low 5, lower 2, newest 6, widest 3.
CORPUS = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3


def without_kernel(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "native", None)
    return tokenizer


def joins(tokenizer):
    return [tuple(pair) for pair in json.loads(tokenizer.library.to_str())["model"]["merges"]]


def byte_level(vocab, merges):
    names = {name: i for i, name in enumerate([*BYTE_NAMES, *vocab])}
    return words_and_bytes(tokenizers.Tokenizer(tokenizers.models.BPE(names, merges)))


def test_the_joins_of_the_paper():
    # The paper marks the end of a word, so its first joins are (e, s), (es, t), (est, end), (l, o),
    # (lo, w); without the mark the others keep their order. Then n e and e w occur 6 times each.
    tokenizer = BPESettings(vocab=257 + 9).train(CORPUS)
    first = joins(tokenizer)
    assert first[:4] == [("e", "s"), ("es", "t"), ("l", "o"), ("lo", "w")]
    assert first[4] in [("n", "e"), ("e", "w")]
    assert ("new", "est") in first


def test_a_word_that_was_never_seen_is_written_with_the_pieces_of_others():
    tokenizer = BPESettings(vocab=257 + 9).train(CORPUS)
    pieces = [tokenizer.decode([i]) for i in tokenizer.encode("lowest")]
    assert pieces == ["low", "est"]


def test_the_pattern_is_the_one_that_llama_cpp_calls_qwen2():
    assert PRE == "qwen2"
    tokenizer = BPESettings(vocab=266).train(CORPUS)
    split = json.loads(tokenizer.library.to_str())["pre_tokenizer"]["pretokenizers"][0]
    assert split["pattern"] == {"Regex": WORDS}
    pieces = tokenizer.library.pre_tokenizer.pre_tokenize_str("It's 2024!\n\n  don't low-low")
    text = "It's 2024!\n\n  don't low-low"
    assert [text[a:b] for _, (a, b) in pieces] == [
        *["It", "'s", " ", "2", "0", "2", "4", "!\n\n", " ", " don", "'t", " low", "-low"]
    ]


def test_tiktoken_and_the_library_see_every_character_alike(monkeypatch):
    # Joins that show which neighbours stand in one word, for letters, digits, space and the rest.
    pairs = [(BYTE_NAMES[a], b) for a in b"a! " for b in BYTE_NAMES]
    pairs += [(a, BYTE_NAMES[b]) for a in BYTE_NAMES for b in b"a\n"]
    pairs = list(dict.fromkeys(pairs))
    library = byte_level(["".join(pair) for pair in pairs], pairs)
    assert same_ids(library)
    library.add_special_tokens(["<|end|>"])
    tokenizer = without_kernel(BPETokenizer(library, True), monkeypatch)

    def words(code):
        c = chr(code)
        return f"a{c}\r!{c}\r {c}\r{c}a\r{c}\n\r"

    shown = {len(tokenizer.encode(words(ord(c)))) for c in "b1!"}
    assert len(shown) == 3, "a letter, a digit and a mark must differ, or this test shows nothing"
    codes = [*range(0x3400), *range(0x3400, 0xD800, 64), *range(0xE000, 0x20000, 16)]
    text = "".join(map(words, codes))
    assert tokenizer.encode(text) == library.encode(text).ids


def test_a_learnt_vocabulary_can_be_encoded_by_tiktoken():
    tokenizer = BPESettings(vocab=300).train(CORPUS + ["从前有一座山" * 3] * 2 + [WORDS] * 3)
    assert tokenizer.encoder is not None
    assert tokenizer.kept == {"same_ids": True, "pre": "qwen2"}


@pytest.mark.parametrize(
    ("vocab", "merges", "text"),
    [
        # 'abc' is joined from 'ab' 'c', but 'bc' comes first, so no text ever yields it ...
        (["bc", "ab", "abc"], [("b", "c"), ("a", "b"), ("ab", "c")], "abc"),
        # ... and here the ids do not rise in the order of the joins.
        (["bc", "ab"], [("a", "b"), ("b", "c")], "abc"),
    ],
)
def test_where_tiktoken_would_differ_the_library_encodes(vocab, merges, text, monkeypatch):
    library = byte_level(vocab, merges)
    assert not same_ids(library)
    library.add_special_tokens(["<|end|>"])
    fast = without_kernel(BPETokenizer(library, True), monkeypatch)
    slow = without_kernel(BPETokenizer(library, False), monkeypatch)
    assert fast.encode(text) != slow.encode(text) == library.encode(text).ids
    assert [ids.tolist() for ids in slow.encode_batch([text])] == [slow.encode(text)]


@pytest.mark.parametrize("space", [" ", "\t", "\u3000", "\n", " \n"])
def test_white_space_without_end_is_left_to_the_library(space, monkeypatch):
    tokenizer = without_kernel(BPESettings(vocab=266).train(CORPUS), monkeypatch)
    text = "low" + space * 40_000 + "low"
    expected = tokenizer.library.encode(text).ids
    assert tokenizer.decode(expected) == text
    monkeypatch.setattr(tokenizer, "encoder", "runs out of stack")
    assert tokenizer.encode(text) == expected
    assert tokenizer.encode_batch([text])[0].tolist() == expected


def test_others_tokenizers_are_read_without_tokens_json(tmp_path):
    ours = BPESettings(vocab=266).train(CORPUS)
    path = tmp_path / "tokenizer.json"
    path.write_text(ours.library.to_str().replace("<|end|>", "<|endoftext|>"), "utf-8")
    opened = open_tokenizer(tmp_path)
    assert opened.encode("lowest <|endoftext|>") == ours.encode("lowest <|endoftext|>")
    assert (opened.end, opened.vocab, opened.encoder is not None) == (265, 266, True)
    opened.save(tmp_path / "again")
    assert open_tokenizer(tmp_path / "again").end == 265


def test_an_end_that_is_named_in_the_folder_is_taken(tmp_path):
    text = BPESettings(vocab=266).train(CORPUS).library.to_str().replace("<|end|>", "<|stop|>")
    with pytest.raises(DataError) as caught:
        adopt(tmp_path, text)
    assert str(caught.value) == (
        f"{tmp_path / 'tokenizer.json'}: no token that ends a document; name one as eos_token in "
        f"{tmp_path / 'tokenizer_config.json'}"
    )
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "<|stop|>"}')
    assert adopt(tmp_path, text).end == 265


def test_others_tokenizers_of_other_kinds_are_refused(tmp_path):
    library = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(
        DataError, match="neither byte-level BPE nor BERT's WordPiece, which are read without"
    ):
        adopt(tmp_path, library.to_str())
