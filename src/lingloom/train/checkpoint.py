"""The state of a run on disk: written aside, flushed, hashed, renamed; the newest whole one counts.

    checkpoints/step-00000100/
      tensors.safetensors   every tensor of the state
      state.json            every number of the state
      manifest.json         size and SHA-256 of the two

A checkpoint folder is whole or does not exist under its name, so a kill at any instant leaves the
earlier ones as they were. What the disk did to it later is found out by the hashes.
"""

import errno
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import RunError
from .settings import CheckpointSettings

TENSORS, NUMBERS, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
FORMAT = 2
MAX_HEADER_BYTES = 16 << 20
_PIECE = 8 << 20
_TYPES = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True)
class State:
    """Everything that a run needs to go on exactly."""

    step: int
    """Steps done."""
    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, Any]
    """Whatever JSON holds exactly."""


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
                return Found(self._read(step), notes)
            self._damaged.add(step)
            notes.append(f"{self.path(step)}: damaged ({problem})")
        if steps:
            raise RunError(
                "; ".join(notes) + f"; no whole checkpoint is left: delete {self.folder} to start "
                "from the beginning, or put a copy of it back"
            )
        return None

    def _read(self, step: int) -> State:
        path = self.path(step)
        numbers = json.loads((path / NUMBERS).read_text("utf-8"))
        return State(step, load_file(path / TENSORS), numbers)

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
            _write_whole(aside, state.tensors, numbers, self._copied)
            if final.exists():  # a damaged one, or one that the run has come past again
                os.rename(final, self.folder / f".{final.name}-old")
            os.rename(aside, final)
            _flush_folder(self.folder)
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


# --------------------------------------------------------------------------- one checkpoint


def damage(path: Path) -> str | None:
    """What is wrong with the checkpoint in folder `path`; None when it is whole."""
    try:
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
        if manifest["format"] != FORMAT:
            return f"format {manifest['format']}, this version reads {FORMAT}"
        for name in (TENSORS, NUMBERS):
            size, wanted = manifest["files"][name]["bytes"], manifest["files"][name]["sha256"]
            actual = (path / name).stat().st_size
            if actual != size:
                return f"{name} has {actual} bytes of {size}"
            with open(path / name, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                    return f"{name} does not have the SHA-256 of its manifest"
        return _header_problem(path / TENSORS)
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        return f"{MANIFEST} is not a whole manifest"


def _header_problem(path: Path) -> str | None:
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
    limit = min(MAX_HEADER_BYTES, path.stat().st_size - 8)
    return f"{path.name} announces a header of {length} bytes" if length > limit else None


def _write_whole(
    folder: Path, tensors: Mapping[str, Tensor], numbers: bytes, copied: Event
) -> None:
    """The three files in `folder`, flushed to disk; `copied` is set when tensors are free."""
    header: dict[str, Any] = {}
    offset = 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    files = {}
    with _HashedFile(folder / TENSORS) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            raw = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
            for start in range(0, raw.size, _PIECE):
                file.write(raw[start : start + _PIECE].data)
        copied.set()
        files[TENSORS] = file.flush()
    with _HashedFile(folder / NUMBERS) as file:
        file.write(numbers)
        files[NUMBERS] = file.flush()
    with _HashedFile(folder / MANIFEST) as file:
        file.write(json.dumps({"format": FORMAT, "files": files}, indent=1).encode())
        file.flush()
    _flush_folder(folder)


class _HashedFile:
    """A new file that is hashed while it is written."""

    def __init__(self, path: Path):
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115 -- closed by __exit__
        self._hash = hashlib.sha256()
        self._bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append all of `data`."""
        self._hash.update(data)
        rest = memoryview(data)
        self._bytes += len(rest)
        while rest:
            rest = rest[self._file.write(rest) :]

    def flush(self) -> dict[str, Any]:
        """Bring the file to the disk; its size and hash."""
        os.fsync(self._file.fileno())
        return {"bytes": self._bytes, "sha256": self._hash.hexdigest()}

    def __enter__(self) -> "_HashedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _flush_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
