"""Lists that the user keeps in files: one entry a line, in UTF-8."""

from functools import lru_cache
from pathlib import Path


def check_list(name: str) -> str:
    """`name` again, for a validator of settings.

    Raises:
        ValueError: there is no such file, or nothing in it.
    """
    if not Path(name).is_file():
        raise ValueError(f"{name}: no such file; give a list with one entry a line")
    try:
        empty = not entries(name)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    if empty:
        raise ValueError(f"{name}: is empty; write one entry a line, or leave the file out")
    return name


def entries(name: str) -> tuple[str, ...]:
    """The different entries of a list, in lower case; lines that begin with '#' are left out."""
    return _entries(name, Path(name).stat().st_mtime_ns)


@lru_cache(8)
def _entries(name: str, changed_ns: int) -> tuple[str, ...]:
    lines = Path(name).read_text("utf-8-sig").splitlines()
    found = (line.strip().lower() for line in lines if not line.startswith("#"))
    return tuple(dict.fromkeys(filter(None, found)))
