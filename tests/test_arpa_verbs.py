"""An ARPA file, and a model in a folder without a run, are asked and measured like a run."""

import json
import math
from pathlib import Path

import pytest

import lingloom
from lingloom.cli import main
from lingloom.errors import DataError
from lingloom.models.bert import BertSettings
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.port import save_model
from lingloom.tokens.bytelevel import BytesSettings

TRAIN = ["a b a b c", "b c a a b", "c c a b", "a a a b c b", "从前 有 a b", "从前 有 座 山 a c"]
TEST = ["a b c zzz", "从前 有 b c a", "c a zzz a b"]
TWO_WORDS = r"""\data\
ngram 1=4
ngram 2=2

\1-grams:
-99	<s>	-0.1
-0.5	</s>
-0.3	a	-0.2
-0.6	b	0

\2-grams:
-0.25	<s> a
-0.125	a b

\end\
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run of counted words, and the ARPA file that was exported from it."""
    folder: Path = tmp_path_factory.mktemp("arpa")
    (folder / "train.txt").write_text("\n".join(TRAIN) + "\n", "utf-8")
    (folder / "test.txt").write_text("\n".join(TEST) + "\n", "utf-8")
    (folder / "words.yaml").write_text(
        f"text: {{read: {folder}/train.txt, heldout: {folder}/test.txt, unit: line}}\n"
        "tokens: {kind: words, segment: none}\n"
        "model: {kind: ngram, order: 3}\n"
        f"out: {folder}/run\n"
    )
    lingloom.run(folder / "words.yaml")
    assert main(["export", f"{folder}/run", f"{folder}/m.arpa.gz"]) == 0
    (folder / "closed.arpa").write_text(TWO_WORDS)
    return folder


@pytest.fixture
def measured(folder, capsys):
    """The scores that `lingloom measure MODEL` prints, by name."""

    def of(model: str, *words: str) -> dict[str, float]:
        capsys.readouterr()
        assert main(["measure", f"{folder}/{model}", *words, "--json"]) == 0
        return {s["name"]: s["value"] for s in json.loads(capsys.readouterr().out)["scores"]}

    return of


def in_folder(model, folder: Path) -> Path:
    """`model` with a tokenizer of bytes, in a Hugging Face folder."""
    BytesSettings().train([]).save(folder)
    save_model(model, folder, folder)
    return folder


def test_an_arpa_file_scores_as_the_run_it_is_from(folder, measured):
    words = (f"text.read={folder}/test.txt", "text.unit=line")
    run, file = measured("run", *words), measured("m.arpa.gz", *words)
    assert set(file) == {"bits per byte", "nats per token", "perplexity per word"}
    assert file == pytest.approx(run, rel=1e-6)
    assert measured("run") == pytest.approx(run, rel=1e-6)


def test_an_arpa_file_goes_on_as_the_run_it_is_from(folder, capsys):
    words = ("从前 有", "decode.temperature=0", "decode.max_new_tokens=6")
    for model in ("run", "m.arpa.gz"):
        assert main(["ask", f"{folder}/{model}", *words]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second and first


def test_a_file_of_others_is_scored_as_worked_out_by_hand(folder, measured):
    (folder / "known.txt").write_text("a b\nb a\n")
    found = measured("closed.arpa", f"text.read={folder}/known.txt", "text.unit=line")
    log10_p = (-0.25 - 0.125 + 0 - 0.5) + (-0.1 - 0.6 + 0 - 0.3 - 0.2 - 0.5)
    assert found["nats per token"] == pytest.approx(-log10_p * math.log(10) / 6, rel=1e-6)
    assert found["perplexity per word"] == pytest.approx(10 ** (-log10_p / 6), rel=1e-6)


def test_a_closed_vocabulary_refuses_to_score_other_words(folder):
    model = lingloom.load(folder / "closed.arpa")
    assert set(model.generate("zzz a", max_new_tokens=50).split()) <= {"a", "b"}
    with pytest.raises(DataError) as caught:
        model.measure(["a b", "a zzz yyy b", "b q"])
    assert str(caught.value) == (
        "text 1: 2 of its words are unknown to the model, which gives such words no probability "
        "(2 of 3 documents here are like that) -- leave them out, or make the model again with "
        "<unk> among its words"
    )


def test_an_arpa_file_is_exported_like_any_model(folder, measured):
    words = (f"text.read={folder}/test.txt", "text.unit=line")
    for name in ("again.arpa", "exported"):
        lingloom.load(folder / "m.arpa.gz").export(folder / name)
        assert measured(name, *words) == pytest.approx(measured("run", *words), rel=1e-6)
    lingloom.load(folder / "closed.arpa").export(folder / "closed")
    with pytest.raises(DataError, match="1 of its words are unknown"):
        lingloom.load(folder / "closed").measure(["zzz"])


def test_a_hugging_face_folder_is_measured_on_named_text(folder, measured):
    settings = GPT2Settings(vocab=257, width=8, heads=2, layers=1, context=16)
    path = in_folder(settings.build(), folder / "gpt2")
    found = measured("gpt2", f"text.read={folder}/test.txt", "text.unit=line", "measure.batch=2")
    expected = {score.name: score.value for score in lingloom.load(path).measure(TEST)}
    assert found == pytest.approx(expected, rel=1e-5)
    assert sorted(p.name for p in path.iterdir()) == [
        *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json"),
        *("tokenizer_config.json", "tokens.json"),
    ], "measuring writes nothing into the folder"


@pytest.mark.parametrize("model", ["m.arpa.gz", "run/model"])
def test_without_a_run_text_must_be_named(folder, model, capsys):
    assert main(["measure", f"{folder}/{model}"]) == 2
    assert capsys.readouterr().err == (
        f"error: {folder}/{model}: is a model without a run, and has no held-out text; "
        "name some with text.read=FILE\n"
    )


def test_a_model_that_does_not_go_on_needs_its_run(folder, capsys):
    settings = BertSettings(vocab=257, width=8, heads=2, layers=1, context=16)
    path = in_folder(settings.build(), folder / "bert")
    assert main(["measure", str(path), f"text.read={folder}/test.txt"]) == 2
    assert "is measured on the held-out part of its run; give the run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.arpa.gz", None, "no such file -- give an ARPA file"),
        ("empty.arpa", "", "is empty -- copy it"),
        ("cut.arpa", TWO_WORDS[:70], "the header promises"),
        ("nine.arpa", "\\data\\\n" + "".join(f"ngram {n}=1\n" for n in range(1, 10)), ":10: order"),
    ],
)
def test_a_bad_file_is_refused_by_its_name(tmp_path, capsys, name, content, says):
    if content is not None:
        (tmp_path / name).write_text(content)
    for words in (
        ["ask", f"{tmp_path}/{name}", "a"],
        ["measure", f"{tmp_path}/{name}", "text.read=-"],
    ):
        assert main(words) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"error: {tmp_path}/{name}") and says in told


def test_help_says_what_the_verbs_take(capsys):
    for verb in ("ask", "measure", "nearest", "export"):
        assert main([verb, "--help"]) == 0
        told = capsys.readouterr().out
        assert told.startswith(f"usage: lingloom {verb} MODEL ") and "m.arpa.gz" in told
