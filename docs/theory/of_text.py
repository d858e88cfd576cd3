"""Pictures of counting, of word vectors and of measuring."""

import math

import numpy as np
from draw import COLOURS, Drawing, bars, curves, picture

from lingloom.measure.ranking import roc_curve
from lingloom.measure.score import Tally, ratio
from lingloom.models.ngram import NGramSettings
from lingloom.text.minhash import candidate_probability
from lingloom.tokens.windows import _kept
from lingloom.train.objectives.co_occurrence import CoOccurrenceSettings


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


@picture
def word2vec() -> Drawing:
    scores = [i / 10 for i in range(-40, 41)]
    falls = [(s, math.log1p(math.exp(-s))) for s in scores]
    rises = [(s, math.log1p(math.exp(s))) for s in scores]
    return curves({"−ln σ(s)": falls, "−ln σ(−s)": rises}, "s", "nats")


@picture
def hierarchical_softmax() -> Drawing:
    sheet = Drawing(460, 270)
    root, inner = (200, 45), (290, 130)
    leaves = {"a": (110, 130), "b": (210, 225), "c": (370, 225)}
    for (x, y), (u, v), sign in (
        (root, leaves["a"], "−1"),
        (root, inner, "1"),
        (inner, leaves["b"], "−1"),
        (inner, leaves["c"], "1"),
    ):
        colour = COLOURS[0] if sign == "1" else COLOURS[1]
        sheet.arrow((x, y + 18), (u, v - 18), colour)
        sheet.text(((x + u) / 2 + (16 if u > x else -16), (y + v) / 2), sign, 12)
    sheet.box(root, (60, 36), "u₂")
    sheet.box(inner, (60, 36), "u₁")
    for (name, place), count in zip(leaves.items(), (4, 2, 1), strict=True):
        sheet.box(place, (70, 36), f"{name}: {count}")
    return sheet


@picture
def cbow() -> Drawing:
    counts = np.geomspace(1, 10**6, 121)
    series = {}
    for sample in (1e-3, 1e-4, 1e-5):
        rest = 10**7 - counts.sum()  # of all other words
        kept = _kept(np.append(counts, rest), sample)[:-1] / 2.0**64
        series[f"s = {sample:g}"] = [
            (math.log10(c / 10**7), float(k)) for c, k in zip(counts, kept, strict=True)
        ]
    return curves(series, "log₁₀ f", "P", y_range=(0, 1.05))


@picture
def bootstrap() -> Drawing:
    draws = np.random.default_rng(0)
    values = draws.normal(2, 0.5, 1024)
    ends: dict[str, list[tuple[float, float]]] = {"θ": [], "2.5%": [], "97.5%": []}
    for power in range(2, 11):
        n = 2**power
        score = ratio(Tally([""] * n, values[:n], np.ones(n)), "", "")
        assert score.low is not None and score.high is not None
        for name, end in zip(ends, (score.value, score.low, score.high), strict=True):
            ends[name].append((power, end))
    return curves(ends, "log₂ n", "", dots=True)


@picture
def f1() -> Drawing:
    recalls = [i / 100 for i in range(101)]
    series = {f"P = {p}": [(r, 2 * p * r / (p + r)) for r in recalls] for p in (1.0, 0.6, 0.3)}
    return curves(series, "R", "F₁", y_range=(0, 1))


@picture
def glove() -> Drawing:
    settings = CoOccurrenceSettings()
    points = [
        (x, min(1.0, (x / settings.count_max) ** settings.power)) for x in map(float, range(151))
    ]
    return curves({"f(X)": points}, "X", "f", y_range=(0, 1.1))


@picture
def minhash() -> Drawing:
    similar = [i / 100 for i in range(101)]
    series = {
        f"{b} × {r}": [(s, candidate_probability(s, b, r)) for s in similar]
        for b, r in ((20, 7), (14, 8), (9, 13))
    }
    return curves(series, "J", "P", y_range=(0, 1))


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
