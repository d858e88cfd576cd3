"""Draw the pictures of these pages from real numbers: `python docs/theory/pictures.py [FOLDER]`.

Each function below is the picture of the page of its name; `-` stands for `_` there.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from draw import COLOURS, INK, Drawing, bars, curves, grid

from lingloom.measure.ranking import roc_curve
from lingloom.models.layers import Linear, segment_mask
from lingloom.models.ngram import NGramSettings
from lingloom.models.recurrent import GRU, LSTM, Cell, ElmanTanh
from lingloom.models.rmsnorm import RMSNorm
from lingloom.models.transformer import sinusoids
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.extra import with_extra
from lingloom.tokens.masked import Hider, Shares
from lingloom.tokens.spans import Noise, hide
from lingloom.tokens.tokenizer import MASK
from lingloom.train.adafactor import AdafactorSettings
from lingloom.train.adam import AdamSettings
from lingloom.train.descent import MomentumSettings, NesterovSettings, SGDSettings
from lingloom.train.objectives.co_occurrence import CoOccurrenceSettings
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
def word2vec() -> Drawing:
    scores = [i / 10 for i in range(-40, 41)]
    falls = [(s, math.log1p(math.exp(-s))) for s in scores]
    rises = [(s, math.log1p(math.exp(s))) for s in scores]
    return curves({"−ln σ(s)": falls, "−ln σ(−s)": rises}, "s", "nats")


@picture
def glove() -> Drawing:
    settings = CoOccurrenceSettings()
    points = [
        (x, min(1.0, (x / settings.count_max) ** settings.power)) for x in map(float, range(151))
    ]
    return curves({"f(X)": points}, "X", "f", y_range=(0, 1.1))


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


@picture
def bleu() -> Drawing:
    text, reference = (line.split() for line in ("a cat on the red mat", "a cat on the mat"))
    shares = []
    for n in (1, 2, 3, 4):
        said, there = (
            [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
            for words in (text, reference)
        )
        shares.append(sum(min(said.count(g), there.count(g)) for g in set(said)) / len(said))
    return bars({"p": shares}, ["1", "2", "3", "4"], "p_n")


@picture
def roc_auc() -> Drawing:
    draws = np.random.default_rng(0)
    true = np.arange(600) % 2 == 0
    noise = draws.normal(size=600)
    series = {}
    for apart in (0, 1, 2):
        falses, trues = roc_curve(noise + apart * true, true)
        series[f"d = {apart}"] = list(zip(falses.tolist(), trues.tolist(), strict=True))
    return curves(series, "FPR", "TPR")


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
