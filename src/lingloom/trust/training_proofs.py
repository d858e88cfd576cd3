"""Self-tests of how the model was trained: accumulation, packing, resume, order of the data."""

import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..models.model import NeuralModel
from ..tokens.batch import Batch, Rows
from ..tokens.batches import Batches
from ..tokens.reading import Order
from ..train.loop import train
from ..train.objectives.cross_entropy import token_nats
from ..train.parameters import Parameters
from ..train.settings import TrainSettings
from ..train.workers import Workers
from .evidence import Evidence, Proof

ROWS = 8
"""Sequences of a batch that are tried; the claims hold for any number or for none."""
RESUME_STEPS = 6
PACKED_DOCUMENTS = 4
SAMPLE = 1_000_000
"""Windows of an epoch that are checked; of more, the first so many."""


def accumulation(run: Evidence) -> Proof:
    """One batch whole, in halves and row by row."""
    assert run.open_order is not None
    if run.model.settings.mixes_rows:
        why = "what is computed of a row depends on its whole batch, which is never split"
        return Proof("accumulation = full batch", "", None, {"skipped": why})
    batch = first_rows(run.open_order(), 0)
    rows = len(batch.ids)
    sizes = sorted({1, max(1, rows // 2), rows}, reverse=True)
    found = [_gradient(run, batch, micro) for micro in sizes]
    loss, whole = found[0]
    apart = max(
        max(abs(other / loss - 1), float((grad - whole).norm() / whole.norm()))
        for other, grad in found
    )
    return Proof(
        "accumulation = full batch",
        f"{rows} sequences at once, in halves and one by one give one loss and one gradient (fp32)",
        apart <= 1e-5,
        {
            "micro": sizes,
            "loss in nats": [loss for loss, _ in found],
            "gradient norm": [float(grad.norm()) for _, grad in found],
            "largest relative difference": apart,
        },
        1e-5,
    )


def packing(run: Evidence) -> Proof:
    """Documents packed into one row against each on its own."""
    whole = run.model.settings.context
    share = max(2, whole // PACKED_DOCUMENTS)
    texts = [
        np.append(run.tokenizer.end, run.heldout.document(i))[:share].astype(np.int64)
        for i in range(min(PACKED_DOCUMENTS, run.heldout.documents))
    ]
    alone = [_nats(run, torch.from_numpy(ids)[None], None) for ids in texts]
    row = torch.from_numpy(np.concatenate(texts))[None]
    segments = torch.from_numpy(np.repeat(np.arange(len(texts)), [len(t) for t in texts]))[None]
    packed = _nats(run, row, segments).split([len(t) for t in texts])
    apart = max(float((a - p).abs().max()) for a, p in zip(alone, packed, strict=True))
    return Proof(
        "packed = unpacked",
        f"{len(texts)} held-out documents in one row cost, token by token, what each costs alone",
        apart <= 1e-4,
        {
            "tokens": row.numel(),
            "nats alone": sum(float(a.sum()) for a in alone),
            "nats packed": sum(float(p.sum()) for p in packed),
            "largest difference": apart,
        },
        1e-4,
    )


def resume(run: Evidence) -> Proof:
    """Six steps of the run's own plan against three, a stop, and three from the checkpoint."""
    assert run.open_order is not None
    steps = min(RESUME_STEPS, run.train.steps)
    batches = run.open_order()
    quiet = run.train.regularise.model_copy(update={"patience": 0})
    changes = {"batch": min(ROWS, run.train.batch), "eval_every": 0, "tensorboard": False}
    settings = run.train.model_copy(update={**changes, "regularise": quiet})
    straight, again = deepcopy(run.model), deepcopy(run.model)
    expected = list(_losses(run, straight, batches, settings, None, steps))
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        first = list(_losses(run, deepcopy(run.model), batches, settings, where, steps // 2))
        with torch.no_grad():  # the checkpoint alone must bring the weights back
            for weight in again.parameters():
                weight.zero_()
        resumed = first + list(_losses(run, again, batches, settings, where, steps))
    pairs = zip(straight.parameters(), again.parameters(), strict=True)
    same_weights = all(torch.equal(a, b) for a, b in pairs)
    return Proof(
        "resumed = straight",
        f"{steps} steps straight and {len(first)} + stop + {steps - len(first)} give the same "
        f"losses and weights, bit for bit ({run.train.precision})",
        expected == resumed and same_weights,
        {
            "losses straight": expected,
            "losses resumed": resumed,
            "weights": "equal" if same_weights else "differ",
        },
    )


def order(run: Evidence) -> Proof:
    """The data of any step can be had again; of text cut into windows, none is left out or comes
    twice."""
    assert run.open_order is not None
    first, second = run.open_order(), run.open_order()
    steps = [7, 0, 3]
    there = {step: first.at(step).ids for step in steps}
    back = {step: second.at(step).ids for step in reversed(steps)}
    held = all(torch.equal(there[step], back[step]) for step in steps)
    claim = "steps read in another order after opening anew hold the same tokens"
    numbers: dict[str, Any] = {"steps": steps}
    if isinstance(first, Batches):
        starts, context = _epoch(first), there[0].shape[1]
        distinct = np.unique(starts)
        apart = bool((np.diff(distinct) >= context).all()) and len(distinct) == len(starts)
        held, claim = held and apart, f"{claim}, and no two windows of an epoch share a target"
        numbers |= {
            "windows": first.windows,
            "checked": len(starts),
            "different": len(distinct),
            "tokens of context": context,
        }
    return Proof("the order of the data is pure", claim, held, numbers)


def _epoch(batches: Batches) -> np.ndarray:
    """Where the windows of the first epoch begin, in the order in which they are read."""
    starts, found, step = [], 0, 0
    wanted = min(batches.windows, SAMPLE)
    while found < wanted:
        starts.append(batches.starts(step))
        found, step = found + len(starts[-1]), step + 1
    return np.concatenate(starts)[:wanted]


def first_rows(batches: Order, step: int) -> Rows:
    """The first rows of a step's batch."""
    return batches.at(step).split(ROWS)[0]


def _gradient(run: Evidence, batch: Rows, micro: int) -> tuple[float, Tensor]:
    """Mean loss in nats and the whole gradient, (n,) float32, by the loop's own accumulation."""
    model: NeuralModel = deepcopy(run.model).eval()  # dropout draws anew for each micro-batch
    parameters = Parameters(model, torch.float32)
    workers = Workers(parameters, run.objective.loss, compiled=False, seed=run.seed)
    loss, count = workers(0, batch, micro)
    workers.close()
    return loss / count, parameters.grad.clone()


def _losses(
    run: Evidence,
    model: NeuralModel,
    batches: Order,
    settings: TrainSettings,
    folder: Path | None,
    stop_after: int,
) -> Iterator[float]:
    """The losses of the steps that the loop takes until `stop_after`."""
    step = 0
    records = train(
        model,
        run.objective.loss,
        lambda at: first_rows(batches, at),
        settings,
        seed=run.seed,
        checkpoints=folder,
        stop=lambda: step + 1 >= stop_after,
    )
    for record in records:
        step = record.step
        if record.loss is not None:
            yield record.loss


def _nats(run: Evidence, ids: Tensor, segments: Tensor | None) -> Tensor:
    """What each next token costs, (T,) float32; the last one's is the END that opens the row."""
    targets = ids.roll(-1, dims=1)
    return token_nats(run.model, Batch(ids, targets, segments))[0]
