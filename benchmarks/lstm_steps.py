"""An LSTM layer, forward and backward: torch's kernel for a sequence beside our steps, in turns.

    python benchmarks/lstm_steps.py [--rounds 5]

One thread, as one worker computes; milliseconds, medians of the rounds, and torch's time over ours
within each round. It says from which width on our steps are taken (models/recurrent.py, WIDE).
"""

import argparse
import statistics
import time
from functools import partial

import torch
from turns import in_turns, over

from lingloom.models.recurrent import LSTM

SHAPES = ((128, 16, 64), (200, 20, 35), (256, 32, 64), (384, 32, 64), (512, 32, 64), (1024, 16, 32))
"""width, rows, steps."""


def timed(way: str, cell: LSTM, x: torch.Tensor) -> float:
    """Milliseconds of one pass forward and one backward."""
    state = tuple(x.new_zeros(x.shape[1:]) for _ in range(2))
    begun = time.perf_counter()
    if way == "torch":
        found = cell.whole(x, state, cell.weight_hh)
    else:
        found = cell.by_kernels(x, state, cell.weight_hh, None, None)
    if found is None:
        raise SystemExit("the kernels are not built; see: lingloom doctor")
    found[0].sum().backward()
    return 1e3 * (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    for dtype in (torch.bfloat16, torch.float32):
        for width, rows, steps in SHAPES:
            cell = LSTM(width, width, dropconnect=0.0, recurrent_dropout=0.0)
            for parameter in cell.parameters():
                torch.nn.init.uniform_(parameter, -0.1, 0.1)
            cell = cell.to(dtype)
            x = torch.randn(steps, rows, width).to(dtype).requires_grad_()
            turns = {way: partial(timed, way, cell, x) for way in ("torch", "ours")}
            in_turns(2, turns)
            took = in_turns(rounds, turns)
            told = ", ".join(f"{who} {statistics.median(ms):.1f} ms" for who, ms in took.items())
            print(f"{dtype}, {width} wide, {rows} rows, {steps} steps: {told}; "
                  f"torch over ours {over(took['torch'], took['ours'])}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
