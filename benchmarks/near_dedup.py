"""Near-duplicate removal end to end: ours beside datatrove, rensa and Daft, on your own text.

    python benchmarks/near_dedup.py FILES... --peers PYTHON [--turns 3] [--only lingloom rensa]

FILES: .txt (cut into documents of 3000 characters), .jsonl or .parquet with a field `text`.
PYTHON: the interpreter of an environment with `datatrove[processing] rensa daft spacy tokenizers`.
To every fifth document a copy is added, with as many of its words or Chinese characters replaced
as make the Jaccard similarity of their runs of five .5 to .95. All contenders look for .8 with 20
bands of 7 rows, from 8 parquet files to the ids that go, each turn in a process of its own and
start-up included, two workers each; they take turns and medians are printed. Peers, which know no
Chinese words, are given the text with spaces around Chinese characters, made beforehand; they do
not compare what they find, ours does.

Truth: the exact similarity of all pairs at .8 or above (prefix filter, Bayardo et al. 2007,
"Scaling up all pairs similarity search"). Recall: of planted pairs, of which one must go.
Precision: of the removed, how many truly have a near-duplicate.
"""

import argparse
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lingloom.text.minhash import MinHashSettings
from lingloom.text.near import distinct_pairs, verified
from lingloom.text.shingles import shingle_hashes
from lingloom.text.texts import Texts

HERE = Path(__file__).parent
THRESHOLD, FILES, EVERY, CHARACTERS = 0.8, 8, 5, 3000
CHINESE = re.compile("([\u3400-\u9fff])")
TOKEN = re.compile("[\u3400-\u9fff]|[^\\W\u3400-\u9fff]+")


def documents(path: Path) -> list[str]:
    """The texts of one file."""
    if path.suffix == ".parquet":
        return pq.read_table(path, columns=["text"])["text"].to_pylist()
    raw = path.read_text("utf-8", errors="replace")
    if path.suffix == ".jsonl":
        return [json.loads(line)["text"] for line in raw.splitlines()]
    return [raw[i : i + CHARACTERS] for i in range(0, len(raw), CHARACTERS)]


def copy_of(text: str, rng: random.Random, words: list[str]) -> str:
    """`text` with some tokens replaced: each that is far from the others changes five shingles."""
    places = [match.span() for match in TOKEN.finditer(text)]
    similarity = rng.uniform(0.5, 0.95)
    count = round(len(places) * (1 - similarity) / (1 + similarity) / 5)
    pieces, end = [], 0
    for place in sorted(rng.sample(range(len(places)), count)):
        start, stop = places[place]
        pieces += [text[end:start], rng.choice(words)]
        end = stop
    return "".join([*pieces, text[end:]])


def make_corpus(paths: list[Path], folder: Path) -> tuple[list[str], np.ndarray]:
    """(texts by id, planted pairs (P, 2)); writes the parquet files."""
    rng = random.Random(1)
    every = (text for path in paths for text in documents(path))
    texts = [text for text in dict.fromkeys(every) if len(TOKEN.findall(text)) >= 100]
    words = TOKEN.findall("".join(rng.sample(texts, min(200, len(texts)))))
    chinese, other = (
        [w for w in words if bool(CHINESE.match(w)) is is_chinese] or ["x"]
        for is_chinese in (True, False)
    )
    planted = []
    for i in range(0, len(texts), EVERY):
        vocabulary = chinese if is_chinese_text(texts[i]) else other
        planted.append((i, len(texts)))
        texts.append(copy_of(texts[i], rng, vocabulary))
    order = rng.sample(range(len(texts)), len(texts))
    for part in range(FILES):
        ids = order[part::FILES]
        some = [texts[i] for i in ids]
        spaced = [CHINESE.sub(r" \1 ", text) for text in some]
        table = pa.table({"id": pa.array(ids, pa.int64()), "text": some, "spaced": spaced})
        pq.write_table(table, folder / f"{part}.parquet")
    return texts, np.array(planted)


def is_chinese_text(text: str) -> bool:
    return len(CHINESE.findall(text)) > len(text) / 4


