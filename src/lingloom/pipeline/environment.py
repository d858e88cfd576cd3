"""What fixes a run's numbers beside its recipe: versions, commit, machine."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .. import __version__
from ..device import cpu_features

_LIBRARIES = ("torch", "numpy", "tokenizers", "tiktoken", "safetensors", "pyarrow", "pydantic")


def environment() -> dict[str, str]:
    """Names and values, as the report prints them."""
    import torch

    facts = {"lingloom": __version__, "python": platform.python_version()}
    facts |= {name: installed for name in _LIBRARIES if (installed := installed_version(name))}
    facts["system"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    facts["processor"] = f"{_processor()}, {torch.get_num_threads()} threads"
    facts["matrix features"] = " ".join(cpu_features()) or "none known"
    if commit := _commit():
        facts["commit"] = commit
    return facts


def installed_version(package: str) -> str | None:
    """The version of an installed package, without importing it; None when it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


def _commit() -> str | None:
    """The commit of the code that runs, marked when it has been changed; None outside git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
