"""Tokens per second and peak memory of training: Lingloom beside its peers, in one run.

    python benchmarks/train_speed.py --peer-python PATH [--nanogpt CHECKOUT] [--shape small large]

Same shapes, same tokens per step, random token ids, AdamW, clipping at 1, no dropout. Every trainer
is a process of its own, warmed up (compiled) first; then they take turns for several rounds, one
working while the others wait. A figure is the median over rounds of a round's median step. Peak
memory is the process's VmHWM; compilers that run beside it are not counted. MFU is against the bf16
matrix product measured in the same run, with 6 FLOPs per weight in a product and
12*layers*width*context for attention per token (Chowdhery et al. 2022, PaLM, appendix B).

PATH is a python that has the peers: pip install torch transformers accelerate litgpt lightning.
Peers that are absent are left out, and a line says so.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Shape:
    """One model size and the sequences of one step."""

    layers: int
    heads: int
    width: int
    context: int
    vocab: int
    batch: int

    def flops_per_token(self) -> float:
        weights = 12 * self.layers * self.width**2 + self.vocab * self.width
        return 6 * weights + 12 * self.layers * self.width * self.context

    def tokens_per_step(self) -> int:
        return self.batch * self.context


SHAPES = {
    "tiny": Shape(2, 2, 64, 64, 65, 8),
    "small": Shape(6, 6, 384, 256, 65, 64),
    "large": Shape(8, 8, 512, 512, 16384, 16),
}


@dataclass(frozen=True)
class Entry:
    """One trainer in one setting."""

    name: str
    script: str
    needs: str
    """The module that must be importable by the runner's python."""
    options: tuple[str, ...] = ()
    ours: bool = False


ENTRIES = (
    Entry("lingloom gpt2 bf16", "lingloom_train.py", "lingloom", ours=True),
    Entry("lingloom gpt2 bf16 compiled", "lingloom_train.py", "lingloom", ("--compile=1",), True),
    Entry("lingloom gpt2 fp32", "lingloom_train.py", "lingloom", ("--precision=fp32",), True),
    Entry("transformers Trainer fp32", "transformers_trainer.py", "transformers",
          ("--precision=fp32",)),
    Entry("transformers Trainer bf16", "transformers_trainer.py", "transformers"),
    Entry("litgpt bf16-true compiled", "litgpt_pretrain.py", "litgpt", ("--compile=1",)),
    Entry("litgpt bf16-true", "litgpt_pretrain.py", "litgpt"),
    Entry("nanoGPT bf16 compiled", "nanogpt_train.py", "torch", ("--compile=1",)),
)  # fmt: skip


class Runner:
    """A trainer in a process of its own that waits for orders; see peers/gate.py."""

    def __init__(self, entry: Entry, shape: Shape, python: str, extra: list[str]):
        self.entry = entry
        sizes = [f"--{name}={value}" for name, value in asdict(shape).items()]
        command = [python, str(PEERS / entry.script), *sizes, *entry.options, *extra]
        # not a pipe: one that nobody empties would stop the trainer
        self.story = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.story, text=True
        )
        self.medians_s: list[float] = []
        self.peak_bytes = 0
        self.about = self._answer()

    def round(self, steps: int) -> float:
        """Median seconds per step of one turn."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.medians_s.append(statistics.median(answer["step_s"]))
        self.peak_bytes = max(self.peak_bytes, answer["peak_bytes"])
        return self.medians_s[-1]

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


def available(entry: Entry, python: str) -> bool:
    """Whether the runner's python has what it needs (looked for without importing it)."""
    look = f"import importlib.util as u, sys; sys.exit(u.find_spec({entry.needs!r}) is None)"
    return subprocess.run([python, "-c", look], capture_output=True).returncode == 0


