"""What answers cost: by hand, as transformers counts it, and however rows are padded or split."""

import math
from dataclasses import replace

import pytest
import torch

from lingloom.models.bert import BertSettings
from lingloom.models.port import save_model
from lingloom.tokens.questions import SpanRows
from lingloom.train.objectives.objective import objective_of
from lingloom.train.objectives.span import SpanSettings
from lingloom.train.settings import TrainSettings

SETTINGS = BertSettings(vocab=32, context=12, layers=2, heads=2, width=16, head="span")


def fresh():
    torch.manual_seed(2)
    model = SETTINGS.build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def rows(seen=(12, 9, 12)):
    torch.manual_seed(4)
    ids = torch.randint(32, (len(seen), 12))
    there = torch.arange(12) < torch.tensor(seen)[:, None]
    parts = (torch.arange(12) > 4).long().expand_as(ids)
    return SpanRows(ids, there, parts, ends=torch.tensor([[6, 8], [0, 0], [7, 7]]))


def test_a_model_that_knows_nothing_pays_for_every_place_that_is_there():
    """All places of a row alike cost ln 12 for each end, and ln 9 where three are padding."""
    model = fresh()
    torch.nn.init.zeros_(model.ends.weight)
    torch.nn.init.zeros_(model.ends.bias)
    nats, count = SpanSettings().loss(model, rows())
    assert count == 6
    assert nats.item() == pytest.approx(4 * math.log(12) + 2 * math.log(9), rel=1e-5)


def test_the_mean_is_that_of_both_ends_as_transformers_counts_it(tmp_path):
    transformers = pytest.importorskip("transformers")
    model, batch = fresh(), rows(seen=(12, 12, 12))
    save_model(model, tmp_path)
    theirs = transformers.BertForQuestionAnswering.from_pretrained(tmp_path).eval()
    found = theirs(
        batch.ids,
        token_type_ids=batch.parts,
        start_positions=batch.ends[:, 0],
        end_positions=batch.ends[:, 1],
    )
    nats, count = SpanSettings().loss(model, batch)
    assert (nats / count).item() == pytest.approx(found.loss.item(), rel=1e-5)


def test_rows_cost_the_same_together_and_one_by_one():
    model, batch = fresh(), rows()
    whole, count = SpanSettings().loss(model, batch)
    each = [SpanSettings().loss(model, row) for row in batch.split(1)]
    assert count == sum(n for _, n in each)
    assert whole.item() == pytest.approx(sum(nats.item() for nats, _ in each), rel=1e-5)


def test_padding_costs_nothing():
    model, batch = fresh(), rows()
    other = torch.where(batch.seen, batch.ids, (batch.ids + 1) % 32)
    nats, again = (SpanSettings().loss(model, b)[0] for b in (batch, replace(batch, ids=other)))
    assert nats.item() == pytest.approx(again.item(), rel=1e-6)


def test_every_weight_learns_and_bf16_stays_near():
    model, batch = fresh(), rows()
    nats, _ = SpanSettings().loss(model, batch)
    nats.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    rough, _ = SpanSettings().loss(fresh().to(torch.bfloat16), batch)
    assert rough.item() == pytest.approx(nats.item(), rel=0.05)


def test_pretended_rows_are_of_the_right_shape():
    objective = objective_of(SETTINGS, TrainSettings())
    assert objective == SpanSettings()
    batch = objective.pretended(SETTINGS, TrainSettings(), 3, 12)
    assert batch.ids.shape == (3, 12)
    nats, count = objective.loss(fresh(), batch)
    assert (count, nats.isfinite().item()) == (6, True)
