"""Passes over rows of tables: what they come to, by the kernels and by torch alike."""

import pytest
import torch

from lingloom.train.rows import (
    adagrad_rows,
    add_all,
    add_rows,
    clear_rows,
    merge_rows,
    norm_of_rows,
    scale_rows,
)

PICKED = torch.tensor([0, 2, 5])


def table(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("width", [1, 3, 16, 37])
def test_values_are_added_to_rows_that_come_several_times(way, width, dtype):
    total, values = table(0, 7, width), table(1, 4, width).to(dtype)
    expected = total.clone()
    for row, value in zip((5, 2, 5, 0), values.float(), strict=True):
        expected[row] += value
    add_rows(total, torch.tensor([5, 2, 5, 0]), values)
    assert torch.equal(total, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("turned", [False, True])
def test_values_of_any_precision_are_added_to_all(way, dtype, turned):
    total, values = table(0, 5, 37), table(1, 5, 37).to(dtype)
    if turned:
        values = values.T.contiguous().T
    expected = total + values.float()
    add_all(total, values)
    assert torch.equal(total, expected)


@pytest.mark.parametrize("width", [1, 3, 16, 37])
def test_rows_of_several_sums_are_merged_and_the_others_emptied(way, width):
    parts = [table(i, 7, width) for i in range(3)]
    total, *others = (part.clone() for part in parts)
    merge_rows(total, others, PICKED, 4)
    expected = parts[0].clone()
    expected[PICKED] = ((parts[0] + parts[1]) + parts[2])[PICKED] / 4
    assert torch.equal(total, expected)
    for other, before in zip(others, parts[1:], strict=True):
        assert not other[PICKED].any()
        kept = [1, 3, 4, 6]
        assert torch.equal(other[kept], before[kept])


def test_one_sum_alone_is_divided(way):
    total = torch.full((3, 2), 6.0)
    merge_rows(total, [], torch.tensor([1]), 3)
    assert total.tolist() == [[6, 6], [2, 2], [6, 6]]


@pytest.mark.parametrize("shape", [(7, 37), (7, 2, 5), (7,)])
def test_rows_are_scaled_measured_and_cleared(way, shape):
    whole = table(0, *shape)
    expected = whole.clone()
    expected[PICKED] *= 0.3
    scale_rows(whole, PICKED, 0.3)
    torch.testing.assert_close(whole, expected, rtol=1e-6, atol=0)
    norm = norm_of_rows(whole, PICKED)
    assert norm.dtype == torch.float32
    assert float(norm) == pytest.approx(float(expected[PICKED].double().norm()), rel=1e-6)
    clear_rows(whole, PICKED)
    assert not whole[PICKED].any() and torch.equal(whole[[1, 3, 4, 6]], expected[[1, 3, 4, 6]])


def test_a_bad_number_shows_in_the_norm(way):
    whole = table(0, 7, 20)
    whole[2, 3] = torch.nan
    assert torch.isnan(norm_of_rows(whole, PICKED))
    assert torch.isfinite(norm_of_rows(whole, torch.tensor([0, 5])))


def test_no_rows_are_no_work(way):
    whole, none = table(0, 4, 3), torch.empty(0, dtype=torch.int64)
    before = whole.clone()
    merge_rows(whole, [whole.clone()], none, 2)
    scale_rows(whole, none, 2.0)
    clear_rows(whole, none)
    assert torch.equal(whole, before) and norm_of_rows(whole, none) == 0


@pytest.mark.parametrize("width", [5, 37])
def test_adagrad_steps_rows_by_its_formula(way, width):
    w, grad, squares = table(0, 7, width), table(1, 7, width), table(2, 7).abs()
    expected_w, expected_squares = w.double(), squares.double()
    for r in PICKED.tolist():
        expected_squares[r] += grad[r].double().square().mean()
        expected_w[r] -= 0.5 * grad[r].double() / (expected_squares[r].sqrt() + 1e-10)
    adagrad_rows(w, grad, squares, PICKED, 0.5, 1e-10)
    torch.testing.assert_close(w.double(), expected_w, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(squares.double(), expected_squares, rtol=1e-6, atol=0)


def test_a_row_without_gradient_stands_still(way):
    w, squares = table(0, 3, 4), torch.zeros(3)
    before = w.clone()
    adagrad_rows(w, torch.zeros(3, 4), squares, torch.tensor([1]), 0.5, 1e-10)
    assert torch.equal(w, before) and not squares.any()
