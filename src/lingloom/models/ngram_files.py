"""An n-gram model as a folder: `config.json` and `ngram.safetensors`, both checked when read."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ..errors import DataError
from ..settings import Settings
from .backoff import Level, Table
from .kneser_ney import Discounts

MODEL_TYPE = "lingloom-ngram"
CONFIG, TABLES = "config.json", "ngram.safetensors"
LIMIT_CONFIG_BYTES = 1 << 20
AGAIN = "copy the folder again or train the model again"


def write(folder: Path, settings: Settings, table: Table, discounts: list[Discounts]) -> None:
    """Write both files aside and rename them, the configuration last."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {}
    for n, level in enumerate(table.levels, start=1):
        tables[f"{n}.keys"] = level.keys
        tables[f"{n}.log_p"] = level.log_p
        tables[f"{n}.log_backoff"] = level.log_backoff
    aside = folder / f"{TABLES}.writing"
    save_file(tables, aside)
    config = {
        "model_type": MODEL_TYPE,
        "settings": settings.model_dump(mode="json"),
        "ngrams": [len(level.keys) for level in table.levels],
        "discounts": [d.to_json() for d in discounts],
        "sha256": _sha256(aside),
    }
    os.replace(aside, folder / TABLES)
    aside = folder / f"{CONFIG}.writing"
    aside.write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    os.replace(aside, folder / CONFIG)


def read(folder: Path) -> tuple[dict[str, Any], Table, list[Discounts]]:
    """(settings as written, table, discounts).

    Raises:
        DataError: a file is missing, not of this kind, cut short, changed, or out of bounds.
    """
    config = _config(folder / CONFIG)
    path = folder / TABLES
    try:
        if _sha256(path) != config["sha256"]:
            raise DataError(f"{path}: not the file that {CONFIG} describes -- {AGAIN}")
        tables = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({error}) -- {AGAIN}") from None
    vocab, sizes = config["settings"]["vocab"], config["ngrams"]
    levels: list[Level] = []
    for n, size in enumerate(sizes, start=1):
        names = [f"{n}.{name}" for name in ("keys", "log_p", "log_backoff")]
        if any(name not in tables for name in names):
            raise DataError(f"{path}: order {n} of {len(sizes)} is not all there -- {AGAIN}")
        level = Level(*(tables[name] for name in names))
        below = len(levels[-1].keys) if levels else 1
        problem = _problem(level, size, below * (vocab + 1), last=n == len(sizes))
        if problem:
            raise DataError(f"{path}: order {n}: {problem} -- {AGAIN}")
        levels.append(level)
    found = [Discounts(**d) for d in config["discounts"]]
    return config["settings"], Table(levels, vocab), found


def _config(path: Path) -> dict[str, Any]:
    """The configuration, its parts of the right types."""
    try:
        if path.stat().st_size > LIMIT_CONFIG_BYTES:
            raise DataError(f"{path}: larger than {LIMIT_CONFIG_BYTES} bytes -- {AGAIN}")
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read ({error}) -- {AGAIN}") from None
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != MODEL_TYPE:
        raise DataError(
            f"{path}: model_type is {kind!r}, not '{MODEL_TYPE}' -- open it as its kind"
        )
    types = {"settings": dict, "ngrams": list, "discounts": list, "sha256": str}
    wrong = [name for name, kind in types.items() if not isinstance(config.get(name), kind)]
    settings = config.get("settings")
    if not wrong and not isinstance(settings.get("vocab"), int):
        wrong.append("settings.vocab")
    if wrong or not config["ngrams"]:
        raise DataError(f"{path}: {', '.join(wrong) or 'ngrams'} missing or wrong -- {AGAIN}")
    return dict(config)


def _problem(level: Level, size: int, limit: int, *, last: bool) -> str:
    """What is wrong with one order, or nothing; keys must rise below `limit`."""
    keys, log_p, log_backoff = level.keys, level.log_p, level.log_backoff
    if keys.shape != (size,) or log_p.shape != (size,):
        return f"{keys.shape} keys and {log_p.shape} probabilities, {size} promised"
    if log_backoff.shape != ((0,) if last else (size,)):
        return f"{log_backoff.shape} back-off factors for {size} n-grams"
    if keys.dtype != np.int64 or {log_p.dtype, log_backoff.dtype} != {np.dtype(np.float64)}:
        return f"types {keys.dtype}, {log_p.dtype}, {log_backoff.dtype}"
    if size and (keys[0] < 0 or keys[-1] >= limit or (np.diff(keys) <= 0).any()):
        return f"its keys do not rise within 0..{limit - 1}"
    if np.isnan(log_p).any() or (log_p > 1e-6).any() or not np.isfinite(log_backoff).all():
        return "a probability is not one"
    return ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
