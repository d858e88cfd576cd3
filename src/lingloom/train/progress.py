"""What a run goes on with: its weights, what belongs to them, and how far it has come.

Whatever changes from step to step and decides later steps lives here and goes into checkpoints;
all else follows from the settings and the step.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ..device import working_dtype
from ..errors import ShapeError
from ..models.model import NeuralModel, need_carrying
from ..native.kernels import kernels
from ..tokens.batch import Batch, Rows
from .guard import Guard
from .optim import check_state
from .parameters import Parameters, check_fingerprint
from .regularise import EarlyStopping, WeightAverage
from .settings import TrainSettings
from .state_files import State, below
from .statistics import RunningStatistics
from .workers import worker_count


class Progress:
    """Takes over `model`'s weights and builds what `settings` ask for beside them."""

    def __init__(self, model: NeuralModel, settings: TrainSettings):
        device = next(model.parameters()).device
        self.carried: Tensor | None = None
        """(B, N) float32: the state in which each row of the last batch was left, where the data
        goes on from batch to batch."""
        if settings.packing == "carried":
            need_carrying(model.settings, "train.packing=carried")
            self.carried = torch.zeros(settings.batch, model.state_width(), device=device)
        dtype = working_dtype(settings.precision, device)
        self.parameters = Parameters(model, dtype, worker_count(model.settings, settings, device))
        self.statistics = RunningStatistics(model)
        groups, regular = self.parameters.groups, settings.regularise
        self.optimizer = settings.optimizer.build(groups)  # type: ignore[attr-defined]
        self.average = WeightAverage(groups, regular.ema) if regular.ema else None
        self.early = EarlyStopping(regular.patience) if regular.patience else None
        self.best = torch.empty_like(self.parameters.master) if self.early else None
        self.guard = Guard(settings.guard)
        self.step = 0
        """Steps done."""
        self.updates = 0
        """Steps that the weights have in them: without those left out or taken back."""
        self.ended = ""
        """Why the run is over before its last step; empty while it is not."""

    @property
    def moves_while_reading(self) -> bool:
        """Whether reading a batch changes what goes into checkpoints, so that none may be being
        written meanwhile."""
        return self.carried is not None or bool(self.statistics.live)

    def begin_step(self, batch: Rows) -> Rows:
        """`batch` with the state that its rows start from, where one is carried."""
        self.statistics.remember()
        if self.carried is None or not isinstance(batch, Batch):
            return batch
        if not batch.goes_on:
            self.carried.zero_()
        return replace(batch, state=self.carried)

    def forget(self) -> None:
        """Take back what a bad batch did: it may be anything."""
        self.statistics.take_back()
        if self.carried is not None:
            self.carried.zero_()

    def update(self, lr: float) -> None:
        """Change the weights by the gradient in `parameters`."""
        self.optimizer.update(self.updates, lr)
        self.parameters.constrain()
        self.updates += 1
        if self.average:
            self.average.update()
        self.parameters.refresh()

    def stop_early(self, loss: float) -> bool:
        """Note the held-out `loss` of the weights as they are; True when it ends the run."""
        assert self.early is not None and self.best is not None
        if self.early.should_stop(self.step, loss):
            self.ended = self.early.why()
        if self.early.best_step == self.step:
            self.best.copy_(self.parameters.master)
            self.statistics.keep_best()
        return bool(self.ended)

    def exchange_average(self) -> None:
        """Swap the weights with their average, where there is one; twice swaps them back."""
        if self.average and int(self.average.state["average.updates"]):
            self.average.exchange()
            self.parameters.refresh()

    def keep_the_final_weights(self) -> None:
        """Make the masters what the run hands over: the best, else the average, else as is."""
        if self.early and self.best is not None and self.early.best_step >= 0:
            self.parameters.master.copy_(self.best)
            self.statistics.take_best()
        else:
            self.exchange_average()

    # ------------------------------------------------------------------ into and out of checkpoints

    def state(self) -> State:
        """All of it, for a checkpoint; the tensors are the live ones."""
        tensors = {"master": self.parameters.master, **self.statistics.state()}
        tensors |= {f"optimizer/{name}": t for name, t in self.optimizer.state.items()}
        if self.carried is not None:
            tensors["carried"] = self.carried
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
            "computed": self._computed(),
        }
        return State(self.step, tensors, numbers)

    def resume(self, state: State) -> list[str]:
        """Take over a checkpoint whole; a line on everything that will round differently now.

        Raises:
            DataError: it belongs to another optimizer or average.
            ShapeError: it belongs to another model, or carries on other rows.
        """
        carried = state.tensors.get("carried")
        found, wanted = ([] if t is None else list(t.shape) for t in (carried, self.carried))
        if found != wanted:
            raise ShapeError(
                f"checkpoint of step {state.step}: its carried state has shape {found or 'none'}, "
                f"and this run's {wanted or 'none'}; go on with the train.packing and train.batch "
                "that wrote it"
            )
        self.go_back(state)
        if self.carried is not None and carried is not None:
            self.carried.copy_(carried)
        self.guard.restore(state.numbers["guard"])
        self.step, self.ended = state.step, state.numbers["ended"]
        now = self._computed()
        # older versions noted less
        then = dict.fromkeys(now, "by an older version") | state.numbers.get("computed", {})
        return [
            f"saved {then[what]}, going on {now[what]}: losses agree up to rounding only"
            for what in now
            if then[what] != now[what]
        ]

    def go_back(self, state: State) -> None:
        """Take over the weights and what belongs to them; nothing changes unless all of it fits.

        Raises:
            DataError: it belongs to another optimizer or average.
            ShapeError: it belongs to another model.
        """
        where, tensors = f"checkpoint of step {state.step}", state.tensors
        check_fingerprint(state.numbers["fingerprint"], self.parameters.fingerprint(), where)
        self.statistics.check(tensors, where)
        owners = [(self.optimizer.state, "optimizer")]
        if self.average and below("average/", tensors):
            owners.append((self.average.state, "average"))
        for own, name in owners:
            check_state(own, below(f"{name}/", tensors), name)
        self.parameters.master.copy_(tensors["master"])
        self.statistics.restore(tensors)
        for own, name in owners:
            for key, tensor in own.items():
                tensor.copy_(tensors[f"{name}/{key}"])
        self.updates = state.numbers["updates"]
        if self.early and state.numbers["early"] and self.best is not None:
            self.early.restore(state.numbers["early"])
            if self.early.best_step >= 0:
                self.best.copy_(tensors["best"])
        self.parameters.refresh()

    def _computed(self) -> dict[str, str]:
        """What decides how sums are rounded, each in words that follow 'saved' and 'going on'."""
        return {
            "threads": f"with {torch.get_num_threads()} threads",
            "workers": f"by {len(self.parameters.models)} workers",
            "precision": f"in {str(self.parameters.dtype).removeprefix('torch.')}",
            "kernels": f"with{'' if kernels() else 'out'} compiled kernels",
        }
