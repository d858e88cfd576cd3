"""A corpus made from URLs, in processes of their own, is the corpus made from paths."""

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lingloom.cli import main

RECIPE = """
text: {read: data}
filters: [{kind: short, min_chars: 50}]
split: {validation_frac: 0.1, test_frac: 0.1}
decontaminate: {read: eval.txt}
workers: 2
"""


def text(i: int) -> str:
    digest = hashlib.blake2b(str(i).encode(), digest_size=40).digest()
    return " ".join(f"word{byte}" for byte in digest)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """Raw files with duplicates, broken lines and an evaluation set, and a recipe."""
    texts = [text(i) for i in range(60)] + [text(i) + " the end" for i in range(9)] + [text(9)] * 2
    (tmp_path / "data/sub").mkdir(parents=True)
    for name, some in (("b.jsonl", texts[::2]), ("sub/a.jsonl", texts[1::2])):
        rows = "".join(json.dumps({"text": t}) + "\n" for t in some)
        (tmp_path / "data" / name).write_text(rows + "{broken\n", "utf-8")
    (tmp_path / "eval.txt").write_text(text(41) + "\n", "utf-8")
    (tmp_path / "r.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(out: str, *words: str) -> Path:
    assert main(["clean", "r.yaml", f"out={out}", *words]) == 0
    return Path(out)


def by_url(scheme: str, folder: Path) -> list[str]:
    root = f"{scheme}://{folder}"
    return [f"text.read={root}/data", f"decontaminate.read={root}/eval.txt"]


def files(corpus: Path) -> dict[str, bytes]:
    """What holds documents, kept or not."""
    return {
        str(path.relative_to(corpus)): path.read_bytes()
        for path in [*corpus.rglob("*.parquet"), corpus / "set_aside.jsonl"]
    }


def documents(corpus: Path) -> dict[str, list[str]]:
    """Folder -> its texts, sorted: the order follows from ids, and they from names."""
    found: dict[str, list[str]] = {}
    for path in corpus.rglob("*.parquet"):
        found.setdefault(path.parent.name, []).extend(pq.read_table(path)["text"].to_pylist())
    return {name: sorted(texts) for name, texts in found.items()}


def test_a_file_url_gives_the_bytes_of_its_path(here):
    paths = [f"text.read={here}/data", f"decontaminate.read={here}/eval.txt"]
    whole = made("one", *paths)
    found = files(whole)
    assert len(found) > 3 and documents(whole)["dropped"]
    assert files(made("two", *by_url("file", here))) == found


def test_urls_give_what_paths_give_but_for_the_names(here):
    near, far = made("near"), made("far", *by_url("local", here))
    assert documents(far) == documents(near) and len(documents(near)) == 4
    of_near, of_far = (json.loads((c / "manifest.json").read_text()) for c in (near, far))
    same = ("documents", "set_aside", "duplicates", "stages", "kept", "languages", "lengths")
    assert {name: of_far[name] for name in same} == {name: of_near[name] for name in same}
    root = f"local://{here}"
    assert list(of_far["sources"]) == [f"{root}/data/b.jsonl", f"{root}/data/sub/a.jsonl"]
    assert [s["documents"] for s in of_far["sources"].values()] == [
        s["documents"] for s in of_near["sources"].values()
    ]
    assert of_far["benchmarks"].pop(f"{root}/eval.txt") == of_near["benchmarks"].pop("eval.txt")
    aside = (far / "set_aside.jsonl").read_text().replace(f"{root}/", "")
    assert aside == (near / "set_aside.jsonl").read_text()


def test_a_corpus_from_urls_is_made_again_only_when_a_file_changes(here, capsys):
    words = by_url("local", here)
    made("c", *words)
    capsys.readouterr()
    made("c", *words)
    assert "c is finished: nothing to do" in capsys.readouterr().err
    with (here / "data/sub/a.jsonl").open("a") as file:
        file.write(json.dumps({"text": text(900)}) + "\n")
    made("c", *words)
    assert "nothing to do" not in capsys.readouterr().err
    assert text(900) in sum(documents(Path("c")).values(), [])


def test_a_corpus_is_read_by_its_file_url(here, capsys):
    made("c")
    (here / "t.yaml").write_text(
        "{text: {read: x}, tokens: {kind: bytes}, model: {kind: ngram, context: 16}, out: r}"
    )
    assert main(["train", "t.yaml", f"text.read=file://{here}/c"]) == 0
    capsys.readouterr()
    assert main(["train", "t.yaml", f"text.read=local://{here}/c", "out=q"]) == 2
    assert "is a cleaned corpus, and holds also what was dropped" in capsys.readouterr().err
