"""A file by URL, through fsspec and the packages of file systems that it knows.

Each of those raises exceptions of its own. They are told in our words here, so that readers of
formats, which set broken text aside, never take a network that broke off for that.
"""

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, BinaryIO

from ..errors import DataError, LingloomError, MissingError, RecipeError, RunError
from .stream import PIECE_BYTES

FETCHED_BYTES = 1 << 22
"""Asked of a server at once; a file in reading holds a few times that."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_USER = re.compile(r"([^/?#@]*)@")
_PASSWORD = re.compile(r"[^/?#@:\[]*:(?!\d*(/|$))[^@?#]*@")  # and not the port of HOST:PORT/NAME@1
_SECRET = re.compile(
    r"[?&#]([^=&]*[-_])?((\w*(access|account|api|private|secret|shared))?key(id)?|\w*token"
    r"|\w*secret|passw\w*|pass|pwd|auth|jwt|hmac|sig|signature)=",
    re.IGNORECASE,
)
_FAILURES = {
    "aiohttp": "ClientError",
    "botocore.exceptions": "BotoCoreError",
    "gcsfs.retry": "HttpError",
    "google.auth.exceptions": "GoogleAuthError",
    "azure.core.exceptions": "AzureError",
    "paramiko": "SSHException",
    "smbprotocol.exceptions": "SMBException",
    "httpx": "HTTPError",
    "httpx2": "HTTPError",
    "pyarrow": "ArrowException",
}
"""Module -> what its errors that are of no kind of Python's own descend from."""
_PACKAGES = {"smbclient": "smbprotocol"}
"""Modules that stand in a package of another name."""
_TELLS = (
    *("ETag", "etag", "md5Hash", "Content-MD5", "Digest", "checksum", "sha", "blob_id"),
    *("mtime", "LastModified", "last_modified", "Last-Modified", "updated", "modified", "modify"),
    *("modificationTime", "last_write_time", "created"),
)
"""What file systems say of a file that is another once the file is; the surest first."""


def is_url(entry: str) -> bool:
    """Whether `entry` is a URL; file:///... is one too."""
    return bool(_URL.match(entry))


def require_no_secret(entry: str) -> None:
    """Refuse a URL with a password or a key, which manifests and reports would show.

    Raises:
        ValueError: it has one; the message does not show it.
    """
    found = _URL.match(entry)
    rest = entry[found.end() :] if found else ""
    user = _USER.match(rest)
    # a name alone before the @ is a user of ftp and the like, and a token on the web
    named = user and (":" in user[1] or (found and found[0].lower().startswith("http")))
    if found and (named or _PASSWORD.match(rest) or _SECRET.search(rest)):
        shown = re.split("[?#]", rest)[0].rpartition("@")[2]
        raise ValueError(
            f"the URL {found[0]}...{shown} has a password or a key in it, which manifests and "
            "reports would show; leave it out, and give it by the environment, as the package that "
            f"reads {found[0]} says"
        )


