"""A whole corpus, from raw files to token shards: ours beside datatrove, on your own text.

    python benchmarks/corpus.py FILES... --peers PYTHON [--turns 3]

FILES and PYTHON are as for near_dedup.py, which plants the near-duplicates; PYTHON also needs ftfy.
Ours does NFC, short documents, exact and verified near-duplicates, weights, hold-outs,
decontamination against them, shuffle, token shards. datatrove does NFC by ftfy, short documents,
near-duplicates (20 bands of 7), tokens, shuffle. Both write tokens of the same stored tokenizer of
16k, with two workers, each turn in processes of its own and start-up included; they take turns.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

from near_dedup import make_corpus, turn

from lingloom.native.kernels import kernels_report
from lingloom.tokens.bytelevel import BPESettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--turns", type=int, default=3)
    contenders = ["lingloom", "datatrove"]
    parser.add_argument("--only", nargs="+", default=contenders, choices=contenders)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts, _ = make_corpus(asked.files, folder)
        BPESettings().train(texts).save(folder / "tokenizer")
        size = sum(len(text.encode()) for text in texts)
        print(
            f"{len(texts)} documents, {size / 1e6:.0f} MB; {platform.machine()}, "
            f"{os.cpu_count()} cores, Python {platform.python_version()}; "
            f"kernels: {kernels_report()[1]}",
            flush=True,
        )
        del texts
        turns = {name: [] for name in asked.only}
        for _ in range(asked.turns):
            for name in asked.only:
                python = sys.executable if name == "lingloom" else asked.peers
                turns[name].append(turn(python, f"{name}_corpus.py", folder))
                seconds, peak, told = turns[name][-1]
                print(f"  {name:10} {seconds:7.1f} s, {peak / 1e6:.0f} MB", flush=True)
    base = statistics.median(t[0] for t in turns[asked.only[0]])
    for name, some in turns.items():
        seconds, peak = (statistics.median(t[k] for t in some) for k in (0, 1))
        told = some[0][2]
        print(
            f"{name:10} {seconds:7.1f} s ({seconds / base:.1f}x), {size / seconds / 1e6:.2f} MB/s, "
            f"{peak / 1e6:.0f} MB at the peak, {told['tokens']:,} tokens  [{told['versions']}]"
        )


if __name__ == "__main__":
    main()
