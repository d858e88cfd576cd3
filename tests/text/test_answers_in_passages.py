"""Answers where they stand, before and after cleaning; SQuAD's files."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lingloom.errors import DataError
from lingloom.text.answers import LOST, Answer, from_text, moved, placed, to_text
from lingloom.text.prepare import TextStats, prepare
from lingloom.text.read import TextSettings, documents
from lingloom.text.squad import is_squad

PASSAGE = "a red cat and a red dog"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("red", [("red", 2)]),
        (" red\n", [("red", 2)]),
        ({"text": ["red"], "answer_start": [16]}, [("red", 16)]),
        ({"text": "red", "answer_start": 16}, [("red", 16)]),
        ({"text": ["red"]}, [("red", 2)]),
        ({"text": ["red"], "answer_start": [14]}, [("red", 16)]),  # the nearest place
        ({"text": ["red"], "answer_start": [4]}, [("red", 2)]),
        ({"text": ["red"], "answer_start": [-1]}, [("red", 2)]),
        ({"text": ["red"], "answer_start": [99]}, [("red", 16)]),
        ([{"text": "dog", "answer_start": 20, "id": "1"}, "cat"], [("dog", 20), ("cat", 6)]),
        (["cow", "dog"], [("cow", -1), ("dog", 20)]),
        ("", []),
        ([], []),
        ([""], []),
        ({"text": [], "answer_start": []}, []),
        ({"text": "red", "answer_start": 16.0}, [("red", 16)]),  # as pandas writes it
        ({"text": ["red"], "answer_start": ["16"]}, [("red", 16)]),
        ({"text": ["red"], "answer_start": "16"}, [("red", 16)]),
        ([{"text": "red", "answer_start": 16, "answer_id": 7}], [("red", 16)]),
        ({"text": ["red"], "answer_start": [None]}, [("red", 2)]),
        (None, []),
        ([None], []),
        (["dog", None], [("dog", 20)]),
        ({"text": None, "answer_start": float("nan")}, []),
    ],
)
def test_answers_stand_where_they_are_said_to_or_nearest_to_it(told, expected):
    assert placed(told, PASSAGE) == [Answer(*each) for each in expected]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("cow", "answer 'cow' does not stand in the passage"),
        (["cow", "hen"], "answer 'cow' does not stand in the passage"),
        (True, "an answer of the form True; answers are a text, a list of texts, or"),
        ({"answer_start": [1]}, "an answer without 'text'; answers are a text"),
        ({"text": 3}, "answer '3' does not stand in the passage"),
        ([["red"]], r"an answer of the form \['red'\]"),
        ({"text": ["red"], "answer_start": 2.5}, "answer_start '2.5' is no number of a character"),
        ({"text": ["red"], "answer_start": ["two"]}, "answer_start 'two' is no number of a char"),
        ({"text": ["red"], "answer_start": [True]}, "answer_start 'True' is no number of a char"),
        ({"text": ["red"], "answer_start": float("nan")}, "answer_start 'nan' is no number of a"),
        ([{"text": "red", "start": 18}], "an answer with 'start'; answers are a text, a list"),
        ({"answers": ["red"]}, "an answer with 'answers'; answers are a text, a list of texts"),
        ({"text": ["red"], "answer_start": [1, 2]}, "1 answers and 2 places of them"),
    ],
)
def test_what_are_no_answers_is_told(told, message):
    with pytest.raises(ValueError, match=message):
        placed(told, PASSAGE)


def test_cleaning_moves_an_answer_along_with_its_turn():
    raw = "red  \u200bcat,  red  dog"
    cleaned = "red cat, red dog"
    answers = [Answer("red", raw.rindex("red")), Answer("hen", -1)]
    assert moved(answers, ["red", "hen"], raw, cleaned) == [Answer("red", 9), Answer("hen", -1)]
    wide = [Answer("ＡＢ", 4)]
    assert moved(wide, ["AB"], "AB, ＡＢ", "AB, AB") == [Answer("AB", 4)]  # now it stands twice
    assert moved([Answer("x", 0)], [""], "x", "") == [Answer("", -1)]
    kept = to_text(answers)
    assert from_text(kept) == answers


def read(**settings):
    aside = []
    found = [
        (d.id.rpartition(":")[2], d.text, d.meta["second"], from_text(d.meta["answer"]))
        for d in documents(
            TextSettings(second_field="context", answer_field="answers", **settings), aside.append
        )
    ]
    return found, [(record["line"], record["reason"]) for record in aside]


def squad_file(path, paragraphs, **more):
    raw = json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}], **more}).encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return str(path)


QUESTIONS = [
    {"id": "1", "question": "which?", "answers": [{"text": "red", "answer_start": 16}]},
    {"id": "2", "question": "who?", "answers": [], "is_impossible": True},
    {"id": "3", "question": "lost?", "answers": [{"text": "cow", "answer_start": 1}]},
    {"id": "4", "question": "unasked?"},
    {"id": "5", "answers": []},
]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_squad_is_recognised_and_each_question_is_a_row(tmp_path, name):
    file = squad_file(tmp_path / name, [{"context": PASSAGE, "qas": QUESTIONS}], version="1.1")
    found, aside = read(read=file, field="question")
    assert found == [
        ("1", "which?", PASSAGE, [Answer("red", 16)]),
        ("2", "who?", PASSAGE, []),
    ]
    assert aside == [
        (3, "answer 'cow' does not stand in the passage"),
        (4, "no answer in field 'answers'"),
        (5, "no field 'question'"),
    ]


def test_squads_passages_are_text_too(tmp_path):
    file = squad_file(tmp_path / "a.json", [{"context": PASSAGE, "qas": QUESTIONS[:2]}])
    stats = TextStats()
    settings = TextSettings(read=file, field="context", heldout_frac=0)
    found = [d.text for _, d in prepare(settings, print, print, stats)]
    assert found == [PASSAGE]
    assert stats.dropped == {"duplicate": 1}
    assert stats.files[0].format == "squad"
    with pytest.raises(DataError, match="the row has 'context', 'title', 'id', 'question', 'ans"):
        list(documents(TextSettings(read=file), print))


@pytest.mark.parametrize(
    ("raw", "reasons"),
    [
        ('{"data": [{"paragraphs": [', [(1, "not JSON")]),
        ("[1]", [(0, "no list of 'data' behind question 0")]),
        ('{"data": {}}', [(0, "no list of 'data' behind question 0")]),
        ('{"data": [1, {}]}', [(0, "1 of 'data' are no"), (0, "no list of 'paragraphs'")]),
        ('{"data": [{"paragraphs": [{"context": "c", "qas": 1}]}]}', [(0, "no list of 'qas'")]),
        ("[" * 100_000, [(0, "not JSON (nested too deeply)")]),
    ],
)
def test_broken_squad_files_are_set_aside(tmp_path, raw, reasons):
    bad = tmp_path / "bad.json"
    bad.write_text(raw)
    good = squad_file(tmp_path / "good.json", [{"context": PASSAGE, "qas": QUESTIONS[:1]}])
    found, aside = read(read=[str(bad), good], field="question", format="squad")
    assert len(found) == 1
    assert len(aside) == len(reasons)
    for (line, reason), (expected_line, expected) in zip(aside, reasons, strict=True):
        assert line == expected_line
        assert reason.startswith(expected)


def test_half_characters_in_a_question_or_beside_it_are_set_aside(tmp_path):
    rows = [
        {"id": "1", "question": "\ud83d?", "answers": []},
        {"id": "2", "question": "?", "answers": [{"text": "\ud83d", "answer_start": 0}]},
        {"id": "3", "question": "fine?", "answers": []},
    ]
    file = squad_file(tmp_path / "a.json", [{"context": PASSAGE, "qas": rows}])
    found, aside = read(read=file, field="question")
    assert [text for _, text, _, _ in found] == ["fine?"]
    assert aside == [(1, "half of a surrogate pair in the text")] + [
        (2, "half of a surrogate pair in the text")
    ]


def test_a_file_of_json_lines_is_no_squad(tmp_path):
    assert is_squad('{"version": "v2.0",\n "data": [ {"title": "a", "paragraphs": []}]}')
    assert not is_squad('{"data": [{"x": 1}], "text": "a"}')
    assert not is_squad('{"text": "a", "data": [{"paragraphs": 1}]}')


def test_answers_are_read_from_lines_tables_and_parquet(tmp_path):
    rows = [
        {"q": "which?", "context": PASSAGE, "answers": {"text": ["red"], "answer_start": [16]}},
        {"q": "none?", "context": PASSAGE, "answers": {"text": [], "answer_start": []}},
    ]
    expected = [("which?", [Answer("red", 16)]), ("none?", [])]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        found, aside = read(read=str(tmp_path / name), field="q")
        assert [(text, answers) for _, text, _, answers in found] == expected
        assert not aside
    (tmp_path / "a.csv").write_text(f"q,context,answers\nwhich?,{PASSAGE},dog\nnone?,{PASSAGE},\n")
    found, aside = read(read=str(tmp_path / "a.csv"), field="q")
    assert [answers for *_, answers in found] == [[Answer("dog", 20)], []]
    (tmp_path / "b.csv").write_text(f"q,context,answers\nwhich?,{PASSAGE},cow\nwho?,,cow\n")
    found, aside = read(read=[str(tmp_path / "a.csv"), str(tmp_path / "b.csv")], field="q")
    assert aside == [
        (2, "answer 'cow' does not stand in the passage"),
        (3, "no second text in field 'context'"),
    ]


def test_cleaning_keeps_answers_in_place_and_drops_a_question_whose_answer_it_takes(tmp_path):
    rows = [
        {"q": "which?", "context": "x  \nred \u200bcat ", "answers": "cat"},
        {"q": "what?", "context": "a \u200b b", "answers": "\u200b"},
        {"q": "which?", "context": "another red cat", "answers": "cat"},
        {"q": "which?", "context": "another red cat", "answers": "red"},
    ]
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    dropped = []
    settings = TextSettings(
        read=str(file), field="q", second_field="context", answer_field="answers", heldout_frac=0
    )
    found = [d for _, d in prepare(settings, dropped.append, print)]
    assert [d.meta["second"] for d in found] == ["x\nred cat", "another red cat"]
    for document in found:
        (answer,) = from_text(document.meta["answer"])
        assert document.meta["second"][answer.start :].startswith(answer.text)
    assert [row["reason"] for row in dropped] == [LOST, "duplicate"]


def test_all_questions_on_a_passage_fall_to_one_split(tmp_path):
    rows = [
        {"q": f"question {i}?", "context": f"passage {i % 40} here", "answers": "here"}
        for i in range(200)
    ]
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    settings = TextSettings(
        read=str(file), field="q", second_field="context", answer_field="answers", heldout_frac=0.3
    )
    splits = {}
    for split, document in prepare(settings, print, print):
        splits.setdefault(document.meta["second"], set()).add(split)
    assert len(splits) == 40
    assert all(len(each) == 1 for each in splits.values())
    assert {*map(min, splits.values())} == {"train", "heldout"}


def test_a_column_that_a_table_has_not_is_named_by_its_key(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("q,context,answer\nwho?,a b,b\n")
    with pytest.raises(DataError, match="-- set text.answer_field=answer, or text.answer_field=1"):
        read(read=str(file), field="q")
    file.write_text("q,text,answers\nwho?,a b,b\n")
    with pytest.raises(DataError, match="-- set text.second_field=text, or text.second_field=1"):
        read(read=str(file), field="q")
