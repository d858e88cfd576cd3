"""Seconds of a training step by one worker on all threads, and by a worker for each thread.

    python benchmarks/workers.py recipes/cnn_trec.yaml text.read=TEXTS ... [RECIPE.yaml ...]
    ... --steps 60 --rounds 3

A word that ends in .yaml begins a recipe, the words behind it are its overrides. Each run is
carried through by the command line in a process of its own; they take turns. Told are the medians
over all rounds of the median step of each, the first ten left out.
"""

import argparse
import json
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from plan_truth import LINGLOOM, runs
from turns import in_turns, over

LEFT_OUT = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    asked, words = parser.parse_known_args()
    if asked.steps <= LEFT_OUT or (count := torch.get_num_threads()) < 2:
        parser.error(f"give more than {LEFT_OUT} --steps, on a machine of two threads or more")
    print(
        f"| recipe | 1 worker, ms | {count} workers, ms | one worker takes |\n|---|---:|---:|---:|"
    )
    for recipe in runs(words):
        turns = {str(n): partial(step_seconds, recipe, asked.steps, n) for n in (1, count)}
        one, many = in_turns(asked.rounds, turns).values()
        medians = " | ".join(f"{1000 * statistics.median(times):.1f}" for times in (one, many))
        print(f"| {Path(recipe[0]).stem} | {medians} | {over(one, many)} |", flush=True)


def step_seconds(recipe: list[str], steps: int, workers: int) -> float:
    """The median step of a run by so many workers."""
    with TemporaryDirectory() as folder:
        out = Path(folder, "run")
        more = [f"train.steps={steps}", f"train.workers={workers}", f"train.eval_every={steps}"]
        more += ["train.checkpoint.every=0", f"out={out}"]
        command = [sys.executable, "-c", LINGLOOM, "train", *recipe, *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(recipe)}: {done.stderr[-2000:]}")
        log = [json.loads(line) for line in Path(out, "log.jsonl").read_text("utf-8").splitlines()]
        return statistics.median([line["seconds_s"] for line in log if "loss" in line][LEFT_OUT:])


if __name__ == "__main__":
    main()
