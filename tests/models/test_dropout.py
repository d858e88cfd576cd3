"""Dropout: published draws, kernels and torch alike, shares, gradients, threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from lingloom.models import dropout as module
from lingloom.models.attention import attend, look
from lingloom.models.dropout import Draw, Dropout, drawing_from, drop, dropout, new_draw

both_types = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)


PUBLISHED = [  # counter, key, answer: philox4x32-10 among Random123's known answers
    ([0] * 4, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        0x299F31D0_A4093822,
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), PUBLISHED)
def test_the_generator_gives_its_published_numbers(counter, key, answer):
    words = module._philox([torch.tensor([word]) for word in counter], key)
    assert " ".join(f"{int(word):08x}" for word in words) == answer


def test_eight_places_take_the_answer_of_one_counter():
    drawn = module._drawn(Draw(0, 0, 0), 0, 256).view(4, 64)[:, :2]  # lane 0 of the first tile
    words = [int(word, 16) for word in PUBLISHED[0][2].split()]
    assert drawn.tolist() == [[word & 0xFFFF, word >> 16] for word in words]


@both_types
@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 10_000])
def test_the_kernel_drops_what_its_twin_drops(dtype, size, needs_kernels, without_kernels):
    torch.manual_seed(0)
    x = torch.randn(size).to(dtype)
    draws = [Draw(2**64 - 3, 2**32 - 1, 6554), Draw(5, 0, 65_535), Draw(1, 7, 0)]
    by_kernel = [drop(x, draw) for draw in draws]
    without_kernels()
    assert all(torch.equal(drop(x, draw), y) for draw, y in zip(draws, by_kernel, strict=True))


def test_the_share_and_the_mean_are_kept(way):
    for rate in (0.1, 0.5, 0.9):
        with drawing_from("share", 1):
            y = dropout(torch.ones(1000, 1000), rate)
        # a million numbers: one standard deviation of the share is at most .0005
        assert abs((y == 0).float().mean() - rate) < 0.0025
        assert abs(y.mean() - 1) < 0.02
        assert y.unique().numel() == 2


def test_neighbours_rows_and_calls_are_dropped_independently(way):
    with drawing_from("independence"):
        first, second = (dropout(torch.ones(512, 512), 0.5) == 0 for _ in range(2))
    for a, b in (
        (first, second),
        (first[:, 1:], first[:, :-1]),
        (first[1:], first[:-1]),
        (first[:, 64:], first[:, :-64]),
        (first[128:], first[:-128]),
    ):
        assert abs((a & b).float().mean() - 0.25) < 0.005  # five standard deviations


@both_types
def test_the_gradient_falls_where_numbers_were_kept(way, dtype):
    x = torch.full((7, 33), 2.0, dtype=dtype, requires_grad=True)
    y = dropout(x.T, 0.25)
    y.sum().backward()
    assert torch.equal(x.grad.T != 0, y != 0)
    assert torch.equal(x.grad.T * 2, y)


def test_the_key_decides_whichever_thread_draws(way):
    def drawn(seed: int) -> torch.Tensor:
        with drawing_from("thread", seed):
            return torch.cat([dropout(torch.ones(300), 0.5) for _ in range(3)])

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(drawn, (1, 2))
    assert torch.equal(one, drawn(1)) and torch.equal(other, drawn(2))
    assert not torch.equal(one, other)
    assert not torch.equal(one[:300], one[300:600])


def test_without_a_key_torch_decides():
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return dropout(torch.ones(1000), 0.5)

    with drawing_from("a key that is gone by then"):
        drawn(0)
    first, again, other = (drawn(seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@both_types
def test_no_bad_number_becomes_a_good_one(way, dtype):
    x = torch.full((256,), torch.nan, dtype=dtype)
    assert torch.isnan(drop(x, Draw(0, 0, 32_768))).all()


def test_the_layer_drops_while_training_only():
    layer, x = Dropout(0.5), torch.ones(100)
    assert (layer(x) == 0).any()
    assert layer.eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_attention_drops_probabilities_as_its_formula_says(way, monkeypatch):
    """The blocks of attention beside softmax, mask and product written out, gradients too."""
    monkeypatch.setattr("lingloom.models.attention.BLOCK", 4)
    torch.manual_seed(0)
    B, H, T, D = 2, 3, 8, 5
    parts = [torch.randn(B, H, T, D, requires_grad=True) for _ in range(3)]
    twins = [part.detach().clone().requires_grad_() for part in parts]
    with drawing_from("attention"):
        y = attend(*parts, None, 0.3)
    keep = torch.zeros(B * H, T, T)
    with drawing_from("attention"):
        for start in (0, 4):
            size = (B * H, 4, start + 4)
            keep[:, start : start + 4, : start + 4] = drop(torch.ones(size), new_draw(0.3))
    q, k, v = (part.reshape(B * H, T, D) for part in twins)
    future = torch.full((T, T), -torch.inf).triu(1)
    p = torch.softmax(q @ k.transpose(1, 2) * D**-0.5 + future, -1) * keep
    expected = (p @ v).view(B, H, T, D)
    torch.testing.assert_close(y, expected)
    slope = torch.randn(B, H, T, D)
    y.backward(slope)
    expected.backward(slope)
    for part, twin in zip(parts, twins, strict=True):
        torch.testing.assert_close(part.grad, twin.grad)


@both_types
def test_attention_to_all_places_drops_by_the_threads_key(dtype):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 2, 6, 4).to(dtype) for _ in range(3))

    def answer() -> torch.Tensor:
        with drawing_from("look"):
            return look(q, k, v, None, 0.5)

    assert torch.equal(answer(), answer())
    assert not torch.equal(answer(), look(q, k, v, None))


@pytest.mark.parametrize("keep", [1024, 2], ids=["kept", "computed-again"])
@pytest.mark.parametrize("masked", [False, True])
def test_the_gradients_of_attention_with_dropout_are_those_of_its_values(keep, masked, monkeypatch):
    """By differences in float64: several blocks, heads that share keys, one that is cut short."""
    monkeypatch.setattr("lingloom.models.attention.BLOCK", 3)
    monkeypatch.setattr("lingloom.models.attention.KEEP", keep)
    torch.manual_seed(0)
    parts = [torch.randn(2, heads, 7, 3).double().requires_grad_() for heads in (4, 2, 2)]
    mask = torch.full((7, 7), -torch.inf).double().triu(1)
    mask[5, :2] = -torch.inf

    def answer(*parts: torch.Tensor) -> torch.Tensor:
        with drawing_from("attention"):
            return attend(*parts, mask if masked else None, 0.4)

    assert torch.autograd.gradcheck(answer, parts)


def test_the_gradients_of_looking_with_dropout_are_those_of_its_values():
    torch.manual_seed(0)
    parts = [torch.randn(2, 2, length, 3).double().requires_grad_() for length in (4, 5, 5)]

    def answer(*parts: torch.Tensor) -> torch.Tensor:
        with drawing_from("look"):
            return look(*parts, None, 0.4)

    assert torch.autograd.gradcheck(answer, parts)


def test_a_gradient_of_the_gradient_is_refused_and_not_left_out():
    x = torch.ones(10, requires_grad=True)
    (slope,) = torch.autograd.grad((dropout(x, 0.5) ** 3).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(slope.sum(), x)
