"""Attention in blocks of queries against the plain formula."""

import pytest
import torch
from torch.nn import functional as F

from lingloom.models import attention
from lingloom.models.attention import attend, look

SHAPE = (2, 4, 150, 8)  # B, H, T, D; T is no multiple of a block


def plain(q, k, v, mask):
    """The formula of the paper, in float64."""
    q, k, v = (x.double() for x in (q, k, v))
    if k.shape[1] != q.shape[1]:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    if mask is None:
        mask = torch.full((q.shape[2], q.shape[2]), float("-inf")).triu(1)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + mask.double()
    return torch.softmax(scores, -1) @ v


def segments_mask(dtype):
    segment = torch.arange(150) // 40
    seen = (segment[:, None] == segment[None]).tril()
    return torch.zeros(150, 150, dtype=dtype).masked_fill(~seen, float("-inf"))[None, None]


def some(heads, dtype):
    torch.manual_seed(heads)
    rows = torch.randn(SHAPE[0], SHAPE[2], heads, SHAPE[3]).to(dtype)  # laid out as models do
    return rows.requires_grad_(), rows.transpose(1, 2)


@pytest.mark.parametrize("keep", [1024, 0], ids=["kept", "again"])
@pytest.mark.parametrize("masked", [False, True], ids=["stream", "segments"])
@pytest.mark.parametrize("key_heads", [4, 2])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["bf16", "fp32"])
def test_attention_and_its_gradients_equal_the_formula(monkeypatch, dtype, key_heads, masked, keep):
    monkeypatch.setattr(attention, "KEEP", keep)
    mask = segments_mask(dtype) if masked else None
    (q0, q), (k0, k), (v0, v) = some(4, dtype), some(key_heads, dtype), some(key_heads, dtype)
    out, wanted = attend(q, k, v, mask, 0.0), plain(q, k, v, mask)
    bound = 0.03 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(out.double(), wanted, rtol=bound, atol=bound)
    upstream = torch.randn(SHAPE).to(dtype)
    ours = torch.autograd.grad(out, (q0, k0, v0), upstream)
    theirs = torch.autograd.grad(wanted, (q0, k0, v0), upstream.double())
    for a, b in zip(ours, theirs, strict=True):
        error = (a.double() - b.double()).norm() / b.double().norm()
        assert error < bound


def test_the_blocks_are_torchs_attention_in_another_order():
    """In float32, where rounding cannot hide a mistake."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(SHAPE, requires_grad=True) for _ in range(3))
    ours = attention._BlockAttention.apply(q, k, v, None, 0.0)
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    upstream = torch.randn(SHAPE)
    for a, b in zip(
        torch.autograd.grad(ours, (q, k, v), upstream),
        torch.autograd.grad(theirs, (q, k, v), upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_one_new_token_sees_everything_held():
    q, k, v = torch.randn(1, 2, 1, 4), torch.randn(1, 2, 9, 4), torch.randn(1, 2, 9, 4)
    wanted = plain(q, k, v, torch.zeros(1, 9))
    torch.testing.assert_close(attend(q, k, v, None, 0.0).double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_looking_at_all_places_is_the_formula_in_both_precisions(dtype):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, T, 8).to(dtype).requires_grad_() for T in (5, 7, 7))
    mask = torch.zeros(2, 1, 1, 7, dtype=dtype)
    mask[0, ..., 4:] = -torch.inf
    found = look(q, k, v, mask)
    exact = [x.detach().double().requires_grad_() for x in (q, k, v)]
    scores = exact[0] @ exact[1].transpose(2, 3) / 8**0.5 + mask.double()
    expected = scores.softmax(-1) @ exact[2]
    upstream = torch.randn(2, 3, 5, 8)
    ours = (found, *torch.autograd.grad(found, (q, k, v), upstream.to(dtype)))
    theirs = (expected, *torch.autograd.grad(expected, exact, upstream.double()))
    for one, other in zip(ours, theirs, strict=True):
        tolerance = 1e-5 if dtype == torch.float32 else 2e-2
        assert (one.double() - other).norm() < tolerance * other.norm()
    assert bool((torch.autograd.grad(look(q, k, v, mask).sum(), v)[0][0, :, 4:] == 0).all())
