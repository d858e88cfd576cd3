"""gensim's Word2Vec: skip-gram with negative sampling, one text a line."""

import argparse
import json
import time
from importlib.metadata import version

from gensim.models import Word2Vec

SENTENCE = 1000
"""Longest sentence; gensim leaves out what lies beyond its 10,000th word."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("text", "out"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("epochs", "width", "window", "negatives", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    a = parser.parse_args()
    with open(a.text, encoding="utf-8") as file:
        lines = [line.split() for line in file]
    sentences = [line[i : i + SENTENCE] for line in lines for i in range(0, len(line), SENTENCE)]
    model = Word2Vec(
        vector_size=a.width,
        window=a.window,
        negative=a.negatives,
        sg=1,
        min_count=5,
        sample=1e-3,
        workers=a.threads,
        seed=1,
    )
    model.build_vocab(sentences)
    begun = time.perf_counter()
    model.train(sentences, total_examples=len(sentences), epochs=a.epochs)
    seconds_s = time.perf_counter() - begun
    model.wv.save_word2vec_format(a.out, binary=True)
    words = sum(map(len, sentences))
    print(json.dumps({"seconds_s": seconds_s, "words": words, "version": version("gensim")}))


if __name__ == "__main__":
    main()
