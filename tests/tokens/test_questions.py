"""Questions with windows of their passages, tokens with their characters, texts in pairs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lingloom.errors import DataError, RecipeError
from lingloom.text.answers import Answer, to_text
from lingloom.text.document import Document
from lingloom.tokens.aligned import aligned
from lingloom.tokens.answers import Answers, write_answers
from lingloom.tokens.bytelevel import BPESettings, BytesSettings
from lingloom.tokens.characters import CharactersSettings
from lingloom.tokens.extra import with_extra
from lingloom.tokens.labelled import fitted, paired
from lingloom.tokens.questions import Questions, windows
from lingloom.tokens.reading import Reading
from lingloom.tokens.shards import Shards
from lingloom.tokens.subwords import UnigramSettings, WordPieceSettings
from lingloom.tokens.tokenizer import MASK
from lingloom.tokens.words import WordsSettings
from lingloom.tokens.write import write_shards

TEXTS = ["The naïve café: 从前有一座山，山上有 3.5 座庙!", "Ünïcode  😀 and\tTab\n换行 ok"] * 6
KINDS = [
    BytesSettings(),
    CharactersSettings(),
    CharactersSettings(vocab=20),
    WordsSettings(),
    BPESettings(vocab=300),
    WordPieceSettings(vocab=60),
    WordPieceSettings(vocab=60, lowercase=True),
    UnigramSettings(vocab=280),
]
every_kind = pytest.mark.parametrize(
    "settings", KINDS, ids=lambda s: f"{s.kind}-{s.vocab}" if hasattr(s, "vocab") else s.kind
)


@every_kind
def test_tokens_know_their_characters(settings):
    tokenizer = with_extra(settings.train(TEXTS), [MASK])
    for text in [*TEXTS[:2], "", "😀", "x", "山 y"]:
        ids, spans = aligned(tokenizer, text)
        assert ids.tolist() == tokenizer.encode(text)
        assert spans.shape == (len(ids), 2)
        assert (np.diff(spans, axis=0) >= 0).all()
        assert (spans[:, 0] < spans[:, 1]).all()
        covered = {i for start, stop in spans.tolist() for i in range(start, stop)}
        assert {i for i, c in enumerate(text) if not c.isspace()} <= covered
        assert covered <= set(range(len(text)))


@pytest.mark.parametrize(
    "text, listed, spans",
    [("that hat not ot", "english", [[5, 8], [13, 15]]), ("什么 么", "chinese", [[3, 4]])],
)
def test_a_word_does_not_stand_within_one_that_is_left_out(text, listed, spans):
    settings = WordsSettings(segment="none", stop_words={"lists": [listed]})
    ids, found = aligned(settings.train([text]), text)
    assert len(ids) == len(spans) and found.tolist() == spans


@given(st.text(max_size=30))
def test_bytes_of_any_text_stand_for_whole_characters(text):
    text = text.encode("utf-8", "replace").decode()
    _, spans = aligned(BytesSettings().train([]), text)
    expected = [i for i, c in enumerate(text) for _ in c.encode()]
    assert spans.tolist() == [[i, i + 1] for i in expected]


def test_a_word_that_stands_twice_is_found_where_it_stands():
    tokenizer = WordsSettings().train(["a b a b"])
    assert aligned(tokenizer, "b  a b")[1].tolist() == [[0, 1], [3, 4], [5, 6]]


# --------------------------------------------------------------------------- windows


def test_windows_of_a_published_length():
    """A passage of 300 tokens beside a question of 10, in rows of 384 and of 128 places with three
    signs, 64 tokens apart: all at once; and from 0, 64, 128 and 192 on, up to 115 tokens each."""
    question, passage = np.array([10]), np.array([300])
    whole = windows(question, passage, 381, 64)
    assert (whole.start.tolist(), whole.stop.tolist()) == ([0], [300])
    some = windows(question, passage, 125, 64)
    assert some.start.tolist() == [0, 64, 128, 192]
    assert some.stop.tolist() == [115, 179, 243, 300]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 60)), min_size=1, max_size=5),
    st.integers(10, 20),
    st.integers(1, 30),
)
def test_windows_leave_nothing_out_and_nothing_over(sizes, room, stride):
    questions, passages = np.array(sizes).T
    found = windows(questions, passages, room, stride)
    assert found.question.tolist() == sorted(found.question.tolist())
    for i, (question, passage) in enumerate(sizes):
        mine = found.question == i
        starts, stops = found.start[mine].tolist(), found.stop[mine].tolist()
        assert starts[0] == 0
        assert stops[-1] == passage
        assert all(0 < b - a <= room - question for a, b in zip(starts, stops, strict=True))
        assert all(b <= stop for b, stop in zip(starts[1:], stops, strict=False))
        assert all(stop < passage for stop in stops[:-1])


ROWS = [
    ("who is it", "x y bob z", [("bob", 4)]),
    ("what", "x cat y dog and more words here", [("dog", 8), ("cat", 2)]),
    ("where", "x y", []),
]


def stored(folder, rows=ROWS):
    tokenizer = WordsSettings(segment="none").train(t for row in rows for t in row[:2])
    documents = [
        (
            "train",
            Document(
                question,
                f"rows:{i}",
                "rows",
                {"second": passage, "answer": to_text([Answer(*a) for a in answers])},
            ),
        )
        for i, (question, passage, answers) in enumerate(rows, start=1)
    ]
    both = [
        pair
        for split, d in documents
        for pair in (
            (split, d),
            (f"{split}-second", Document(d.meta["second"], d.id, d.source)),
        )
    ]
    list(write_shards(both, tokenizer, folder))
    write_answers(documents, tokenizer, folder)
    texts, passages = (Shards.open(folder, s, tokenizer) for s in ("train", "train-second"))
    answers = Answers(folder, "train", passages)
    return Reading(texts, tokenizer, seconds=passages, answers=answers)


def order(reading, context=9, batch=4, seed=3, **changes):
    usual = {"stride": 2, "longest": 3, "cut": False, "signs": ([90], [91])}
    return Questions(reading, context, batch, seed, **{**usual, **changes})


def test_answers_are_kept_as_tokens_of_their_passages(tmp_path):
    reading = stored(tmp_path)
    assert reading.answers.places.tolist() == [[2, 3], [3, 4], [-1, -1]]
    assert reading.answers.without == 1


def test_rows_are_question_and_window_and_point_at_the_answer(tmp_path):
    reading = stored(tmp_path)
    rows = order(reading).rows(np.arange(order(reading).windows.question.size))
    spell = reading.tokenizer.token_of
    shown = [
        " ".join("|" if t > 80 else spell(t) for t, seen in zip(ids, there, strict=True) if seen)
        for ids, there in zip(rows.ids.tolist(), rows.seen.tolist(), strict=True)
    ]
    assert shown == [
        "| who is it | x y bob |",
        "| who is it | bob z |",
        "| what | x cat y dog and |",
        "| what | y dog and more words |",
        "| what | and more words here |",
        "| where | x y |",
    ]
    assert rows.ends.tolist() == [[7, 7], [5, 5], [6, 6], [4, 4], [0, 0], [0, 0]]
    assert rows.parts.tolist()[1] == [0, 0, 0, 0, 0, 1, 1, 1, 0]
    assert rows.seen.tolist()[1] == [True] * 8 + [False]
    assert [order(reading).document_id(i) for i in (0, 2, 5)] == ["rows:1", "rows:2", "rows:3"]


def test_an_answer_that_a_window_cuts_is_not_in_it(tmp_path):
    reading = stored(tmp_path, [("q", "a b c d e", [("b c", 2)])])
    rows = order(reading, context=6, stride=1, longest=1).rows(np.arange(4))
    assert rows.ends.tolist() == [[0, 0], [3, 4], [0, 0], [0, 0]]


def test_an_epoch_reads_every_window_once_and_each_step_can_be_had_again(tmp_path):
    reading = stored(tmp_path, ROWS * 7)
    first, again = order(reading), order(reading)
    steps = int(first.steps_per_epoch)
    for epoch in range(2):
        read = [first.chosen(epoch * steps + step) for step in range(steps)]
        assert sorted(np.concatenate(read).tolist()) == list(range(first.windows.question.size))
    for step in (2 * steps, 1):
        for name, tensor in again.at(step).tensors().items():
            assert torch.equal(tensor, getattr(first.at(step), name)), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"longest": 2},
            "rows:1: a question of 3 tokens is longer than train.objective.question=2, and 1 of 3 "
            "are so long, the longest 3; raise it, or read only their beginnings with "
            "train.objective.cut=true",
        ),
        (
            {"context": 6},
            "model.context: 6 has no room for a passage beside a question of "
            "train.objective.question=3 tokens and the signs around them; set model.context=7 or "
            "more, or lower train.objective.question",
        ),
    ],
)
def test_questions_that_do_not_fit_are_refused(tmp_path, changes, message):
    with pytest.raises((DataError, RecipeError)) as error:
        order(stored(tmp_path), **changes)
    assert str(error.value) == message


def test_a_question_may_be_cut(tmp_path):
    found = order(stored(tmp_path), longest=2, cut=True)
    assert found.cut_texts == 1
    assert found.rows(np.array([0])).ids.shape == (1, 2 + 4 + 3)


def test_texts_that_are_no_questions_or_hold_nothing_are_refused(tmp_path):
    reading = stored(tmp_path / "a")
    with pytest.raises(DataError, match="are no questions with passages and answers; name their"):
        order(Reading(reading.texts, reading.tokenizer))
    empty = stored(tmp_path / "b", [("q", "", []), ("q", "a", [])])
    with pytest.raises(DataError, match="rows:1: its passage has no tokens; leave it out"):
        order(empty)


def test_damaged_answers_are_refused(tmp_path):
    reading = stored(tmp_path)
    file = tmp_path / "train.answers.bin"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(DataError, match="2 answers of other texts than the 3 here; train in a new"):
        Answers(tmp_path, "train", reading.seconds)
    file.write_bytes(np.array([0, 9, 0, 0, 0, 0], "<i4").tobytes())
    with pytest.raises(DataError, match="3 answers of other texts than the 3 here"):
        Answers(tmp_path, "train", reading.seconds)
    file.write_bytes(b"123")
    with pytest.raises(DataError, match="answers of other texts|cannot be read"):
        Answers(tmp_path, "train", reading.seconds)
    file.unlink()
    with pytest.raises(DataError, match=r"train.answers.bin: cannot be read .*; train in a new"):
        Answers(tmp_path, "train", reading.seconds)


def test_an_answer_for_which_no_token_stands_is_told(tmp_path):
    tokenizer = WordPieceSettings(vocab=8).train(["a b c"] * 9)
    answers = to_text([Answer("\x00", 2)])
    rows = [("train", Document("q", "rows:1", "rows", {"second": "a \x00 b", "answer": answers}))]
    with pytest.raises(DataError, match="rows:1: no token stands for the answer"):
        write_answers(rows, tokenizer, tmp_path)


# --------------------------------------------------------------------------- pairs


@pytest.mark.parametrize(
    ("sizes", "room", "kept"),
    [((3, 4), 9, (3, 4)), ((9, 4), 9, (5, 4)), ((2, 9), 9, (2, 7)), ((9, 9), 9, (5, 4))],
)
def test_of_two_texts_the_longer_one_is_cut(sizes, room, kept):
    a, b = fitted(np.arange(sizes[0]), np.arange(sizes[1]), room)
    assert (len(a), len(b)) == kept
    assert a.tolist() == list(range(kept[0]))


def test_two_texts_stand_between_signs_in_parts_of_their_own():
    rows = paired(
        [(np.array([1, 2]), np.array([3])), (np.array([4]), np.array([5]))], 0, ([8], [9])
    )
    assert rows.ids.tolist() == [[8, 1, 2, 9, 3, 9], [8, 4, 9, 5, 9, 0]]
    assert rows.parts.tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]]
    assert rows.seen.tolist() == [[True] * 6, [True] * 5 + [False]]
