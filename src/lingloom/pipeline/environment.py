"""What fixes a run's numbers beside its recipe: versions, commit, machine."""

import platform
import subprocess
from pathlib import Path

from .. import __version__
from ..device import cpu_features
from ..runs import installed_version

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


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


def _commit() -> str | None:
    """The commit of the code that runs, marked when it has been changed; None outside git."""
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    words = (["ls-files", "--error-unmatch", here.name], ["describe", "--always", "--dirty"])
    told = ""
    for command in words:  # the first makes sure that the repository is ours, not the user's
        try:
            done = subprocess.run(
                [*git, *command], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode != 0:
            return None
        told = done.stdout.strip()
    return told or None
