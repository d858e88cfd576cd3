"""Pictures of models."""

import math

import torch
from draw import COLOURS, INK, Drawing, bars, curves, grid, picture

from lingloom.models.activations import gelu, swiglu
from lingloom.models.distances import bucket
from lingloom.models.recurrent import GRU, LSTM, Cell, ElmanTanh
from lingloom.models.rmsnorm import RMSNorm
from lingloom.models.seq2seq import Attention, Memory
from lingloom.models.transformer import sinusoids


def one_cell(kind: type[Cell], **values: list[float]) -> Cell:
    """A cell of one number whose weights are `values`, and 0 where none are given."""
    cell = kind(1, 1, dropconnect=0.0, recurrent_dropout=0.0)
    for name, weight in cell.named_parameters():
        given = values.get(name, [0.0] * weight.numel())
        weight.data = torch.tensor(given).view(weight.shape)
    return cell


@picture
def rnn() -> Drawing:
    pulse = torch.zeros(16, 1, 1)
    pulse[0] = 2.0
    series = {}
    for u in (0.5, 0.9, 1.5):
        cell = one_cell(ElmanTanh, weight_ih=[1.0], weight_hh=[u])
        out, _ = cell(pulse, (torch.zeros(1, 1),), None)
        series[f"U = {u}"] = [(t + 1, h) for t, h in enumerate(out.flatten().tolist())]
    return curves(series, "t", "h", dots=True, y_range=(0, 1))


@picture
def lstm() -> Drawing:
    series = {}
    for bias in (0.0, 2.0, 5.0):
        # the input opens the input gate by 10 and gives the candidate; without it the gate is shut
        cell = one_cell(LSTM, weight_ih=[10.0, 0.0, 3.0, 0.0], bias_ih=[-5.0, bias, 0.0, 0.0])
        h, c = torch.zeros(1, 1), torch.zeros(1, 1)
        points = []
        for t in range(24):
            _, (h, c) = cell(torch.full((1, 1, 1), float(t == 0)), (h, c), None)
            points.append((t + 1, c.item()))
        series[f"b_f = {bias:g}"] = points
    return curves(series, "t", "c", dots=True, y_range=(0, 1))


@picture
def gru() -> Drawing:
    series = {}
    for z in (0.5, 0.8, 0.95):
        cell = one_cell(GRU, bias_ih=[0.0, math.log(z / (1 - z)), 0.0])
        out, _ = cell(torch.zeros(24, 1, 1), (torch.ones(1, 1),), None)
        states = [1.0, *out.flatten().tolist()]
        series[f"z = {z}"] = list(enumerate(states))
    return curves(series, "t", "h", dots=True, y_range=(0, 1))


@picture
def attention() -> Drawing:
    waves = sinusoids(6, 16, torch.device("cpu"))
    future = torch.full((6, 6), -math.inf).triu(1)
    weights = (3 * waves @ waves.T / 4 + future).softmax(-1)
    names = [str(t + 1) for t in range(6)]
    seen = [
        [w if j <= i else None for j, w in enumerate(r)] for i, r in enumerate(weights.tolist())
    ]
    return grid(seen, names, names)


@picture
def additive_attention() -> Drawing:
    attention = Attention(1, 1, 1)
    for weight, value in zip(attention.parameters(), (1.0, 0.0, 1.0, 2.0), strict=True):
        torch.nn.init.constant_(weight, value)
    places = torch.tensor([[[0.0], [1.0], [-1.0]]])
    rows = []
    with torch.no_grad():
        memory = Memory(places, attention.key(places), torch.zeros(1, 3))
        for state in (-1.0, 0.0, 0.5):
            rows.append(attention(torch.tensor([[state]]), memory)[0].tolist())
    return grid(rows, ["s = −1", "s = 0", "s = 0.5"], ["h = 0", "h = 1", "h = −1"], cell=(76, 40))


@picture
def positions() -> Drawing:
    waves = sinusoids(48, 32, torch.device("cpu")).tolist()
    rows = [str(t) if t % 8 == 0 else "" for t in range(48)]
    columns = [str(i) if i % 4 == 0 else "" for i in range(32)]
    return grid(waves, rows, columns, numbers=False, cell=(17, 7))


@picture
def relative_positions() -> Drawing:
    away = torch.arange(160)
    series = {}
    for name, both in (("32", False), ("16 + 16", True)):
        kinds = bucket(-away, both_sides=both, buckets=32, furthest=128).tolist()
        series[name] = list(enumerate(kinds))
    return curves(series, "d", "κ")


@picture
def grouped_query() -> Drawing:
    sheet = Drawing(560, 200)
    for head in range(4):
        x, shared = 95 + 123 * head, head // 2
        sheet.box((x, 50), (90, 40), f"Q{head}", stroke=COLOURS[shared])
        sheet.arrow((x, 70), (157 + 246 * shared, 130), COLOURS[shared])
    for shared in range(2):
        sheet.box((157 + 246 * shared, 150), (150, 40), f"K{shared}, V{shared}")
    return sheet


