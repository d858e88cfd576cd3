"""No bad number passes silently."""

import pytest
import torch

from lingloom.errors import RunError
from lingloom.models.gpt2 import GPT2Settings
from lingloom.tokens.batch import Batch
from lingloom.train.checkpoint import Checkpoints
from lingloom.train.guard import Guard
from lingloom.train.loop import train
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.settings import CheckpointSettings, GuardSettings, TrainSettings

FAMILY = GPT2Settings(vocab=16, context=8, layers=1, heads=2, width=16)
NAN = float("nan")


def batch_at(step):
    """Its first column names the step, so that the objective knows where it is."""
    generator = torch.Generator().manual_seed(step)
    ids = torch.randint(16, (2, 8), generator=generator)
    ids[:, 0] = step % 16
    return Batch(ids, ids.roll(-1, 1))


def spoiled(at, factor=NAN):
    """Next-token loss that is multiplied by `factor` at the steps in `at` (from 0)."""

    def objective(model, batch):
        loss, count = next_token(model, batch)
        return (loss * factor if int(batch.ids[0, 0]) in at else loss), count

    return objective


def settings(**guard):
    return TrainSettings(
        steps=14,
        batch=2,
        lr=1e-2,
        precision="fp32",
        eval_every=0,
        checkpoint=CheckpointSettings(every=2),
        guard=GuardSettings(**guard),
    )


def lr_of_step(step):
    s = settings()
    return s.lr * s.schedule.factor(step, s.steps)


def fresh():
    torch.manual_seed(0)
    return FAMILY.build()


def run(at, s, *, factor=NAN, model=None, **more):
    more = {"seed": 1, "document_ids": lambda step: [f"doc{step}"], **more}
    yield from train(model or fresh(), spoiled(at, factor), batch_at, s, **more)


@pytest.mark.parametrize("factor", [NAN, float("inf")])
def test_a_bad_batch_is_left_out_and_written_down(factor):
    model = fresh()
    weights = {}
    for record in run({3}, settings(), factor=factor, model=model):
        weights[record.step] = model.positions.detach().clone()
        if record.step == 4:
            assert "step 4 changes nothing: the loss is" in record.events["skipped"]
            assert record.refused["documents"] == ["doc3"]
            assert record.refused["action"] == "skipped"
        else:
            assert record.refused is None
    assert torch.equal(weights[4], weights[3])
    assert not torch.equal(weights[5], weights[4])
    assert torch.isfinite(weights[14]).all()


def test_several_bad_batches_in_a_row_go_back_and_on_behind_them(tmp_path):
    model, weights, refused = fresh(), {}, []
    for record in run({5, 6, 7}, settings(), model=model, checkpoints=tmp_path):
        weights[record.step] = model.positions.detach().clone()
        if record.refused:
            refused.append((record.step, record.refused["action"]))
    assert refused == [(6, "skipped"), (7, "skipped"), (8, "rolled back")]
    assert torch.equal(weights[7], weights[5])
    assert torch.equal(weights[8], weights[4])  # not step 6, which is due and holds step 5's
    assert not torch.equal(weights[8], weights[7])
    assert list(weights) == list(range(1, 15))


def test_going_back_is_replayed_to_the_same_bits(tmp_path):
    at, s = {5, 6, 7}, settings()
    wanted = [(r.step, r.norm, r.refused) for r in run(at, s, checkpoints=tmp_path / "a")]
    killed = run(at, s, checkpoints=tmp_path / "b")
    first = [next(killed) for _ in range(7)]
    killed.close()
    again = list(run(at, s, checkpoints=tmp_path / "b"))
    assert again[0].step == 4
    both = [(r.step, r.norm, r.refused) for r in [*first[:4], *again[1:]]]
    assert [str(x) for x in both] == [str(x) for x in wanted]


