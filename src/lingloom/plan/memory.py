"""Memory of a training run, term by term.

Buffers are exact: they are counted on the objects that training builds. The forward and backward
pass is rehearsed tensor by tensor (see rehearse.py); what kernels and the allocator add to it was
measured, and the band covers what was seen: `benchmarks/plan_accuracy.py` prints both.
"""

from functools import lru_cache
from pathlib import Path

import torch

from ..device import kept_products, working_dtype
from ..models.model import ModelSettings
from ..train.objectives.objective import objective_of
from ..train.settings import TrainSettings
from ..train.workers import rows_at_once, worker_count
from .band import Term, about, exactly
from .rehearse import Standing, micro_batch_bytes, standing

PASS = (1.2, 0.78, 1.15)
"""What a pass takes over what its tensors hold, and the least and most of it."""
PASS_COMPILED = (0.8, 0.6, 1.3)
"""The same for compiled models, which compute some tensors twice instead of keeping them."""
KERNELS_BYTES = (30e6, 0.3, 3.0)
"""Threads, kernel caches and library pages that the first steps bring in."""
PRODUCT_BYTES = (0.56e6, 0.1, 1.2)
"""A product in bf16, compiled for its shape: rows of many lengths fill the cache of them."""
READING_BYTES = (80e6, 0.2, 2.0)
"""What reading, tokenising and counting leave in the heaps of their threads and libraries."""
COMPILER_BYTES = (500e6, 0.6, 1.6)
"""The compiler, which runs in the same process."""


def held(model: ModelSettings, train: TrainSettings) -> Standing:
    """What a run holds from its first step to its last; no formula per family is needed."""
    return standing(model, train, workers(model, train))


def workers(model: ModelSettings, train: TrainSettings) -> int:
    """Micro-batches that training computes side by side here."""
    return worker_count(model, train, torch.device("cpu"))


def buffers(holding: Standing) -> list[Term]:
    """The exact terms: weights, gradients, what the optimizer remembers."""
    terms = [
        Term("master weights", exactly(holding.masters_bytes)),
        Term("working weights", exactly(holding.working_bytes)),
        Term("gradients", exactly(holding.gradients_bytes)),
        Term("optimizer moments", exactly(holding.optimizer_bytes)),
        Term("average of the weights", exactly(holding.average_bytes)),
        Term("best weights so far", exactly(holding.best_bytes)),
    ]
    return [term for term in terms if term.amount.value]


def activations(model: ModelSettings, train: TrainSettings, micro: int) -> Term:
    """What forward and backward passes of `micro` sequences hold, by all workers together."""
    size = workers(model, train) * micro_batch_bytes(model, train, micro)
    factor, low, high = PASS_COMPILED if train.compile else PASS
    return Term("activations", about(size * factor, low, high))


def surroundings(train: TrainSettings, model: ModelSettings | None = None) -> list[Term]:
    """Python, libraries, kernels: what does not depend on how large the model is.

    Args:
        train: how it is trained.
        model: what is trained; None where it only counts.
    """
    terms = [
        Term("Python and libraries", exactly(resident_bytes())),
        Term("left from reading", about(*READING_BYTES)),
        Term("kernels", about(*KERNELS_BYTES)),
    ]
    varies = model is not None and objective_of(model, train).varies
    if varies and working_dtype(train.precision) == torch.bfloat16:
        each, low, high = PRODUCT_BYTES
        terms.append(Term("compiled products", about(kept_products() * each, low, high)))
    if train.compile:
        terms.append(Term("compiler", about(*COMPILER_BYTES)))
    return terms


def memory_terms(model: ModelSettings, train: TrainSettings) -> list[Term]:
    """Everything that a run of `model` under `train` holds at its peak.

    Args:
        model: any neural family's settings, with `vocab` settled.
        train: how it is trained.
    """
    holding = held(model, train)
    micro = rows_at_once(model, train, context_of(model))
    return [*buffers(holding), activations(model, train, micro), *surroundings(train, model)]


def context_of(model: ModelSettings) -> int:
    """Tokens that the model reads at once; every family's settings have it."""
    return int(model.context)  # type: ignore[attr-defined]


def resident_bytes() -> int:
    """Memory that this process holds now; 300 MB where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return 300_000_000
    return pages * _page_bytes()


@lru_cache
def _page_bytes() -> int:
    import resource

    return resource.getpagesize()
