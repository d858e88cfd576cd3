"""Dropout, forward and backward: the compiled kernel, its twin and torch's, in turns.

    python benchmarks/dropout.py [--rounds 15]

A million numbers on one thread, as one worker drops them; milliseconds, medians of the rounds, and
torch's time over ours within each round.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional as F
from turns import in_turns, over

from lingloom.models import dropout as ours
from lingloom.native import tensors

RATE = 0.2
SIZE = (4096, 256)


def timed(function: Callable[[Tensor, float], Tensor], x: Tensor, slope: Tensor) -> float:
    """Milliseconds of one pass forward and one backward."""
    begun = time.perf_counter()
    function(x, RATE).backward(slope)
    return 1e3 * (time.perf_counter() - begun)


def by_twin(x: Tensor, slope: Tensor) -> float:
    """The same without the kernel, which is looked for at each call."""
    with patch.object(tensors, "kernels", lambda: None):
        return timed(ours.dropout, x, slope)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    for dtype in (torch.bfloat16, torch.float32):
        x, slope = torch.randn(SIZE, dtype=dtype, requires_grad=True), torch.randn(SIZE).to(dtype)
        turns = {
            "kernel": lambda x=x, slope=slope: timed(ours.dropout, x, slope),
            "twin": lambda x=x, slope=slope: by_twin(x, slope),
            "torch": lambda x=x, slope=slope: timed(F.dropout, x, slope),
        }
        in_turns(3, turns)
        took = in_turns(rounds, turns)
        told = ", ".join(f"{who} {statistics.median(some):.2f} ms" for who, some in took.items())
        print(f"{dtype}: {told}; torch over kernel {over(took['torch'], took['kernel'])}")


if __name__ == "__main__":
    main()