@dataclass(frozen=True, slots=True)
class Remote:
    """A file of a file system; any process can open it."""

    entry: str
    """The URL that the user named: it says which file system, on which host, as which user."""
    path: str
    """As the file system calls the file."""
    name: str
    """The file's own URL."""

    @classmethod
    def at(cls, entry: str) -> "Remote":
        """The file of a URL, there or not.

        Raises:
            RecipeError, MissingError: as `system_of`.
        """
        return cls(entry, system_of(entry)[1], entry)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, buffered, at its start.

        Raises:
            DataError: it cannot be opened. Later, from a read, RunError: that broke off.
        """
        system, _ = system_of(self.entry)
        with told_as(self.name, DataError):
            file = system.open(self.path, "rb", block_size=FETCHED_BYTES)
        with file, io.BufferedReader(_Fetched(file, self.name), PIECE_BYTES) as buffered:
            yield buffered

    def size_and_state(self, *, fresh: bool) -> tuple[int, str]:
        """Bytes, 0 where that is not told, and what is another once the file is, '' likewise.

        Args:
            fresh: ask anew, where a listing of the folder may have told before.

        Raises:
            DataError: the file system does not answer, or there is no such file.
        """
        system, _ = system_of(self.entry)
        with told_as(self.name, DataError):
            if fresh:
                system.invalidate_cache(parent_of(self.path))
            told = system.info(self.path)
        return told.get("size") or 0, str(next((told[k] for k in _TELLS if told.get(k)), ""))

    def beside(self, name: str) -> "Remote | None":
        """The file called `name` in the same folder; None where there is none.

        Raises:
            DataError: the file system does not answer.
        """
        path, url = (f"{parent_of(where)}/{name}" for where in (self.path, self.name))
        with told_as(url, DataError):
            there = kind_of_path(system_of(self.entry)[0], path) == "file"
        return replace(self, path=path, name=url) if there else None


def system_of(entry: str) -> tuple[Any, str]:
    """The file system of a URL, and how that calls what the URL names.

    Raises:
        RecipeError, MissingError: there is no such file system, or its package is not installed.
    """
    try:
        import fsspec
    except ImportError:
        raise MissingError("fsspec", "text", f"reading {entry}") from None
    scheme, known = entry.partition("://")[0], fsspec.available_protocols()
    if scheme not in known:
        near = get_close_matches(scheme.lower(), known, n=1)
        raise RecipeError(
            f"text.read: '{entry}': there is no file system '{scheme}'; "
            + (f"did you mean '{near[0]}'?" if near else "there are s3, gs, hdfs, https and others")
        )
    if "::" in entry:
        raise RecipeError(
            f"text.read: '{entry}': a file within another (::) is not read; unpack it first"
        )
    with told_as(entry, RecipeError):
        kind = fsspec.get_filesystem_class(scheme)
        return kind(**kind._get_kwargs_from_urls(entry)), kind._strip_protocol(entry)


def kind_of_path(system: Any, path: str) -> str | None:
    """file, directory or another; None where there is nothing."""
    try:
        return kind_told(system, system.info(path))
    except FileNotFoundError as error:
        if _cause(error) is not error:
            raise
        return None


def kind_told(system: Any, told: dict[str, Any]) -> str:
    """The same of what a listing tells: a link to a file is one."""
    kind = str(told["type"])
    known = kind in ("file", "directory")
    return "file" if not known and system.isfile(told["name"]) else kind


def parent_of(path: str) -> str:
    """The folder that it stands in."""
    return path.rstrip("/").rpartition("/")[0]


class _Fetched(io.RawIOBase):
    """The bytes of a file of fsspec; what goes wrong in reading ends the run, so that it can be
    started again, and no reader takes it for the end of the file or a fault in it."""

    def __init__(self, file: Any, name: str):
        self._file, self._name = file, name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        # Of a length that the server does not tell, http can only read on.
        return self._file.seekable() and getattr(self._file, "size", 0) is not None

    def readinto(self, buffer: Any) -> int:
        with told_as(self._name, RunError):
            piece = self._file.read(len(buffer))
        size = getattr(self._file, "size", None)
        if not piece and len(buffer) and size and self._file.tell() < size:
            raise RunError(
                f"{self._name}: ends after {self._file.tell():,} of the {size:,} bytes that were "
                "told; run the same command again"
            )
        buffer[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with told_as(self._name, RunError):
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())


@contextmanager
def told_as(url: str, kind: type[LingloomError]) -> Iterator[None]:
    """What a file system raises within, as an error of `kind`."""
    key = "text.read: " if kind is RecipeError else ""
    try:
        yield
    except LingloomError:
        raise
    except ImportError as error:
        missing = getattr(error.__cause__ or error, "name", None) or url.partition("://")[0]
        raise MissingError(_PACKAGES.get(missing, missing), "", f"reading {url}") from None
    except _failures() as error:
        raise kind(f"{key}{url}: {_why(_cause(error))}") from error


def _failures() -> tuple[type[Exception], ...]:
    """What the packages that are in use may raise where a server fails or refuses."""
    named = ((sys.modules.get(module), name) for module, name in _FAILURES.items())
    theirs = (getattr(module, name, None) for module, name in named)
    return (OSError, ValueError, RuntimeError, *(kind for kind in theirs if kind))


def _cause(error: Exception) -> BaseException:
    """What it is about: for http, of a host that is not there, fsspec says that a file is not."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or cause is None:
        return error
    unreached = isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)
    return cause if unreached or getattr(cause, "status", 404) not in (404, 410) else error


def _why(error: BaseException) -> str:
    """What is wrong, and what to do."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file; correct the URL, or name its folder or a pattern"
    if isinstance(error, PermissionError):
        return (
            "may not be read; give the credentials by the environment, as the package of the file "
            "system says, or let others read the file"
        )
    said = (str(error).splitlines() or [""])[0]
    return (
        f"cannot be read ({type(error).__name__}{': ' * bool(said)}{said}); see that the host is "
        "there and that the environment has its credentials, and run the same command again"
    )
