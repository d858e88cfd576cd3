"""Vocabularies of words and of characters, with the answers worked out by hand."""

import importlib.util
from pydoc_data.topics import topics

import pytest
import tokenizers

from lingloom.errors import DataError, MissingError
from lingloom.text import segment
from lingloom.tokens.characters import CharactersSettings
from lingloom.tokens.open import open_tokenizer
from lingloom.tokens.subwords import UnigramSettings, WordPieceSettings
from lingloom.tokens.words import Separator, WordsSettings


def test_words_are_numbered_by_frequency_then_by_code_point():
    tokenizer = WordsSettings().train(["b a c a", "c a d <unk>"])
    names = [tokenizer.token_of(i) for i in range(tokenizer.vocab)]
    assert names == ["<unk>", "a", "c", "b", "d", "<|end|>"]
    assert tokenizer.encode("d a z b") == [4, 1, 0, 3]


def test_a_marked_unknown_word_is_the_unknown_word():
    tokenizer = WordsSettings().train([" no it was n't <unk> monday \n"])
    assert tokenizer.unknown == tokenizer.id_of("<unk>") == 0
    assert tokenizer.encode("<unk> black monday") == [0, 0, tokenizer.id_of("monday")]
    assert tokenizer.decode(tokenizer.encode("it was <unk>")) == "it was <unk>"


def test_the_vocabulary_of_words_is_cut_by_size_and_by_count():
    text = ["a a a b b c c d"]
    assert WordsSettings(vocab=4).train(text).encode("a b c d") == [1, 2, 0, 0]
    assert WordsSettings(min_count=2).train(text).encode("a b c d") == [1, 2, 3, 0]


def test_the_bytes_of_words_include_the_space_after_them():
    tokenizer = WordsSettings().train(["the cat 从前 sat ，"])
    ids = tokenizer.encode("the cat sat ")
    assert int(tokenizer.token_bytes[ids].sum()) == len("the cat sat ")
    assert tokenizer.token_bytes[tokenizer.encode("从前")].tolist() == [6]
    assert tokenizer.token_bytes[[tokenizer.unknown, tokenizer.end]].tolist() == [0, 0]


@pytest.mark.parametrize("package", ["rjieba", "jieba"])
def test_chinese_is_segmented_alike_by_either_package(package, monkeypatch):
    pytest.importorskip(package)
    monkeypatch.setattr(
        segment,
        "find_spec",
        lambda name: importlib.util.find_spec(name) if name == package else None,
    )
    text = "我们学习人工智能，2008-6-1 用Python写程序。从前有一座山！"
    assert Separator("auto")(text) == [
        *["我们", "学习", "人工智能", "，", "2008-6-1", "用", "Python", "写", "程序", "。"],
        *["从前", "有", "一座", "山", "！"],
    ]


def test_chinese_words_are_joined_without_spaces():
    tokenizer = WordsSettings(segment="none").train(["我们 学习 Python 语言 ， very well 。"])
    assert tokenizer.decode(tokenizer.encode("我们 学习 Python 语言 ， very well 。")) == (
        "我们学习Python语言，very well。"
    )


def test_a_missing_segmenter_is_asked_for_only_where_it_is_needed(monkeypatch):
    monkeypatch.setattr(segment, "find_spec", lambda name: None)
    assert Separator("auto")("plain English, “quoted”") == ["plain", "English,", "“quoted”"]
    assert Separator("none")("我们 学习") == ["我们", "学习"]
    for way, text in (("auto", "我们学习"), ("jieba", "")):
        with pytest.raises(MissingError) as caught:
            Separator(way)(text)
        assert str(caught.value) == (
            "segmenting Chinese into words (tokens.segment) needs the package 'rjieba', which is "
            "not installed; run: pip install 'lingloom[text]'"
        )


def test_characters_are_numbered_by_frequency_then_by_code_point():
    tokenizer = CharactersSettings().train(["abba从", "a"])
    assert [tokenizer.token_of(i) for i in range(tokenizer.vocab)] == [
        *["<unk>", "a", "b", "从", "<|end|>"]
    ]
    assert tokenizer.encode("从zab") == [3, 0, 1, 2]
    assert tokenizer.decode([3, 0, 1, 4]) == "从\ufffda"
    assert tokenizer.token_bytes.tolist() == [0, 1, 1, 3, 0]


def test_the_vocabulary_of_characters_is_cut_by_size_and_by_count():
    assert CharactersSettings(vocab=4).train(["aaabbc"]).encode("abc") == [1, 2, 0]
    assert CharactersSettings(min_count=3).train(["aaabbc"]).encode("abc") == [1, 0, 0]


def test_wordpiece_takes_the_longest_piece_and_splits_chinese_by_character():
    tokenizer = WordPieceSettings(vocab=34).train(["play played playing plays stay 我爱你 "] * 5)
    names = [tokenizer.token_of(i) for i in tokenizer.encode("played 我爱")]
    assert "".join(names[:-2]).replace("##", "") == "played"
    assert all(name.startswith("##") for name in names[1:-2])
    assert names[-2:] == ["我", "爱"]
    assert (
        tokenizer.decode(tokenizer.encode("stay played 我爱你 plays")) == "stay played我爱你plays"
    )


def test_wordpiece_reads_lower_case_without_accents_if_asked():
    tokenizer = WordPieceSettings(vocab=16, lowercase=True).train(["cafe noel café"] * 5)
    assert tokenizer.encode("CAFÉ") == tokenizer.encode("cafe")


