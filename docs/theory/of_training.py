"""Pictures of what is learnt and how."""

import math

import numpy as np
import torch
from draw import COLOURS, Drawing, bars, curves, grid, picture

from lingloom.models.layers import Linear, segment_mask
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.extra import with_extra
from lingloom.tokens.masked import Hider, Shares
from lingloom.tokens.spans import Noise, hide
from lingloom.tokens.tokenizer import MASK
from lingloom.train.adafactor import AdafactorSettings
from lingloom.train.adagrad import AdaGradSettings
from lingloom.train.adam import AdamSettings
from lingloom.train.descent import MomentumSettings, NesterovSettings, SGDSettings
from lingloom.train.muon import orthogonal
from lingloom.train.optim import OptimizerSettings, ParameterGroup
from lingloom.train.regularise import WeightAverage, add_penalties
from lingloom.train.schedule import (
    CosineSettings,
    ExponentialSettings,
    InverseSqrtSettings,
    InverseTimeSettings,
    LinearSettings,
    StepSettings,
    WSDSettings,
)


@picture
def packing() -> Drawing:
    mask = segment_mask(torch.tensor([[0, 0, 1, 1, 1]]), torch.float32)[0, 0]
    names = ["1a", "1b", "2a", "2b", "2c"]
    return grid([[1.0 if m == 0 else None for m in row] for row in mask.tolist()], names, names)


@picture
def label_smoothing() -> Drawing:
    series = {}
    for e in (0.0, 0.1, 0.3):
        points = []
        for i in range(5, 1000):
            p, rest = i / 1000, (1 - i / 1000) / 2
            cost = -(1 - e) * math.log(p) - e / 3 * (math.log(p) + 2 * math.log(rest))
            points.append((p, cost))
        series[f"ε = {e}"] = points
    return curves(series, "p(y)", "L", y_range=(0, 3))


def descent(
    settings: OptimizerSettings, start: list[float], steep: list[float], lr: float
) -> list[tuple[float, float]]:
    """Loss of sum(steep w^2) / 2 from `start` over 60 steps."""
    w, g, bend, points = torch.tensor(start), torch.zeros(2), torch.tensor(steep), []
    optimizer = settings.build([ParameterGroup("all", w, g, False, [("w", w.shape)])])
    for step in range(61):
        points.append((float(step), float((bend * w * w).sum()) / 2))
        g.copy_(bend * w)
        optimizer.update(step, lr)
    return points


@picture
def sgd() -> Drawing:
    kinds = {"SGD": SGDSettings(), "momentum": MomentumSettings(), "Nesterov": NesterovSettings()}
    found = {n: descent(s, [5.0, 1.0], [1.0, 25.0], 0.03) for n, s in kinds.items()}
    return curves(found, "t", "L")


@picture
def adam() -> Drawing:
    kinds = {"SGD, η = 0.015": (SGDSettings(), 0.015), "Adam, η = 0.3": (AdamSettings(), 0.3)}
    found = {n: descent(s, [10.0, 1.0], [1.0, 100.0], lr) for n, (s, lr) in kinds.items()}
    logs = {n: [(t, math.log10(loss)) for t, loss in points] for n, points in found.items()}
    return curves(logs, "t", "log₁₀ L")


@picture
def adafactor() -> Drawing:
    w, g = torch.zeros(4), torch.tensor([1.0, 2.0, 3.0, 4.0])
    optimizer = AdafactorSettings().build(
        [ParameterGroup("all", w, g, False, [("w", torch.Size([2, 2]))])]
    )
    optimizer.update(0, 1.0)
    rows, columns = optimizer.state["w.rows"], optimizer.state["w.columns"]
    v = torch.outer(rows, columns) / rows.mean()
    both = {"g²": g.square().tolist(), "v": v.flatten().tolist()}
    return bars(both, ["1, 1", "1, 2", "2, 1", "2, 2"], "")


@picture
def adagrad() -> Drawing:
    series = {}
    for every in (1, 20):
        w, g, points = torch.zeros(1), torch.zeros(1), []
        optimizer = AdaGradSettings().build([ParameterGroup("all", w, g, False, [("w", w.shape)])])
        for step in range(200):
            g.fill_(float(step % every == 0))
            optimizer.update(step, 1.0)
            points.append((step, optimizer.state["all.squares"].item() ** -0.5))
        series[f"1/{every}"] = points
    return curves(series, "t", "η / √s", y_range=(0, 1))


@picture
def muon() -> Drawing:
    places = [i / 200 for i in range(1, 201)]
    series = {}
    for rounds in (1, 3, 5):
        # the other of two singular values makes the length of both 1, as a matrix of norm 1 has
        pairs = torch.tensor([[x, (1 - x * x) ** 0.5] for x in places])
        lengths = orthogonal(torch.diag_embed(pairs), rounds)[:, 0, 0].tolist()
        series[str(rounds)] = list(zip(places, lengths, strict=True))
    return curves(series, "x", "", y_range=(0, 1.3))


