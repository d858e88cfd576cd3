"""Draw the pictures of these pages from real numbers: `python docs/theory/pictures.py [FOLDER]`.

Each function below is the picture of the page of its name; `-` stands for `_` there.
"""

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from draw import COLOURS, Drawing, bars, curves, grid

from lingloom.models.layers import Linear, segment_mask
from lingloom.models.ngram import NGramSettings
from lingloom.models.recurrent import GRU, LSTM, Cell, ElmanTanh
from lingloom.models.rmsnorm import RMSNorm
from lingloom.models.transformer import sinusoids
from lingloom.train.adafactor import AdafactorSettings
from lingloom.train.adam import AdamSettings
from lingloom.train.descent import MomentumSettings, NesterovSettings, SGDSettings
from lingloom.train.optim import OptimizerSettings, ParameterGroup
from lingloom.train.schedule import CosineSettings, ExponentialSettings, InverseTimeSettings

PICTURES: dict[str, Callable[[], Drawing]] = {}


def picture(draw: Callable[[], Drawing]) -> Callable[[], Drawing]:
    """Register `draw` under the name of its page."""
    PICTURES[draw.__name__.replace("_", "-")] = draw
    return draw


@picture
def cross_entropy() -> Drawing:
    places = [i / 100 for i in range(1, 101)]
    return curves({"−ln p": [(p, -math.log(p)) for p in places]}, "p", "nats")


@picture
def kneser_ney() -> Drawing:
    model = NGramSettings(vocab=4, end=3, order=2, discount="single").build()
    model.fit([np.array([0, 1]), np.array([0, 2])])
    shares = [2 / 6, 1 / 6, 1 / 6, 2 / 6]
    smoothed = [float(p) for p in model.distribution([])]
    return bars({"count / N": shares, "p(w)": smoothed}, ["a", "b", "c", "$"], "p")


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
def positions() -> Drawing:
    waves = sinusoids(48, 32, torch.device("cpu")).tolist()
    rows = [str(t) if t % 8 == 0 else "" for t in range(48)]
    columns = [str(i) if i % 4 == 0 else "" for i in range(32)]
    return grid(waves, rows, columns, numbers=False, cell=(17, 7))


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


def descents(
    each: dict[str, OptimizerSettings], start: list[float], steep: list[float], lr: float
) -> Drawing:
    """Loss of sum(steep w^2) / 2 from `start` over 60 steps of each optimizer."""
    series: dict[str, Sequence[tuple[float, float]]] = {}
    for name, settings in each.items():
        w, g, bend = torch.tensor(start), torch.zeros(2), torch.tensor(steep)
        optimizer = settings.build([ParameterGroup("all", w, g, False, [("w", w.shape)])])
        points = []
        for step in range(61):
            points.append((step, float((bend * w * w).sum()) / 2))
            g.copy_(bend * w)
            optimizer.update(step, lr)
        series[name] = points
    return curves(series, "t", "L")


@picture
def sgd() -> Drawing:
    kinds = {"SGD": SGDSettings(), "momentum": MomentumSettings(), "Nesterov": NesterovSettings()}
    return descents(kinds, [5.0, 1.0], [1.0, 25.0], 0.03)


@picture
def adam() -> Drawing:
    # the longest step with which SGD does not leave the valley is 2/100
    return descents(
        {"SGD, η = 0.015": SGDSettings(), "Adam, η = 0.015": AdamSettings()},
        [1.0, 1.0],
        [1.0, 100.0],
        0.015,
    )


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
def schedules() -> Drawing:
    each = {
        "1/(1+bt)": InverseTimeSettings(warmup=50),
        "γ^(t/k)": ExponentialSettings(warmup=50, every=200),
        "cos": CosineSettings(warmup=50),
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


def overview(words: dict[str, list[str]]) -> Drawing:
    """How the pages hang together; `words` has a heading and the lines below it for each box."""
    sheet = Drawing(800, 330)
    places = {
        "learnt": (95, 90),
        "models": (300, 90),
        "loss": (505, 90),
        "training": (300, 255),
        "writing": (505, 255),
        "measuring": (705, 170),
    }
    for (name, (x, y)), colour in zip(places.items(), COLOURS + COLOURS, strict=False):
        heading, *lines = words[name]
        sheet.box((x, y), (170, 126), stroke=colour)
        sheet.text((x, y - 42), heading, 15, fill=colour)
        for i, line in enumerate(lines):
            sheet.text((x, y - 20 + 18 * i), line, 12)
    for start, end in (
        ((180, 90), (215, 90)),
        ((385, 90), (420, 90)),
        ((440, 153), (375, 192)),
        ((300, 192), (300, 153)),
        ((365, 153), (440, 192)),
        ((590, 105), (620, 140)),
        ((590, 240), (620, 205)),
    ):
        sheet.arrow(start, end)
    return sheet


@picture
def index() -> Drawing:
    return overview(
        {
            "learnt": ["What is learnt", "next token, packing", "masked LM", "span corruption"],
            "models": ["Models", "n-grams, word2vec, GloVe", "RNN, LSTM, GRU, CRF"]
            + ["attention, positions, norms", "Transformer"],
            "loss": ["Loss", "cross-entropy", "label smoothing"],
            "training": ["Training", "back-propagation", "SGD, Adam, Adafactor"]
            + ["schedules", "dropout, DropConnect"],
            "writing": ["Writing", "beam search"],
            "measuring": ["Measuring", "perplexity, bits per byte", "BLEU", "ROC, AUC"],
        }
    )


@picture
def index_zh() -> Drawing:
    return overview(
        {
            "learnt": ["学什么", "下一个词元、打包", "掩码语言模型", "片段破坏"],
            "models": ["模型", "n 元语法、word2vec、GloVe", "RNN、LSTM、GRU、CRF"]
            + ["注意力、位置、归一化", "Transformer"],
            "loss": ["损失", "交叉熵", "标签平滑"],
            "training": ["训练", "反向传播", "SGD、Adam、Adafactor"]
            + ["学习率衰减", "Dropout、DropConnect"],
            "writing": ["写出来", "集束搜索"],
            "measuring": ["度量", "困惑度、每字节比特数", "BLEU", "ROC、AUC"],
        }
    )


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    for name, draw in PICTURES.items():
        (folder / f"{name}.svg").write_text(draw().svg(), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("pictures"))
