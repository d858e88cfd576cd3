"""Gradients of one step's batch, in micro-batches, on one or several threads of this process.

A worker takes every k-th micro-batch and sums its gradients in its own buffer, so the result does
not depend on who is faster. Two workers on one core each do what one worker on two does when the
machine has nothing else to do (benchmarks/workers.py), and two to three times that beside another
busy program (benchmarks/busy.py): nobody waits for anybody between two operations.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor

from ..device import seed_all
from ..models.dropout import drawing_from
from ..models.model import ModelSettings, NeuralModel
from ..tokens.batch import Batch, Rows
from .objectives.objective import Objective
from .parameters import Parameters
from .settings import TrainSettings


def worker_count(model: ModelSettings, train: TrainSettings, device: torch.device) -> int:
    """Models that compute gradients side by side; one where the rows of a batch depend on each
    other, and where torch draws what is dropped, for it has one generator per process."""
    keys = ("dropout", "dropconnect", "recurrent_dropout")
    drawn = train.compile and any(getattr(model, key, 0) for key in keys)
    alone = model.mixes_rows or drawn
    return train.workers_here() if device.type == "cpu" and not alone else 1


def rows_at_once(model: ModelSettings, train: TrainSettings, context: int) -> int:
    """Rows of `context` places in a micro-batch; all of them where they depend on each other."""
    return train.batch if model.mixes_rows else train.sequences_at_once(context)


class Workers:
    """Turns a batch into summed loss, count of targets, and gradients in `parameters`.

    What is dropped from a micro-batch follows from (seed, step, micro-batch), whoever computes it.
    A model that draws from torch's own generator is computed by one worker alone, for there is one
    per process.
    """

    def __init__(self, parameters: Parameters, objective: Objective, *, compiled: bool, seed: int):
        self.parameters, self.objective, self.seed = parameters, objective, seed
        self.device = parameters.master.device
        # The compiler takes no sparse tensors, and on a GPU their sums would not repeat to the bit.
        self._sparse(not compiled and self.device.type == "cpu")
        self._hidden = (
            [torch.compile(m.hidden, dynamic=False) for m in parameters.models] if compiled else []
        )
        threads = torch.get_num_threads()
        count = len(parameters.models)
        self._pools = [
            ThreadPoolExecutor(1, f"worker-{i}") for i in range(count if count > 1 else 0)
        ]
        for pool in self._pools:
            pool.submit(_take_threads, max(1, threads // count)).result()
        torch.set_num_threads(threads)  # each thread keeps its own count from here on
        self._random: bool | None = None if self._pools else True

    def __call__(self, step: int, batch: Rows, micro: int) -> tuple[float, int]:
        """Summed loss in nats and scored targets of `batch`; gradients are gathered and divided.

        The mean gradient is left as it is when no target is scored.
        """
        pieces = batch.split(micro)
        if self._random is None:
            self._random = self._warm_up(step, pieces[0])
        if self._random:
            results = [self._piece(0, step, i, piece) for i, piece in enumerate(pieces)]
        else:
            futures = [
                pool.submit(self._share, worker, step, pieces)
                for worker, pool in enumerate(self._pools)
            ]
            results = [result for future in futures for result in future.result()]
        count = sum(scored for _, scored in results)
        self.parameters.gather(max(1, count))
        return sum(loss for loss, _ in results), count

    def close(self) -> None:
        """End the threads; gradients come whole again."""
        self._sparse(False)
        for pool in self._pools:
            pool.shutdown()

    def _sparse(self, wanted: bool) -> None:
        for model in self.parameters.models:
            model.sparse_gradients(wanted)

    def _share(self, worker: int, step: int, pieces: Sequence[Rows]) -> list[tuple[float, int]]:
        mine = range(worker, len(pieces), len(self._pools))
        return [self._piece(worker, step, i, pieces[i]) for i in mine]

    def _warm_up(self, step: int, piece: Rows) -> bool:
        """Compile in one thread after the other; whether the model draws random numbers."""
        before = torch.get_rng_state()
        if isinstance(piece, Batch) and piece.state is not None:
            piece = replace(piece, state=piece.state.clone())  # the true one is still to be read
        for worker, pool in enumerate(self._pools):
            pool.submit(self._piece, worker, step, -1, piece).result()
            self.parameters.forget(worker)
        drew = not torch.equal(before, torch.get_rng_state())
        torch.set_rng_state(before)
        return drew

    def _piece(self, worker: int, step: int, index: int, piece: Rows) -> tuple[float, int]:
        """Add one micro-batch's gradients to the worker's sum; its summed loss and count."""
        if self._random:
            seed_all(self.seed, step, index)
        model = self.parameters.models[worker]
        with drawing_from(self.seed, step, index):
            loss, count = self._scored(model, worker, piece.to(self.device))
        if count:
            loss.backward()
            self.parameters.collect(worker)
        return float(loss.detach()), count

    def _scored(self, model: NeuralModel, worker: int, piece: Rows) -> tuple[Tensor, int]:
        if not self._hidden:
            return self.objective(model, piece)
        model.hidden = self._hidden[worker]  # type: ignore[method-assign]
        try:
            return self.objective(model, piece)
        finally:
            del model.hidden  # evaluation sees other shapes, and must not compile for each


def _take_threads(count: int) -> None:
    """Have operations of this thread use `count` threads."""
    # A thread's first question, or else its first operation, sets its count to the process's.
    torch.get_num_threads()
    torch.set_num_threads(count)