def start(args: argparse.Namespace, shape: Shape) -> Iterator[Runner]:
    """The trainers that are there, warmed up one after another."""
    for entry in ENTRIES:
        if args.only and not any(word in entry.name for word in args.only):
            continue
        python = sys.executable if entry.ours else args.peer_python
        if entry.script == "nanogpt_train.py" and not args.nanogpt:
            print(f"{entry.name}: left out; give --nanogpt the folder of a checkout")
            continue
        if not available(entry, python):
            print(f"{entry.name}: left out; {python} has no '{entry.needs}'")
            continue
        extra = [f"--warm={args.warm}"]
        extra += [f"--source={args.nanogpt}"] if entry.script == "nanogpt_train.py" else []
        try:
            runner = Runner(entry, shape, python, extra)
        except ChildProcessError as error:
            print(f"{error}; left out")
            continue
        warm_s = sum(runner.about["warm_s"])
        print(
            f"{entry.name}: {runner.about['parameters'] / 1e6:.1f}M parameters, "
            f"{runner.about['versions']}, warm-up {warm_s:.0f} s",
            flush=True,
        )
        yield runner


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


def table(shape: Shape, runners: list[Runner], peak_flops: float) -> str:
    """Markdown: one row per trainer, ratios against each peer's tokens per second."""
    lines = ["| trainer | tokens/s | range over rounds | MFU | peak memory | warm-up |",
             "|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    tokens = shape.tokens_per_step()
    for r in runners:
        speed = tokens / statistics.median(r.medians_s)
        slow, fast = tokens / max(r.medians_s), tokens / min(r.medians_s)
        mfu = speed * shape.flops_per_token() / peak_flops
        lines.append(
            f"| {r.entry.name} | {speed:,.0f} | {slow:,.0f} - {fast:,.0f} | {mfu:.1%} "
            f"| {r.peak_bytes / 2**30:.2f} GiB | {sum(r.about['warm_s']):.0f} s |"
        )
    lines += ["", *ratios(runners)]
    return "\n".join(lines)


def ratios(runners: list[Runner]) -> list[str]:
    """Ours over each peer: the median over rounds of the ratio within a round."""
    lines = ["| ours | over | speed | memory |", "|---|---|---:|---:|"]
    for ours in (r for r in runners if r.entry.ours):
        for peer in (r for r in runners if not r.entry.ours):
            pairs = zip(peer.medians_s, ours.medians_s, strict=True)
            speed = statistics.median(theirs / mine for theirs, mine in pairs)
            memory = ours.peak_bytes / peer.peak_bytes
            lines.append(
                f"| {ours.entry.name} | {peer.entry.name} | {speed:.2f}x | {memory:.2f}x |"
            )
    return lines if len(lines) > 2 else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable, help="a python that has the peers")
    parser.add_argument("--nanogpt", default="", help="folder of a nanoGPT checkout")
    parser.add_argument("--shape", nargs="+", choices=list(SHAPES), default=["small", "large"])
    parser.add_argument("--only", nargs="*", help="trainers whose name contains one of these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6, help="steps of one turn")
    parser.add_argument("--warm", type=int, default=3, help="steps before the clock starts")
    args = parser.parse_args()
    for name in args.shape:
        shape = SHAPES[name]
        print(f"\n## {name}: {shape}", flush=True)
        peaks = [matrix_peak_flops(args.peer_python)]
        runners = list(start(args, shape))
        started = time.perf_counter()
        for _ in range(args.rounds):
            for runner in runners:
                runner.round(args.steps)
            peaks.append(matrix_peak_flops(args.peer_python))
        for runner in runners:
            runner.stop()
        seconds = time.perf_counter() - started
        print(
            f"bf16 matrix peak {max(peaks) / 1e9:.0f} GFLOP/s (the best of {len(peaks)} looks, "
            f"the least {min(peaks) / 1e9:.0f}); {args.rounds} rounds of {args.steps} steps in "
            f"{seconds:.0f} s\n"
        )
        print(table(shape, runners, max(peaks)), flush=True)


if __name__ == "__main__":
    main()
