"""Fit and score an n-gram on real text: seconds, memory, perplexity; KenLM's lmplz beside it.

    python benchmarks/ngram.py                                  the Python documentation, by words
    python benchmarks/ngram.py TEXT... --lmplz build/bin/lmplz  the same text for both, in turns

Each non-empty line is a document; every tenth is held out. Words are what blanks separate, Chinese
characters one by one. The vocabulary is the training text's and one word for the rest, as in lmplz.
"""

import argparse
import os
import pydoc_data.topics
import re
import resource
import statistics
import subprocess
import tempfile
import time
from itertools import chain
from pathlib import Path

import numpy as np

from lingloom.models.arpa_reading import read_arpa
from lingloom.models.ngram import NGram, NGramSettings

WORD = re.compile(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+")


def lines(paths: list[Path]) -> list[list[str]]:
    """The words of each non-empty line."""
    if paths:
        texts = (p.read_text("utf-8", errors="replace") for p in paths)
    else:
        texts = iter(pydoc_data.topics.topics.values())
    split = (WORD.findall(line) for text in texts for line in text.split("\n"))
    # lmplz refuses its own symbols inside a text.
    return [[w for w in words if w not in ("<s>", "</s>", "<unk>")] for words in split if words]


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def time_ours(train: list[np.ndarray], settings: NGramSettings) -> tuple[NGram, float]:
    start = time.perf_counter()
    model = settings.build()
    model.fit(train)
    return model, time.perf_counter() - start


def time_lmplz(lmplz: Path, text: Path, arpa: Path, order: int) -> float:
    start = time.perf_counter()
    command = [
        lmplz,
        "-o",
        str(order),
        "--text",
        text,
        "--arpa",
        arpa,
        "--discount_fallback",
        "-S",
        "2G",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("text", nargs="*", type=Path, help="UTF-8 text files")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lmplz", type=Path, help="KenLM's estimator, run in turns with ours")
    parser.add_argument("--compare", action="store_true", help="score lmplz's model here too")
    args = parser.parse_args()

    every = lines(args.text)
    train, test = [d for i, d in enumerate(every) if i % 10], every[::10]
    vocabulary = {w: i for i, w in enumerate(dict.fromkeys(chain.from_iterable(train)))}
    rest, end = len(vocabulary), len(vocabulary) + 1
    settings = NGramSettings(order=args.order, vocab=end + 1, end=end)
    ids = [np.array([vocabulary.get(w, rest) for w in d], dtype=np.uint32) for d in train]
    heldout = np.array([i for d in test for i in [*(vocabulary.get(w, rest) for w in d), end]])
    tokens, text_bytes = sum(map(len, ids)), sum(len(w.encode()) + 1 for d in every for w in d)
    print(
        f"{text_bytes / 1e6:.1f} MB, {tokens:,} training tokens in {len(train):,} documents, "
        f"{len(heldout):,} held out, vocabulary {end + 1:,}, order {args.order}"
    )

    with tempfile.TemporaryDirectory() as folder:
        text, arpa = Path(folder, "train.txt"), Path(folder, "model.arpa")
        if args.lmplz:
            text.write_text("".join(" ".join(d) + "\n" for d in train), "utf-8")
        every.clear(), train.clear()
        before_mb = peak_mb()
        ours, theirs = [], []
        for _ in range(args.rounds):
            model, seconds = time_ours(ids, settings)
            ours.append(seconds)
            if args.lmplz:
                theirs.append(time_lmplz(args.lmplz, text, arpa, args.order))
        after_mb = peak_mb()
        start = time.perf_counter()
        nats = -model.score(heldout).mean()
        scoring_s = time.perf_counter() - start
        print(
            f"lingloom  fit {statistics.median(ours):.2f} s (median of {args.rounds}), "
            f"peak {after_mb:.0f} MB of which {before_mb:.0f} MB before fitting"
        )
        print(f"          n-grams {model.sizes()}")
        print(
            f"          score {len(heldout) / scoring_s / 1e6:.2f} M tokens/s, "
            f"perplexity {np.exp(nats):.4f}"
        )
        if args.lmplz:
            ratio = statistics.median(theirs) / statistics.median(ours)
            print(f"lmplz     fit {statistics.median(theirs):.2f} s, {ratio:.2f}x our time")
        if args.compare:
            other, words = read_arpa(arpa)
            place = {w: i for i, w in enumerate(words)}
            to = [place[w] for w in vocabulary] + [place["<unk>"], place["</s>"]]
            nats = -other.score(np.array(to)[heldout]).mean()
            print(f"          perplexity {np.exp(nats):.4f} (its ARPA file, scored here)")
    print(f"numpy {np.__version__}, {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
