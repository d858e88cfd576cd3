"""What a model counts while it learns, beside its weights, such as the means of batch norm.

They are the module's persistent buffers. No optimizer changes them, the forward pass does, so a
step that is left out must take them back.
"""

from collections.abc import Mapping

from torch import Tensor

from ..errors import ShapeError
from ..models.model import NeuralModel
from .state_files import below


class RunningStatistics:
    """The persistent buffers of `model`, and what they were before; of most families there are
    none."""

    def __init__(self, model: NeuralModel):
        kept = model.state_dict().keys()
        self.live = {name: b for name, b in model.named_buffers() if name in kept}
        self.before = {name: b.clone() for name, b in self.live.items()}
        """At the last `remember`."""
        self.best: dict[str, Tensor] = {}
        """At the last `keep_best`."""

    def remember(self) -> None:
        """Note how they are before a step."""
        _copy(self.live, self.before)

    def take_back(self) -> None:
        """Make them what they were before the step."""
        _copy(self.before, self.live)

    def keep_best(self) -> None:
        """Note how they are beside the best weights so far."""
        self.best = {name: b.clone() for name, b in self.live.items()}

    def take_best(self) -> None:
        """Make them what they were beside the best weights."""
        _copy(self.best, self.live)

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        tensors = {f"statistics/{name}": b for name, b in self.live.items()}
        return tensors | {f"best statistics/{name}": b for name, b in self.best.items()}

    def check(self, tensors: Mapping[str, Tensor], where: str) -> None:
        """Refuse those of another model.

        Raises:
            ShapeError: naming the first that differs.
        """
        saved = below("statistics/", tensors)
        for name in {**self.live, **saved}:
            own, other = (list(t[name].shape) if name in t else "none" for t in (self.live, saved))
            if own != other:
                raise ShapeError(
                    f"{where}: running statistics '{name}' have shape {other} there and {own} in "
                    "this model; use the recipe that wrote it"
                )

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over those of a checkpoint that `check` let pass."""
        _copy(below("statistics/", tensors), self.live)
        self.best = {name: b.clone() for name, b in below("best statistics/", tensors).items()}


def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, tensor in source.items():
        target[name].copy_(tensor)
