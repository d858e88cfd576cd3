"""Our skip-gram with negative sampling, one text a line, by the public way from text to vectors."""

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

import lingloom
from lingloom.pipeline.events import Event


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("text", "out"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("epochs", "width", "window", "negatives", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--recipe", required=True)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    with open(a.text, encoding="utf-8") as file:
        counts = [len(line.split()) for line in file]
    words, stretch = sum(counts), 4 * 512
    begun = ended = 0.0

    def tell(event: Event) -> None:
        nonlocal begun, ended
        if event.stage == "train" and event.what == "begin":
            begun = time.perf_counter()
        if event.stage == "train" and event.what == "end":
            ended = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        model = lingloom.run(
            a.recipe,
            f"text.read={a.text}",
            f"out={Path(folder, 'run')}",
            f"train.steps={a.epochs * (words + len(counts)) // stretch}",
            f"model.width={a.width}",
            f"train.objective.window={a.window}",
            f"train.objective.negatives={a.negatives}",
            "train.eval_every=0",
            "train.checkpoint.every=0",
            tell=tell,
        )
        model.export(a.out)
    print(json.dumps({"seconds_s": ended - begun, "words": words, "version": lingloom.__version__}))


if __name__ == "__main__":
    main()
