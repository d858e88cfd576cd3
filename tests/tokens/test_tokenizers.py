"""What every kind of tokenizer promises; one row per newcomer."""

import json
from pydoc_data.topics import topics

import numpy as np
import pytest
import tokenizers
from hypothesis import example, given, settings, strategies

from lingloom.errors import DataError
from lingloom.settings import Kinds
from lingloom.tokens.bytelevel import BPESettings, BytesSettings
from lingloom.tokens.characters import CharactersSettings
from lingloom.tokens.kinds import TOKENIZERS
from lingloom.tokens.open import open_tokenizer
from lingloom.tokens.sample import cut
from lingloom.tokens.subwords import UnigramSettings, WordPieceSettings
from lingloom.tokens.tokenizer import END, UNKNOWN
from lingloom.tokens.words import WordsSettings

TEXTS = [
    topics["for"] + topics["class"],
    "从前有一座山，山上有一座庙。庙里有一个老和尚，给小和尚讲故事：“从前有一座山……”\n"
    "人工智能改变世界，语言模型从文本中学习。2008年，我们用Python写程序！\n"
    "学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？\n"
    "语言是人类最重要的交际工具，文字是记录语言的符号；没有语言，就没有人类社会。\n"
    "模型读了很多文本之后，就能预测下一个字，也能写出新的文本。我们学习语言，模型也学习语言。\n",
    "Mixed 中英文 text: naïve café, 1,234.5 元, 😀🎉 — done.\r\n" * 4,
]
SETTINGS = [
    BytesSettings(),
    CharactersSettings(),
    WordsSettings(),
    BPESettings(vocab=400),
    WordPieceSettings(vocab=400),
    UnigramSettings(vocab=400),
]
every_kind = pytest.mark.parametrize("kind", SETTINGS, ids=lambda s: s.kind)
LOSSLESS = [s for s in SETTINGS if s.kind in ("bytes", "bpe", "unigram")]
every_lossless_kind = pytest.mark.parametrize("kind", LOSSLESS, ids=lambda s: s.kind)
_trained = {}


def trained(kind):
    if kind.kind not in _trained:
        _trained[kind.kind] = kind.train(TEXTS)
    return _trained[kind.kind]


