"""Pictures of counting, of word vectors and of measuring."""

import math

import numpy as np
from draw import Drawing, bars, curves, picture

from lingloom.measure.ranking import roc_curve
from lingloom.models.ngram import NGramSettings
from lingloom.text.minhash import candidate_probability
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
