"""The loop's promises, over every neural family and both precisions."""

import math

import pytest
import torch

from lingloom.errors import DataError, RunError, ShapeError
from lingloom.models.gpt2 import GPT2Settings
from lingloom.models.llama import LlamaSettings
from lingloom.models.rnn import RNNSettings
from lingloom.tokens.batch import IGNORE, Batch
from lingloom.train.checkpoint import Checkpoints
from lingloom.train.loop import _Loop, train
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.parameters import Parameters
from lingloom.train.settings import CheckpointSettings, RegulariseSettings, TrainSettings
from lingloom.train.state_files import State
from lingloom.train.workers import Workers, worker_count

VOCAB, CONTEXT = 32, 16
GPT2 = GPT2Settings(vocab=VOCAB, context=CONTEXT, layers=2, heads=2, width=32)
LLAMA = LlamaSettings(vocab=VOCAB, context=CONTEXT, layers=2, heads=4, kv_heads=2, width=32)
RNN = RNNSettings(vocab=VOCAB, context=CONTEXT, layers=2, width=32)
every_family = pytest.mark.parametrize("family", [GPT2, LLAMA, RNN], ids=lambda s: s.kind)
every_precision = pytest.mark.parametrize("precision", ["fp32", "bf16"])


def fresh(family):
    torch.manual_seed(3)
    return family.build()


def batch_at(step, rows=8):
    """Runs of rising numbers, with ragged ends that are not scored."""
    generator = torch.Generator().manual_seed(100 + step)
    start = torch.randint(VOCAB, (rows, 1), generator=generator)
    stream = (start + torch.arange(CONTEXT + 1)) % VOCAB
    targets = stream[:, 1:].clone()
    for row in range(rows):
        targets[row, CONTEXT - row :] = IGNORE
    return Batch(stream[:, :-1].contiguous(), targets)


def settings(**changes):
    plain = {
        "steps": 12,
        "batch": 8,
        "lr": 1e-2,
        "precision": "fp32",
        "eval_every": 4,
        "checkpoint": CheckpointSettings(every=3, keep=3),
        "regularise": RegulariseSettings(ema=0.9, patience=50, l1=1e-6, l2=1e-5),
    }
    return TrainSettings(**{**plain, **changes})


def held_out(model):
    loss, count = next_token(model, batch_at(1000))
    return {"loss": loss.item() / count}


def run(model, s, **more):
    more = {"seed": 5, "evaluate": held_out, **more}
    return list(train(model, next_token, batch_at, s, **more))


def figures(records):
    return [(r.step, r.loss, r.norm, r.lr, r.evaluation) for r in records if r.loss is not None]


@every_precision
@every_family
def test_twelve_steps_equal_six_and_a_stop_and_six(tmp_path, family, precision):
    family = family.model_copy(update={"dropout": 0.1})
    s = settings(precision=precision)
    straight = fresh(family)
    wanted = figures(run(straight, s, checkpoints=tmp_path / "a"))
    model, seen = fresh(family), []
    with_stop = {"checkpoints": tmp_path / "b", "stop": lambda: len(seen) >= 5}
    first = []
    for record in train(model, next_token, batch_at, s, seed=5, evaluate=held_out, **with_stop):
        seen.append(record.step)
        first.append(record)
    assert "interrupted" in first[-1].events
    other = fresh(family)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(1)  # whatever it was, the checkpoint decides
    second = run(other, s, checkpoints=tmp_path / "b")
    assert list(second[0].events) == ["resumed"]
    assert second[0].step == first[-1].step == 6
    assert figures(first) + figures(second) == wanted
    for p, q in zip(straight.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)


@every_family
def test_the_norm_is_that_of_the_mean_over_all_targets(family):
    model = fresh(family)
    loss, count = next_token(model, batch_at(0))
    (loss / count).backward()
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters()))
    s = settings(steps=1, micro=3, regularise=RegulariseSettings())
    assert run(fresh(family), s)[0].norm == pytest.approx(norm, rel=1e-5)


def test_micro_batches_are_shared_out_evenly():
    def micro(batch, context, workers):
        return TrainSettings(batch=batch, workers=workers).sequences_at_once(context)

    assert micro(64, 256, 1) == 8  # 2048 tokens
    assert micro(64, 256, 2) == 8
    assert micro(9, 256, 2) == 5  # 5 and 4, not 8 and 1
    assert micro(3, 4096, 2) == 1
    assert micro(1, 16, 4) == 1
    assert TrainSettings(batch=4, micro=16).sequences_at_once(8) == 4


@every_precision
@every_family
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, family, precision):
    s = settings(precision=precision)
    wanted = figures(run(fresh(family), s, checkpoints=tmp_path / "a"))
    killed = train(
        fresh(family),
        next_token,
        batch_at,
        s,
        seed=5,
        evaluate=held_out,
        checkpoints=tmp_path / "b",
    )
    first = [next(killed) for _ in range(8)]
    killed.close()
    second = run(fresh(family), s, checkpoints=tmp_path / "b")
    assert second[0].step == 6
    assert figures(first)[:6] + figures(second) == wanted


