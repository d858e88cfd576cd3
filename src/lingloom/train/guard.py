"""No bad number passes silently: which steps are left out, and what follows.

A step is bad when its loss or gradient is not finite, or when its gradient norm is far above the
running median (a spike). A bad step changes nothing and is written down with its document ids.
After several in a row the weights go back to the last checkpoint while the data goes on behind the
bad batches, and after several of those the run stops.

Source: going back and leaving the batches out is the remedy of Chowdhery et al. 2022 (PaLM),
section 5.1; a factor over the running median is ours.
"""

import math
from collections import deque
from collections.abc import Mapping
from statistics import median
from typing import Any, Literal

from .settings import GuardSettings

Action = Literal["skipped", "rolled back", "stopped"]


class Guard:
    """Judges each step from its loss and gradient norm; its state goes into checkpoints."""

    def __init__(self, settings: GuardSettings):
        self.settings = settings
        self.norms: deque[float] = deque(maxlen=settings.window)
        """Gradient norms of the last good steps."""
        self.bad_in_row = 0
        self.rollbacks = 0

    def reason(self, loss: float, norm: float) -> str | None:
        """Why the step must be left out; None for a good step."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not math.isfinite(norm):
            return f"the gradient norm is {norm}"
        factor, known = self.settings.spike_factor, len(self.norms)
        if factor and known >= max(1, self.settings.window // 5):
            usual = median(self.norms)
            if norm > factor * usual > 0:
                return (
                    f"the gradient norm {norm:.4g} is more than {factor:g} times "
                    f"the running median {usual:.4g}"
                )
        return None

    def accept(self, norm: float) -> None:
        """Take in a good step."""
        self.norms.append(norm)
        self.bad_in_row = 0

    def refuse(self, can_go_back: bool) -> Action:
        """Take in a bad step; what must follow.

        Args:
            can_go_back: whether there is a checkpoint to go back to.
        """
        self.bad_in_row += 1
        if self.bad_in_row < self.settings.repeats:
            return "skipped"
        self.bad_in_row = 0
        if not can_go_back or self.rollbacks >= self.settings.rollbacks:
            return "stopped"
        self.rollbacks += 1
        return "rolled back"

    def state(self) -> dict[str, Any]:
        """What to keep in a checkpoint."""
        return {
            "norms": list(self.norms),
            "bad_in_row": self.bad_in_row,
            "rollbacks": self.rollbacks,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self.norms = deque(state["norms"], maxlen=self.settings.window)
        self.bad_in_row, self.rollbacks = state["bad_in_row"], state["rollbacks"]
