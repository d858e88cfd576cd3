"""What the loop says about each step."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class StepRecord:
    """What happened in one step."""

    step: int
    """Steps done, this one included; a record with the event `resumed` repeats the last one."""
    loss: float | None = None
    """Mean of the objective over the scored targets, in nats; l1 and l2 are not part of it."""
    norm: float | None = None
    """2-norm of the gradient before clipping."""
    lr: float | None = None
    tokens: int = 0
    """Tokens read in this step."""
    seconds_s: float = 0.0
    """Time of the step without evaluation and saving."""
    tokens_per_s: float = 0.0
    mfu_frac: float = 0.0
    """Share of the measured matrix peak, counting three forward passes per token."""
    evaluation: dict[str, float] | None = None
    """What `evaluate` said after this step."""
    events: dict[str, str] = field(default_factory=dict)
    """`resumed`, `skipped`, `rolled back`, `saved`, `early stop`, `interrupted`, `finished`: each
    with one line that a person can read."""
    refused: dict[str, Any] | None = None
    """A bad batch: step, reason, loss, norm, document ids, action; for the run's guard file."""
