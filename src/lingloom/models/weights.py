"""Tensors in files: safetensors, whose header is bounded and checked before anything is read.

Nothing is ever unpickled. Source of the format: the safetensors documentation ("Format").
"""

import json
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import DataError

HEADER_BYTES = 100_000_000
"""Largest header that is read: room for a million tensors; the format's own limit."""
TORCH = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""The types that weights may have."""
SIZES = {name: dtype.itemsize for name, dtype in TORCH.items()} | {
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
"""Bytes per number of each type that a weight file may hold, masks and counters included."""


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies."""

    file: Path
    dtype: str
    """As safetensors names it, such as 'BF16'."""
    shape: tuple[int, ...]


def read_header(file: Path) -> dict[str, Entry]:
    """What `file` holds, by name; checked against the file's size, no tensor read.

    Raises:
        DataError: not a whole safetensors file.
    """
    size = file.stat().st_size
    with file.open("rb") as handle:
        start = handle.read(8)
        if len(start) < 8:
            raise DataError(f"{file}: {size} bytes are no safetensors file; copy it again")
        (length,) = struct.unpack("<Q", start)
        if length > min(HEADER_BYTES, size - 8):
            raise DataError(
                f"{file}: header claims {length} bytes, but the file has {size} and a header at "
                f"most {HEADER_BYTES}; the file is cut short or no safetensors: copy it again"
            )
        text = handle.read(length)
    try:
        header = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: header is not JSON ({error}); copy the file again") from None
    if not isinstance(header, dict):
        raise DataError(f"{file}: header is not a table of tensors; copy the file again")
    header.pop("__metadata__", None)
    spans = {name: _span(file, name, row) for name, row in header.items()}
    _check_spans(file, spans, size - 8 - length)
    return {n: Entry(file, header[n]["dtype"], tuple(header[n]["shape"])) for n in spans}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name is written twice")
    return table


def _span(file: Path, name: str, row: Any) -> tuple[int, int]:
    """First byte and end of one tensor's data, which its type and shape must explain."""
    row = row if isinstance(row, dict) else {}
    dtype, shape, span = row.get("dtype"), row.get("shape"), row.get("data_offsets")
    if dtype not in SIZES:
        raise DataError(
            f"{file}: tensor '{name}' has dtype {dtype!r}; save it as one of {', '.join(SIZES)}"
        )
    if not (_whole(shape) and _whole(span) and len(span) == 2):
        raise DataError(
            f"{file}: tensor '{name}' has shape {shape!r} and data_offsets {span!r}, which are not "
            f"lists of whole numbers; copy the file again"
        )
    if span[1] - span[0] != prod(shape) * SIZES[dtype]:
        raise DataError(
            f"{file}: tensor '{name}' of shape {shape} and dtype {dtype} takes "
            f"{prod(shape) * SIZES[dtype]} bytes, but data_offsets {span} give "
            f"{span[1] - span[0]}; copy the file again"
        )
    return span[0], span[1]


def _whole(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**63 for v in values)


def _check_spans(file: Path, spans: Mapping[str, tuple[int, int]], data_bytes: int) -> None:
    """Tensors must cover the data exactly: no overlap, no hole, nothing behind the end."""
    reached = 0
    for name, (start, end) in sorted(spans.items(), key=lambda item: item[1]):
        if end > data_bytes:
            raise DataError(
                f"{file}: tensor '{name}' ends at byte {end} of {data_bytes} bytes of data; "
                f"the file is cut short: copy it again"
            )
        if start != reached:
            fault = "overlaps the one before" if start < reached else "leaves a hole before it"
            raise DataError(
                f"{file}: tensor '{name}' at bytes {start} to {end} {fault}, which ends at "
                f"{reached}; copy the file again"
            )
        reached = end
    if reached != data_bytes:
        raise DataError(
            f"{file}: {data_bytes - reached} bytes behind the last tensor; copy the file again"
        )


def read_headers(folder: Path) -> dict[str, Entry]:
    """What the model in `folder` holds, in one safetensors file or in shards with an index.

    Raises:
        DataError: no weights, only pickled ones, or a file that is not whole.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.exists():
        return read_header(whole)
    if not index.exists():
        pickled = next((f.name for f in sorted(folder.glob("*.bin"))), None)
        if pickled:
            raise DataError(
                f"{folder / pickled}: weights in Python's pickle format can run code and are never "
                f"opened; convert them to model.safetensors (transformers: save_pretrained)"
            )
        raise DataError(f"{folder}: no model.safetensors here; give the folder of a model")
    try:
        names = json.loads(index.read_text("utf-8"))["weight_map"]
        files = sorted(set(names.values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{index}: no table 'weight_map' of tensor names; copy it again") from None
    entries: dict[str, Entry] = {}
    for name in files:
        if not isinstance(name, str) or Path(name).name != name or not (folder / name).is_file():
            raise DataError(f"{index}: names a file {name!r} that is not beside it; copy it again")
        entries |= {n: e for n, e in read_header(folder / name).items() if names.get(n) == name}
    if missing := sorted(set(names) - set(entries)):
        raise DataError(
            f"{index}: tensor '{missing[0]}' is not in {names[missing[0]]}; copy both again"
        )
    return entries


class Reader:
    """Gives single tensors, so that no more than one is held beside the model."""

    def __init__(self) -> None:
        self._open: dict[Path, Any] = {}

    def read(self, name: str, entry: Entry) -> Tensor:
        """The tensor, in the type in which it is stored.

        Raises:
            DataError: the file changed since its header was read.
        """
        try:
            if entry.file not in self._open:
                self._open[entry.file] = safe_open(entry.file, framework="pt")
            tensor: Tensor = self._open[entry.file].get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise DataError(f"{entry.file}: {error}; copy the file again") from None
        return tensor


def write(
    file: Path,
    shapes: Mapping[str, tuple[int, ...]],
    tensors: Iterable[Tensor],
    dtype: torch.dtype,
) -> None:
    """Write tensors one after another, so that no second copy of the model is ever held.

    Args:
        file: written in place and synced to disk; the caller renames it.
        shapes: names and shapes, in the order of `tensors`.
        tensors: each is converted to `dtype` while it is written.
        dtype: float type of all tensors in the file.
    """
    name_of = next(name for name, torch_type in TORCH.items() if torch_type == dtype)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape in shapes.items():
        end = at + prod(shape) * SIZES[name_of]
        header[name] = {"dtype": name_of, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as handle:
        handle.write(struct.pack("<Q", len(text)) + text)
        for (name, shape), tensor in zip(shapes.items(), tensors, strict=True):
            assert tuple(tensor.shape) == shape, name
            whole = tensor.detach().to("cpu", dtype).contiguous()
            whole.reshape(-1).view(torch.uint8).numpy().tofile(handle)
        handle.flush()
        os.fsync(handle.fileno())
