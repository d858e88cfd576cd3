"""Passes over gradients and over a few rows of tables, by the compiled kernels or by torch.

A step of word vectors reads few rows of large tables, and then its sums are a small part of it:
torch copies rows out and back for each operation, eleven times a step, and wakes its threads each
time. Both ways agree but for the rounding of sums.

Shapes: tables (V, ...) float32 in one piece, rows (k,) int64, each once where nothing else is said;
W numbers in a row.
"""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from ..native.tensors import F32, SIZE, Kernel, Numbers

_WHERE = Numbers, SIZE, SIZE
_NUMBER = ctypes.c_float
_ADD = Kernel("rows_add", Numbers, *_WHERE, Numbers)
_MERGE = Kernel("rows_merge", Numbers, ctypes.c_void_p, SIZE, *_WHERE, _NUMBER, of=F32)
_SCALE = Kernel("rows_scale", Numbers, *_WHERE, _NUMBER, of=F32)
_CLEAR = Kernel("rows_clear", Numbers, *_WHERE, of=F32)
_SQUARES = Kernel("rows_squares", Numbers, *_WHERE, result=ctypes.c_double, of=F32)
_ADAGRAD = Kernel("rows_adagrad", *[Numbers] * 3, *_WHERE, _NUMBER, _NUMBER, of=F32)
_FIRST = torch.zeros(1, dtype=torch.int64, device="cpu")
"""The rows of a table that has one."""


def add_rows(total: Tensor, rows: Tensor, values: Tensor) -> None:
    """Add `values` (k, ...), in any precision, to the rows, which may be there several times."""
    if (kernel := _ADD.taking(values)) is not None and _MERGE.taking(total) is not None:
        kernel(total, *_where(total, rows.contiguous()), values.contiguous())
        return
    total.index_add_(0, rows, values.to(total.dtype))


def add_all(total: Tensor, values: Tensor) -> None:
    """Add `values`, of total's shape and in any precision.

    Torch makes a copy in float32 first where the precisions differ; two threads that do so wait for
    the system's memory.
    """
    copied = values.dtype != total.dtype and values.is_contiguous() and total.is_contiguous()
    if copied and (kernel := _ADD.taking(values)) is not None and _MERGE.taking(total) is not None:
        kernel(total, _FIRST, 1, total.numel(), values)  # as one long row
        return
    total.add_(values)


def merge_rows(total: Tensor, others: Sequence[Tensor], rows: Tensor, divisor: float) -> None:
    """Add the rows of `others` to those of `total`, make them zero there, and divide the sums."""
    if (kernel := _MERGE.taking(total)) is not None:
        pointers = (ctypes.c_void_p * len(others))(*(other.data_ptr() for other in others))
        kernel(total, pointers, len(others), *_where(total, rows), divisor)
        return
    sums = total.index_select(0, rows)
    for other in others:
        sums += other.index_select(0, rows)
        other.index_fill_(0, rows, 0.0)
    total.index_copy_(0, rows, sums.div_(divisor))


def scale_rows(table: Tensor, rows: Tensor, factor: float) -> None:
    """Multiply the rows by `factor`."""
    if (kernel := _SCALE.taking(table)) is not None:
        kernel(table, *_where(table, rows), factor)
        return
    table.index_copy_(0, rows, table.index_select(0, rows).mul_(factor))


def clear_rows(table: Tensor, rows: Tensor) -> None:
    """Make the rows zero."""
    if (kernel := _CLEAR.taking(table)) is not None:
        kernel(table, *_where(table, rows))
        return
    table.index_fill_(0, rows, 0.0)


def norm_of_rows(table: Tensor, rows: Tensor) -> Tensor:
    """2-norm of all numbers of the rows, ()."""
    if (kernel := _SQUARES.taking(table)) is not None:
        squares = kernel(table, *_where(table, rows))
        return torch.tensor(squares, dtype=torch.float64).sqrt().float()
    return torch.linalg.vector_norm(table.index_select(0, rows), dtype=torch.float64).float()


def adagrad_rows(
    w: Tensor, grad: Tensor, squares: Tensor, rows: Tensor, lr: float, eps: float
) -> None:
    """squares += mean of g^2; w -= lr g / (sqrt(squares) + eps), of the rows alone.

    Args:
        w: weights.
        grad: their gradient g, of w's shape.
        squares: what each row has seen, (V,).
        rows: of w.
        lr: step size.
        eps: added to the root.
    """
    if (kernel := _ADAGRAD.taking(w)) is not None:
        kernel(w, grad, squares, *_where(w, rows), lr, eps)
        return
    g = grad.index_select(0, rows)
    norm = torch.linalg.vector_norm(g.flatten(1), dim=1)
    grown = squares.index_select(0, rows).add_(norm.square_().div_(g[0].numel()))
    squares.index_copy_(0, rows, grown)
    size = grown.sqrt_().add_(eps).reciprocal_()
    moved = w.index_select(0, rows)
    moved.addcmul_(g, size.view(-1, *[1] * (w.ndim - 1)), value=-lr)
    w.index_copy_(0, rows, moved)


def _where(table: Tensor, rows: Tensor) -> tuple[Tensor, int, int]:
    """What a kernel is told of `rows`: themselves, how many there are, and W."""
    assert rows.dtype == torch.int64 and rows.is_contiguous() and table.is_contiguous()
    return rows, len(rows), table[0].numel()
