"""The page about tasks is run, not believed; its two languages say the same."""

import gzip
import re
import shlex
import shutil
import struct
from pathlib import Path

import pytest

from lingloom.cli import main

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = (ROOT / "docs" / name for name in ("tasks.md", "tasks.zh.md"))
PAGES = pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=["English", "Chinese"])
QUICK = ["train.steps=3", "train.batch=2", "train.eval_every=0", "measure.resamples=20"]
NARROW = ["model.width=16", "model.context=32"]
PAIRS = ["tokens.vocab=262", "measure.decoded=2", "decode.beams=1", "decode.length_penalty=0"]
BERT = [*NARROW, "model.layers=1", "model.heads=2"]
SMALLER = {
    "translate_en_zh": [*QUICK, *BERT, *PAIRS, "train.schedule.warmup=1"],
    "seq2seq_en_zh": [*QUICK, *NARROW, *PAIRS, "text.heldout_frac=0.1"],
    "crf_tags": [*QUICK, "model.width=8", "model.embed_width=8", "train.eval_every=1"],
    "cnn_text": [*QUICK, "model.width=8", "model.filters=4", "train.eval_every=1"],
    "cnn_trec": [*QUICK, "model.width=8", "model.filters=4"],
    "bert_mlm": [*QUICK, *BERT, "tokens.vocab=60", "text.heldout_frac=0.1"],
    "bert_classify": [*QUICK, *BERT, "text.dedup=false"],
    "t5_spans": [*QUICK, *BERT, "tokens.vocab=270", "text.heldout_frac=0.2"],
    "mnist_mlp": [*QUICK, "model.width=8"],
}
"""What makes each recipe small enough for a test; all else stays as the page says."""


def commands(page: Path) -> list[list[str]]:
    fences = re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [shlex.split(line, comments=True) for block in fences for line in block.splitlines()]


def small(words: list[str]) -> list[str]:
    """A command to train, with little to do; what it sets itself stays, where that is smaller."""
    changed = SMALLER[Path(words[2]).stem]
    if any(word.startswith("tokens=") for word in words):
        changed = [*changed, "tokens.vocab=262"]
    return [*words[1:], *changed]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with a little text of each form that the page speaks of."""
    plain = {
        f"data/{n}.txt": "\n".join(
            f"line {i} of text {n} about {i % 7} cats. 第 {i} 行写猫。" for i in range(8)
        )
        for n in range(40)
    }
    labelled = "\n".join(
        f"{'ham' if i % 3 else 'spam'}\tmessage {i} of {i % 7} cats" for i in range(90)
    )
    chinese = "小0\tB-PER\n明1\tI-PER\n看0\tO\n{}0\tO\n"
    english = "Ann\tB-PER\nsees\tO\n{}\tO\n"
    files = {
        "pairs.tsv": "\n".join(f"line {i} of cats\t第 {i} 行写猫" for i in range(400)),
        "train.conll": "\n".join(map(chinese.format, "猫狗鸟鱼山水")),
        "dev.conll": "\n".join(map(chinese.format, "花草木竹松梅")),
        "english.conll": "\n".join(english.format(f"cat{i}") for i in range(60)),
        "english.dev.conll": "\n".join(english.format(f"dog{i}") for i in range(6)),
        "mails.tsv": labelled,
        "more.tsv": labelled.replace("message", "mail"),
        "questions.tsv": labelled,
        "questions.test.tsv": labelled.replace("message", "letter"),
        "pos.txt": "\n".join(f"good thing {i}" for i in range(40)),
        "neg.txt": "\n".join(f"bad thing {i}" for i in range(40)),
        **plain,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    pixels = (bytes(range(256)) * 184)[: 60 * 28 * 28]
    for name, magic, shape, values in (
        ("t10k-images-idx3", 0x803, (60, 28, 28), pixels),
        ("t10k-labels-idx1", 0x801, (60,), bytes(i % 10 for i in range(60))),
    ):
        head = struct.pack(f">{1 + len(shape)}i", magic, *shape)
        (tmp_path / f"{name}-ubyte.gz").write_bytes(gzip.compress(head + values))
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_both_languages_have_the_same_commands_sections_and_keys():
    english, chinese = (page.read_text("utf-8") for page in (ENGLISH, CHINESE))
    assert commands(ENGLISH) == commands(CHINESE)
    for mark in ("\n## ", "\n* ", "]("):
        assert english.count(mark) == chinese.count(mark), mark
    for part in (r"`((?:model|train|text|tokens|decode)\.\w+[^`]*)`", r"\d[\d,.]*\d"):
        both = (sorted(re.findall(part, page)) for page in (english, chinese))
        assert len({str(found) for found in both}) == 1, part


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_every_command_of_the_page_runs_in_its_order(here, capsys):
    shown = commands(ENGLISH)
    assert {words[1] for words in shown} == {"train", "ask", "show"}
    for words in shown:
        arguments = small(words) if words[1] == "train" else words[1:]
        assert main(arguments) == 0, " ".join(words)
        printed = capsys.readouterr()
        assert words[1] == "train" or printed.out or printed.err, " ".join(words)
    trained = [p.parent.name for p in here.glob("runs/*/report.html")]
    assert len(trained) == sum(words[1] == "train" for words in shown)
    report = Path("runs/chosen/report.html").read_text("utf-8")
    assert "chosen by other texts" in report


@PAGES
def test_every_recipe_of_a_task_is_on_the_page(page):
    assert {Path(words[2]).stem for words in commands(page) if words[1] == "train"} == set(SMALLER)


@PAGES
def test_every_file_that_the_page_links_to_is_there(page):
    for link in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / link).is_file(), link
