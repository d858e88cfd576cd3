"""Words where they stand: found by hand, their vectors those of the layer, and near ones first."""

import json

import pytest
import torch

import lingloom
from lingloom.cli import main
from lingloom.errors import DataError, RecipeError, ShapeError
from lingloom.models.bert import BertSettings
from lingloom.models.glove import GloVeSettings
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.textcnn import TextCNNSettings
from lingloom.models.transformer import TransformerSettings
from lingloom.models.word2vec import Word2VecSettings
from lingloom.tasks.embed import embed
from lingloom.tasks.in_context import embed_words, nearest_in_context, places_of
from lingloom.tokens.batch import IGNORE, Batch, Passages
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.words import WordsSettings

BYTES = BytesSettings().train([])
SMALL = {"vocab": BYTES.vocab, "context": 40, "layers": 1, "heads": 2, "width": 8}


def built(settings):
    torch.manual_seed(0)
    model = settings.build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter) / 4
    return model


GPT = built(GPT2Settings(**SMALL))
BERT = built(BertSettings(**SMALL))


@pytest.mark.parametrize(
    "word, text, spans",
    [
        ("bank", "bank, banks; a Bank", [(0, 4), (15, 19)]),
        ("银行", "中国银行业，银行", [(2, 4), (6, 8)]),
        ("C++", "C++ or c++17", [(0, 3), (7, 10)]),
        ("the bank", "on the bank", [(3, 11)]),
        (" bank ", "a bank", [(2, 6)]),
        ("é", "café é", [(5, 6)]),
        ("은행", "은행 은행에", [(0, 2)]),
        ("thế", "thếm thế", [(5, 8)]),
        ("ქარი", "ქარიშხალი ქარი", [(10, 14)]),
        ("ἀ", "ἀρχὴ ἀ", [(5, 6)]),
        ("ሰላ", "ሰላም ሰላ", [(4, 6)]),
        ("คน", "คนไทย", [(0, 2)]),
        ("ねこ", "こねこ", [(1, 3)]),
        ("𠀀", "中𠀀国", [(1, 2)]),
        ("", "a", []),
    ],
)
def test_a_word_is_found_where_no_letter_stands_beside_it(word, text, spans):
    assert places_of(word, text) == spans


@torch.no_grad()
def test_a_words_vector_is_the_mean_of_the_last_layer_over_its_tokens():
    text = "ä the bank"  # 11 bytes: b a n k are the last four tokens
    ids = [BYTES.end, *text.encode()]
    rows = torch.tensor([ids])
    expected = GPT.hidden(Batch(rows, torch.full_like(rows, IGNORE)))[0, 8:12].mean(0)
    found = embed_words(GPT, BYTES, [text, "bank " + text], ["bank", "bank"])
    torch.testing.assert_close(found[0], expected / expected.norm())
    assert not torch.allclose(found[0], found[1])
    rows = torch.tensor([[*ids, BYTES.end]])  # an encoder reads it between two signs
    expected = BERT.hidden(Passages(rows, rows >= 0))[0, 8:12].mean(0)
    (found,) = embed_words(BERT, BYTES, [text], ["bank"])
    torch.testing.assert_close(found, expected / expected.norm())


def test_only_an_encoder_sees_what_stands_behind_a_word():
    for model, equal in ((GPT, True), (BERT, False)):
        a, b = embed_words(model, BYTES, ["my bank lends", "my bank burst"], ["bank", "bank"])
        assert torch.allclose(a, b, atol=1e-6) == equal


def test_the_same_surroundings_come_first_and_long_texts_are_read_in_part():
    texts = [("a", "no such word"), ("b", "x" * 90 + " an old bank " + "y" * 90), ("c", "my bank")]
    found = nearest_in_context(BERT, BYTES, "my bank", "bank", texts)
    assert [(place.document, place.start) for place in found] == [("c", 3), ("b", 98)]
    assert found[0].similarity == pytest.approx(1, abs=1e-6) and found[1].similarity < 1
    assert (found[0].before, found[0].word, found[0].after) == ("my ", "bank", "")
    assert found[1].before.endswith("x an old ") and len(found[1].before) == 40
    assert len(nearest_in_context(BERT, BYTES, "my bank", "bank", texts, count=1)) == 1
    (other,) = nearest_in_context(BERT, BYTES, "my bank", "bank", texts, other="old")
    assert (other.word, other.start) == ("old", 94)


def test_a_place_at_either_end_of_a_long_text_is_read_whole():
    for text, start in (("bank " + "x" * 200, 0), ("x" * 200 + " bank", 201)):
        (place,) = nearest_in_context(GPT, BYTES, "bank", "bank", [("t", text)])
        assert place.start == start and torch.isfinite(torch.tensor(place.similarity))


@pytest.mark.parametrize(
    "settings, says",
    [
        (Word2VecSettings(vocab=9), "word2vec model has one vector for each word, wherever"),
        (GloVeSettings(vocab=9), "glove model has one vector for each word"),
        (TransformerSettings(vocab=9), "transformer model makes no vector of a text"),
        (
            TextCNNSettings(vocab=257, labels=2),
            "textcnn model makes one vector of a text, and none",
        ),
    ],
)
def test_models_without_a_vector_for_each_place_are_refused(settings, says):
    with pytest.raises(RecipeError, match=says):
        embed_words(settings.build(), BYTES, ["a bank"], ["bank"])


