"""Dropout: numbers set to zero by chance while training, the others scaled up.

What is dropped follows from a key, the number of the call under that key, and the place of each
number, by a generator that is a function of a counter (Salmon et al. 2011). Each thread has a key
of its own, so a micro-batch draws the same whichever model computes it, and the backward pass draws
again instead of keeping a mask. On one core the kernel takes a fifth to a third of torch's time,
forward and backward. Under the compiler and on other devices torch draws, from its own generator.

Source: Srivastava et al. 2014 (Dropout: A Simple Way to Prevent Neural Networks from Overfitting),
section 4, with the kept numbers scaled while training (section 10) instead of afterwards.
"""

import ctypes
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ..native.tensors import SIZE, Kernel, Numbers, rehearsed

_DRAW = ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32
_DROPOUT = Kernel("dropout", Numbers, Numbers, SIZE, *_DRAW, ctypes.c_float)
_STEPS = 65_536
"""Chances are whole multiples of 1/65536: 16 bits are drawn for each number."""
_LANES = 32
_LOW = 0xFFFFFFFF
_PIECE = 1 << 16
"""Numbers that the twin draws for at once: bounds its memory to some 5 MB."""


class Draw(NamedTuple):
    """What decides which numbers are dropped: equal draws drop the same places."""

    key: int
    call: int
    """Of those with this key, from 0."""
    least: int
    """Of 65536 equally likely values, those below it drop."""

    @property
    def scale(self) -> float:
        """Of what is kept, so that the mean stays."""
        return _STEPS / (_STEPS - self.least)


class _Keys(threading.local):
    key: int | None = None
    calls = 0


_keys = _Keys()


@contextmanager
def drawing_from(*parts: int | str) -> Iterator[None]:
    """Inside, what this thread drops follows from `parts` alone."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    before = _keys.key, _keys.calls
    _keys.key, _keys.calls = int.from_bytes(digest, "little"), 0
    try:
        yield
    finally:
        _keys.key, _keys.calls = before


def new_draw(rate: float) -> Draw:
    """The thread's next draw, which drops each number with chance `rate`, 0 to 1 without 1.

    Outside of `drawing_from`, the key comes from torch's generator.
    """
    if _keys.key is None:
        key, call = int(torch.randint(2**62, ())), 0
    else:
        key, call = _keys.key, _keys.calls
        _keys.calls += 1
    return Draw(key, call, min(round(rate * _STEPS), _STEPS - 1))


def drop(x: Tensor, draw: Draw, out: Tensor | None = None) -> Tensor:
    """x with the places of `draw` set to zero and the others scaled; its own gradient's rule too.

    Args:
        x: on the CPU, in bf16 or float32.
        draw: which places, counted through x as it lies row after row.
        out: like x and in one piece; takes the result, and may be x. None: a new tensor.
    """
    assert out is None or out.is_contiguous()
    x = x.contiguous()
    y = torch.empty_like(x) if out is None else out
    if (kernel := _DROPOUT.taking(x)) is not None:
        kernel(x, y, x.numel(), *draw, draw.scale)
        return y
    if rehearsed(x):
        return y
    for start in range(0, x.numel(), _PIECE):
        part = slice(start, start + _PIECE)
        there = x.view(-1)[part]
        dropped = _drawn(draw, start, len(there)) < draw.least
        y.view(-1)[part] = there * torch.where(dropped, 0.0, draw.scale)
    return y


def dropout(x: Tensor, rate: float) -> Tensor:
    """Each number of x set to zero with chance `rate`, the others divided by 1 - rate."""
    if not rate:
        return x
    if torch.compiler.is_compiling() or x.device.type != "cpu":
        return F.dropout(x, rate)
    out: Tensor = _Dropout.apply(x, new_draw(rate))
    return out


class Dropout(nn.Module):
    """`dropout` while training, nothing otherwise."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.rate) if self.training else x


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, draw: Draw) -> Tensor:
        ctx.draw = draw
        return drop(x, draw)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return drop(grads[0], ctx.draw), None


def _drawn(draw: Draw, start: int, count: int) -> Tensor:
    """The 16 bits drawn for each of `count` places from `start` on, a multiple of 256, (count,)
    int64: the kernel's twin."""
    blocks = -(-count // (8 * _LANES)) * _LANES
    number = torch.arange(blocks) + start // 8
    zero = torch.zeros_like(number)
    words = _philox([number & _LOW, number >> 32, zero + draw.call, zero], draw.key)
    tiles = torch.stack([word.view(-1, _LANES) for word in words], 1)  # (tiles, 4, LANES)
    halves = torch.stack((tiles & 0xFFFF, tiles >> 16), -1)
    return halves.flatten()[:count]


def _philox(words: list[Tensor], key: int) -> list[Tensor]:
    """Philox 4x32 with 10 rounds of counters whose four words are given, (N,) int64 each."""
    first, second = key & _LOW, key >> 32
    for _ in range(10):
        a, b = _product(0xD2511F53, words[0]), _product(0xCD9E8D57, words[2])
        words = [b[0] ^ words[1] ^ first, b[1], a[0] ^ words[3] ^ second, a[1]]
        first, second = (first + 0x9E3779B9) & _LOW, (second + 0xBB67AE85) & _LOW
    return words


def _product(a: int, b: Tensor) -> tuple[Tensor, Tensor]:
    """The upper and the lower 32 bits of a * b, whose 64 bits int64 cannot hold unsigned."""
    low = a * (b & 0xFFFF)  # below 2^48
    high = a * (b >> 16) + (low >> 16)  # the product without its lowest 16 bits
    return high >> 16, (high & 0xFFFF) << 16 | low & 0xFFFF