@picture
def penalties() -> Drawing:
    series = {}
    for name, start, l1, l2 in (
        ("L1, 1", 1.0, 0.1, 0.0),
        ("L2, 1", 1.0, 0.0, 0.3),
        ("L1, 0.4", 0.4, 0.1, 0.0),
        ("L2, 0.4", 0.4, 0.0, 0.3),
    ):
        w, g, points = torch.tensor([start]), torch.zeros(1), []
        groups = [ParameterGroup("all", w, g, True, [("w", w.shape)])]
        for step in range(101):
            points.append((float(step), w.item()))
            g.zero_()
            add_penalties(groups, l1=l1, l2=l2)
            w -= 0.15 * g
        series[name] = points
    return curves(series, "t", "w", y_range=(0, 1))


@picture
def averaging() -> Drawing:
    draws = torch.Generator().manual_seed(0)
    w = torch.zeros(1)
    groups = [ParameterGroup("all", w, w.clone(), True, [("w", w.shape)])]
    averages = {decay: WeightAverage(groups, decay) for decay in (0.0, 0.9, 0.98)}
    series: dict[str, list[tuple[float, float]]] = {f"β = {decay:g}": [] for decay in averages}
    for step in range(200):
        w -= 0.1 * (w + torch.randn(1, generator=draws))
        for decay, average in averages.items():
            average.update()
            series[f"β = {decay:g}"].append((step, average.state["all.average"].item()))
    return curves(series, "n", "w")


@picture
def schedules() -> Drawing:
    each = {
        "1/t": InverseTimeSettings(warmup=50),
        "γᵗ": ExponentialSettings(warmup=50, every=200),
        "γ⌊⌋": StepSettings(warmup=50, gamma=0.5, every=250),
        "√": InverseSqrtSettings(warmup=50),
        "1−p": LinearSettings(warmup=50),
        "cos": CosineSettings(warmup=50),
        "WSD": WSDSettings(warmup=50, decay=200),
    }
    series = {n: [(t, s.factor(t, 1000)) for t in range(1000)] for n, s in each.items()}
    return curves(series, "τ", "s", y_range=(0, 1))


@picture
def dropout() -> Drawing:
    torch.manual_seed(0)
    layer = Linear(16, 8, bias=False, dropconnect=0.5)
    torch.nn.init.ones_(layer.weight)
    rows = []
    for row in range(8):
        # each unit vector reads one column; one mask per call, so all are read in one
        torch.manual_seed(0)
        rows.append(layer(torch.eye(16))[:, row].tolist())
    return grid(rows, [""] * 8, [""] * 16, cell=(34, 28))


@picture
def back_propagation() -> Drawing:
    sheet = Drawing(700, 190)
    forward = ["x = 1", "a = 0.7311", "z = (1.46, 0)", "p = (.81, .19)", "L = 1.67"]
    backward = ["dW = 0.319", "da = 1.624", "δ = (.81, −.81)", "p − y"]
    places = [70 + 140 * i for i in range(5)]
    for i, (x, text) in enumerate(zip(places, forward, strict=True)):
        sheet.box((x, 60), (112, 36), text, stroke=COLOURS[0])
        if i:
            sheet.arrow((x - 84, 60), (x - 56, 60), COLOURS[0])
    for name, x in zip(["σ(W x)", "V a", "softmax", "−ln p"], places[1:], strict=True):
        sheet.text((x - 70, 32), name, 12)
    for i, text in enumerate(backward):
        sheet.box((places[i] + 70, 140), (118, 32), text, stroke=COLOURS[1])
        if i:
            sheet.arrow((places[i] + 10, 140), (places[i] - 10, 140), COLOURS[1])
    sheet.line([(places[4], 78), (places[4], 140)], COLOURS[1])
    sheet.arrow((places[4], 140), (places[4] - 10, 140), COLOURS[1])
    return sheet


@picture
def masked_lm() -> Drawing:
    tokenizer = with_extra(BytesSettings().train([]), [MASK])
    ids = np.tile(np.arange(97, 123), 400)[:10_000]
    hider = Hider(tokenizer, Shares())
    read, places = hider.hide(ids, 5)
    masked = int((read[places] == hider.mask).sum())
    kept = int((read[places] == ids[places]).sum())
    shares = [masked / 100, (len(places) - masked - kept) / 100, kept / 100]
    return bars({"": shares}, ["[MASK]", "w → v", "w → w"], "%")


@picture
def span_corruption() -> Drawing:
    lengths = Noise(0.15, 3.0).lengths(40)
    rows = [[1.0 if h else 0.12 for h in row] for row in hide(lengths, list(range(8))).tolist()]
    places = [str(t) if t % 5 == 0 else "" for t in range(40)]
    return grid(rows, [""] * 8, places, numbers=False, cell=(15, 18))
