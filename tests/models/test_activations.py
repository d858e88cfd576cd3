"""GELU and SwiGLU: the exact values, whether kernels or torch compute them."""

import pytest
import torch
from torch.nn import functional as F

from lingloom.models.activations import gelu, swiglu

both_types = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)


def exact_gelu(x: torch.Tensor) -> torch.Tensor:
    """In float64, and without the difference of nearly equal numbers in 1 + tanh."""
    return x * torch.sigmoid((8 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))


def every_bf16() -> torch.Tensor:
    """All below 2^20, in both signs."""
    x = torch.arange(65536, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    return x[x.abs() < 2**20]


def units_apart(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """How many bf16 numbers lie between two; numbers below 1e-30 are all 0 here."""

    def rank(x: torch.Tensor) -> torch.Tensor:
        bits = torch.where(x.abs() < 1e-30, 0.0, x.float()).bfloat16().view(torch.int16).int()
        return torch.where(bits < 0, -(bits & 0x7FFF), bits)

    return (rank(a) - rank(b)).abs()


def slope(function, x: torch.Tensor) -> torch.Tensor:
    x = x.detach().clone().requires_grad_()
    function(x).sum().backward()
    return x.grad


def test_every_bf16_number_has_the_exact_gelu_and_slope_rounded_once(needs_kernels):
    x = every_bf16()
    assert int(units_apart(gelu(x), exact_gelu(x.double()).bfloat16()).max()) <= 1
    wanted = slope(exact_gelu, x[x.abs() < 100].double()).bfloat16()
    assert int(units_apart(slope(gelu, x[x.abs() < 100]), wanted).max()) <= 1


def test_float32_gelu_is_exact_to_a_millionth(way):
    x = torch.linspace(-12, 12, 100_001)
    torch.testing.assert_close(gelu(x).double(), exact_gelu(x.double()), rtol=1e-6, atol=1e-6)
    wanted = slope(exact_gelu, x.double())
    torch.testing.assert_close(slope(gelu, x).double(), wanted, rtol=2e-6, atol=2e-6)


@both_types
def test_swiglu_is_the_product_of_a_gate_and_its_values(way, dtype):
    torch.manual_seed(0)
    x = (4 * torch.randn(7, 3, 2 * 37)).to(dtype)
    dy = torch.randn(7, 3, 37).to(dtype)
    mine, exact = x.clone().requires_grad_(), x.double().requires_grad_()
    gate, up = exact.chunk(2, -1)
    (F.silu(gate) * up).backward(dy.double())
    y = swiglu(mine)
    y.backward(dy)
    # torch rounds bf16 after each of its operations
    close = {"rtol": 2e-6, "atol": 2e-6} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.02}
    if way == "kernels" and dtype == torch.bfloat16:
        close = {"rtol": 2**-8, "atol": 1e-30}
    torch.testing.assert_close(y.double(), F.silu(gate) * up, **close)
    torch.testing.assert_close(mine.grad.double(), exact.grad, **close)


@both_types
@pytest.mark.parametrize("function", [gelu, swiglu])
def test_no_bad_number_becomes_a_good_one(way, dtype, function):
    for bad in (torch.nan, torch.inf):
        x = torch.tensor([bad, 1.0, 1.0, 2.0], dtype=dtype, requires_grad=True)
        y = function(x)
        assert not torch.isfinite(y[0]) and torch.isfinite(y[1])
        y[0].backward()
        assert torch.isfinite(x.grad[1])


def test_large_numbers_reach_the_limits(way):
    x = torch.tensor([-1e6, -200.0, 200.0, 1e6])
    assert torch.allclose(gelu(x), torch.tensor([0.0, 0.0, 200.0, 1e6]))
    assert torch.equal(slope(gelu, x).round(), torch.tensor([0.0, 0.0, 1.0, 1.0]))
    assert torch.allclose(
        swiglu(torch.tensor([-80.0, 200.0, 3.0, 3.0])), torch.tensor([0.0, 600.0])
    )


@both_types
def test_any_strides_and_sizes_will_do(way, dtype):
    torch.manual_seed(1)
    for rows, columns in ((0, 4), (1, 2), (5, 34)):
        x = torch.randn(columns, rows).to(dtype)
        assert torch.equal(gelu(x.T), gelu(x.T.contiguous()))
        assert torch.equal(swiglu(x.T), swiglu(x.T.contiguous()))
        up = x.clone().requires_grad_()
        gelu(up.T).sum().backward()  # a gradient of ones without memory of its own
        assert up.grad.shape == x.shape


@both_types
def test_kernels_and_torch_agree(dtype, needs_kernels, without_kernels):
    torch.manual_seed(2)
    x = torch.randn(64, 96).to(dtype)
    ours = [f(x) for f in (gelu, swiglu)] + [slope(f, x) for f in (gelu, swiglu)]
    without_kernels()
    theirs = [f(x) for f in (gelu, swiglu)] + [slope(f, x) for f in (gelu, swiglu)]
    close = {torch.float32: 2e-6, torch.bfloat16: 0.02}[dtype]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=close, atol=close)
