"""A training step beside other busy programs, as OpenMP's threads wait and as the command line has
them wait.

    python benchmarks/busy.py --busy 0 1 2 --rounds 3

Milliseconds of a step of a small GPT-2 (0.8M parameters, 24 rows of 64), by one worker on all
threads and by a worker for each. Each figure is the median of a process's steps, and these
processes take turns; the busy programs are loops of Python.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from functools import partial

from turns import in_turns, over

from lingloom.cli import SPIN, SPIN_COUNT

WAYS = {"as by default": {}, "as the command line": {SPIN: SPIN_COUNT}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2], help="other programs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(step_ms(asked.child))
        return
    names = [name for name in WAYS]
    print(f"| busy programs | workers | {names[0]} | {names[1]} | the first takes |")
    print("|---:|---:|---:|---:|---:|")
    for busy in asked.busy:
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            for workers in (1, os.cpu_count() or 1):
                turns = {name: partial(child, workers, env) for name, env in WAYS.items()}
                first, second = in_turns(asked.rounds, turns).values()
                medians = " | ".join(f"{statistics.median(ms):.1f}" for ms in (first, second))
                print(f"| {busy} | {workers} | {medians} | {over(first, second)} |", flush=True)
        finally:
            for other in others:
                other.kill()


def child(workers: int, env: dict[str, str]) -> float:
    """`step_ms` in a process whose environment has `env` besides."""
    plain = {key: value for key, value in os.environ.items() if key != SPIN}
    command = [sys.executable, __file__, f"--child={workers}"]
    done = subprocess.run(command, env=plain | env, capture_output=True, text=True, check=True)
    return float(done.stdout)


def step_ms(workers: int) -> float:
    """Median milliseconds of a step's gradients, over some 3 seconds."""
    import torch

    from lingloom.models.gpt2 import GPT2Settings
    from lingloom.tokens.batch import Batch
    from lingloom.train.objectives.cross_entropy import next_token
    from lingloom.train.parameters import Parameters
    from lingloom.train.workers import Workers

    model = GPT2Settings(vocab=65, context=64, layers=4, heads=4, width=128).build()
    compute = Workers(
        Parameters(model, torch.bfloat16, workers), next_token, compiled=False, seed=0
    )
    ids = torch.randint(65, (24, 65))
    rows, times = Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous()), []
    begun = time.perf_counter()
    while time.perf_counter() - begun < 3 or len(times) < 5:
        before = time.perf_counter()
        compute(len(times), rows, 12)
        compute.parameters.clear_gradients()
        times.append(time.perf_counter() - before)
    compute.close()
    return 1000 * statistics.median(times[2:])


if __name__ == "__main__":
    main()
