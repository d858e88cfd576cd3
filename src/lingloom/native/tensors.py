"""The compiled kernels over torch's tensors: which tensors they take, and how they are called.

Whoever has such a kernel declares it once as a `Kernel` and has its twin in torch beside the call.
"""

import ctypes
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from .kernels import kernels

SIZE = ctypes.c_int64
F32: Mapping[torch.dtype, str] = {torch.float32: "f32"}
BF16_AND_F32: Mapping[torch.dtype, str] = {torch.bfloat16: "bf16", **F32}


class Numbers:
    """As the type of an argument: where a tensor's numbers lie; None is a null pointer."""

    @staticmethod
    def from_param(tensor: Tensor | None) -> ctypes.c_void_p | None:
        return None if tensor is None else ctypes.c_void_p(tensor.data_ptr())


class Kernel:
    """A kernel of the shared library, one function for each type of numbers.

    Args:
        name: KIND, where the functions are lingloom_KIND_bf16 and lingloom_KIND_f32.
        arguments: their types, in order, for all alike.
        result: the type of what they return; None: nothing.
        of: the numbers for which there is one.
    """

    def __init__(
        self,
        name: str,
        *arguments: Any,
        result: Any = None,
        of: Mapping[torch.dtype, str] = BF16_AND_F32,
    ):
        self.name, self.arguments, self.result, self.of = name, arguments, result, of

    def taking(self, x: Tensor) -> Callable[..., Any] | None:
        """The function for tensors like x, which must lie in one piece; None where torch computes:
        for other numbers, on other devices, under the compiler, without the library.

        For a rehearsed x it is a function that does nothing.
        """
        if x.device.type != "cpu" or x.dtype not in self.of or torch.compiler.is_compiling():
            return None
        if (library := kernels()) is None:
            return None
        if rehearsed(x):
            return _nothing
        if type(x) is not Tensor and type(x) is not Parameter:
            return None  # one that has its numbers elsewhere
        return _declared(self, library, self.of[x.dtype])


def rehearsed(x: Tensor) -> bool:
    """Whether x is a tensor without numbers, with which the plan counts memory."""
    return type(x).__name__ == "FakeTensor"  # importing it takes a third of a second


def _nothing(*_: Any) -> None:
    pass


@cache
def _declared(kernel: Kernel, library: ctypes.CDLL, numbers: str) -> Callable[..., Any]:
    # A function object of our own: one that threads share must not be declared while it is called.
    function = library[f"lingloom_{kernel.name}_{numbers}"]
    function.argtypes, function.restype = kernel.arguments, kernel.result
    return function
