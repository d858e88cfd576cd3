"""What is written down about each step: log.jsonl, guard.jsonl, TensorBoard."""

import json
from typing import Any

from ..errors import MissingError
from ..runs import RunFolder
from ..train.record import StepRecord


class Log:
    """The log of one run; to be closed.

    Raises:
        MissingError: TensorBoard files are wanted and its package is not installed.
    """

    def __init__(self, run: RunFolder, *, tensorboard: bool):
        self.run = run
        self._board = _board(run) if tensorboard else None
        self._begun = False

    def write(self, record: StepRecord) -> None:
        """Write one step, before it is saved: so no kill leaves a gap in the log.

        What an earlier process wrote after the point where this one goes on is void, whether it
        goes on from a checkpoint or, killed before the first, from the start.
        """
        resumed = "resumed" in record.events
        if not self._begun:
            self.run.trim_log(record.step if resumed else record.step - 1)
            self._begun = True
        if resumed:
            return
        if record.refused:
            with open(self.run.guard, "a", encoding="utf-8") as file:
                file.write(json.dumps(record.refused, ensure_ascii=False) + "\n")
        self.run.append_log(entry(record), saved="saved" in record.events)
        if self._board is not None and record.loss is not None:
            self._board.add_scalar("train/loss_nats", record.loss, record.step)
            self._board.add_scalar("train/lr", record.lr, record.step)
            self._board.add_scalar("train/gradient_norm", record.norm, record.step)
            self._board.add_scalar("train/tokens_per_s", record.tokens_per_s, record.step)
            for name, value in (record.evaluation or {}).items():
                self._board.add_scalar(f"heldout/{name}", value, record.step)

    def close(self) -> None:
        """Bring everything to the disk."""
        if self._board is not None:
            self._board.close()


def entry(record: StepRecord) -> dict[str, Any]:
    """One line of log.jsonl; what does not apply is left out."""
    line: dict[str, Any] = {
        "step": record.step,
        "loss": record.loss,
        "norm": record.norm,
        "lr": record.lr,
        "tokens": record.tokens,
        "seconds_s": round(record.seconds_s, 4),
        "mfu_frac": round(record.mfu_frac, 4),
    }
    if record.evaluation:
        line["evaluation"] = record.evaluation
    if record.events:
        line["events"] = record.events
    return line


def _board(run: RunFolder) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingError("tensorboard", "tensorboard", "train.tensorboard=true") from None
    # What an earlier process wrote after the checkpoint is hidden by the steps written again.
    return SummaryWriter(str(run.tensorboard))
