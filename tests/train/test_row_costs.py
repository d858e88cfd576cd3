"""Cross-entropy of rows of scores: what it and its gradient come to, by the kernel and by torch."""

import math

import pytest
import torch

from lingloom.train.objectives.row_costs import row_costs, row_costs_and_slopes

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)


def exact(scores, targets, smoothing):
    """Costs and gradient in double precision, by autograd."""
    scores = scores.double().requires_grad_()
    costs = torch.nn.functional.cross_entropy(
        scores, targets, label_smoothing=smoothing, reduction="none"
    )
    costs.sum().backward()
    return costs.detach(), scores.grad


def test_a_row_by_hand(way):
    """Shares 1/2, 1/3, 1/6: the second costs log 3, the first log 2."""
    scores = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]).log()
    costs, slopes = row_costs_and_slopes(scores.clone(), torch.tensor([1, 0]))
    torch.testing.assert_close(costs, torch.tensor([math.log(3), math.log(2)]))
    expected = torch.tensor([[1 / 2, -2 / 3, 1 / 6], [-1 / 2, 1 / 3, 1 / 6]])
    torch.testing.assert_close(slopes, expected)
    torch.testing.assert_close(row_costs(scores, torch.tensor([1, 0])), costs)


@DTYPES
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("vocab", [1, 2, 15, 16, 17, 65, 1023, 1024, 1025, 5000])
def test_costs_and_gradients_are_the_exact_ones(way, vocab, smoothing, dtype):
    draw = torch.Generator().manual_seed(vocab)
    scores = (4 * torch.randn(5, vocab, generator=draw)).to(dtype)
    targets = torch.randint(vocab, (5,), generator=draw)
    expected, slopes = exact(scores, targets, smoothing)
    alone = row_costs(scores, targets, smoothing)
    torch.testing.assert_close(alone, expected.float(), rtol=1e-6, atol=2e-6)
    d_bias = torch.ones(vocab)
    costs, found = row_costs_and_slopes(scores.clone(), targets, smoothing, d_bias)
    torch.testing.assert_close(costs, expected.float(), rtol=1e-6, atol=2e-6)
    assert found.dtype == dtype
    rounding = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {}
    torch.testing.assert_close(found, slopes.to(dtype), **rounding)
    torch.testing.assert_close(d_bias, 1 + slopes.sum(0).float(), rtol=1e-5, atol=5e-6)


@DTYPES
def test_scores_that_lie_far_apart_are_no_trouble(way, dtype):
    scores = torch.tensor([[0.0, -1e4, 1e4, 50.0], [-3e38, -2e38, 0, 1]]).to(dtype)
    costs, slopes = row_costs_and_slopes(scores.clone(), torch.tensor([0, 3]))
    torch.testing.assert_close(costs, exact(scores, torch.tensor([0, 3]), 0)[0].float())
    torch.testing.assert_close(slopes[0].float(), torch.tensor([-1.0, 0, 1, 0]))


@DTYPES
@pytest.mark.parametrize("odd", [math.nan, -math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_spoils_its_own_row_alone(way, odd, dtype):
    scores = torch.zeros(2, 20, dtype=dtype)
    scores[0, 18] = odd
    if way == "torch" and odd == -math.inf:
        pytest.skip("torch takes it for a chance of 0")
    costs, slopes = row_costs_and_slopes(scores.clone(), torch.tensor([1, 1]))
    assert costs[0].isnan() and slopes[0].isnan().all()
    assert row_costs(scores, torch.tensor([1, 1]))[0].isnan()
    assert costs[1].item() == pytest.approx(math.log(20))
    assert slopes[1].isfinite().all()


def test_what_a_row_costs_does_not_depend_on_the_rows_beside_it(needs_kernels):
    scores, targets = torch.randn(50, 333), torch.arange(50)
    alone = [row_costs(s[None], t[None]) for s, t in zip(scores, targets, strict=True)]
    assert torch.equal(row_costs(scores, targets), torch.cat(alone))


@pytest.mark.parametrize("target", [-1, 4])
def test_a_target_outside_the_vocabulary_is_told(needs_kernels, target):
    with pytest.raises(IndexError, match=r"targets of .* to .* under 4 scores"):
        row_costs(torch.zeros(2, 4), torch.tensor([1, target]))


def test_scores_in_other_precisions_are_torchs(needs_kernels):
    scores, targets = torch.randn(3, 7, dtype=torch.float64), torch.tensor([0, 3, 6])
    costs, slopes = row_costs_and_slopes(scores.clone(), targets)
    expected, wanted = exact(scores, targets, 0)
    torch.testing.assert_close(costs, expected.float())
    torch.testing.assert_close(slopes, wanted, rtol=1e-5, atol=1e-6)
