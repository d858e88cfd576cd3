"""From the command to nanoGPT's validation losses on Shakespeare: nanoGPT and Lingloom.

    python benchmarks/nanogpt_shakespeare.py --nanogpt CHECKOUT --peer-python PATH --text input.txt
    ... --mark gpu --rounds 1      the loss of its GPU settings; takes half an hour

nanoGPT runs the command of its README for a CPU (4 layers, 4 heads, width 128, context 64, batch
12, 2,000 steps of AdamW; "a loss of only 1.88"); its data are prepared beforehand. Lingloom runs
`lingloom train recipes/shakespeare_chars.yaml`: a model of the same shape and size, with the steps
and settings that the recipe fixed before; its time includes the plan, reading and tokenising, the
scores, the samples and the report. They take turns; times are of the wall clock, from the command
to its end, interpreter, imports and whatever is compiled included.

--mark gpu: the best loss that nanoGPT reports for its GPU settings (6 layers, 6 heads, width 384,
context 256, batch 64, 5,000 steps), 1.4697, and recipes/shakespeare_large.yaml. nanoGPT's 5,000
steps are some 2.5e15 operations, hours on the processors that this is for, so a few are timed, and
its whole time is reckoned from their median, without its own evaluations; its loss is the published
one.

Split as in nanoGPT: the first 90% of the characters to learn from, the last 10% to judge by. The
loss that decides is measured afterwards, the same way for all finished models: all windows of 64 or
256 characters of the whole validation text, end to end, each character foretold from those before
it in its window. (nanoGPT's own figure is the mean over windows drawn at random; it is printed
too.) Every character of this text is one byte, so bits per byte are the loss over ln 2.
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
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

RECIPES = Path(__file__).parents[1] / "recipes"
JUDGE = Path(__file__).parent / "peers" / "nanogpt_loss.py"
HERE = ["--device=cpu", "--compile=False", "--log_interval=1"]
TIMED = 8
"""Steps of the larger settings that are timed, the first of which does not count."""


@dataclass(frozen=True)
class Mark:
    """A loss that nanoGPT reports, and what is run for it."""

    recipe: str
    options: tuple[str, ...]
    """Of nanoGPT's command, beside its configuration for this text."""
    steps: int
    context: int
    loss: float
    whole: bool
    """Whether nanoGPT is run to the end."""


MARKS = {
    "cpu": Mark(
        "shakespeare_chars.yaml",
        (
            *("--eval_iters=20", "--block_size=64", "--batch_size=12", "--n_layer=4", "--n_head=4"),
            *("--n_embd=128", "--max_iters=2000", "--lr_decay_iters=2000", "--dropout=0.0"),
        ),
        steps=2000,
        context=64,
        loss=1.88,
        whole=True,
    ),
    "gpu": Mark(
        "shakespeare_large.yaml",
        ("--eval_iters=1", f"--max_iters={TIMED}", "--eval_interval=1000"),
        steps=5000,
        context=256,
        loss=1.4697,
        whole=False,
    ),
}


def main() -> None:
    a = _arguments()
    mark = MARKS[a.mark]
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
            theirs = _whole if mark.whole else _reckoned
            row = {**theirs(a.peer_python, peer, mark), **_ours(place, turn, text[cut:], mark)}
            rows.append(row)
            print(
                f"turn {turn + 1}: nanoGPT {row['peer_s']:.1f} s, loss {row['peer_loss']:.4f} "
                f"({'its own estimate ' if mark.whole else 'published, the time reckoned: '}"
                f"{row['peer_says']:.4f}{'' if mark.whole else ' s a step'}); lingloom "
                f"{row['our_s']:.1f} s, loss "
                f"{row['our_loss']:.4f}, {row['our_loss'] / math.log(2):.4f} bits per byte; "
                f"{row['peer_s'] / row['our_s']:.2f} times as fast",
                flush=True,
            )
    _conclude(rows, mark)


def _prepare(text: str, cut: int, folder: Path) -> None:
    """What nanoGPT's prepare.py writes, without its download."""
    names = sorted(set(text))
    place = {name: i for i, name in enumerate(names)}
    ids = np.array([place[c] for c in text], dtype=np.uint16)
    ids[:cut].tofile(folder / "train.bin")
    ids[cut:].tofile(folder / "val.bin")
    meta = {"vocab_size": len(names), "itos": dict(enumerate(names)), "stoi": place}
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))