def test_when_going_back_does_not_help_the_run_stops_with_what_to_do(tmp_path):
    records = []
    with pytest.raises(RunError, match="lower train.lr .now 0.01.*guard.jsonl") as error:
        for record in run(set(range(3, 14)), settings(rollbacks=2), checkpoints=tmp_path):
            records.append(record)
    actions = [r.refused["action"] for r in records if r.refused]
    assert actions == ["skipped", "skipped", "rolled back"] * 2 + ["skipped", "skipped", "stopped"]
    assert "the loss is nan at step 12" in str(error.value)
    saved = [r.step for r in records if "saved" in r.events]
    assert saved == [2, 6]  # not 4, 8, 10 and 12, amid the bad steps


def test_a_run_stopped_amid_bad_steps_keeps_the_checkpoint_before_them(tmp_path):
    at, s = {5, 6}, settings()
    wanted = [(r.step, r.loss, r.norm) for r in run(at, s, checkpoints=tmp_path / "a")]
    count = iter(range(1, 99))
    first = list(run(at, s, checkpoints=tmp_path / "b", stop=lambda: next(count) == 6))
    assert first[-1].events["interrupted"] == (
        "stopped after step 6, as asked; amid bad steps nothing is saved, the run will go on from "
        "step 4"
    )
    assert "saved" not in first[-1].events
    again = list(run(at, s, checkpoints=tmp_path / "b"))
    assert again[0].step == 4
    both = [(r.step, r.loss, r.norm) for r in [*first[:4], *again[1:]]]
    assert str(both) == str(wanted)


def test_steps_left_out_are_no_updates_for_the_optimizer(tmp_path):
    """Left out at first, Adam's first update is corrected as a first one: its size is lr."""
    model, moved = fresh(), {}
    before = model.positions.detach().clone()
    for record in run({0, 1}, settings(), model=model, checkpoints=tmp_path):
        moved[record.step] = (model.positions.detach() - before).abs().max()
        before = model.positions.detach().clone()
    assert moved[1] == moved[2] == 0
    assert moved[3] == pytest.approx(lr_of_step(2), rel=1e-3)
    again = Checkpoints(tmp_path, CheckpointSettings()).newest().state
    assert (again.step, again.numbers["updates"]) == (14, 12)


def test_without_a_checkpoint_to_go_back_to_the_run_stops():
    with pytest.raises(RunError, match="the loss is nan at step 4"):
        list(run({1, 2, 3}, settings()))


def test_a_gradient_that_is_not_finite_is_found_behind_a_finite_loss():
    def objective(model, batch):
        loss, count = next_token(model, batch)
        if int(batch.ids[0, 0]) == 3:
            loss = loss + (model.positions.sum() * 0).sqrt()  # 0, with an infinite slope
        return loss, count

    records = list(train(fresh(), objective, batch_at, settings(), seed=1))
    assert [r.step for r in records if r.refused] == [4]
    assert "the gradient norm is nan" in records[3].refused["reason"]


def test_a_spike_of_the_gradient_is_left_out():
    s = settings(window=20, spike_factor=20)
    records = list(run({8}, s, factor=1000.0))
    assert [r.step for r in records if r.refused] == [9]
    assert "more than 20 times the running median" in records[8].refused["reason"]
    calm = list(run({8}, settings(window=20, spike_factor=0), factor=1000.0))
    assert not any(r.refused for r in calm)


def test_a_spike_is_judged_by_the_median_of_good_steps():
    guard = Guard(GuardSettings(window=5, spike_factor=3))
    assert guard.reason(1.0, 1e9) is None  # nothing is known yet
    for norm in (1.0, 2.0, 3.0):
        guard.accept(norm)
    assert guard.reason(1.0, 5.9) is None
    assert guard.reason(1.0, 6.1) is not None


def test_a_guard_restored_judges_as_before():
    guard, other = Guard(GuardSettings(window=3)), Guard(GuardSettings(window=3))
    for norm in (1.0, 2.0, 3.0, 4.0):
        guard.accept(norm)
    guard.refuse(can_go_back=True)
    other.restore(guard.state())
    assert (
        other.state()
        == guard.state()
        == {"norms": [2.0, 3.0, 4.0], "bad_in_row": 1, "rollbacks": 0}
    )
