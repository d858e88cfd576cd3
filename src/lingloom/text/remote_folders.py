"""Which files a URL means: a file, a folder, a pattern.

Folders are listed one by one: the find and the glob that fsspec has pass over one that cannot be
listed, and a corpus would be smaller and nobody told.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from ..errors import RecipeError
from .remote import Remote, kind_of_path, kind_told, parent_of, system_of, told_as

MAGIC = "*?["
_OF_A_CORPUS = {"manifest.json", "recipe.yaml"}
"""In a folder: it is a cleaned corpus, and holds also what was dropped."""


def files_of(entry: str) -> list[tuple[Remote, bool]]:
    """The files of a URL that names a file, a folder or a pattern, each with whether it was found
    in a folder; in the order that they would have on a disk.

    Raises:
        RecipeError: there is no such file or file system, or it does not answer.
        MissingError: the package of the file system is not installed.
    """
    system, path = system_of(entry)
    with told_as(entry, RecipeError):
        system.invalidate_cache()
        kind = kind_of_path(system, path)
        if kind is None and _magic_at(path) < len(path):
            kind, found = "pattern", _matches(system, path)
        elif kind is None:
            raise FileNotFoundError
        elif kind == "directory" or entry.endswith("/"):  # of http only the name tells
            kind, found = "directory", [*_walk(system, path)]
        else:
            found = [path]
    if kind == "pattern" and not found:
        raise RecipeError(
            f"text.read: no file matches '{entry}'; name a file, a folder or a pattern such as "
            "s3://bucket/folder/**/*.jsonl.gz"
        )
    inside = {p.rpartition("/")[2] for p in found if parent_of(p) == path.rstrip("/")}
    if kind == "directory" and inside >= _OF_A_CORPUS:
        raise RecipeError(
            f"text.read: '{entry}' is a cleaned corpus, and holds also what was dropped; copy it "
            f"to this machine, or name the files that you mean: {entry.rstrip('/')}/train/*.parquet"
        )
    return [(Remote(entry, p, _url_of(p, system, entry, path)), kind == "directory") for p in found]


def _url_of(file: str, system: Any, entry: str, path: str) -> str:
    """The URL of `file`, with the host that stands in `entry`, which names `path`."""
    whole, end = entry.rstrip("/"), path.rstrip("/")
    if not end:
        return entry + file
    return whole.removesuffix(end) + file if whole.endswith(end) else system.unstrip_protocol(file)


def _listed(system: Any, folder: str) -> list[tuple[bool, str, str]]:
    """(whether it is a folder, name, path) of what is in a folder, sorted: files first.

    (The find and the glob of file systems pass over a folder that they fail to list.)
    """
    found = set()
    for told in system.ls(folder, detail=True):
        path, kind = told["name"], kind_told(system, told)
        name = path.rstrip("/").rpartition("/")[2]
        if name.startswith(("?", "#")):  # on the web: the folder's own page, in another order
            continue
        if path.rstrip("/") != folder.rstrip("/") and kind in ("file", "directory"):
            found.add((kind == "directory", name, path))
    return sorted(found)


def _walk(system: Any, folder: str) -> Iterator[str]:
    """Every file below `folder`, hidden ones left out."""
    for is_folder, name, path in _listed(system, folder):
        if not name.startswith("."):
            yield from _walk(system, path) if is_folder else [path]


def _matches(system: Any, pattern: str) -> list[str]:
    """The files that match, in the order of their names part by part."""
    first = pattern.rfind("/", 0, _magic_at(pattern)) + 1
    parts = pattern[first:].split("/")
    found = {*_matching(system, pattern[:first], parts + ["*"] * (parts[-1] == "**"))}
    return sorted(found, key=lambda path: path.split("/"))


def _magic_at(path: str) -> int:
    """Where a path begins to be a pattern; its length if it is none. On the web ? is not one."""
    magic = MAGIC.replace("?", "") if path.startswith(("http://", "https://")) else MAGIC
    return next((i for i, c in enumerate(path) if c in magic), len(path))


def _matching(system: Any, folder: str, parts: list[str]) -> Iterator[str]:
    """The files in `folder` that match; ** is any number of folders, and a hidden name matches
    only a part that has the dot itself."""
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _matching(system, folder, rest)
    for is_folder, name, path in _listed(system, folder):
        if name.startswith(".") and not part.startswith("."):
            continue
        if part == "**" and is_folder:
            yield from _matching(system, path, parts)
        elif fnmatchcase(name, part) and is_folder == bool(rest):
            yield from _matching(system, path, rest) if rest else [path]
