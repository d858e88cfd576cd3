"""The promises of this program, tried on a trained run itself, with the numbers shown.

Each proof takes seconds and changes nothing: it works on copies, in a temporary folder.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from torch import nn

from ..models.model import CausalModel, NeuralModel, PairModel
from . import serving_proofs, training_proofs
from .evidence import Evidence, Proof

TRAINED = (
    training_proofs.accumulation,
    training_proofs.resume,
    training_proofs.order,
)
"""For models that learn by gradient."""
KEPT = (
    serving_proofs.export,
    serving_proofs.export_elsewhere,
)
"""For every model."""
WRITING = (
    serving_proofs.prompts,
    serving_proofs.decode_path,
)
"""For every model that writes."""


def prove(run: Evidence) -> Iterator[Proof]:
    """One proof after the other, as each is done; a proof that fails does not stop the rest."""
    by_gradient = isinstance(run.model, nn.Module) and run.open_order is not None
    goes_on = not isinstance(run.model, NeuralModel) or isinstance(run.model, CausalModel)
    proofs: tuple[Callable[[Evidence], Proof], ...] = (
        *(TRAINED if by_gradient else ()),
        *((training_proofs.packing,) if goes_on else ()),
        *KEPT,
        *(WRITING if goes_on or isinstance(run.model, PairModel) else ()),
        *((serving_proofs.seeds,) if goes_on else ()),
    )
    for proof in proofs:
        if isinstance(run.model, nn.Module):
            run.model.eval()
        begun = time.perf_counter()
        found = proof(run)
        yield replace(found, seconds_s=time.perf_counter() - begun)