@every_family
def test_a_damaged_newest_checkpoint_falls_back_and_says_so(tmp_path, family):
    s = settings()
    wanted = figures(run(fresh(family), s, checkpoints=tmp_path))
    file = tmp_path / "step-00000012" / "tensors.safetensors"
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 4
    file.write_bytes(raw)
    again = run(fresh(family), s, checkpoints=tmp_path)
    assert again[0].step == 9
    assert "step-00000012: damaged (tensors.safetensors does not" in again[0].events["resumed"]
    assert figures(again) == wanted[9:]


@every_family
def test_micro_batches_give_one_loss_and_one_norm(family):
    def first_step(micro):
        return run(fresh(family), settings(steps=1, micro=micro))[0]

    whole = first_step(8)
    for micro in (1, 3):
        part = first_step(micro)
        assert part.loss == pytest.approx(whole.loss, rel=1e-6)
        assert part.norm == pytest.approx(whole.norm, rel=1e-5)


@every_precision
@every_family
def test_a_model_learns_one_batch_by_heart(family, precision):
    steps = 250 if family is RNN else 80
    s = settings(steps=steps, precision=precision, regularise=RegulariseSettings(), eval_every=0)
    records = list(train(fresh(family), next_token, lambda step: batch_at(0), s, seed=0))
    assert records[0].loss == pytest.approx(math.log(VOCAB), rel=0.1)
    assert records[-1].loss < 0.1


def test_the_model_is_left_in_float32_with_the_average(tmp_path):
    s = settings(precision="bf16", regularise=RegulariseSettings(ema=0.5))
    model = fresh(GPT2)
    records = run(model, s, checkpoints=tmp_path)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert model.embed.weight.data_ptr() == model.output_weight().data_ptr()
    assert held_out(model)["loss"] == pytest.approx(records[-1].evaluation["loss"], rel=0.01)


def test_early_stopping_keeps_the_best_weights(tmp_path):
    losses = iter([3.0, 2.0, 2.5, 2.6, 1.0])
    seen = []

    def evaluate(model):
        seen.append(model.positions.detach().clone())
        return {"loss": next(losses)}

    s = settings(steps=50, eval_every=1, regularise=RegulariseSettings(patience=2))
    model = fresh(GPT2)
    records = run(model, s, evaluate=evaluate, checkpoints=tmp_path)
    assert records[-1].step == 4
    assert "early stop" in records[-1].events
    assert torch.equal(model.positions, seen[1])
    again = fresh(GPT2)
    assert [r.step for r in run(again, s, evaluate=evaluate, checkpoints=tmp_path)] == [4]
    assert torch.equal(again.positions, seen[1])


def test_waiting_for_a_first_finite_evaluation_goes_on_after_a_stop(tmp_path):
    s = settings(steps=50, eval_every=1, regularise=RegulariseSettings(patience=4))
    lost = {"evaluate": lambda model: {"loss": math.nan}, "checkpoints": tmp_path}
    first = run(fresh(GPT2), s, **lost, stop=iter([False, False, True]).__next__)
    assert "interrupted" in first[-1].events
    again = run(fresh(GPT2), s, **lost)
    assert [r.step for r in again] == [3, 4]
    assert "early stop" in again[-1].events


def test_patience_without_evaluation_is_refused():
    with pytest.raises(RunError, match="patience needs held-out figures"):
        run(fresh(GPT2), settings(), evaluate=None)


def test_a_batch_without_targets_is_an_error():
    def empty(step):
        return Batch(torch.zeros(2, CONTEXT, dtype=torch.int64), torch.full((2, CONTEXT), IGNORE))

    with pytest.raises(DataError, match=r"step 0 has no target .* vocabulary of 32 tokens"):
        list(train(fresh(GPT2), next_token, empty, settings(), seed=0, evaluate=held_out))


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    run(fresh(GPT2), settings(steps=3), checkpoints=tmp_path)
    wider = GPT2.model_copy(update={"width": 48})
    with pytest.raises(ShapeError, match=r"parameter 'embed.weight' has shape \[32, 32\] there"):
        run(fresh(wider), settings(), checkpoints=tmp_path)


@pytest.mark.parametrize("spoil", ["gone", "shorter"])
def test_a_checkpoint_with_another_average_is_refused(tmp_path, spoil):
    run(fresh(GPT2), settings(steps=3), checkpoints=tmp_path)
    store = Checkpoints(tmp_path, CheckpointSettings(background=False))
    found = store.newest().state
    tensors = dict(found.tensors)
    mean = tensors.pop("average/matrix.average")
    if spoil == "shorter":
        tensors["average/matrix.average"] = mean[:1]
    store.save(State(found.step, tensors, found.numbers))
    words = {"gone": "does not fit: missing .'matrix.average'.", "shorter": "has shape .1."}
    with pytest.raises(DataError, match=f"the average's stored state .*{words[spoil]}"):
        run(fresh(GPT2), settings(), checkpoints=tmp_path)


