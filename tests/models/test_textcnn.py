"""TextCNN against the formulas of the paper, written as loops; its rows are kept short."""

import pytest
import torch

from lingloom.models.textcnn import TextCNNSettings
from lingloom.tokens.batch import Passages
from lingloom.train.loop import train
from lingloom.train.objectives.classify import ClassifySettings
from lingloom.train.settings import TrainSettings

SETTINGS = TextCNNSettings(
    vocab=20, context=16, labels=2, width=3, windows=[2, 4], filters=5, dropout=0, max_norm=0.4
)


@torch.no_grad()
def test_features_are_the_best_match_of_each_filter():
    """Kim 2014, equations 2 and 3: c_i = f(w . x_(i:i+h-1) + b), c = max over i."""
    torch.manual_seed(0)
    model, ids = SETTINGS.build().eval(), torch.tensor([[3, 7, 7, 1, 4]])
    for layer in model.filters:
        torch.nn.init.normal_(layer.bias)
    found = model.hidden(Passages(ids, torch.ones_like(ids, dtype=torch.bool)))[0]
    expected = []
    for layer, window in zip(model.filters, (2, 4), strict=True):
        zeros = torch.zeros(window - 1, 3)
        x = torch.cat([zeros, model.embed(ids[0]), zeros])  # (T + 2 (window - 1), C)
        for w, b in zip(layer.weight, layer.bias, strict=True):
            matches = [(x[i : i + window].T * w).sum() + b for i in range(5 + window - 1)]
            expected.append(max(torch.stack(matches).max(), torch.tensor(0.0)))
    torch.testing.assert_close(found, torch.stack(expected))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_rows_of_the_last_layer_are_kept_short_after_every_update(precision):
    """Kim 2014, section 2.1: w is rescaled to norm s whenever it is longer than s."""
    torch.manual_seed(0)
    ids = torch.randint(20, (8, 9))
    rows = Passages(ids, torch.ones_like(ids, dtype=torch.bool), labels=torch.arange(8) % 2)
    lengths = {}
    for max_norm in (0.4, 0.0):
        model = SETTINGS.model_copy(update={"max_norm": max_norm}).build()
        settings = TrainSettings(steps=5, batch=8, lr=0.2, precision=precision)
        list(train(model, ClassifySettings().loss, lambda _, rows=rows: rows, settings, seed=0))
        lengths[max_norm] = model.out.weight.norm(dim=1)
    assert (lengths[0.4] <= 0.4 + 1e-6).all()
    assert (lengths[0.4] > 0.39).any()
    assert (lengths[0.0] > 0.5).all()


@torch.no_grad()
def test_a_window_of_padding_alone_is_no_match():
    """Every window that holds the word matches badly; one of zeros alone would give the bias."""
    model = SETTINGS.build().eval()
    torch.nn.init.ones_(model.embed.weight)
    for layer in model.filters:
        torch.nn.init.constant_(layer.weight, -1.0)
        torch.nn.init.constant_(layer.bias, 4.0)
    ids = torch.tensor([[5, 0, 0, 0, 0, 0]])
    found = model.hidden(Passages(ids, torch.tensor([[True] + [False] * 5])))
    assert found.tolist() == [[1.0] * 10]  # 4 - 3 numbers of one vector
