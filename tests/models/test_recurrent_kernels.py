"""The LSTM's kernels beside the steps written out, their twin, and beside exact arithmetic."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from lingloom.models.recurrent import CELLS
from lingloom.models.recurrent_kernels import STEP
from lingloom.models.rnn import RNNSettings
from lingloom.tokens.batch import Batch

T, B, INPUTS, C = 9, 4, 5, 37
WAYS = ["plain", "restarts", "mask", "restarts and mask"]
both_cells = pytest.mark.parametrize("kind", ["lstm", "peephole"])
both_types = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
every_way = pytest.mark.parametrize("way", WAYS)
compiled = pytest.mark.usefixtures("needs_kernels")


def cell_of(kind, dtype=torch.float32, seed=0):
    torch.manual_seed(seed)
    cell = CELLS[kind](INPUTS, C, dropconnect=0.0, recurrent_dropout=0.0)
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return cell.to(dtype)


def problem(dtype, way):
    """Inputs, state before, mask, restarts; and gradients by the outputs and by the last state."""
    torch.manual_seed(1)
    parts = [torch.randn(*shape).to(dtype) for shape in ((T, B, INPUTS), (B, C), (B, C))]
    mask = (torch.rand(B, C) < 0.8).to(dtype) * 1.25 if "mask" in way else None
    # as the language model has them: transposed, not in one piece
    restarts = (torch.rand(B, T) < 0.25).T if "restarts" in way else None
    slopes = [torch.randn(*shape).to(dtype) for shape in ((T, B, C), (B, C), (B, C))]
    return parts, mask, restarts, slopes


def answers(cell, run, parts, mask, restarts, slopes):
    """Outputs, last state, and the gradients by inputs, first state and all parameters."""
    x, h, c = (part.clone().requires_grad_() for part in parts)
    y, (last_h, last_c) = run(x, (h, c), cell.weight_hh, mask, restarts)
    outputs = [y, last_h, last_c]
    gradients = torch.autograd.grad(outputs, [x, h, c, *cell.parameters()], slopes)
    return [output.detach() for output in outputs] + list(gradients)


@compiled
@both_cells
@every_way
def test_in_float32_kernels_and_steps_agree(kind, way):
    cell, given = cell_of(kind), problem(torch.float32, way)
    found = answers(cell, cell.by_kernels, *given)
    twin = answers(cell, cell._step_by_step, *given)
    for a, b in zip(found, twin, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@compiled
@both_cells
@every_way
def test_in_bf16_kernels_are_as_near_to_exact_arithmetic_as_the_steps(kind, way):
    cell, (parts, mask, restarts, slopes) = (
        cell_of(kind, torch.bfloat16),
        problem(torch.bfloat16, way),
    )
    found = answers(cell, cell.by_kernels, parts, mask, restarts, slopes)
    twin = answers(cell, cell._step_by_step, parts, mask, restarts, slopes)
    wide, many = deepcopy(cell).double(), [[p.double() for p in some] for some in (parts, slopes)]
    exact = answers(
        wide,
        wide._step_by_step,
        many[0],
        None if mask is None else mask.double(),
        restarts,
        many[1],
    )

    def off(some):
        pairs = zip(some, exact, strict=True)
        return torch.tensor([float((a.double() - b).norm() / b.norm()) for a, b in pairs])

    assert off(found).max() < 0.02
    assert off(found).mean() < 1.1 * off(twin).mean()


@compiled
@both_types
def test_a_cell_takes_the_kernels_wherever_they_serve(dtype, monkeypatch):
    monkeypatch.setattr(CELLS["peephole"], "_step_by_step", None)
    monkeypatch.setattr(CELLS["lstm"], "_step_by_step", None)
    parts, _, restarts, _ = problem(dtype, "restarts")
    x, state = parts[0], tuple(parts[1:])
    cell_of("peephole", dtype)(x, state, None)
    for kind in ("lstm", "peephole"):
        cell = cell_of(kind, dtype)
        cell(x, state, restarts)
        cell.recurrent_dropout = 0.5
        cell.train()(x, state, None)


@both_cells
def test_other_numbers_other_devices_and_no_kernels_leave_it_to_the_steps(
    kind, monkeypatch, without_kernels
):
    def by_kernels(cell, device="cpu", dtype=torch.float32):
        cell = deepcopy(cell).to(device, dtype)
        x, h, c = (part.to(device) for part in problem(dtype, "plain")[0])
        return cell.by_kernels(x, (h, c), cell.weight_hh, None, None)

    cell = cell_of(kind)
    assert by_kernels(cell, dtype=torch.float64) is None
    assert by_kernels(cell, device="meta") is None
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert by_kernels(cell) is None
    monkeypatch.undo()
    without_kernels()
    assert by_kernels(cell) is None
    parts, *_ = problem(torch.float32, "plain")
    outputs, _ = cell(parts[0], tuple(parts[1:]), None)
    assert outputs.shape == (T, B, C)


@compiled
def test_rehearsed_tensors_go_the_same_way_and_need_no_numbers():
    with FakeTensorMode():
        x = torch.randn(T, B, INPUTS, requires_grad=True)
        cell = CELLS["peephole"](INPUTS, C, dropconnect=0.0, recurrent_dropout=0.0)
        h, c = torch.zeros(2, B, C).unbind(0)
        y, _ = cell.by_kernels(x, (h, c), cell.weight_hh, None, None)
        y.sum().backward()
    assert (y.shape, x.grad.shape) == ((T, B, C), (T, B, INPUTS))


@compiled
@both_types
def test_two_threads_at_once_get_what_one_gets(dtype):
    def often(cell_and_given):
        cell, given = cell_and_given
        return [answers(cell, cell.by_kernels, *given) for _ in range(20)]

    jobs = [(cell_of("peephole", dtype, seed), problem(dtype, "restarts")) for seed in (0, 1)]
    alone = [answers(cell, cell.by_kernels, *given) for cell, given in jobs]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(often, jobs))
    for one, many in zip(alone, together, strict=True):
        for some in many:
            for a, b in zip(some, one, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


@compiled
def test_a_second_way_back_gives_the_same_gradient():
    cell, (parts, *_) = cell_of("peephole"), problem(torch.float32, "plain")
    y, _ = cell.by_kernels(parts[0], tuple(parts[1:]), cell.weight_hh, None, None)
    weights = list(cell.parameters())
    first = torch.autograd.grad(y.sum(), weights, retain_graph=True)
    second = torch.autograd.grad(y.sum(), weights)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def kernel_step(z, c, dtype=torch.float32):
    """c' and h of one number whose four sums are z, without peepholes."""
    sums = torch.tensor([z], dtype=dtype)
    memory, peep = torch.tensor([[c]], dtype=dtype), torch.zeros(3, 1, dtype=dtype)
    after, h = torch.empty_like(memory), torch.empty_like(memory)
    STEP.taking(sums)(sums, memory, peep, None, after, h, *memory.shape)
    return float(after), float(h)


