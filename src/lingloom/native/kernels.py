"""The compiled kernels: one shared library with a plain C interface, built with the package.

Every kernel has a twin in Python that gives the same answers, so nothing depends on a compiler:
whoever calls a kernel asks `kernels()` first and takes the twin when it answers None.
"""

import ctypes
import os
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

SWITCH = "LINGLOOM_NATIVE"
"""Environment variable: 'off' leaves the kernels alone, as if they had not been built; the path of
a library built by hand takes it instead."""
_HERE = Path(__file__).parent


@cache
def kernels() -> ctypes.CDLL | None:
    """The library of compiled kernels, or None where it was not built or is switched off.

    Calls into it release the interpreter's lock. Each caller declares the arguments of the
    functions it uses.
    """
    path, _ = _found()
    return ctypes.CDLL(str(path)) if path else None


def kernels_report() -> tuple[bool, str, str]:
    """(whether the kernels are there, what is to be said of them, the command that mends it)."""
    path, state = _found()
    if path is not None:
        return True, state, ""
    if state.startswith(SWITCH):
        return False, f"{state}; Python does their work, slower", f"unset {SWITCH}"
    tree = _HERE.parents[2]
    what = f"-e {tree}" if (tree / "pyproject.toml").exists() else "lingloom"
    mend = f"install gcc, then: pip install --force-reinstall --no-deps {what}"
    return False, f"{state}; Python does their work, slower", mend


def _found() -> tuple[Path | None, str]:
    """The library, if one can be used, and in words what was found."""
    switch = os.environ.get(SWITCH, "")
    if switch.lower() in ("off", "0", "no", "false"):
        return None, f"{SWITCH}={switch}"
    if switch:
        return Path(switch), f"{SWITCH}={switch}"
    names = (_HERE / f"_kernels{suffix}" for suffix in EXTENSION_SUFFIXES)
    path = next((name for name in names if name.exists()), None)
    if path is None:
        return None, "not built"
    # A source tree that was updated without being installed again: the two may not fit together.
    if any(source.stat().st_mtime > path.stat().st_mtime for source in _HERE.glob("*.[ch]")):
        return None, "built from an older source"
    return path, "compiled"
