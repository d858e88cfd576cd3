"""The loss of hidden tokens against the plain formula over all places, and transformers'."""

import pytest
import torch
from torch.nn import functional as F

from lingloom.models.bert import BertSettings
from lingloom.models.port import save_model
from lingloom.tokens.batch import IGNORE
from lingloom.tokens.masked import Masked
from lingloom.train.objectives.masked_token import MaskedTokenSettings

OBJECTIVE = MaskedTokenSettings()


def model_of(head="masked"):
    torch.manual_seed(2)
    model = BertSettings(vocab=31, context=20, layers=2, heads=2, width=16, head=head).build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def rows(pairs=False):
    """Three rows with 3, 1 and 2 hidden places, the last one padded."""
    torch.manual_seed(4)
    ids = torch.randint(31, (3, 20))
    seen = torch.ones(3, 20, dtype=torch.bool)
    seen[2, 14:] = False
    places = torch.tensor([[2, 7, 19], [5, 0, 0], [1, 3, 0]])
    targets = torch.tensor([[4, 9, 30], [0, IGNORE, IGNORE], [6, 6, IGNORE]])
    parts = (torch.arange(20) > 9).long().expand(3, -1) if pairs else None
    labels = torch.tensor([0, 1, 1]) if pairs else None
    return Masked(ids, seen, parts, targets, labels, places=places)


def everywhere(batch):
    """The targets at their places among all, (B, T)."""
    found = torch.full_like(batch.ids, IGNORE)
    for row, places, targets in zip(found, batch.places, batch.targets, strict=True):
        there = targets != IGNORE
        row[places[there]] = targets[there]
    return found


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_and_its_gradients_are_those_of_all_places(smoothing):
    model, batch = model_of(), rows()
    nats, count = OBJECTIVE.loss(model, batch, smoothing)
    expected = F.cross_entropy(
        model.masked_logits(batch).flatten(0, 1),
        everywhere(batch).flatten(),
        reduction="sum",
        label_smoothing=smoothing,
    )
    assert count == 6
    torch.testing.assert_close(nats, expected, rtol=1e-5, atol=1e-5)
    slopes = torch.autograd.grad(nats, list(model.parameters()))
    wanted = torch.autograd.grad(expected, list(model.parameters()))
    for (name, _), a, b in zip(model.named_parameters(), slopes, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=name)
        assert a.abs().sum() > 0, name


def test_pieces_of_a_batch_add_up():
    model, batch = model_of("next_sentence"), rows(pairs=True)
    whole, count = OBJECTIVE.loss(model, batch)
    pieces = [OBJECTIVE.loss(model, piece) for piece in batch.split(1)]
    assert sum(n for _, n in pieces) == count
    torch.testing.assert_close(sum(nats for nats, _ in pieces), whole, rtol=1e-5, atol=1e-5)


def test_the_loss_is_that_of_transformers(tmp_path):
    transformers = pytest.importorskip("transformers")
    model, batch = model_of("next_sentence"), rows(pairs=True)
    save_model(model, tmp_path)
    theirs = transformers.BertForPreTraining.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        told = theirs(
            batch.ids,
            attention_mask=batch.seen.long(),
            token_type_ids=batch.parts,
            labels=everywhere(batch),
            next_sentence_label=batch.labels,
        )
        nats, count = OBJECTIVE.loss(model.eval(), batch)
        alone = F.cross_entropy(told.seq_relationship_logits, batch.labels)
    hidden = OBJECTIVE.shares.hidden_of(20 - 3)  # of a full row: 3
    masked = (nats - hidden * 3 * alone) / count
    torch.testing.assert_close(masked + alone, told.loss, rtol=1e-5, atol=1e-5)


def test_a_full_batch_weighs_both_tasks_alike():
    assert OBJECTIVE.shares.hidden_of(128 - 3) == 19
    model = model_of("next_sentence")
    batch = rows(pairs=True)
    both, count = OBJECTIVE.loss(model, batch)
    one = Masked(batch.ids, batch.seen, batch.parts, batch.targets, None, places=batch.places)
    masked, _ = OBJECTIVE.loss(model, one)
    follows = F.cross_entropy(model.next_sentence_logits(model.hidden(batch)), batch.labels)
    torch.testing.assert_close((both - masked) / 9, follows, rtol=1e-4, atol=1e-5)
