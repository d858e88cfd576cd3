"""Tokens per second of masked-language training: our BERT beside transformers', in one run.

    python benchmarks/bert_speed.py --peer-python PATH [--shape small base]

Same shapes, same tokens per step, random ids of which 15% are hidden, AdamW, clipping at 1, no
dropout. Ours runs under the public loop with its defaults; transformers' BertForMaskedLM under a
plain loop (forward, backward, clip, step). Processes take turns as in train_speed.py, which says
how figures are taken. Rows are made beforehand for both. One thing differs by design: ours forms
the scores of hidden places only, transformers those of every place. The printed MFU counts the
blocks alone, so it is below the truth, by the same operations for both.
"""

import argparse
import statistics
import sys

from train_speed import Entry, Runner, Shape, available, matrix_peak_flops, ratios

SHAPES = {
    "tiny": Shape(2, 2, 64, 64, 65, 8),
    "small": Shape(4, 4, 256, 128, 8000, 32),
    "base": Shape(12, 12, 768, 128, 30522, 16),
}
ENTRIES = (
    Entry("lingloom bert bf16", "lingloom_bert.py", "lingloom", ours=True),
    Entry("lingloom bert fp32", "lingloom_bert.py", "lingloom", ("--precision=fp32",), True),
    Entry("transformers bert fp32", "transformers_bert.py", "transformers", ("--precision=fp32",)),
    Entry("transformers bert bf16", "transformers_bert.py", "transformers"),
)


def blocks_flops(shape: Shape) -> float:
    """Of one token's training in the blocks."""
    block = 24 * shape.width**2 + 4 * shape.context * shape.width
    return 3.0 * shape.layers * block


def table(shape: Shape, runners: list[Runner], peak_flops: float) -> str:
    """Markdown: one row per trainer, then ratios."""
    lines = ["| trainer | tokens/s | range over rounds | MFU of the blocks | peak memory |",
             "|---|---:|---:|---:|---:|"]  # fmt: skip
    tokens = shape.tokens_per_step()
    for r in runners:
        speed = tokens / statistics.median(r.medians_s)
        slow, fast = tokens / max(r.medians_s), tokens / min(r.medians_s)
        lines.append(
            f"| {r.entry.name} | {speed:,.0f} | {slow:,.0f} - {fast:,.0f} "
            f"| {speed * blocks_flops(shape) / peak_flops:.1%} | {r.peak_bytes / 2**30:.2f} GiB |"
        )
    return "\n".join([*lines, "", *ratios(runners)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable, help="a python that has the peers")
    parser.add_argument("--shape", nargs="+", choices=list(SHAPES), default=["small", "base"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="steps of one turn")
    parser.add_argument("--warm", type=int, default=2, help="steps before the clock starts")
    args = parser.parse_args()
    for name in args.shape:
        shape = SHAPES[name]
        print(f"\n## {name}: {shape}", flush=True)
        peaks, runners = [matrix_peak_flops(args.peer_python)], []
        for entry in ENTRIES:
            python = sys.executable if entry.ours else args.peer_python
            if not available(entry, python):
                print(f"{entry.name}: left out; {python} has no '{entry.needs}'")
                continue
            runners.append(Runner(entry, shape, python, [f"--warm={args.warm}"]))
            about = runners[-1].about
            print(f"{entry.name}: {about['parameters'] / 1e6:.1f}M parameters, {about['versions']}")
        for _ in range(args.rounds):
            for runner in runners:
                runner.round(args.steps)
            peaks.append(matrix_peak_flops(args.peer_python))
        for runner in runners:
            runner.stop()
        print(f"bf16 matrix peak {max(peaks) / 1e9:.0f} GFLOP/s\n")
        print(table(shape, runners, max(peaks)), flush=True)


if __name__ == "__main__":
    main()
