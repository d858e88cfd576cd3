"""Text that is already on every machine: what Python itself carries.

Nothing is downloaded and no found code is run: the standard library is parsed, never imported.
"""

import ast
import os
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import DataError
from .dedup import digest
from .formats import Labelled
from .lines import has_half_character
from .setaside import Source

SHORTEST_CHARS = 80
"""Docstrings below this are signatures and one-liners."""

_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)


def topics(source: Source) -> Labelled:
    """The chapters of the language reference that `help()` shows; (topic, text)."""
    try:
        from pydoc_data.topics import topics as chapters
    except ImportError:  # some systems pack Python without it
        raise DataError(
            f"text.read: '{source.name}': this Python has no pydoc_data; read other text"
        ) from None
    for name in sorted(chapters):
        source.report.bytes += len(chapters[name])
        yield name, chapters[name]


def docstrings(source: Source) -> Labelled:
    """Each different docstring of the standard library; ('module/path.py:line', text)."""
    root = Path(sysconfig.get_path("stdlib"))
    seen: set[bytes] = set()
    for path in _modules(root):
        name = path.relative_to(root).as_posix()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about odd escapes in other people's code
                tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            source.set_aside(0, f"{name}: not Python ({error})")
            continue
        for line, text in _docstrings_of(tree):
            if len(text) < SHORTEST_CHARS or has_half_character(text):
                continue
            mark = digest(text)
            if mark not in seen:
                seen.add(mark)
                source.report.bytes += len(text)
                yield f"{name}:{line}", text


def _modules(root: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in _LEFT_OUT)
        yield from (Path(parent, f) for f in sorted(files) if f.endswith(".py"))


def _docstrings_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """In the order of the file; only bodies are walked, expressions hold no docstrings."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text
        inner = [n for block in _BLOCKS for n in getattr(node, block, [])]
        waiting += reversed([n for n in inner if isinstance(n, _STATEMENTS)])


COLLECTIONS: dict[str, Callable[[Source], Labelled]] = {
    "python:topics": topics,
    "python:docstrings": docstrings,
}
"""Entries of `text.read` that are not files."""
