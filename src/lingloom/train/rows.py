"""Passes over a few rows of tables, by the compiled kernels or by torch.

A step of word vectors reads few rows of large tables, and then its sums are a small part of it:
torch copies rows out and back for each operation, eleven times a step, and wakes its threads each
time. Both ways agree but for the rounding of sums.

Shapes: tables (V, ...) float32 in one piece, rows (k,) int64, each once; W numbers in a row.
"""

import ctypes
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from ..native.kernels import kernels


def merge_rows(total: Tensor, others: Sequence[Tensor], rows: Tensor, divisor: float) -> None:
    """Add the rows of `others` to those of `total`, make them zero there, and divide the sums."""
    if (library := _for(total)) is not None:
        pointers = (ctypes.c_void_p * len(others))(*(other.data_ptr() for other in others))
        head = (total.data_ptr(), pointers, len(others))
        library.lingloom_rows_merge(*head, *_where(total, rows), divisor)
        return
    sums = total.index_select(0, rows)
    for other in others:
        sums += other.index_select(0, rows)
        other.index_fill_(0, rows, 0.0)
    total.index_copy_(0, rows, sums.div_(divisor))


def scale_rows(table: Tensor, rows: Tensor, factor: float) -> None:
    """Multiply the rows by `factor`."""
    if (library := _for(table)) is not None:
        library.lingloom_rows_scale(table.data_ptr(), *_where(table, rows), factor)
        return
    table.index_copy_(0, rows, table.index_select(0, rows).mul_(factor))


def clear_rows(table: Tensor, rows: Tensor) -> None:
    """Make the rows zero."""
    if (library := _for(table)) is not None:
        library.lingloom_rows_clear(table.data_ptr(), *_where(table, rows))
        return
    table.index_fill_(0, rows, 0.0)


def norm_of_rows(table: Tensor, rows: Tensor) -> Tensor:
    """2-norm of all numbers of the rows, ()."""
    if (library := _for(table)) is not None:
        squares = library.lingloom_rows_squares(table.data_ptr(), *_where(table, rows))
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
    if (library := _for(w)) is not None:
        tables = (part.data_ptr() for part in (w, grad, squares))
        library.lingloom_rows_adagrad(*tables, *_where(w, rows), lr, eps)
        return
    g = grad.index_select(0, rows)
    norm = torch.linalg.vector_norm(g.flatten(1), dim=1)
    grown = squares.index_select(0, rows).add_(norm.square_().div_(g[0].numel()))
    squares.index_copy_(0, rows, grown)
    size = grown.sqrt_().add_(eps).reciprocal_()
    moved = w.index_select(0, rows)
    moved.addcmul_(g, size.view(-1, *[1] * (w.ndim - 1)), value=-lr)
    w.index_copy_(0, rows, moved)


def _where(table: Tensor, rows: Tensor) -> tuple[int, int, int]:
    """What a kernel is told of `rows`: where they lie, how many there are, and W."""
    assert rows.dtype == torch.int64 and rows.is_contiguous() and table.is_contiguous()
    return rows.data_ptr(), len(rows), table[0].numel()


def _for(table: Tensor) -> ctypes.CDLL | None:
    """The kernels, where they can take `table`."""
    return _library() if table.device.type == "cpu" and table.dtype == torch.float32 else None


@cache
def _library() -> ctypes.CDLL | None:
    library = kernels()
    if library is not None:
        pointer, size, number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
        where = [pointer, size, size]
        for name, before, after in (
            ("merge", [pointer, pointer, size], [number]),
            ("scale", [pointer], [number]),
            ("clear", [pointer], []),
            ("squares", [pointer], []),
            ("adagrad", [pointer] * 3, [number, number]),
        ):
            function = getattr(library, f"lingloom_rows_{name}")
            function.argtypes = [*before, *where, *after]
            function.restype = ctypes.c_double if name == "squares" else None
    return library
