"""The state of a run on disk: written aside, flushed, hashed, renamed; the newest whole one counts.

A checkpoint is a folder, step-00000100 and so on, with the files of state_files.py. It is whole or
does not exist under its name, so a kill at any instant leaves the earlier ones as they were. What
the disk did to it later is found out by the hashes.
"""

import errno
import json
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from ..errors import RunError
from .settings import CheckpointSettings
from .state_files import State, damage, flush_folder, read_state, write_state


@dataclass
class Found:
    """What was read, and what was found wrong on the way."""

    state: State
    notes: list[str] = field(default_factory=list)
    """One line for each newer checkpoint that is damaged."""


class Checkpoints:
    """The checkpoints of one run.

    `save` returns at once when writing in the background. The tensors given to it must not change
    until `settle` has returned; the next gradients may well be computed meanwhile.
    """

    def __init__(self, folder: Path, settings: CheckpointSettings):
        self.folder, self.settings = folder, settings
        self._writer = ThreadPoolExecutor(1, "checkpoint") if settings.background else None
        self._pending: Future[None] | None = None
        self._copied = Event()
        self._damaged: set[int] = set()
        for debris in folder.glob(".step-*"):
            shutil.rmtree(debris, ignore_errors=True)

    def steps(self) -> list[int]:
        """Steps of which a checkpoint is there, whole or not, newest first."""
        names = (path.name.removeprefix("step-") for path in self.folder.glob("step-*"))
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)

    def path(self, step: int) -> Path:
        """Where the checkpoint of `step` is."""
        return self.folder / f"step-{step:08d}"

    # ------------------------------------------------------------------ reading

    def newest(self) -> Found | None:
        """The newest whole checkpoint; None when there is none at all.

        Raises:
            RunError: there are checkpoints, and all are damaged.
        """
        self.wait()
        notes: list[str] = []
        steps = self.steps()
        for step in steps:
            problem = damage(self.path(step))
            if problem is None:
                return Found(read_state(self.path(step), step), notes)
            self._damaged.add(step)
            notes.append(f"{self.path(step)}: damaged ({problem})")
        if steps:
            raise RunError(
                "; ".join(notes) + f"; no whole checkpoint is left: delete {self.folder} to start "
                "from the beginning, or put a copy of it back"
            )
        return None

    # ------------------------------------------------------------------ writing

    def save(self, state: State) -> None:
        """Write `state`; then delete the oldest beyond `keep`.

        Raises:
            RunError: this or the previous checkpoint could not be written.
        """
        self.wait()
        self._copied.clear()
        numbers = json.dumps(state.numbers).encode()
        if self._writer is None:
            self._write(state, numbers)
        else:
            self._pending = self._writer.submit(self._write, state, numbers)

    def settle(self) -> None:
        """Wait until the tensors that are being saved may change again.

        Raises:
            RunError: the checkpoint could not be written.
        """
        if self._pending is not None:
            self._copied.wait()
            if self._pending.done():
                self.wait()

    def wait(self) -> None:
        """Wait until everything is on disk.

        Raises:
            RunError: the checkpoint could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Wait, and end the writing thread."""
        try:
            self.wait()
        finally:
            if self._writer is not None:
                self._writer.shutdown()

    def _write(self, state: State, numbers: bytes) -> None:
        final = self.path(state.step)
        aside = self.folder / f".{final.name}-{os.getpid()}"
        try:
            aside.mkdir(parents=True)
            write_state(aside, state.tensors, numbers, self._copied)
            if final.exists():  # a damaged one, or one that the run has come past again
                os.rename(final, self.folder / f".{final.name}-old")
            os.rename(aside, final)
            flush_folder(self.folder)
            self._damaged.discard(state.step)
            self._forget()
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            problem = "the disk is full" if full else f"cannot be written ({error.strerror})"
            raise RunError(
                f"checkpoint of step {state.step}: {problem}; {final}; earlier checkpoints are "
                "whole: make room or move the run to another disk, then train the run to go on"
            ) from None
        finally:
            self._copied.set()
            shutil.rmtree(aside, ignore_errors=True)
            shutil.rmtree(self.folder / f".{final.name}-old", ignore_errors=True)

    def _forget(self) -> None:
        whole = [step for step in self.steps() if step not in self._damaged]
        for step in [*whole[self.settings.keep :], *self._damaged]:
            doomed = self.folder / f".{self.path(step).name}-old"
            if self.path(step).exists():
                os.rename(self.path(step), doomed)  # a half-deleted folder must not look whole
                shutil.rmtree(doomed, ignore_errors=True)
        self._damaged.clear()
