"""The page about corpora is run, not believed; its two languages say the same."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from lingloom.cli import main
from lingloom.text.corpus.opened import Corpus

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = (ROOT / "docs" / name for name in ("corpus.md", "corpus.zh.md"))
TEXTS = {
    "story.txt": "\n".join(f"line {i} of a small text about {i % 7} cats" for i in range(300)),
    "故事.txt": "\n".join(f"从前有座山，山里有座庙，第 {i} 个和尚在讲故事。" for i in range(300)),
}
SMALLER = {
    "clean": ["filters=[]", "dedup.near=false", "dedup.audit=false", "memory=1GB", "workers=1"],
    "train": [
        *("tokens.vocab=270", "model.layers=1", "model.heads=2", "model.kv_heads=1"),
        *("model.width=32", "model.context=32", "train.steps=3"),
        *("train.batch=2", "train.eval_every=0"),
    ],
}
"""What lets so small a text through, and makes the model small enough for a test."""


def commands(page: Path) -> list[list[str]]:
    fences = re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [shlex.split(line, comments=True) for block in fences for line in block.splitlines()]


def test_both_languages_have_the_same_commands_sections_and_rows():
    english, chinese = (page.read_text("utf-8") for page in (ENGLISH, CHINESE))
    assert commands(ENGLISH) == commands(CHINESE)
    for mark in ("\n## ", "\n|", "\n* ", "\n    lingloom ", "]("):
        assert english.count(mark) == chinese.count(mark), mark
    numbers = [re.findall(r"\d[\d,.]*\d", page.split("\n## ")[-1]) for page in (english, chinese)]
    assert sorted(numbers[0]) == sorted(numbers[1])


def test_the_five_commands_lead_from_raw_files_to_a_model_that_answers(tmp_path, monkeypatch):
    pytest.importorskip("opencc")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "recipes", "recipes")
    Path("raw").mkdir()
    for name, text in TEXTS.items():
        Path("raw", name).write_text(text, "utf-8")
    shown = commands(ENGLISH)
    assert [words[1] for words in shown] == ["look", "clean", "show", "train", "ask"]
    for words in shown:
        assert main([*words[1:], *SMALLER.get(words[1], [])]) == 0, " ".join(words)
    assert set(Corpus("corpora/mine").manifest["sources"]) == {"raw/story.txt", "raw/故事.txt"}
    assert Path("corpora/mine/report.html").is_file()
    assert Path("runs/mine/report.html").is_file()


@pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=["English", "Chinese"])
def test_every_file_that_the_page_links_to_is_there(page):
    for link in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / link).is_file(), link
