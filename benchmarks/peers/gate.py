"""How a runner and turns.py talk, so that several trainers can take turns step by step.

A runner does its warm-up steps freely, says `ready`, then waits. Each order from standard input is
a number of steps; the runner does them, answers with one JSON line, and waits again; 0 ends it.
A waiting runner uses no processor, so the others are not disturbed.
"""

import argparse
import json
import os
import platform
import sys
import time
from importlib import metadata
from typing import Any


def arguments() -> argparse.Namespace:
    """The shape and the setting that is asked for."""
    parser = argparse.ArgumentParser()
    for name in ("layers", "heads", "width", "context", "vocab", "batch"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--compile", type=int, default=0)
    parser.add_argument("--warm", type=int, default=3)
    parser.add_argument("--micro", type=int, default=0)
    parser.add_argument("--kind", choices=("gpt2", "llama"), default="gpt2")
    parser.add_argument("--cell", choices=("lstm", "peephole"), default="lstm")
    parser.add_argument("--order", choices=("sorted", "come"), default="sorted", help="of pairs")
    parser.add_argument("--source", default="", help="folder of a peer that is not a package")
    return parser.parse_args()


def peak_bytes() -> int:
    """The most memory this process ever held, as the kernel counted it (VmHWM)."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def version(*packages: str) -> str:
    return " ".join(f"{p} {metadata.version(p)}" for p in packages)


class Gate:
    """Call `step` after every optimizer step."""

    def __init__(self, warm: int, **about: Any):
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # whatever a trainer prints goes to standard error, not between our lines
        self.warm, self.about = warm, about
        self.times: list[float] = []
        self.tokens: list[int] = []
        self.ordered = 0
        self.started = time.perf_counter()
        self.born = self.started

    def step(self, loss: float | None = None, tokens: int = 0) -> None:
        """One step is done; `tokens` of it where they are not those of the shape."""
        now = time.perf_counter()
        self.times.append(now - self.started)
        self.tokens.append(tokens)
        if not self.ordered and len(self.times) >= self.warm:
            self._say(ready=True, warm_s=self.times, python=platform.python_version(), **self.about)
            self._wait()
        elif self.ordered and len(self.times) >= self.ordered:
            self._say(step_s=self.times, tokens=self.tokens, peak_bytes=peak_bytes(), loss=loss)
            self._wait()
        else:
            self.started = now

    def _wait(self) -> None:
        self.ordered, self.times, self.tokens = int(sys.stdin.readline() or 0), [], []
        if not self.ordered:
            self.out.flush()
            os._exit(0)  # no trainer's own way of stopping early is the same as another's
        self.started = time.perf_counter()

    def _say(self, **line: Any) -> None:
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()
