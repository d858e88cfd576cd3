"""Versions, machine and commit: what needs no model to be known."""

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..runs import installed_version


def versions(libraries: Sequence[str]) -> dict[str, str]:
    """Ours, Python's, those of the libraries that are installed, and the system's."""
    facts = {"lingloom": __version__, "python": platform.python_version()}
    facts |= {name: installed for name in libraries if (installed := installed_version(name))}
    facts["system"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    return facts


def processor() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


def commit() -> str | None:
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