@compiled
@both_types
def test_small_large_and_bad_numbers(dtype):
    exact = dict(rel=1e-6) if dtype == torch.float32 else dict(rel=2**-8)
    # i = f = o = 1/2: c' = tanh(g) / 2, h = tanh(c') / 2, to the last places near zero too
    for g in (1e-6, 1e-3, 0.1):
        g = float(torch.tensor(g, dtype=dtype))
        after, h = kernel_step([0.0, 0.0, g, 0.0], 0.0, dtype)
        c = torch.tensor(g, dtype=torch.float64).tanh() / 2
        assert after == pytest.approx(float(c), **exact)
        assert h == pytest.approx(
            float(torch.tensor(after, dtype=torch.float64).tanh() / 2), **exact
        )
    assert kernel_step([1e6, -1e6, 1e6, 1e6], 3.0, dtype)[0] == 1.0
    assert kernel_step([-torch.inf, torch.inf, -torch.inf, torch.inf], 3.0, dtype)[0] == 3.0
    for place in range(4):
        z = [0.5] * 4
        z[place] = torch.nan
        assert kernel_step(z, 1.0, dtype)[1] != kernel_step(z, 1.0, dtype)[1]


@compiled
def test_a_step_in_bf16_is_exact_arithmetic_rounded_once():
    torch.manual_seed(4)
    shapes = ((64, 4 * C), (64, C), (3, C))
    z, c, peep = (torch.randn(*shape).bfloat16() for shape in shapes)
    after, h = torch.empty_like(c), torch.empty_like(c)
    STEP.taking(z)(z, c, peep, None, after, h, *c.shape)
    i, f, g, o = z.double().chunk(4, dim=1)
    exact = (f + peep[1] * c.double()).sigmoid() * c
    exact += (i + peep[0] * c.double()).sigmoid() * g.tanh()
    said = (o + peep[2] * after.double()).sigmoid() * after.double().tanh()
    # half a unit in the last of 8 places, and what float32 loses where two terms nearly cancel
    once = {"rtol": 2**-8, "atol": 1e-6}
    torch.testing.assert_close(after.double(), exact, **once)
    torch.testing.assert_close(h.double(), said, **once)


@compiled
@both_cells
def test_packed_documents_are_read_as_if_each_stood_alone(kind):
    torch.manual_seed(3)
    model = RNNSettings(vocab=16, context=12, layers=2, width=10, cell=kind).build()
    ids, segments = torch.randint(16, (1, 9)), torch.tensor([[0, 0, 0, 0, 1, 1, 1, 2, 2]])
    packed = model.hidden(Batch(ids, ids, segments))
    alone = [model.hidden(Batch(part, part)) for part in ids.split([4, 3, 2], dim=1)]
    torch.testing.assert_close(packed, torch.cat(alone, dim=1), rtol=1e-5, atol=1e-6)