def true_pairs(texts: Texts, settings: MinHashSettings) -> np.ndarray:
    """All pairs (M, 2) whose similarity is THRESHOLD or more.

    Such two share one of the 1 + (1 - THRESHOLD) * n rarest of the n shingles of each.
    """
    hashes, offsets = shingle_hashes(texts, settings)
    owners = np.repeat(np.arange(len(texts)), np.diff(offsets))
    _, names, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    order = np.lexsort((names, counts[names], owners))
    owners, names = owners[order], names[order]
    fresh = np.r_[True, (owners[1:] != owners[:-1]) | (names[1:] != names[:-1])]
    owners, names = owners[fresh], names[fresh]
    held = np.bincount(owners, minlength=len(texts))
    rank = np.arange(len(owners)) - np.r_[0, np.cumsum(held)][owners]
    rare = rank <= held[owners] - np.ceil(THRESHOLD * held[owners] - 1e-9)
    owners, names = owners[rare], names[rare]
    order = np.lexsort((owners, names))
    owners, names = owners[order], names[order]
    first, step, found = np.arange(len(names)), 1, [np.empty((0, 2), np.int64)]
    while len(first := first[first + step < len(names)]):
        first = first[names[first] == names[first + step]]
        found.append(distinct_pairs(np.stack([owners[first], owners[first + step]], axis=1)))
        step += 1
    pairs = distinct_pairs(np.concatenate(found))
    return pairs[verified(pairs, {0: texts}, settings) >= THRESHOLD]


def tree_bytes(pid: int) -> int:
    """Memory of a process and all below it, shared pages counted once (Linux: Pss)."""
    total = 0
    with suppress(OSError):  # it may end while we look
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            total += sum(tree_bytes(int(child)) for child in children.read_text().split())
    return total


def turn(python: str, script: str, corpus: Path) -> tuple[float, int, dict]:
    """(seconds, peak bytes, answer) of one run."""
    with tempfile.TemporaryDirectory() as work:
        out, err = (Path(work, name) for name in ("answer.json", "errors.txt"))
        began, peak = time.perf_counter(), 0
        command = [python, HERE / "peers" / script, corpus, work]
        with out.open("wb") as told, err.open("wb") as complained:
            process = subprocess.Popen(command, stdout=told, stderr=complained)
        while process.poll() is None:
            peak = max(peak, tree_bytes(process.pid))
            time.sleep(0.1)
        seconds = time.perf_counter() - began
        if process.returncode:
            sys.exit(f"{script} failed:\n{err.read_text()[-2000:]}")
        return seconds, peak, json.loads(out.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--turns", type=int, default=3)
    contenders = ["lingloom", "rensa", "daft", "datatrove"]
    parser.add_argument("--only", nargs="+", default=contenders, choices=contenders)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        strings, planted = make_corpus(asked.files, folder)
        texts, settings = Texts.of_strings(strings), MinHashSettings()
        planted = planted[verified(planted, {0: texts}, settings) >= THRESHOLD]
        near = set(np.unique(true_pairs(texts, settings)).tolist())
        chinese = np.array([is_chinese_text(strings[i]) for i in planted[:, 0]])
        print(
            f"{len(strings)} documents, {len(texts.data) / 1e6:.0f} MB; planted at {THRESHOLD} or "
            f"above: {(~chinese).sum()} English, {chinese.sum()} Chinese; {len(near)} documents "
            f"have a near-duplicate\n{platform.machine()}, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}",
            flush=True,
        )
        turns = {name: [] for name in asked.only}
        for _ in range(asked.turns):
            for name in asked.only:
                python = sys.executable if name == "lingloom" else asked.peers
                turns[name].append(turn(python, f"{name}_near.py", folder))
    base = statistics.median(t[0] for t in turns[asked.only[0]])
    for name, some in turns.items():
        seconds, peak = (statistics.median(t[k] for t in some) for k in (0, 1))
        gone = some[0][2]["removed"]
        hit = np.isin(planted, gone).any(axis=1)
        precision = np.mean([i in near for i in gone]) if gone else 1.0
        print(
            f"{name:10} {seconds:7.2f} s ({seconds / base:5.1f}x) {peak / 1e6:6.0f} MB  "
            f"recall en {hit[~chinese].mean():.4f} zh {hit[chinese].mean():.4f}  "
            f"precision {precision:.4f}  removed {len(gone)}  [{some[0][2]['versions']}]"
        )


if __name__ == "__main__":
    main()
