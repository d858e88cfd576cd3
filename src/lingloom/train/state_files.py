"""One checkpoint's files, and what can be wrong with them.

tensors.safetensors   every tensor of the state
state.json            every number of the state
manifest.json         size and SHA-256 of the two
"""

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

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


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of `tensors` whose names begin with `prefix`, named without it."""
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}


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


def read_state(folder: Path, step: int) -> State:
    """What `write_state` wrote, from a folder without `damage`."""
    numbers = json.loads((folder / NUMBERS).read_text("utf-8"))
    return State(step, load_file(folder / TENSORS), numbers)


def write_state(folder: Path, tensors: Mapping[str, Tensor], numbers: bytes, copied: Event) -> None:
    """Write the three files into `folder` and flush them to disk.

    Args:
        folder: exists, and is empty.
        tensors: the state's.
        numbers: the state's, as JSON.
        copied: is set as soon as the tensors may change again.
    """
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
    flush_folder(folder)


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


def flush_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
