"""Runs that take turns, so that a busy moment of the machine falls on all of them.

A figure is the median over rounds, a ratio is taken within each round, and both come with their
range. Trainers that cannot live in one interpreter are processes which wait for orders
(peers/gate.py): one works while the others wait. Ours wait for one another as they do under our
command line, which sets GOMP_SPINCOUNT; the peers do as torch has it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lingloom.cli import SPIN, SPIN_COUNT

PEERS = Path(__file__).parent / "peers"


def in_turns(
    rounds: int,
    turns: Mapping[str, Callable[[], float]],
    after: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """What each turn gives in every round; `after` is called at the end of each round."""
    found: dict[str, list[float]] = {who: [] for who in turns}
    for _ in range(rounds):
        for who, turn in turns.items():
            found[who].append(turn())
        after()
    return found


def over(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """How many times theirs ours is, within the rounds: '1.17x (1.02 - 1.30)'."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} - {max(ratios):.2f})"


# --------------------------------------------------------------------------- trainers as processes


def environment(ours: bool) -> dict[str, str]:
    """Of a trainer's process."""
    return {SPIN: SPIN_COUNT, **os.environ} if ours else dict(os.environ)


@dataclass(frozen=True)
class Shape:
    """One model size and the sequences of one step."""

    layers: int
    heads: int
    width: int
    context: int
    vocab: int
    batch: int

    @property
    def tokens(self) -> int:
        """Of a step."""
        return self.batch * self.context


@dataclass(frozen=True)
class Entry:
    """One trainer in one setting."""

    name: str
    script: str
    needs: str
    """The module that must be importable by the runner's python."""
    options: tuple[str, ...] = ()
    ours: bool = False


class Runner:
    """A trainer in a process of its own that waits for orders; see peers/gate.py."""

    def __init__(self, entry: Entry, shape: Shape, python: str, warm: int):
        self.entry, self.shape = entry, shape
        sizes = [f"--{name}={value}" for name, value in asdict(shape).items()]
        command = [python, str(PEERS / entry.script), *sizes, *entry.options, f"--warm={warm}"]
        # not a pipe: one that nobody empties would stop the trainer
        self.story = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.story,
            text=True,
            env=environment(entry.ours),
        )
        self.peak_bytes = 0
        self.about = self._answer()

    def turn(self, steps: int) -> float:
        """Tokens per second, by the median of so many steps; where their tokens differ, by all."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.peak_bytes = max(self.peak_bytes, answer["peak_bytes"])
        if tokens := sum(answer["tokens"]):
            return tokens / sum(answer["step_s"])
        return self.shape.tokens / statistics.median(answer["step_s"])

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.communicate("0\n")

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.story.seek(0)
            tail = self.story.read().strip().splitlines()[-1:]
            raise ChildProcessError(f"{self.entry.name} ended: {' '.join(tail)}")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found


def arguments(doc: str, shapes: Mapping[str, Shape], usual: list[str]) -> argparse.ArgumentParser:
    """What every comparison of trainers can be asked for."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable, help="a python that has the peers")
    parser.add_argument("--shape", nargs="+", choices=list(shapes), default=usual)
    parser.add_argument("--only", nargs="*", help="trainers whose name contains one of these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="steps of one turn")
    parser.add_argument("--warm", type=int, default=2, help="steps before the clock starts")
    return parser


def compare(
    name: str,
    shape: Shape,
    entries: Sequence[Entry],
    asked: argparse.Namespace,
    flops_per_token: float,
) -> None:
    """Let the trainers take turns on one shape, and print tables.

    Args:
        name: of the shape.
        shape: of the model and the step.
        entries: the trainers; those whose module is absent are left out, and a line says so.
        asked: see `arguments`.
        flops_per_token: of training, for the MFU.
    """
    print(f"\n## {name}: {shape}", flush=True)
    peaks = [matrix_peak_flops(asked.peer_python)]
    runners = {runner.entry.name: runner for runner in _started(shape, entries, asked)}
    begun = time.perf_counter()
    speeds = in_turns(
        asked.rounds,
        {who: partial(runner.turn, asked.steps) for who, runner in runners.items()},
        lambda: peaks.append(matrix_peak_flops(asked.peer_python)),
    )
    for runner in runners.values():
        runner.stop()
    print(
        f"bf16 matrix peak {max(peaks) / 1e9:.0f} GFLOP/s (the best of {len(peaks)} looks, the "
        f"least {min(peaks) / 1e9:.0f}); {asked.rounds} rounds of {asked.steps} steps in "
        f"{time.perf_counter() - begun:.0f} s\n"
    )
    print("\n".join(_table(runners, speeds, flops_per_token / max(peaks))), flush=True)


def _started(shape: Shape, entries: Sequence[Entry], asked: argparse.Namespace) -> Iterator[Runner]:
    """The trainers that are there, warmed up one after another."""
    for entry in entries:
        if asked.only and not any(word in entry.name for word in asked.only):
            continue
        python = sys.executable if entry.ours else asked.peer_python
        look = f"import importlib.util as u, sys; sys.exit(u.find_spec({entry.needs!r}) is None)"
        if subprocess.run([python, "-c", look], capture_output=True).returncode:
            print(f"{entry.name}: left out; {python} has no '{entry.needs}'")
            continue
        try:
            runner = Runner(entry, shape, python, asked.warm)
        except ChildProcessError as error:
            print(f"{error}; left out")
            continue
        print(
            f"{entry.name}: {runner.about['parameters'] / 1e6:.1f}M parameters, "
            f"{runner.about['versions']}",
            flush=True,
        )
        yield runner


def _table(
    runners: Mapping[str, Runner], speeds: Mapping[str, Sequence[float]], mfu: float
) -> Iterator[str]:
    """Markdown: one row per trainer, then ours over each peer."""
    yield "| trainer | tokens/s | range over rounds | MFU | peak memory | warm-up |"
    yield "|---|---:|---:|---:|---:|---:|"
    for who, runner in runners.items():
        speed = statistics.median(speeds[who])
        yield (
            f"| {who} | {speed:,.0f} | {min(speeds[who]):,.0f} - {max(speeds[who]):,.0f} "
            f"| {speed * mfu:.1%} | {runner.peak_bytes / 2**30:.2f} GiB "
            f"| {sum(runner.about['warm_s']):.0f} s |"
        )
    yield ""
    yield "| ours | over | speed | memory |"
    yield "|---|---|---:|---:|"
    for ours, mine in runners.items():
        for theirs, peer in runners.items():
            if mine.entry.ours and not peer.entry.ours:
                memory = f"{mine.peak_bytes / peer.peak_bytes:.2f}x"
                yield f"| {ours} | {theirs} | {over(speeds[ours], speeds[theirs])} | {memory} |"


def matrix_peak_flops(python: str) -> float:
    """FLOP/s of a bf16 4096^3 matrix product here, best of six, in a fresh process."""
    script = (
        "import time, torch\n"
        "a = torch.randn(4096, 4096).bfloat16(); b = torch.randn(4096, 4096).bfloat16()\n"
        "times = []\n"
        "for _ in range(6):\n"
        "    start = time.perf_counter(); a @ b; times.append(time.perf_counter() - start)\n"
        "print(2 * 4096**3 / min(times))\n"
    )
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)
