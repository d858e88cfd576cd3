"""Ten losses that stay put; golden.json changes only with a reason in the commit."""

import json
from pathlib import Path

import pytest
import torch

from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.llama import LlamaSettings
from lingloom.models.rnn import RNNSettings
from lingloom.tokens.batch import Batch
from lingloom.train.loop import train
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.settings import TrainSettings

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text("utf-8"))
FAMILIES = [
    GPT2Settings(vocab=64, context=32, layers=2, heads=2, width=32),
    LlamaSettings(vocab=64, context=32, layers=2, heads=2, kv_heads=1, width=32),
    RNNSettings(vocab=64, context=32, layers=2, width=32, forget_bias=1),
    RNNSettings(vocab=64, context=32, layers=2, width=32, cell="peephole"),
]


def batch_at(step):
    """Squares modulo 61: easy to learn and free of any random generator."""
    start = torch.arange(8)[:, None] * 7 + step
    stream = (start + torch.arange(33)[None]) ** 2 % 61
    return Batch(stream[:, :-1].contiguous(), stream[:, 1:].contiguous())


def plain_weights(model):
    """Weights from a formula, so that the losses do not depend on torch's generator."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim >= 2 or model.settings.kind == "rnn":  # whose biases are drawn too
                place = torch.arange(p.numel(), dtype=torch.float64).view_as(p)
                p.copy_(0.05 * torch.sin(place * 1.7 + len(name)))
    return model


def name_of(family):
    return getattr(family, "cell", family.kind)


@pytest.mark.parametrize("family", FAMILIES, ids=name_of)
def test_ten_losses_stay_put(family):
    settings = TrainSettings(steps=10, batch=8, micro=3, lr=1e-2, precision="fp32", eval_every=0)
    records = train(plain_weights(family.build()), next_token, batch_at, settings, seed=0)
    losses = [record.loss for record in records]
    assert losses == pytest.approx(GOLDEN[name_of(family)], rel=1e-4)
