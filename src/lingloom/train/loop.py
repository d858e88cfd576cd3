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

from ..device import matmul_peak
from ..errors import DataError, RunError
from ..models.model import NeuralModel
from ..tokens.batch import Rows
from .checkpoint import Checkpoints
from .objectives.objective import Objective
from .progress import Progress
from .record import StepRecord
from .regularise import add_penalties, clip_by_norm, clip_by_value, gradient_norm
from .settings import TrainSettings
from .workers import Workers, rows_at_once

Evaluate = Callable[[NeuralModel], Mapping[str, float]]


def train(
    model: NeuralModel,
    objective: Objective,
    batches_at: Callable[[int], Rows],
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
        objective: (model, batch) -> (summed loss in nats, count of targets).
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
    """What changes a run's progress, step by step."""

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
        self.now = Progress(model, settings)
        parameters = self.now.parameters
        self.checkpoints = Checkpoints(checkpoints, settings.checkpoint) if checkpoints else None
        self.peak = matmul_peak(parameters.dtype, parameters.master.device)
        # the last, for it is closed only where all of this is there
        self.compute = Workers(parameters, objective, compiled=settings.compile, seed=seed)

    # ------------------------------------------------------------------ the records

    def records(
        self, batches_at: Callable[[int], Rows], stop: Callable[[], bool]
    ) -> Iterator[StepRecord]:
        if resumed := self._resume():
            yield resumed
        interrupted = False
        while not self._over() and not interrupted:
            record = self._one_step(batches_at(self.now.step))
            self._evaluate_if_due(record)
            interrupted = stop() and not self._over()
            if interrupted:
                record.events["interrupted"] = f"stopped after step {self.now.step}, as asked"
            saves = self._saves(record)
            if self.now.step == self.settings.steps:
                record.events["finished"] = f"all {self.now.step} steps are done"
            yield record
            if record.refused and record.refused["action"] == "stopped":
                raise RunError(self._what_to_do(record.refused))
            if saves and self.checkpoints:
                self.checkpoints.save(self.now.state())
        if self.checkpoints:
            self.checkpoints.wait()
        if not interrupted:
            self.now.keep_the_final_weights()
        self.now.parameters.release()
        self.model.eval()

    def _over(self) -> bool:
        return self.now.step >= self.settings.steps or bool(self.now.ended)

    def close(self) -> None:
        self.compute.close()
        if self.checkpoints:
            self.checkpoints.close()

    # ------------------------------------------------------------------ one step

    def _one_step(self, batch: Rows) -> StepRecord:
        begun, step, settings = time.perf_counter(), self.now.step, self.settings
        context = batch.context
        self.now.parameters.clear_gradients()
        if self.now.moves_while_reading:
            self._settle()
        batch = self.now.begin_step(batch)
        micro = rows_at_once(self.model.settings, settings, context)
        loss_sum, count = self.compute(step, batch, micro)
        if not count:
            vocab = self.model.settings.vocab
            raise DataError(
                f"the batch of step {step} has no target to score; look at the data, and whether "
                f"a vocabulary of {vocab} tokens (tokens.vocab) leaves something to learn"
            )
        loss, norm = loss_sum / count, self._penalise_and_clip()
        lr = settings.lr * settings.schedule.factor(step, settings.steps)  # type: ignore[attr-defined]
        record = StepRecord(step + 1, loss, norm, lr, tokens=batch.tokens)
        if reason := self.now.guard.reason(loss, norm):
            self._refuse(record, reason)
        else:
            self.now.guard.accept(norm)
            self._settle()
            self.now.update(lr)
        self.now.step += 1
        record.seconds_s = time.perf_counter() - begun
        record.tokens_per_s = record.tokens / record.seconds_s
        record.mfu_frac = 3 * self.model.flops_of(batch) / record.seconds_s / self.peak
        return record

    def _penalise_and_clip(self) -> float:
        """The gradient norm before clipping."""
        regular, groups = self.settings.regularise, self.now.parameters.groups
        if regular.l1 or regular.l2:
            add_penalties(groups, l1=regular.l1, l2=regular.l2)
        if regular.clip_norm:
            norm = clip_by_norm(groups, regular.clip_norm)
        else:
            norm = gradient_norm(groups)
        if regular.clip_value:
            clip_by_value(groups, regular.clip_value)
        return norm

    def _refuse(self, record: StepRecord, reason: str) -> None:
        """Leave a bad step out; go back if there were several."""
        self.now.forget()
        can_go_back = False
        if self.checkpoints:
            self.checkpoints.wait()
            can_go_back = bool(self.checkpoints.steps())
        action = self.now.guard.refuse(can_go_back)
        text = f"step {record.step} changes nothing: {reason}"
        if action == "rolled back" and self.checkpoints and (found := self.checkpoints.newest()):
            self.now.go_back(found.state)
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
            "documents": list(self.document_ids(self.now.step)) if self.document_ids else None,
            "action": action,
        }

    def _what_to_do(self, refused: Mapping[str, Any]) -> str:
        guard = self.settings.guard
        return (
            f"{refused['reason']} at step {refused['step']}, the last of {guard.repeats} bad steps "
            f"in a row, after going back {self.now.guard.rollbacks} times: lower train.lr "
            f"(now {self.settings.lr:g}), use train.precision=fp32, or look at the documents in "
            "guard.jsonl"
        )

    # ------------------------------------------------------------------ evaluation

    def _evaluate_if_due(self, record: StepRecord) -> None:
        every, last = self.settings.eval_every, self.now.step == self.settings.steps
        if self.evaluate is None or not (last or (every and self.now.step % every == 0)):
            return
        self._settle()
        self.now.exchange_average()
        with self.now.parameters.evaluating() as model, torch.no_grad():
            record.evaluation = dict(self.evaluate(model))
        if self.now.early and self.now.stop_early(record.evaluation["loss"]):
            record.events["early stop"] = self.now.ended
        self.now.exchange_average()

    # ------------------------------------------------------------------ saving and going on

    def _settle(self) -> None:
        if self.checkpoints:
            self.checkpoints.settle()

    def _saves(self, record: StepRecord) -> bool:
        """Whether this step is saved; the record says so."""
        if self.checkpoints is None:
            return False
        action = record.refused["action"] if record.refused else ""
        every = self.settings.checkpoint.every
        periodic = bool(every) and self.now.step % every == 0
        # amid bad steps the weights are suspect: saved, they would be what the guard goes back to
        if action == "stopped" or (action == "skipped" and not self._over()):
            if "interrupted" in record.events:
                self.checkpoints.wait()
                newest = next(iter(self.checkpoints.steps()), 0)
                record.events["interrupted"] += (
                    f"; amid bad steps nothing is saved, the run will go on from step {newest}"
                )
            return False
        saves = periodic or self._over() or "interrupted" in record.events
        if saves:
            record.events["saved"] = str(self.checkpoints.path(self.now.step))
        return saves

    def _resume(self) -> StepRecord | None:
        found = self.checkpoints.newest() if self.checkpoints else None
        if found is None or self.checkpoints is None:
            return None
        notes = [*found.notes, *self.now.resume(found.state)]
        text = f"going on from {self.checkpoints.path(self.now.step)}"
        return StepRecord(self.now.step, events={"resumed": "; ".join([*notes, text])})