def test_unigram_writes_rare_characters_as_bytes():
    tokenizer = UnigramSettings(vocab=400).train([topics["for"], topics["class"], "cat龘"])
    names = [tokenizer.token_of(i) for i in tokenizer.encode("龘")]
    assert names == ["<0xE9>", "<0xBE>", "<0x98>"]
    assert tokenizer.decode(tokenizer.encode("龘 cat")) == "龘 cat"


def test_words_may_come_from_a_dictionary_of_the_users_own(tmp_path):
    (tmp_path / "words.txt").write_text("研究\n研究生\n生命\n起源\n", "utf-8")
    path = str(tmp_path / "words.txt")
    settings = WordsSettings(segment="bidirectional", dictionary=path)
    tokenizer = settings.train(["研究生命起源，good"])
    assert tokenizer.separate("研究生命起源，good") == ["研究", "生命", "起源", "，", "good"]
    assert Separator("forward", path)("研究生命起源") == ["研究生", "命", "起源"]
    assert tokenizer.kept == {"segment": "bidirectional", "dictionary": path}


def with_a_tagger(tmp_path):
    (tmp_path / "by_spaces.txt").write_text(
        "研究 生命 的 起源\n用 Python3.11 研究 ， 好\n", "utf-8"
    )
    return WordsSettings(segment="tagger", segmented=str(tmp_path / "by_spaces.txt"))


def test_a_tagger_is_learnt_from_segmented_text_and_stored_with_the_tokenizer(tmp_path):
    tokenizer = with_a_tagger(tmp_path).train(["研究生命的起源 don't  用Python3.11研究，好 don't"])
    words = ["研究", "生命", "的", "起源", "don't", "用", "Python3.11", "研究", "，", "好", "don't"]
    assert tokenizer.separate("研究生命的起源 don't  用Python3.11研究，好 don't") == words
    assert tokenizer.separate("plain text") == ["plain", "text"]
    tokenizer.save(tmp_path / "out")
    (tmp_path / "by_spaces.txt").unlink()
    opened = open_tokenizer(tmp_path / "out")
    assert opened.encode("用Python3.11研究生命") == tokenizer.encode("用Python3.11研究生命")
    assert opened.kept == tokenizer.kept
    opened.save(tmp_path / "again")
    for path in (tmp_path / "out").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_the_tagger_of_another_tokenizer_is_refused(tmp_path):
    with_a_tagger(tmp_path).train(["研究"]).save(tmp_path / "out")
    (tmp_path / "by_spaces.txt").write_text("研 究 生 命", "utf-8")
    settings = WordsSettings(segment="tagger", segmented=str(tmp_path / "by_spaces.txt"))
    settings.train(["研究"]).separate.tagger.save(tmp_path / "out" / "tagger.safetensors")
    with pytest.raises(DataError, match=r"not the tagger that tokens\.json describes; restore"):
        open_tokenizer(tmp_path / "out")


def test_stop_words_are_left_out_of_every_text_and_wherever_the_tokenizer_is_opened(tmp_path):
    settings = WordsSettings(segment="none", stop_words={"lists": ["english", "chinese"], "top": 1})
    tokenizer = settings.train(["The cat sat . the dog ran . 猫 的 垫子 . it's <unk> . ."])
    names = {tokenizer.token_of(i) for i in range(tokenizer.vocab)}
    assert names == {"<unk>", "cat", "sat", "dog", "ran", "猫", "垫子", "it's", "<|end|>"}
    text = "THE cat . The thE theory the 的 猫 <unk>"
    assert tokenizer.separate(text) == ["cat", "thE", "theory", "猫", "<unk>"]
    assert tokenizer.encode("the of The") == []
    tokenizer.save(tmp_path)
    opened = open_tokenizer(tmp_path)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for given in (text, "", "the", " of\u2028the\tcat\n", "it's its"):
        assert opened.encode(given) == tokenizer.encode(given) == library.encode(given).ids
    assert opened.fingerprint() == tokenizer.fingerprint() and opened.kept == tokenizer.kept


def test_stop_words_beside_a_segmenter_are_looked_for_among_its_words(tmp_path):
    (tmp_path / "words.txt").write_text("我们\n学习\n语言\n", "utf-8")
    tokenizer = WordsSettings(
        segment="forward", dictionary=str(tmp_path / "words.txt"), stop_words={"lists": ["chinese"]}
    ).train(["我们学习语言"])
    assert tokenizer.separate("我们的语言") == ["语言"]
    tokenizer.save(tmp_path / "out")
    assert open_tokenizer(tmp_path / "out").separate("我们的语言") == ["语言"]


def test_stop_words_that_leave_nothing_are_refused():
    with pytest.raises(DataError) as caught:
        WordsSettings(stop_words={"top": 9}).train(["a b", "b c"])
    assert str(caught.value) == (
        "tokens.stop_words: all 3 different words of the text are stop words; take fewer lists, a "
        "smaller top or a larger document_frac"
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"segment": "tagger"}, "the tagger needs segmented text to learn from"),
        ({"segmented": "x"}, "segment=auto with segmented='x': the tagger needs"),
        ({"dictionary": "x"}, "segment=auto reads no dictionary; set segment to one of forward, "),
    ],
)
def test_files_that_would_have_no_effect_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        WordsSettings(**keys)
