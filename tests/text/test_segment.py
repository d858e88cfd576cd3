from pathlib import Path

import pytest

from lingloom.errors import DataError, RecipeError
from lingloom.text.segment import Dictionary, open_dictionary, segment
from lingloom.text.stopwords import StopWordsSettings, frequent_words, listed_stopwords

LISTED = (
    "研究 研究生 生命 命起 起源 南京 南京市 市长 长江 大桥 长江大桥 江大桥 结婚 和尚 尚未 未结 的确"
)
WORDS = Dictionary(LISTED.split())


@pytest.mark.parametrize(
    ("text", "forward", "backward", "both"),
    [
        ("研究生命起源", "研究生 命起 源", "研究 生命 起源", "研究 生命 起源"),
        ("南京市长江大桥", "南京市 长江大桥", "南京市 长江大桥", "南京市 长江大桥"),
        (
            "结婚的和尚未结婚的",
            "结婚 的 和尚 未结 婚 的",
            "结婚 的 和 尚未 结婚 的",
            "结婚 的 和 尚未 结婚 的",
        ),
        ("", "", "", ""),
        ("无词", "无 词", "无 词", "无 词"),
    ],
)
def test_maximum_match_cuts_the_examples_of_the_textbooks(text, forward, backward, both):
    assert " ".join(WORDS.forward(text)) == forward
    assert " ".join(WORDS.backward(text)) == backward
    assert " ".join(WORDS.bidirectional(text)) == both


def test_a_dictionary_of_the_users_own_is_read(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("研究 10 v\n生命 5 n\n\n起源\n", "utf-8")
    assert [*segment(["研究生命起源"], "forward", path)] == [["研究", "生命", "起源"]]
    with pytest.raises(RecipeError, match="nix.txt' cannot be read"):
        segment(["x"], "forward", tmp_path / "nix.txt")


def test_the_dictionary_of_jieba_is_found_as_data():
    pytest.importorskip("jieba")
    cut = [*segment(["研究生命起源", "南京市长江大桥"], "backward")]
    assert cut == [["研究", "生命", "起源"], ["南京市", "长江大桥"]]
    assert len(open_dictionary("").words) > 300_000


def test_jieba_and_the_matches_are_called_alike():
    assert ["".join(words) for words in segment(["我来到北京清华大学"])] == ["我来到北京清华大学"]


def test_stop_words_come_from_lists_and_files(tmp_path):
    (tmp_path / "own.txt").write_text("foo\nbar\n")
    found = listed_stopwords(["english", "chinese", str(tmp_path / "own.txt")])
    assert {"the", "的", "foo"} <= found
    assert not {"river", "河"} & found
    with pytest.raises(RecipeError, match=r"'klingon': neither english .* name one of these, or a"):
        listed_stopwords(["klingon"])
    (tmp_path / "own.txt").write_text("的\n", "gb18030")
    with pytest.raises(DataError, match=r"own\.txt: .* that is not UTF-8; save it as UTF-8"):
        listed_stopwords([str(tmp_path / "own.txt")])


def test_stop_words_by_frequency_are_counted_by_hand():
    documents = [["a", "b", "a"], ["a", "c"], ["b", "a", "d", "d", "d", "d", "d"], ["a"]]
    assert frequent_words(documents, top=2) == ["a", "d"]
    assert frequent_words(documents, document_frac=0.4) == ["a", "b"]
    assert frequent_words(documents, top=2, document_frac=0.4) == ["a", "d", "b"]
    many = ([f"rare{i}", "common"] for i in range(5000))
    assert frequent_words(many, top=1, most_words=100) == ["common"]


def test_words_to_leave_out_come_from_lists_from_counts_and_from_shares_of_documents(tmp_path):
    (tmp_path / "own.txt").write_text("foo\n的\n", "utf-8")
    documents = [["a", "b", "a"], ["a", "c"], ["b", "a", "d", "d", "d", "d", "d"], ["a"]]
    listed = StopWordsSettings(lists=[str(tmp_path / "own.txt")])
    assert listed.of(iter(())) == {"foo", "Foo", "FOO", "的"}
    assert StopWordsSettings(top=2).of(documents) == {"a", "A", "d", "D"}
    assert StopWordsSettings(document_frac=0.4).of(documents) == {"a", "A", "b", "B"}
    assert StopWordsSettings().of(documents) == set()


@pytest.mark.parametrize("name", ["words.md", "words.zh.md"])
def test_the_example_of_the_docs_prints_what_they_say(name, capsys):
    page = (Path(__file__).parents[2] / "docs" / name).read_text("utf-8")
    code, says = page.rpartition("```python\n")[2].split("```")
    exec(code, {})
    assert capsys.readouterr().out.splitlines() == says.split("`")[1::2]
