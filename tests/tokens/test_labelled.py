"""Labels beside texts, and rows of labelled texts."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch

from lingloom.errors import DataError
from lingloom.text.document import Document
from lingloom.tokens import labels
from lingloom.tokens.batch import IGNORE
from lingloom.tokens.bytelevel import BPESettings, BytesSettings
from lingloom.tokens.characters import CharactersSettings
from lingloom.tokens.labelled import Labelled
from lingloom.tokens.labels import (
    Labels,
    LabelSet,
    cut_words,
    never_learnt,
    open_label_set,
    write_labels,
)
from lingloom.tokens.reading import Reading
from lingloom.tokens.shards import Shards
from lingloom.tokens.word_by_word import WordByWord
from lingloom.tokens.words import WordsSettings
from lingloom.tokens.write import write_shards

MESSAGES = [("good", "pos"), ("bad", "neg"), ("very good", "pos"), ("so so", "mixed")]


def stored(folder, rows, of="text", settings=None):
    """The train split of (text, label) rows, the last of which is held out."""
    tokenizer = (settings or WordsSettings(segment="none")).train(text for text, _ in rows)
    documents = [
        ("train", Document(text, f"rows:{i}", "rows", {"label": label}))
        for i, (text, label) in enumerate(rows, start=1)
    ]
    documents[-1] = ("heldout", documents[-1][1])
    words = WordByWord(tokenizer)
    list(write_shards(documents, tokenizer, folder, encode=words if of == "word" else None))
    write_labels(documents, of, folder, words)
    texts = Shards.open(folder, "train", tokenizer)
    return Reading(texts, tokenizer, labels=Labels(folder, "train", texts))


def test_each_text_has_its_label_back_under_the_name_it_came_with(tmp_path):
    reading = stored(tmp_path, MESSAGES)
    assert reading.labels.set == LabelSet(("mixed", "neg", "pos"), "text")
    assert [reading.labels.of_text(i) for i in range(3)] == [2, 1, 2]
    assert reading.labels.counts == {"neg": 1, "pos": 2}
    assert open_label_set(tmp_path) == reading.labels.set


def test_a_label_of_held_out_text_alone_is_known_and_told(tmp_path):
    stored(tmp_path, MESSAGES)
    assert never_learnt(tmp_path) == {"mixed": 1}


def test_labels_that_are_numbers_stand_in_the_order_of_their_values(tmp_path):
    rows = [(f"text {i}", str(label)) for i, label in enumerate([10, 9, 2, 10, 9, 2])]
    assert stored(tmp_path, rows).labels.set.names == ("2", "9", "10")


def test_a_word_is_told_by_its_first_token(tmp_path):
    rows = [("EU rejects", "B-ORG O"), ("in Paris", "O B-LOC")]
    for settings in (BytesSettings(), CharactersSettings()):
        folder = tmp_path / settings.kind
        reading = stored(folder, rows, "word", settings)
        blank = settings.kind == "bytes"
        text = reading.tokenizer.decode(reading.texts.document(0).tolist())
        assert text == ("EU rejects" if blank else "EUrejects")
        numbers = reading.labels.of_tokens(0, reading.texts.tokens)
        assert reading.labels.set.names == ("B-LOC", "B-ORG", "O")
        assert numbers.tolist() == [1, IGNORE, 2] + [IGNORE] * (7 + blank)


def test_words_are_encoded_as_running_text_is(tmp_path):
    texts = ["the cat sat on the mat", "我们 在 北京 looked at it"]
    running = ["the cat sat on the mat", "我们在北京 looked at it"]
    bpe = BPESettings(vocab=285).train(texts * 5)
    found = WordByWord(bpe)(texts)
    for ids, text in zip(found, ["the cat sat on the mat", "我们在北京looked at it"], strict=True):
        assert bpe.decode(ids.tolist()) == text
    assert found[0].tolist() == bpe.encode(running[0])
    assert [ids.tolist() for ids in WordByWord(bpe)(["", "the"])] == [[], bpe.encode("the")]


def test_a_word_of_which_nothing_is_left_is_an_unknown_one(tmp_path):
    words = WordsSettings(segment="none").train(["a b"])
    assert [ids.tolist() for ids in WordByWord(words).words(["a", "", "b"])] == [[1], [0], [2]]


def test_chinese_is_cut_into_characters_where_the_labelled_text_was(tmp_path):
    apart = stored(tmp_path / "a", [("他 在 京", "O O B"), ("ok 吗", "O O")], "word").labels.set
    whole = stored(tmp_path / "b", [("他 在 北京", "O O B"), ("ok 吗", "O O")], "word").labels.set
    assert cut_words("他在北京, ok吗", apart) == ["他", "在", "北", "京", ",", "ok", "吗"]
    assert cut_words("他在 北京", whole) == ["他在", "北京"]


@pytest.mark.parametrize(
    ("rows", "of", "message"),
    [
        (
            [("a b", "O"), ("b", "O")],
            "word",
            "rows:1: 2 words and 1 labels; each word, divided by blanks, needs one label: correct "
            "the text",
        ),
        (
            [("a", "spam"), ("b", "spam ")],
            "text",
            "text.label_field: every text of 2 texts is labelled 'spam', so there is nothing to "
            "tell apart; read text with other labels too, or name another field",
        ),
        (
            [(f"word {i}", f"word {i}") for i in range(30)],
            "text",
            "text.label_field: 30 different labels in 30 texts, such as 'word 0'; name the field "
            "that holds what a text is",
        ),
    ],
)
def test_labels_that_nothing_can_be_learnt_from_are_refused(tmp_path, rows, of, message):
    with pytest.raises(DataError) as error:
        stored(tmp_path, rows, of)
    assert str(error.value) == message


def test_a_text_without_a_label_is_refused(tmp_path):
    tokenizer = BytesSettings().train([])
    rows = [("train", Document("a", "rows:1", "rows"))]
    with pytest.raises(DataError, match=r"rows:1: has no label; name the field"):
        write_labels(rows, "text", tmp_path, WordByWord(tokenizer))


def test_writing_labels_takes_no_memory_for_each_text(tmp_path):
    words = WordByWord(BytesSettings().train([]))
    rows = (
        ("train", Document("a", f"rows:{i}", "rows", {"label": "ab"[i % 2]})) for i in range(60_000)
    )
    tracemalloc.start()
    write_labels(rows, "text", tmp_path, words)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 3e6  # 157 bytes a text would be 9.4e6
    numbers = np.fromfile(tmp_path / "train.labels.bin", "<i4")
    assert np.array_equal(numbers, np.arange(60_000) % 2)


def test_labels_are_numbered_alike_in_blocks_of_any_size(tmp_path, monkeypatch):
    rows = [("to X", "O B"), ("X Y to", "B I O"), ("to", "O"), ("Y", "B")]
    written = []
    for block in (1, 3, 1 << 20):
        monkeypatch.setattr(labels, "BLOCK", block)
        stored(tmp_path, rows, "word")
        written.append((tmp_path / "train.labels.bin").read_bytes())
    assert written[0] == written[1] == written[2]
    assert np.frombuffer(written[0], "<i4").tolist() == [2, 0, IGNORE, 0, 1, 2, IGNORE, 2, IGNORE]


def test_labels_that_are_refused_leave_nothing_behind(tmp_path):
    with pytest.raises(DataError, match="nothing to tell apart"):
        stored(tmp_path, [("a", "x"), ("b", "x")])
    assert not [path.name for path in tmp_path.iterdir() if "labels" in path.name]


def test_damaged_labels_are_refused(tmp_path):
    reading = stored(tmp_path, MESSAGES)
    file = tmp_path / "train.labels.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"train.labels.bin: 11 bytes, but the texts ask for 12"):
        Labels(tmp_path, "train", reading.texts)
    file.unlink()
    with pytest.raises(DataError, match=r"train.labels.bin: no such file, though labels.json"):
        Labels(tmp_path, "train", reading.texts)
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(DataError, match=r"labels.json: cannot be read"):
        open_label_set(tmp_path)
    (tmp_path / "labels.json").unlink()
    with pytest.raises(DataError, match=r"labels.json: no such file, so nothing says what"):
        open_label_set(tmp_path)


# --------------------------------------------------------------------------- rows

MANY = [("w " * (1 + i * 7 % 11), "ab"[i % 2]) for i in range(50)]


def test_an_epoch_reads_every_text_once_and_its_rows_are_of_like_length(tmp_path):
    order = Labelled(stored(tmp_path, MANY), 16, 4, seed=3)
    assert order.steps_per_epoch == 13
    for epoch in range(2):
        steps = range(13 * epoch, 13 * epoch + 13)
        read = np.concatenate([order.chosen(step) for step in steps])
        assert sorted(read.tolist()) == list(range(49))
        for step in steps:
            rows = order.at(step)
            assert int(rows.seen.sum(1).max() - rows.seen.sum(1).min()) <= 1
    assert order.chosen(0).tolist() != order.chosen(13).tolist()


def test_the_rows_of_a_step_follow_from_seed_and_step_alone(tmp_path):
    reading = stored(tmp_path, MANY)
    first, second = Labelled(reading, 16, 4, seed=3), Labelled(reading, 16, 4, seed=3)
    there = {step: first.at(step) for step in (20, 1, 14)}
    for step in (1, 14, 20):
        rows = second.at(step)
        for name, tensor in rows.tensors().items():
            assert torch.equal(tensor, getattr(there[step], name)), name
    other = Labelled(reading, 16, 4, seed=4)
    assert [first.chosen(s).tolist() for s in range(13)] != [
        other.chosen(s).tolist() for s in range(13)
    ]


def test_rows_are_padded_on_the_right_and_carry_their_labels(tmp_path):
    reading = stored(tmp_path, MESSAGES)
    order = Labelled(reading, 4, 8, seed=0, signs=([90], [91, 92]), cut=True)
    rows = order.rows(np.array([1, 2]))
    good, bad, end = (reading.tokenizer.encode(w)[0] for w in ("good", "bad", "very"))
    end = reading.tokenizer.end
    assert rows.ids.tolist()[0] == [90, bad, 91, 92]
    assert rows.ids.tolist()[1] == [90, reading.tokenizer.encode("very")[0], 91, 92]
    assert rows.labels.tolist() == [1, 2]
    assert order.cut_texts == 1
    order = Labelled(reading, 5, 8, seed=0, signs=([90], [91, 92]))
    rows = order.rows(np.array([1, 2]))
    assert rows.ids.tolist()[0] == [90, bad, 91, 92, end]
    assert rows.ids.tolist()[1][2] == good
    assert rows.seen.tolist() == [[True] * 4 + [False], [True] * 5]


def test_signs_around_a_text_are_no_words(tmp_path):
    reading = stored(tmp_path, [("a bc", "X O"), ("b", "O")], "word", BytesSettings())
    rows = Labelled(reading, 9, 2, seed=0, signs=([7], [8])).rows(np.array([0]))
    assert rows.targets.tolist() == [[IGNORE, 1, 0, IGNORE, IGNORE, IGNORE]]
    assert rows.labels is None


def test_a_text_that_is_too_long_is_named_unless_it_may_be_cut(tmp_path):
    reading = stored(tmp_path, [*MESSAGES[:2], ("far too long a text", "pos"), MESSAGES[3]])
    with pytest.raises(DataError) as error:
        Labelled(reading, 3, 2, seed=0)
    assert str(error.value) == (
        "rows:3: 5 tokens do not fit model.context 3, and 1 of 3 texts are so long, the longest 5; "
        "raise model.context, or read only their beginnings with train.objective.cut=true"
    )
    order = Labelled(reading, 3, 2, seed=0, cut=True)
    assert order.cut_texts == 1
    assert max(rows.context for rows in map(order.at, range(2))) == 3


def test_texts_without_labels_are_refused(tmp_path):
    reading = replace(stored(tmp_path, MESSAGES), labels=None)
    with pytest.raises(DataError, match=r"these texts have no labels; name the field that holds"):
        Labelled(reading, 8, 2, seed=0)


def test_all_held_out_texts_are_read_once_in_the_same_way(tmp_path):
    order = Labelled(stored(tmp_path, MANY), 16, 4, seed=0)
    chosen = np.concatenate(list(order.each_once()))
    assert sorted(chosen.tolist()) == list(range(49))
    assert [c.tolist() for c in order.each_once()] == [c.tolist() for c in order.each_once()]


def test_a_context_without_room_between_the_signs_is_refused(tmp_path):
    reading = stored(tmp_path, MESSAGES)
    with pytest.raises(DataError, match="context 2 has no room for a text between its 2 signs"):
        Labelled(reading, 2, 2, 0, cut=True, signs=((0,), (0,)))


@pytest.mark.parametrize(
    "tree", ['{"format": 1}', '{"format": 1, "names": 5, "of": "text"}', "[]", "{"]
)
def test_damaged_labels_are_told(tmp_path, tree):
    (tmp_path / "labels.json").write_text(tree)
    with pytest.raises(DataError, match="labels.json: "):
        open_label_set(tmp_path)
