"""What the plan says a run takes in memory, beside what it took.

    python benchmarks/plan_accuracy.py [--compile]

Every line is a run of two steps under the public loop, in a process of its own. `pass` is the part
of the peak that is not buffers or surroundings, over what the rehearsal counted: the factor that
plan/memory.py keeps, with its band.
"""

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

SHAPES = (
    # kind, layers, heads, width, context, vocab, sequences at once
    ("gpt2", 4, 4, 128, 128, 512, 32),
    ("gpt2", 6, 6, 384, 256, 65, 16),
    ("gpt2", 6, 6, 384, 256, 65, 64),
    ("gpt2", 4, 8, 512, 128, 8192, 32),
    ("gpt2", 12, 8, 512, 64, 4096, 64),
    ("llama", 4, 4, 256, 256, 4096, 16),
    ("llama", 8, 8, 512, 512, 16384, 8),
    ("llama", 6, 6, 384, 1024, 2048, 4),
    ("llama", 2, 8, 1024, 256, 32000, 4),
    ("llama", 8, 8, 512, 512, 16384, 16),
)


def one(case: dict[str, Any]) -> dict[str, Any]:
    """Plan, then run two steps, in this process."""
    import torch

    from lingloom.device import peak_memory_bytes
    from lingloom.models.gpt2 import GPT2Settings
    from lingloom.models.llama import LlamaSettings
    from lingloom.plan import memory
    from lingloom.plan.band import total
    from lingloom.plan.rehearse import micro_batch_bytes
    from lingloom.tokens.batch import Batch
    from lingloom.train.loop import train
    from lingloom.train.objectives.cross_entropy import next_token
    from lingloom.train.settings import TrainSettings

    kinds = {"gpt2": GPT2Settings, "llama": LlamaSettings}
    kind, layers, heads, width, context, vocab, micro = case["shape"]
    settings = kinds[kind](layers=layers, heads=heads, width=width, context=context, vocab=vocab)
    training = TrainSettings(
        steps=2, batch=2 * micro, micro=micro, precision=case["precision"], compile=case["compile"]
    )
    terms = memory.memory_terms(settings, training)
    planned = total(terms)
    counted = memory.workers(settings, training) * micro_batch_bytes(settings, training, micro)
    ids = torch.randint(vocab, (2 * micro, context + 1))
    model = settings.build()
    for _ in train(model, next_token, lambda _: Batch(ids[:, :-1], ids[:, 1:]), training, seed=0):
        pass
    actual = peak_memory_bytes()
    other = total(t for t in terms if t.name != "activations").value
    return {
        "planned": planned.value,
        "low": planned.low,
        "high": planned.high,
        "actual": actual,
        "pass": (actual - other) / counted,
        "counted": counted,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(json.loads(args.one))))
        return
    print("| shape | precision | planned | band | actual | actual/planned | counted | pass |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    factors, inside = [], 0
    for shape in SHAPES:
        for precision in ("bf16", "fp32"):
            case = {"shape": shape, "precision": precision, "compile": args.compile}
            command = [sys.executable, __file__, "--one", json.dumps(case)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            factors.append(found["pass"])
            inside += found["low"] <= found["actual"] <= found["high"]
            mb = {k: v / 1e6 for k, v in found.items() if k != "pass"}
            print(
                f"| {' '.join(map(str, shape))} | {precision} | {mb['planned']:.0f} MB "
                f"| {mb['low']:.0f} - {mb['high']:.0f} | {mb['actual']:.0f} MB "
                f"| {mb['actual'] / mb['planned']:.2f} | {mb['counted']:.0f} "
                f"| {found['pass']:.2f} |",
                flush=True,
            )
    print(
        f"\n{inside} of {len(factors)} inside the band; pass: median "
        f"{statistics.median(factors):.2f}, {min(factors):.2f} to {max(factors):.2f}"
    )


if __name__ == "__main__":
    main()
