"""A state carried from step to step: what it is worth, and that no stop and no split changes it."""

import time

import pytest
import torch

from lingloom.errors import DataError, RecipeError, ShapeError
from lingloom.models.llama import LlamaSettings
from lingloom.models.rnn import RNNSettings
from lingloom.text.document import Document
from lingloom.tokens.batch import Batch
from lingloom.tokens.batches import Batches
from lingloom.tokens.bytelevel import BytesSettings
from lingloom.tokens.shards import Shards
from lingloom.tokens.write import write_shards
from lingloom.train import checkpoint
from lingloom.train.loop import train
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.settings import CheckpointSettings, TrainSettings
from lingloom.train.state_files import read_state

ROWS, CONTEXT, EPOCH = 6, 5, 8
FAMILY = RNNSettings(vocab=12, context=CONTEXT, layers=2, width=10)
every_cell = pytest.mark.parametrize("cell", ["lstm", "peephole", "gru"])


def batch_at(step):
    """Each row runs on from step to step; every EPOCH steps all start anew."""
    place = step % EPOCH * CONTEXT + torch.arange(CONTEXT + 1)
    stream = (torch.arange(ROWS)[:, None] * 5 + place**2 // 7) % 12
    return Batch(stream[:, :-1], stream[:, 1:], goes_on=step % EPOCH > 0)


def settings(**changes):
    plain = {
        "steps": 12,
        "batch": ROWS,
        "lr": 1e-2,
        "precision": "fp32",
        "packing": "carried",
        "checkpoint": CheckpointSettings(every=3),
    }
    return TrainSettings(**plain | changes)


def fresh(cell="lstm", **changes):
    torch.manual_seed(3)
    return FAMILY.model_copy(update={"cell": cell, **changes}).build()


def losses(model, s, **more):
    records = train(model, next_token, batch_at, s, seed=5, **more)
    return [record.loss for record in records if record.loss is not None]


@every_cell
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_twelve_steps_equal_six_and_a_stop_and_six(tmp_path, cell, precision):
    s = settings(precision=precision, workers=2, micro=2)
    straight = losses(fresh(cell, dropout=0.1), s)
    seen = []
    stop = {"checkpoints": tmp_path, "stop": lambda: len(seen) >= 5}
    for record in train(fresh(cell, dropout=0.1), next_token, batch_at, s, seed=5, **stop):
        seen.append(record.loss)
    rest = losses(fresh(cell, dropout=0.1), s, checkpoints=tmp_path)
    assert (len(seen), len(rest)) == (6, 6)
    assert seen + rest == straight


@every_cell
def test_rows_keep_their_state_in_micro_batches_and_with_two_workers(cell):
    whole = losses(fresh(cell), settings(workers=1, micro=ROWS))
    for changes in ({"workers": 1, "micro": 4}, {"workers": 2, "micro": 2}):
        assert losses(fresh(cell), settings(**changes)) == pytest.approx(whole, rel=1e-5)


def test_the_state_is_carried_within_an_epoch_and_dropped_at_its_end():
    """With a rate that changes nothing, a step costs what its tokens cost behind all before."""
    model = fresh()
    found = losses(model, settings(lr=1e-30))
    for epoch in (range(EPOCH), range(EPOCH, 12)):
        parts = [batch_at(step) for step in epoch]
        row = Batch(*(torch.cat([getattr(p, n) for p in parts], 1) for n in ("ids", "targets")))
        with torch.no_grad():
            logp = model.logits(row).log_softmax(-1)
        gain = logp.gather(2, row.targets[..., None])[..., 0].split(CONTEXT, dim=1)
        expected = [-float(piece.mean()) for piece in gain]
        assert [found[step] for step in epoch] == pytest.approx(expected, rel=1e-5)
    assert losses(fresh(), settings(lr=1e-30, packing="stream"))[1] != pytest.approx(found[1])


def test_the_state_of_a_bad_step_is_not_carried_on():
    def spoilt(model, batch):
        loss, count = next_token(model, batch)
        spoilt.calls += 1
        if spoilt.calls == 2:
            batch.state.fill_(torch.nan)
            return loss * torch.nan, count
        return loss, count

    spoilt.calls = 0
    s = settings(workers=1, micro=ROWS, steps=4)
    records = list(train(fresh(), spoilt, batch_at, s, seed=0))
    assert "skipped" in records[1].events
    assert all(record.loss == record.loss for record in records[2:])


def test_a_family_without_a_state_is_refused():
    model = LlamaSettings(vocab=12, context=CONTEXT, layers=1, heads=2, width=16).build()
    with pytest.raises(RecipeError) as error:
        losses(model, settings())
    assert str(error.value) == (
        "train.packing=carried: model.kind llama has no state to carry from one row to the next; "
        "leave train.packing out, or set model.kind=rnn"
    )


def test_a_checkpoint_of_other_rows_is_refused(tmp_path):
    losses(fresh(), settings(steps=3), checkpoints=tmp_path)
    with pytest.raises(ShapeError, match=r"carried state has shape \[6, 40\], and this run's \[3"):
        losses(fresh(), settings(batch=3), checkpoints=tmp_path)
    with pytest.raises(ShapeError, match="and this run's none; go on with the train.packing"):
        losses(fresh(), settings(packing="stream"), checkpoints=tmp_path)


def test_text_too_short_for_the_stretches_is_refused(tmp_path):
    tokenizer = BytesSettings().train([])
    list(write_shards([("train", Document("abcdefghij" * 3, "d", "t"))], tokenizer, tmp_path))
    shards = Shards.open(tmp_path, "train")
    with pytest.raises(DataError, match=r"31 tokens cut into train.batch 4 stretches do not fill"):
        Batches(shards, 8, 4, 0, "carried")
    batches = Batches(shards, 5, 2, 0, "carried")
    assert (batches.windows, batches.steps_per_epoch) == (6, 3)
    read = [batches.at(step) for step in range(4)]
    text = torch.tensor([tokenizer.end, *tokenizer.encode("abcdefghij" * 3)])
    for row in range(2):
        whole = torch.cat([batch.ids[row] for batch in read[:3]])
        assert torch.equal(whole, text[row * 15 :][:15])
        assert torch.equal(torch.cat([b.targets[row] for b in read[:3]]), text[row * 15 + 1 :][:15])
    assert [batch.goes_on for batch in read] == [False, True, True, False]
    assert torch.equal(read[3].ids, read[0].ids)


def test_a_slow_disk_saves_the_state_of_its_own_step(tmp_path, monkeypatch):
    """Reading the next batch changes the carried state, which is still being written."""
    write = checkpoint.write_state

    def slow(*arguments):
        time.sleep(0.05)
        write(*arguments)

    monkeypatch.setattr(checkpoint, "write_state", slow)
    for background in (False, True):
        keep = CheckpointSettings(every=1, keep=12, background=background)
        losses(fresh(), settings(steps=4, checkpoint=keep), checkpoints=tmp_path / str(background))
    for step in range(1, 5):
        places = (tmp_path / str(b) / f"step-{step:08}" for b in (False, True))
        one, other = (read_state(place, step) for place in places)
        assert torch.equal(one.tensors["carried"], other.tensors["carried"]), step