@picture
def sampling() -> Drawing:
    z = torch.tensor([2.0, 1.0, 0.0, -1.0])
    series = {f"τ = {t:g}": torch.softmax(z / t, 0).tolist() for t in (0.5, 1.0, 2.0)}
    return bars(series, ["z = 2", "1", "0", "−1"], "p")


@picture
def transformer() -> Drawing:
    sheet = Drawing(560, 330)
    for x, names in (
        (140, ["heads(x, x)", "F(x)"]),
        (410, ["heads ≤ t (y, y)", "heads(y, x)", "F(y)"]),
    ):
        heights = [250 - 70 * i for i in range(len(names))]
        sheet.arrow((x, 310), (x, heights[0] + 20))
        for name, y, colour in zip(names, heights, COLOURS, strict=False):
            sheet.box((x, y), (170, 40), name, stroke=colour)
            sheet.arrow((x, y - 20), (x, y - 50))
        sheet.text((x + 12, 312), "x" if len(names) == 2 else "y", 14, "start")
    sheet.line([(140, 130), (280, 130), (280, 180)], COLOURS[1])
    sheet.arrow((280, 180), (325, 180), COLOURS[1])
    sheet.text((410, 50), "z = y Eᵀ")
    return sheet


@picture
def norms() -> Drawing:
    x = torch.tensor([[1.0, 2.0, 3.0, 6.0]])
    with torch.no_grad():
        made = {"x": x, "LN": torch.nn.LayerNorm(4)(x), "RMS": RMSNorm(4, 1e-5)(x)}
    sizes = {name: values.abs().flatten().tolist() for name, values in made.items()}
    return bars(sizes, ["1", "2", "3", "4"], "|x|")


@picture
def activations() -> Drawing:
    x = torch.linspace(-4, 4, 161)
    made = {"ReLU": x.relu(), "GELU": gelu(x)}
    made["SiLU"] = swiglu(torch.stack((x, torch.ones_like(x)), dim=-1)).flatten()
    series = {n: list(zip(x.tolist(), y.tolist(), strict=True)) for n, y in made.items()}
    return curves(series, "x", "", y_range=(-0.5, 4))


@picture
def textcnn() -> Drawing:
    x, w = torch.tensor([[[1.0, -1.0, 2.0]]]), torch.tensor([[[1.0, 0.5]]])
    matches = torch.nn.functional.conv1d(x, w, torch.tensor([-0.25]), padding=1).flatten()
    return grid([matches.tolist()], ["m"], ["0, 1", "1, −1", "−1, 2", "2, 0"], cell=(76, 40))


@picture
def crf() -> Drawing:
    sheet = Drawing(520, 240)
    places = {(t, y): (130 + 250 * t, 70 + 110 * y) for t in (0, 1) for y in (0, 1)}
    numbers = {(0, 0): 1, (0, 1): 0, (1, 0): 0, (1, 1): 1.5}
    for i in (0, 1):
        for j in (0, 1):
            colour = COLOURS[0] if (i, j) == (1, 1) else "#9ca3af"
            (x, y), (u, v) = places[0, i], places[1, j]
            sheet.arrow((x + 42, y), (u - 42, v), colour)
            follow = "−2" if (i, j) == (0, 1) else "0"
            beside = {(0, 0): (0, -8), (0, 1): (-30, -37), (1, 0): (-30, 44), (1, 1): (0, 17)}[i, j]
            middle = ((x + u) / 2 + beside[0], (y + v) / 2 + beside[1])
            sheet.text(middle, follow, 12)
    for (t, y), place in places.items():
        best = (t, y) in ((0, 1), (1, 1))
        stroke = COLOURS[0] if best else INK
        sheet.box(place, (84, 44), f"{y}:  {numbers[t, y]:g}", stroke=stroke)
    for t in (0, 1):
        sheet.text((130 + 250 * t, 30), f"t = {t + 1}")
    return sheet


@picture
def beam_search() -> Drawing:
    sheet = Drawing(560, 250)
    root, a, b = (280, 40), (160, 125), (400, 125)
    leaves = {"END 0.4": (90, 210), "0.3 + 0.3": (215, 210), "END 0.9": (400, 210)}
    for start, end, colour in (
        (root, a, COLOURS[1]),
        (root, b, COLOURS[0]),
        (a, leaves["END 0.4"], COLOURS[1]),
        (a, leaves["0.3 + 0.3"], "#9ca3af"),
        (b, leaves["END 0.9"], COLOURS[0]),
    ):
        sheet.arrow((start[0], start[1] + 18), (end[0], end[1] - 18), colour)
    sheet.box(root, (60, 36), "1")
    sheet.box(a, (90, 36), "A  0.55", stroke=COLOURS[1])
    sheet.box(b, (90, 36), "B  0.45", stroke=COLOURS[0])
    for name, place in leaves.items():
        sheet.box(place, (92, 36), name)
    sheet.text((90, 243), "0.22")
    sheet.text((400, 243), "0.405")
    return sheet