ANY_TEXT = strategies.text(
    strategies.one_of(
        strategies.sampled_from(" \n\t\r\u3000'a的1!,，。😀<|end|>unkſ▁\u0301"),
        strategies.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
)
TRAPS = [
    "",
    " ",
    "\n \n\n  x",
    "a  b   c    ",
    f"before {END} after{END}",
    f"{UNKNOWN} [UNK] <pad> <0x0A> ## ▁",
    "don't DON'T 'ſ 'LL",
    "0\x00zero\x7f\u200b\ufeff\u2028",
    "e\u0301 é 한국어 ไทย עברית",
    "龘𠮷" * 3,
    *TEXTS,
]


def test_the_contract_covers_every_kind():
    assert [*(s.kind for s in SETTINGS), "pixels", "stored"] == list(TOKENIZERS)
    for kind in SETTINGS:
        assert Kinds(TOKENIZERS).settings_class(kind.kind) is type(kind)


@every_kind
def test_the_last_id_is_end_and_every_id_is_below_the_vocabulary(kind):
    tokenizer = trained(kind)
    assert tokenizer.end == tokenizer.vocab - 1 == tokenizer.id_of(END)
    assert tokenizer.token_bytes.shape == (tokenizer.vocab,)
    assert tokenizer.token_bytes.dtype == np.int32
    for text in TRAPS:
        assert all(0 <= i < tokenizer.end for i in tokenizer.encode(text))


@every_kind
def test_names_and_ids_are_one_dictionary(kind):
    tokenizer = trained(kind)
    names = [tokenizer.token_of(i) for i in range(tokenizer.vocab)]
    assert [tokenizer.id_of(name) for name in names] == list(range(tokenizer.vocab))
    assert tokenizer.id_of("no such token") is None


@every_kind
def test_a_batch_gives_the_same_ids_as_one_text_at_a_time(kind):
    tokenizer = trained(kind)
    batch = tokenizer.encode_batch(TRAPS)
    assert all(ids.dtype == np.uint32 for ids in batch)
    assert [ids.tolist() for ids in batch] == [tokenizer.encode(text) for text in TRAPS]


@every_kind
def test_a_saved_tokenizer_opens_as_it_was(kind, tmp_path):
    tokenizer = trained(kind)
    tokenizer.save(tmp_path)
    opened = open_tokenizer(tmp_path)
    for name in ("kind", "vocab", "end", "unknown", "lossless", "kept"):
        assert getattr(opened, name) == getattr(tokenizer, name), name
    np.testing.assert_array_equal(opened.token_bytes, tokenizer.token_bytes)
    assert [opened.encode(t) for t in TRAPS] == [tokenizer.encode(t) for t in TRAPS]
    assert opened.fingerprint() == tokenizer.fingerprint()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tokenizer.json", "tokens.json"]


@every_kind
def test_tokenizer_json_gives_the_same_ids_elsewhere(kind):
    tokenizer = trained(kind)
    elsewhere = tokenizers.Tokenizer.from_str(tokenizer.library.to_str())
    elsewhere.encode_special_tokens = True

    @settings(max_examples=100, deadline=None)
    @given(text=ANY_TEXT)
    def same(text):
        given_there = " ".join(tokenizer.separate(text)) if kind.kind == "words" else text
        assert elsewhere.encode(given_there).ids == tokenizer.encode(text), repr(text)

    for trap in TRAPS:
        same = example(text=trap)(same)
    same()


@every_kind
@settings(max_examples=60, deadline=None)
@given(parts=strategies.lists(ANY_TEXT, max_size=8), size=strategies.integers(1, 20))
def test_a_text_cut_at_line_breaks_has_the_ids_of_the_whole(kind, parts, size):
    tokenizer, text = trained(kind), "\n".join(parts)
    pieces = list(cut(text, size))
    assert "".join(pieces) == text
    assert sum((tokenizer.encode(piece) for piece in pieces), []) == tokenizer.encode(text)


@every_lossless_kind
def test_nothing_is_lost_and_every_byte_is_counted(kind):
    tokenizer = trained(kind)
    assert tokenizer.lossless
    assert tokenizer.unknown is None

    @settings(max_examples=100, deadline=None)
    @given(text=ANY_TEXT)
    def kept(text):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode([*ids, tokenizer.end]) == text
        assert tokenizer.decode_bytes(ids) == text.encode()
        assert int(tokenizer.token_bytes[ids].sum()) == len(text.encode())
        assert b"".join(tokenizer.decode_bytes([i]) for i in ids) == text.encode()

    for trap in TRAPS:
        kept = example(text=trap)(kept)
    kept()


@every_lossless_kind
def test_half_a_character_decodes_to_a_replacement_mark(kind):
    tokenizer = trained(kind)
    ids = tokenizer.encode("龘")
    assert tokenizer.decode_bytes(ids[:1]) == "龘".encode()[:1]
    assert "\ufffd" in tokenizer.decode(ids[:1])


@every_kind
def test_end_written_in_a_text_is_text(kind):
    tokenizer = trained(kind)
    ids = tokenizer.encode(f"low {END} road")
    assert tokenizer.end not in ids
    if tokenizer.lossless:
        assert tokenizer.decode(ids) == f"low {END} road"


@every_kind
def test_training_twice_gives_the_same_tokenizer(kind):
    assert kind.train(iter(TEXTS)).fingerprint() == trained(kind).fingerprint()


@pytest.mark.parametrize("kind", SETTINGS[1:], ids=lambda s: s.kind)
def test_no_text_is_refused(kind):
    with pytest.raises(DataError) as caught:
        kind.train([])
    assert str(caught.value) == (
        f"there is no text to train tokens.kind {kind.kind} on; "
        "look at text.read, and at what the text filters dropped"
    )


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram"])
def test_a_vocabulary_larger_than_the_text_supports_is_refused(kind):
    build = {"bpe": BPESettings, "wordpiece": WordPieceSettings, "unigram": UnigramSettings}[kind]
    with pytest.raises(DataError) as caught:
        build(vocab=16384).train(TEXTS)
    words = str(caught.value).split()
    assert words[:4] == ["the", "text", "supports", words[3]]
    found = int(words[3])
    assert 300 < found < 16384
    assert str(caught.value) == (
        f"the text supports {found} tokens, fewer than tokens.vocab 16384 (tokens.kind {kind}); "
        f"set tokens.vocab={found} or less, or read more text"
    )
    assert build(vocab=found).train(TEXTS).vocab == found


def test_a_missing_tokenizer_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        open_tokenizer(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'tokenizer.json'}: no such file; give a folder that holds a trained tokenizer"
    )


def test_a_damaged_tokenizer_is_refused(tmp_path):
    trained(SETTINGS[3]).save(tmp_path)
    path = tmp_path / "tokenizer.json"
    kept = json.loads((tmp_path / "tokens.json").read_text())["sha256"]
    path.write_text(path.read_text("utf-8")[:-1], "utf-8")
    with pytest.raises(DataError, match="damaged or replaced: its SHA-256 is") as caught:
        open_tokenizer(tmp_path)
    assert (
        f"tokens.json says {kept[:12]}...; restore the file, or train the tokenizer again"
        in str(caught.value)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON (Expecting property name enclosed in double quotes: line 1 column 2"),
        ("[]", "not a JSON object; restore the file"),
        ('{"kind": "syllables"}', "kind 'syllables' is not one of 'bytes', 'characters', "),
    ],
)
def test_a_damaged_tokens_json_is_refused(content, message, tmp_path):
    trained(SETTINGS[0]).save(tmp_path)
    (tmp_path / "tokens.json").write_text(content)
    with pytest.raises(DataError) as caught:
        open_tokenizer(tmp_path)
    assert f"{tmp_path / 'tokens.json'}: {message}" in str(caught.value)


def test_a_stored_tokenizer_is_taken_as_it_is(tmp_path):
    trained(BPESettings(vocab=400)).save(tmp_path)
    settings = Kinds(TOKENIZERS).settings_class("stored")(folder=str(tmp_path))
    again = settings.train(iter(()))
    assert again.kind == "bpe"
    assert again.fingerprint() == trained(BPESettings(vocab=400)).fingerprint()


def test_a_stored_tokenizer_that_is_not_there_is_told_with_its_file(tmp_path):
    settings = Kinds(TOKENIZERS).settings_class("stored")(folder=str(tmp_path))
    with pytest.raises(DataError, match=r"tokenizer\.json: no such file; give a folder that holds"):
        settings.train(iter(()))