def test_a_checkpoint_that_fits_only_in_part_changes_nothing(tmp_path):
    run(fresh(GPT2), settings(steps=3), checkpoints=tmp_path)
    store = Checkpoints(tmp_path, CheckpointSettings(background=False))
    found = store.newest().state
    cut = {"average/vector.average": found.tensors["average/vector.average"][:1]}
    store.save(State(found.step, {**found.tensors, **cut}, found.numbers))
    s = settings()
    loop = _Loop(fresh(GPT2), next_token, s, seed=5, checkpoints=tmp_path)
    now = loop.now
    tensors = [now.parameters.master, *now.optimizer.state.values(), *now.average.state.values()]
    kept = [tensor.clone() for tensor in tensors]
    with pytest.raises(DataError, match="the average's stored state 'vector.average' has shape"):
        list(loop.records(batch_at, lambda: False))
    loop.close()
    assert all(torch.equal(after, before) for after, before in zip(tensors, kept, strict=True))


def test_clipping_and_the_schedule_are_seen_in_the_records():
    records = run(fresh(GPT2), settings(lr=0.5, steps=4))
    assert records[0].lr == pytest.approx(0.5)
    assert records[-1].lr < records[1].lr
    assert all(r.tokens == 8 * CONTEXT and r.mfu_frac > 0 for r in records)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_two_workers_give_the_losses_of_one(dropout):
    family = GPT2.model_copy(update={"dropout": dropout})
    alone = figures(run(fresh(family), settings(micro=2, workers=1)))
    s = settings(micro=2, workers=2)
    together = figures(run(fresh(family), s))
    assert [r[1] for r in together] == pytest.approx([r[1] for r in alone], rel=1e-3)
    assert figures(run(fresh(family), s)) == together


@pytest.mark.parametrize("draw", ["dropout", "dropconnect"])
def test_only_a_compiled_model_that_draws_is_trained_by_one_worker(draw):
    def workers(family, **keys) -> int:
        return worker_count(family, settings(micro=2, workers=2, **keys), torch.device("cpu"))

    drawing = GPT2.model_copy(update={draw: 0.1})
    assert (workers(GPT2, compile=True), workers(drawing), workers(drawing, compile=True)) == (
        2,
        2,
        1,
    )


def test_a_trained_model_gives_whole_gradients():
    model, seen = fresh(RNN.model_copy(update={"tied": False})), []

    def objective(model, rows):
        seen.append(model.embed.sparse)
        return next_token(model, rows)

    list(train(model, objective, batch_at, settings(steps=1, eval_every=0, regularise={}), seed=0))
    assert all(seen) and not model.embed.sparse


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_each_worker_keeps_to_its_share_of_the_threads(four_threads):
    parameters, seen = Parameters(fresh(GPT2), torch.float32, workers=2), []

    def objective(model, rows):
        seen.append(torch.get_num_threads())
        loss, count = next_token(model, rows)
        loss.register_hook(lambda grad: seen.append(torch.get_num_threads()))
        return loss, count

    workers = Workers(parameters, objective, compiled=False, seed=0)
    workers(0, batch_at(0), 2)
    workers.close()
    assert len(seen) > 4 and set(seen) == {2}
    assert torch.get_num_threads() == 4


def test_going_on_with_other_kernels_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("lingloom.train.progress.kernels", lambda: None)
    run(fresh(GPT2), settings(steps=3), checkpoints=tmp_path)
    monkeypatch.setattr("lingloom.train.progress.kernels", lambda: "a library")
    first, *_ = run(fresh(GPT2), settings(steps=4), checkpoints=tmp_path)
    words = "saved without compiled kernels, going on with compiled kernels: losses agree"
    assert words in first.events["resumed"]


def test_going_on_from_an_older_version_that_noted_less_is_said(tmp_path, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr("lingloom.train.progress.Progress._computed", lambda self: {})
        run(fresh(GPT2), settings(steps=3), checkpoints=tmp_path)
    first, *_ = run(fresh(GPT2), settings(steps=4), checkpoints=tmp_path)
    assert "saved by an older version, going on in float32: losses agree" in first.events["resumed"]


def test_going_on_in_another_precision_is_said(tmp_path):
    run(fresh(GPT2), settings(steps=3), checkpoints=tmp_path)
    same, *_ = run(fresh(GPT2), settings(steps=4), checkpoints=tmp_path)
    assert "saved in" not in same.events["resumed"]
    other, *_ = run(fresh(GPT2), settings(steps=5, precision="bf16"), checkpoints=tmp_path)
    assert "saved in float32, going on in bfloat16: losses agree" in other.events["resumed"]