def _whole(python: str, peer: Path, mark: Mark) -> dict[str, float]:
    """nanoGPT's command, and what it came to."""
    begun = time.perf_counter()
    told = _train(python, peer, mark)
    taken = time.perf_counter() - begun
    says = re.findall(r"val loss (\S+)", told)[-1]
    judged = [python, JUDGE, peer / "out" / "ckpt.pt", peer / "data/shakespeare_char/val.bin"]
    loss = subprocess.run(judged, cwd=peer, check=True, capture_output=True, text=True).stdout
    found = json.loads(loss.splitlines()[-1])  # its model says its size first
    return {"peer_s": taken, "peer_says": float(says), "peer_loss": found["loss"],
            "peer_parameters": found["parameters"]}  # fmt: skip


def _reckoned(python: str, peer: Path, mark: Mark) -> dict[str, float]:
    """What nanoGPT's steps would take, from a few of them; its loss as published."""
    told = _train(python, peer, mark)
    steps = [float(ms) / 1000 for ms in re.findall(r"iter \d+: .*?time ([\d.]+)ms", told)]
    parameters = float(re.findall(r"number of parameters: ([\d.]+)M", told)[0]) * 1e6  # rounded
    step = statistics.median(steps[1:])
    return {"peer_s": step * mark.steps, "peer_says": step, "peer_loss": mark.loss,
            "peer_parameters": round(parameters)}  # fmt: skip


def _train(python: str, peer: Path, mark: Mark) -> str:
    """What nanoGPT's command prints."""
    command = [python, "train.py", "config/train_shakespeare_char.py", *HERE, *mark.options]
    command += [f"--out_dir={peer / 'out'}"]
    return subprocess.run(command, cwd=peer, check=True, capture_output=True, text=True).stdout


def _ours(place: Path, turn: int, text: str, mark: Mark) -> dict[str, float]:
    """Our command, and what it came to."""
    out = place / f"run-{turn}"
    command = [sys.executable, "-m", "lingloom.cli", "train", str(RECIPES / mark.recipe)]
    command += [f"text.read={place}/train.txt", f"text.heldout={place}/val.txt", f"out={out}"]
    begun = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    taken = time.perf_counter() - begun
    loss, parameters = _loss(out, text, mark.context)
    return {"our_s": taken, "our_loss": loss, "our_parameters": parameters}


def _loss(run: Path, text: str, context: int) -> tuple[float, int]:
    """Mean nats per character over all windows, and the model's parameters."""
    import torch

    import lingloom
    from lingloom.tokens.batch import Batch

    found = lingloom.load(run)
    model = found.model
    assert isinstance(model, torch.nn.Module)
    ids = torch.tensor(found.tokenizer.encode(text))
    assert len(ids) == len(text), "a token is a character"
    windows = (len(ids) - 1) // context
    given = ids[: windows * context].view(windows, context)
    next_ = ids[1 : windows * context + 1].view(windows, context)
    nats = 0.0
    with torch.no_grad():
        for some, targets in zip(given.split(256), next_.split(256), strict=True):
            scores = model.logits(Batch(some, targets)).double().flatten(0, 1)
            nats += float(torch.nn.functional.cross_entropy(scores, targets.flatten(),
                                                            reduction="sum"))  # fmt: skip
    return nats / (windows * context), sum(p.numel() for p in model.parameters())


def _conclude(rows: list[dict[str, float]], mark: Mark) -> None:
    theirs, ours = (statistics.median(r[key] for r in rows) for key in ("peer_s", "our_s"))
    worst = max(r["our_loss"] for r in rows)
    print(
        f"medians: nanoGPT {theirs:.1f} s for its {mark.steps:,} steps, lingloom {ours:.1f} s: a "
        f"share of {ours / theirs:.2f}; parameters {rows[0]['peer_parameters']:,} and "
        f"{rows[0]['our_parameters']:,}; our highest loss {worst:.4f}, "
        f"{'at most' if worst <= mark.loss else 'ABOVE'} {mark.loss}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nanogpt", type=Path, required=True, help="a checkout of nanoGPT")
    parser.add_argument("--peer-python", required=True, help="a python that has torch")
    parser.add_argument("--text", type=Path, required=True, help="tinyshakespeare's input.txt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mark", choices=MARKS, default="cpu", help="whose loss is to be reached")
    return parser.parse_args()


if __name__ == "__main__":
    main()
