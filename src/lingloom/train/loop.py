"""One training loop for every model and every objective.

It yields a record per step and prints nothing. Step i reads `batches_at(i)` and draws its random
numbers from (seed, i, micro-batch), so a killed run goes on from its newest whole checkpoint to the
same bits. The step counter never goes back: a bad step is used up, and after a return to
older weights the data goes on behind the bad batches.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..device import matmul_peak, working_dtype
from ..errors import DataError, RunError
from ..models.model import NeuralModel
from ..tokens.batch import Batch
from .checkpoint import Checkpoints, State
from .guard import Guard
from .objectives import Objective
from .optim import check_state
from .parameters import Parameters, check_fingerprint
from .record import StepRecord
from .regularise import (
    EarlyStopping,
    WeightAverage,
    add_penalties,
    clip_by_norm,
    clip_by_value,
    gradient_norm,
)
from .settings import TrainSettings
from .workers import Workers, worker_count

Evaluate = Callable[[NeuralModel], Mapping[str, float]]


def train(
    model: NeuralModel,
    objective: Objective,
    batches_at: Callable[[int], Batch],
    settings: TrainSettings,
    *,
    seed: int,
    evaluate: Evaluate | None = None,
    checkpoints: Path | None = None,
    document_ids: Callable[[int], Sequence[str]] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[StepRecord]:
    """Train `model` in place; one record per step.

    A record comes before its step's checkpoint is written: whoever notes each record before asking
    for the next has no gap in the notes, wherever a killed run goes on.

    It goes on from the newest whole checkpoint where there is one: the first record then has the
    event `resumed` and no loss, and every log entry after its step is void. When the records end,
    `model` holds float32 weights: the best evaluated ones if `regularise.patience` is set, else the
    average if `regularise.ema` is set, else the last ones; after `stop` always the last ones.

    Args:
        model: in float32; its weights are taken over until the records end.
        objective: (model, batch) -> (summed loss, count).
        batches_at: the batch of step i (from 0), always the same for the same i.
        settings: see TrainSettings.
        seed: everything random follows from it and the step.
        evaluate: held-out figures of a model; it is given the model with its working weights (bf16
            if that is the precision; averaged if there is an average), in evaluation mode. Early
            stopping watches its `loss`.
        checkpoints: folder of the run's checkpoints; without it nothing is saved.
        document_ids: ids of the documents in the batch of step i, for the guard's reports.
        stop: asked after every step; True saves and ends the records. Amid bad steps nothing is
            saved: the run then goes on from the checkpoint before them.

    Raises:
        DataError: a batch without any target; a checkpoint of another optimizer or average.
        RunError: bad steps that going back did not cure; a checkpoint that cannot be written.
        ShapeError: a checkpoint of another model.
    """
    if settings.regularise.patience and evaluate is None:
        raise RunError(
            "train.regularise.patience needs held-out figures, and there is no evaluation; "
            "give held-out text or set train.regularise.patience=0"
        )
    loop = _Loop(model, objective, settings, seed=seed, checkpoints=checkpoints)
    loop.evaluate, loop.document_ids = evaluate, document_ids
    try:
        yield from loop.records(batches_at, stop)
    finally:
        loop.close()


class _Loop:
    """The state of a run and the few things that change it."""

    evaluate: Evaluate | None = None
    document_ids: Callable[[int], Sequence[str]] | None = None

    def __init__(
        self,
        model: NeuralModel,
        objective: Objective,
        settings: TrainSettings,
        *,
        seed: int,
        checkpoints: Path | None,
    ):
        self.settings, self.model = settings, model.train()
        device = next(model.parameters()).device
        dtype = working_dtype(settings.precision, device)
        workers = worker_count(model.settings, settings, device)
        self.parameters = Parameters(model, dtype, workers)
        self.groups = self.parameters.groups
        self.optimizer = settings.optimizer.build(self.groups)  # type: ignore[attr-defined]
        regular = settings.regularise
        self.average = WeightAverage(self.groups, regular.ema) if regular.ema else None
        self.early = EarlyStopping(regular.patience) if regular.patience else None
        self.best = torch.empty_like(self.parameters.master) if self.early else None
        self.guard = Guard(settings.guard)
        self.compute = Workers(self.parameters, objective, compiled=settings.compile, seed=seed)
        self.checkpoints = Checkpoints(checkpoints, settings.checkpoint) if checkpoints else None
        self.peak = matmul_peak(dtype, device)
        self.step = 0
        self.updates = 0
        """Steps that the weights have in them: without those left out or taken back."""
        self.ended = ""

    # ------------------------------------------------------------------ the records

    def records(
        self, batches_at: Callable[[int], Batch], stop: Callable[[], bool]
    ) -> Iterator[StepRecord]:
        if resumed := self._resume():
            yield resumed
        interrupted = False
        while self.step < self.settings.steps and not self.ended and not interrupted:
            record = self._one_step(batches_at(self.step))
            self._evaluate_if_due(record)
            interrupted = stop() and self.step < self.settings.steps and not self.ended
            if interrupted:
                record.events["interrupted"] = f"stopped after step {self.step}, as asked"
            saves = self._saves(record)
            if self.step == self.settings.steps:
                record.events["finished"] = f"all {self.step} steps are done"
            yield record
            if record.refused and record.refused["action"] == "stopped":
                raise RunError(self._what_to_do(record.refused))
            if saves and self.checkpoints:
                self.checkpoints.save(self._state())
        if self.checkpoints:
            self.checkpoints.wait()
        if not interrupted:
            self._keep_the_final_weights()
        self.parameters.release()
        self.model.eval()

    def close(self) -> None:
        self.compute.close()
        if self.checkpoints:
            self.checkpoints.close()

    # ------------------------------------------------------------------ one step

    def _one_step(self, batch: Batch) -> StepRecord:
        begun, step, settings = time.perf_counter(), self.step, self.settings
        context = batch.ids.shape[1]
        self.parameters.grad.zero_()
        loss_sum, count = self.compute(step, batch, settings.sequences_at_once(context))
        if not count:
            raise DataError(f"the batch of step {step} has no target to score; look at the data")
        loss, norm = loss_sum / count, self._penalise_and_clip()
        lr = settings.lr * settings.schedule.factor(step, settings.steps)  # type: ignore[attr-defined]
        record = StepRecord(step + 1, loss, norm, lr, tokens=batch.ids.numel())
        if reason := self.guard.reason(loss, norm):
            self._refuse(record, reason)
        else:
            self.guard.accept(norm)
            self._settle()
            self.optimizer.update(self.updates, lr)
            self.updates += 1
            if self.average:
                self.average.update()
            self.parameters.refresh()
        self.step += 1
        record.seconds_s = time.perf_counter() - begun
        record.tokens_per_s = record.tokens / record.seconds_s
        flops = 3 * self.model.flops_per_token(context)
        record.mfu_frac = record.tokens_per_s * flops / self.peak
        return record

    def _penalise_and_clip(self) -> float:
        """The gradient norm before clipping."""
        regular = self.settings.regularise
        if regular.l1 or regular.l2:
            add_penalties(self.groups, l1=regular.l1, l2=regular.l2)
        if regular.clip_norm:
            norm = clip_by_norm(self.groups, regular.clip_norm)
        else:
            norm = gradient_norm(self.groups)
        if regular.clip_value:
            clip_by_value(self.groups, regular.clip_value)
        return norm

    def _refuse(self, record: StepRecord, reason: str) -> None:
        """Leave a bad step out; go back if there were several."""
        can_go_back = False
        if self.checkpoints:
            self.checkpoints.wait()
            can_go_back = bool(self.checkpoints.steps())
        action = self.guard.refuse(can_go_back)
        text = f"step {record.step} changes nothing: {reason}"
        if action == "rolled back" and self.checkpoints and (found := self.checkpoints.newest()):
            self._restore(found.state)
            text += (
                f"; went back to the weights of step {found.state.step}, and the data goes on "
                f"after step {record.step}"
            )
        record.events[action] = text
        record.refused = {
            "step": record.step,
            "reason": reason,
            "loss": record.loss,
            "norm": record.norm,
            "documents": list(self.document_ids(self.step)) if self.document_ids else None,
            "action": action,
        }

    def _what_to_do(self, refused: Mapping[str, Any]) -> str:
        guard = self.settings.guard
        return (
            f"{refused['reason']} at step {refused['step']}, the last of {guard.repeats} bad steps "
            f"in a row, after going back {self.guard.rollbacks} times: lower train.lr "
            f"(now {self.settings.lr:g}), use train.precision=fp32, or look at the documents in "
            "guard.jsonl"
        )

    # ------------------------------------------------------------------ evaluation

    def _evaluate_if_due(self, record: StepRecord) -> None:
        every, last = self.settings.eval_every, self.step == self.settings.steps
        if self.evaluate is None or not (last or (every and self.step % every == 0)):
            return
        self._settle()
        averaged = self.average if self._has_average() else None
        if averaged:
            averaged.exchange()
            self.parameters.refresh()
        with self.parameters.evaluating() as model, torch.no_grad():
            record.evaluation = dict(self.evaluate(model))
        if self.early and self.best is not None:
            loss = record.evaluation["loss"]
            if self.early.should_stop(self.step, loss):
                self.ended = record.events["early stop"] = self.early.why()
            if self.early.best_step == self.step:
                self.best.copy_(self.parameters.master)
        if averaged:
            averaged.exchange()
            self.parameters.refresh()

    def _keep_the_final_weights(self) -> None:
        if self.early and self.best is not None and self.early.best_step >= 0:
            self.parameters.master.copy_(self.best)
        elif self.average and self._has_average():
            self.average.exchange()

    def _has_average(self) -> bool:
        return self.average is not None and int(self.average.state["average.updates"]) > 0

    # ------------------------------------------------------------------ saving and going on

    def _settle(self) -> None:
        if self.checkpoints:
            self.checkpoints.settle()

    def _saves(self, record: StepRecord) -> bool:
        """Whether this step is saved; the record says so."""
        if self.checkpoints is None:
            return False
        action = record.refused["action"] if record.refused else ""
        every, ends = self.settings.checkpoint.every, self.step == self.settings.steps or self.ended
        wanted = ends or "interrupted" in record.events or (every and self.step % every == 0)
        # amid bad steps the weights are suspect: saved, they would be what the guard goes back to
        if action == "stopped" or (action == "skipped" and not ends):
            if "interrupted" in record.events:
                self.checkpoints.wait()
                newest = next(iter(self.checkpoints.steps()), 0)
                record.events["interrupted"] += (
                    f"; amid bad steps nothing is saved, the run will go on from step {newest}"
                )
            return False
        if wanted:
            record.events["saved"] = str(self.checkpoints.path(self.step))
        return bool(wanted)

    def _state(self) -> State:
        tensors = {"master": self.parameters.master}
        tensors |= {f"optimizer/{name}": t for name, t in self.optimizer.state.items()}
        if self.average:
            tensors |= {f"average/{name}": t for name, t in self.average.state.items()}
        if self.best is not None and self.early and self.early.best_step >= 0:
            tensors["best"] = self.best
        numbers = {
            "fingerprint": self.parameters.fingerprint(),
            "updates": self.updates,
            "guard": self.guard.state(),
            "early": self.early.state() if self.early else None,
            "ended": self.ended,
            "threads": torch.get_num_threads(),
            "precision": _plain(self.parameters.dtype),
        }
        return State(self.step, tensors, numbers)

    def _resume(self) -> StepRecord | None:
        found = self.checkpoints.newest() if self.checkpoints else None
        if found is None or self.checkpoints is None:
            return None
        state, notes = found.state, found.notes
        self._restore(state)
        self.guard.restore(state.numbers["guard"])
        self.step, self.ended = state.step, state.numbers["ended"]
        threads = torch.get_num_threads()
        if state.numbers["threads"] != threads:
            notes.append(
                f"saved with {state.numbers['threads']} threads, going on with {threads}: "
                "losses agree up to rounding only"
            )
        precision = _plain(self.parameters.dtype)
        if state.numbers["precision"] != precision:
            notes.append(
                f"saved in {state.numbers['precision']}, going on in {precision}: losses agree up "
                "to rounding only"
            )
        text = f"going on from {self.checkpoints.path(self.step)}"
        return StepRecord(self.step, events={"resumed": "; ".join([*notes, text])})

    def _restore(self, state: State) -> None:
        """Take over the weights and what belongs to them; nothing changes unless all of it fits."""
        where, tensors = f"checkpoint of step {state.step}", state.tensors
        check_fingerprint(state.numbers["fingerprint"], self.parameters.fingerprint(), where)
        owners = [(self.optimizer.state, "optimizer")]
        if self.average and _below("average/", tensors):
            owners.append((self.average.state, "average"))
        for own, name in owners:
            check_state(own, _below(f"{name}/", tensors), name)
        self.parameters.master.copy_(tensors["master"])
        for own, name in owners:
            for key, tensor in own.items():
                tensor.copy_(tensors[f"{name}/{key}"])
        self.updates = state.numbers["updates"]
        if self.early and state.numbers["early"] and self.best is not None:
            self.early.restore(state.numbers["early"])
            if self.early.best_step >= 0:
                self.best.copy_(tensors["best"])
        self.parameters.refresh()


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