def test_questions_that_cannot_be_answered_are_named():
    with pytest.raises(DataError, match="'bank' does not stand in the text 'banks'; write it"):
        embed_words(GPT, BYTES, ["banks"], ["bank"])
    with pytest.raises(DataError, match="1 texts and 2 words; give one word for each"):
        embed_words(GPT, BYTES, ["a"], ["a", "b"])
    with pytest.raises(ShapeError, match="44 tokens do not fit model.context 40, of which 39"):
        embed_words(GPT, BYTES, ["x" * 39 + " bank"], ["bank"])
    with pytest.raises(DataError, match=r"'bank' stands nowhere .*; search others with text.read"):
        nearest_in_context(GPT, BYTES, "a bank", "bank", [("t", "none")])
    with pytest.raises(RecipeError, match="makes no vector of a text"):
        embed(GloVeSettings(vocab=9).build(), BYTES, ["a"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("context")
    lines = [f"the river bank is {i} wide\nthe bank lends {i} more" for i in range(60)]
    (found / "text.txt").write_text("\n".join(lines), "utf-8")
    (found / "other.txt").write_text("a muddy bank\n\n银行 lends", "utf-8")
    (found / "r.yaml").write_text(
        f"text: {{read: {found}/text.txt, unit: line, heldout_frac: 0.2, dedup: false}}\n"
        "tokens: {kind: words, segment: none}\n"
        "model: {kind: bert, layers: 1, heads: 2, width: 8, context: 16}\n"
        "train: {steps: 2, batch: 2, eval_every: 0}\n"
    )
    lingloom.run(found / "r.yaml", f"out={found / 'run'}")
    return found


def test_the_command_line_searches_what_was_held_out_or_a_file(folder, capsys):
    run = str(folder / "run")
    assert main(["nearest", run, "the river bank is wide", "word=bank", "count=3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["word"] == "bank" and len(told["nearest"]) == 3
    assert {place["word"] for place in told["nearest"]} == {"bank"}
    assert {place["start"] for place in told["nearest"]} == {None}  # the text is the tokens'
    assert main(["nearest", run, "the river bank is wide", "word=bank"]) == 0
    assert ", character" not in capsys.readouterr().out
    read = f"text.read={folder / 'other.txt'}"
    assert main(["nearest", run, "the", "bank lends", "word=bank", read]) == 0
    assert "a muddy [bank]  (" in capsys.readouterr().out
    assert main(["nearest", run, "the bank lends", "word=bank", "other=银行", read]) == 0
    assert "[银行] lends" in capsys.readouterr().out
    bad = folder / "bad.jsonl"
    bad.write_text('{"text": "my bank"}\nno json\n', "utf-8")
    assert main(["nearest", run, "a bank", "word=bank", f"text.read={bad}"]) == 0
    told = capsys.readouterr()
    assert f"my [bank]  ({bad}:1, character 3)" in told.out
    assert "1 lines, rows or files of text.read cannot be read and were not searched" in told.err
    assert main(["nearest", run, "bank", "word=", "other=x"]) == 2
    assert "word (command line): is empty; name a word of the text" in capsys.readouterr().err
    assert main(["nearest", run, "the bank", "word=shore"]) == 1
    assert "'shore' does not stand in the text 'the bank'" in capsys.readouterr().err
    assert main(["nearest", run, "bank", read]) == 2
    assert "has no effect without word=..." in capsys.readouterr().err
    assert main(["nearest", f"{run}/model", "the bank", "word=bank"]) == 2
    assert "has no held-out text; name some with text.read=FILE" in capsys.readouterr().err


def test_words_split_by_a_tokenizer_of_words_are_found_by_their_letters():
    tokenizer = WordsSettings(segment="none").train(["the bank lends", "a river"])
    model = built(BertSettings(**SMALL | {"vocab": tokenizer.vocab}))
    (found,) = nearest_in_context(
        model, tokenizer, "the bank", "bank", [("t", "a  river ,\n the bank lends")]
    )
    assert (found.before, found.after) == ("a  river ,  the ", " lends")


def test_a_word_that_is_left_out_is_not_said_to_be_missing():
    words = WordsSettings(segment="none", stop_words={"lists": ["english"]})
    tokenizer = words.train(["the cat of Rome"])
    model = built(BertSettings(**SMALL | {"vocab": tokenizer.vocab}))
    with pytest.raises(DataError, match="'the': the tokenizer leaves it out"):
        embed_words(model, tokenizer, ["the cat of Rome"], ["the"])
    asked = (model, tokenizer, "the cat of Rome", "cat", [("t", "of Rome")])
    with pytest.raises(DataError, match="'of': the tokenizer leaves it out"):
        nearest_in_context(*asked, other="of")
    with pytest.raises(DataError, match="'ox' stands nowhere"):
        nearest_in_context(*asked, other="ox")
