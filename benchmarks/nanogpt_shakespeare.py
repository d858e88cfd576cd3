"""From the command to nanoGPT's validation loss on Shakespeare's characters: nanoGPT and Lingloom.

    python benchmarks/nanogpt_shakespeare.py --nanogpt CHECKOUT --peer-python PATH --text input.txt

nanoGPT runs the command of its README for a CPU (4 layers, 4 heads, width 128, context 64, batch
12, 2,000 steps of AdamW; "a loss of only 1.88"); its data are prepared beforehand. Lingloom runs
`lingloom train recipes/shakespeare_chars.yaml`: a model of the same shape and size, with the steps
and settings that the recipe fixed before; its time includes the plan, reading and tokenising, the
scores, the samples and the report. They take turns; times are of the wall clock, from the command
to its end, interpreter, imports and whatever is compiled included.

Split as in nanoGPT: the first 90% of the characters to learn from, the last 10% to judge by. The
loss that decides is measured afterwards, the same way for both finished models: all windows of 64
characters of the whole validation text, end to end, each character foretold from those before it in
its window. (nanoGPT's own figure is the mean over 240 such windows drawn at random; it is printed
too.) Every character of this text is one byte, so bits per byte are the loss over ln 2.

nanoGPT's other figure, 1.4697 by 5,000 steps of 64 x 256 characters with 10.7M parameters, is for
a GPU: some 2.5e15 operations, hours on the processors that this is for, and not run here.
"""

import argparse
import json
import math
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

RECIPE = Path(__file__).parents[1] / "recipes" / "shakespeare_chars.yaml"
JUDGE = Path(__file__).parent / "peers" / "nanogpt_loss.py"
README = [
    *("--device=cpu", "--compile=False", "--eval_iters=20", "--log_interval=1"),
    *("--block_size=64", "--batch_size=12", "--n_layer=4", "--n_head=4", "--n_embd=128"),
    *("--max_iters=2000", "--lr_decay_iters=2000", "--dropout=0.0"),
]
WANTED = 1.88
CONTEXT = 64


def main() -> None:
    a = _arguments()
    text = a.text.read_text("utf-8")
    cut = int(len(text) * 0.9)
    rows: list[dict[str, float]] = []
    with TemporaryDirectory() as there:
        place = Path(there)
        (place / "train.txt").write_text(text[:cut], "utf-8")
        (place / "val.txt").write_text(text[cut:], "utf-8")
        peer = place / "nanoGPT"
        shutil.copytree(a.nanogpt, peer, ignore=shutil.ignore_patterns(".git", "assets"))
        _prepare(text, cut, peer / "data" / "shakespeare_char")
        for turn in range(a.rounds):
            row = {**_theirs(a.peer_python, peer), **_ours(place, turn, text[cut:])}
            rows.append(row)
            print(
                f"turn {turn + 1}: nanoGPT {row['peer_s']:.1f} s, loss {row['peer_loss']:.4f} (its "
                f"own estimate {row['peer_says']:.4f}); lingloom {row['our_s']:.1f} s, loss "
                f"{row['our_loss']:.4f}, {row['our_loss'] / math.log(2):.4f} bits per byte; "
                f"{row['peer_s'] / row['our_s']:.2f} times as fast",
                flush=True,
            )
    _conclude(rows)


def _prepare(text: str, cut: int, folder: Path) -> None:
    """What nanoGPT's prepare.py writes, without its download."""
    names = sorted(set(text))
    place = {name: i for i, name in enumerate(names)}
    ids = np.array([place[c] for c in text], dtype=np.uint16)
    ids[:cut].tofile(folder / "train.bin")
    ids[cut:].tofile(folder / "val.bin")
    meta = {"vocab_size": len(names), "itos": dict(enumerate(names)), "stoi": place}
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))


def _theirs(python: str, peer: Path) -> dict[str, float]:
    """nanoGPT's command, and what it came to."""
    command = [python, "train.py", "config/train_shakespeare_char.py", *README]
    command += [f"--out_dir={peer / 'out'}"]
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=peer, check=True, capture_output=True, text=True)
    taken = time.perf_counter() - begun
    says = re.findall(r"val loss (\S+)", done.stdout)[-1]
    judged = [python, JUDGE, peer / "out" / "ckpt.pt", peer / "data/shakespeare_char/val.bin"]
    loss = subprocess.run(judged, cwd=peer, check=True, capture_output=True, text=True).stdout
    found = json.loads(loss.splitlines()[-1])  # its model says its size first
    return {"peer_s": taken, "peer_says": float(says), "peer_loss": found["loss"],
            "peer_parameters": found["parameters"]}  # fmt: skip


def _ours(place: Path, turn: int, text: str) -> dict[str, float]:
    """Our command, and what it came to."""
    out = place / f"run-{turn}"
    command = [sys.executable, "-m", "lingloom.cli", "train", str(RECIPE)]
    command += [f"text.read={place}/train.txt", f"text.heldout={place}/val.txt", f"out={out}"]
    begun = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    taken = time.perf_counter() - begun
    loss, parameters = _loss(out, text)
    return {"our_s": taken, "our_loss": loss, "our_parameters": parameters}


def _loss(run: Path, text: str) -> tuple[float, int]:
    """Mean nats per character over all windows, and the model's parameters."""
    import torch

    import lingloom
    from lingloom.tokens.batch import Batch

    found = lingloom.load(run)
    model = found.model
    assert isinstance(model, torch.nn.Module)
    ids = torch.tensor(found.tokenizer.encode(text))
    assert len(ids) == len(text), "a token is a character"
    windows = (len(ids) - 1) // CONTEXT
    given = ids[: windows * CONTEXT].view(windows, CONTEXT)
    next_ = ids[1 : windows * CONTEXT + 1].view(windows, CONTEXT)
    nats = 0.0
    with torch.no_grad():
        for some, targets in zip(given.split(256), next_.split(256), strict=True):
            scores = model.logits(Batch(some, targets)).double().flatten(0, 1)
            nats += float(torch.nn.functional.cross_entropy(scores, targets.flatten(),
                                                            reduction="sum"))  # fmt: skip
    return nats / (windows * CONTEXT), sum(p.numel() for p in model.parameters())


def _conclude(rows: list[dict[str, float]]) -> None:
    theirs, ours = (statistics.median(r[key] for r in rows) for key in ("peer_s", "our_s"))
    worst = max(r["our_loss"] for r in rows)
    print(
        f"medians: nanoGPT {theirs:.1f} s for its 2,000 steps, lingloom {ours:.1f} s: a share of "
        f"{ours / theirs:.2f}; parameters {rows[0]['peer_parameters']:,} and "
        f"{rows[0]['our_parameters']:,}; our highest loss {worst:.4f}, "
        f"{'at most' if worst <= WANTED else 'ABOVE'} {WANTED}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nanogpt", type=Path, required=True, help="a checkout of nanoGPT")
    parser.add_argument("--peer-python", required=True, help="a python that has torch")
    parser.add_argument("--text", type=Path, required=True, help="tinyshakespeare's input.txt")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
