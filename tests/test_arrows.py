"""Imports point one way: a file imports base files, its own room, and rooms to its left.

Lazy imports, imports for type checkers and rows such as "train.optim:SGDSettings" count. The other
tests here keep what makes the arrows worth having: libraries are silent, and the public names are
those that are listed.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lingloom
from lingloom import errors

PACKAGE = Path(lingloom.__file__).parent
BASE = ["errors", "settings", "strict_yaml", "mistakes", "loading", "runs", "device", "native"]
ROOMS = ["text", "tokens", "models", "train", "plan", "tasks", "measure", "trust", "serve"]
FRONT = ["corpus_recipe", "recipe", "pipeline", "api"]
LAST = ["verbs", "cli"]
"""The command line: the only ones that print."""
PLACE = (
    dict.fromkeys(BASE, 0)
    | {name: place for place, name in enumerate(ROOMS + FRONT, 1)}
    | dict.fromkeys(LAST, 99)
)
"""How far to the right each top-level name stands."""
ROW = re.compile(rf"({'|'.join(ROOMS)})(\.\w+)+:\w+")


def sources(package: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(package.rglob("*.py")):
        yield path.relative_to(package), ast.parse(path.read_text("utf-8"))


def top(path: Path) -> str:
    """The top-level name to which a file belongs; empty for the package's `__init__.py`."""
    name = path.parts[0].removesuffix(".py")
    return "" if name == "__init__" else name


def imported(path: Path, node: ast.AST) -> Iterator[str]:
    """Top-level names of ours that `node` brings in."""
    if isinstance(node, ast.ImportFrom) and node.level:
        above = [*path.parts[: len(path.parts) - node.level]]
        below = (node.module or "").split(".") if node.module else []
        names = [below[0]] if below else [alias.name for alias in node.names]
        yield from [above[0]] if above else [n for n in names if not n.startswith("__")]
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        dotted = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        dotted += [a.name for a in node.names] if isinstance(node, ast.Import) else []
        yield from [d.split(".")[1] for d in dotted if d.startswith("lingloom.")]
        if "lingloom" in dotted:
            yield "lingloom"  # by its own name: what it means can only be seen at run time
    elif (
        isinstance(node, ast.Constant) and isinstance(node.value, str) and ROW.fullmatch(node.value)
    ):
        yield node.value.split(".")[0]


def wrong_arrows(package: Path) -> list[str]:
    wrong = []
    for path, tree in sources(package):
        here = top(path)
        if here not in PLACE and here:
            wrong.append(f"{path} stands in no room; add '{here}' to {Path(__file__).name}")
            continue
        place = PLACE[here] if here else PLACE["api"]
        for node in ast.walk(tree):
            for target in imported(path, node):
                if target != here and PLACE.get(target, 100) > place:
                    wrong.append(f"{path}:{node.lineno} may not import {target}")  # type: ignore[attr-defined]
    return wrong


def calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


# --------------------------------------------------------------------------- arrows


def test_arrows_point_one_way():
    wrong = wrong_arrows(PACKAGE)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("file", "line", "says"),
    [
        ("models/gpt.py", "from ..train.loop import run", "models/gpt.py:2 may not import train"),
        ("models/gpt.py", "from ..train import loop", "models/gpt.py:2 may not import train"),
        ("models/gpt.py", "from .. import train", "models/gpt.py:2 may not import train"),
        ("models/gpt.py", "import lingloom.train.loop", "models/gpt.py:2 may not import train"),
        ("models/gpt.py", "from lingloom.api import load", "models/gpt.py:2 may not import api"),
        ("models/gpt.py", "import lingloom", "models/gpt.py:2 may not import lingloom"),
        (
            "models/gpt.py",
            "def f():\n from ..measure import score",
            "models/gpt.py:3 may not import measure",
        ),
        (
            "models/gpt.py",
            "ROWS = {'a': 'train.optim:SGD'}",
            "models/gpt.py:2 may not import train",
        ),
        ("settings.py", "from .text.read import read", "settings.py:2 may not import text"),
        ("recipe.py", "from .pipeline.train import start", "recipe.py:2 may not import pipeline"),
        ("api.py", "from .verbs import console", "api.py:2 may not import verbs"),
        ("helpers.py", "", "helpers.py stands in no room; add 'helpers' to test_arrows.py"),
    ],
)
def test_a_wrong_arrow_is_named_with_its_file_and_line(tmp_path, file, line, says):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'"""A file."""\n{line}\n')
    assert wrong_arrows(tmp_path) == [says]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("train/loop.py", "from ..models.model import NeuralModel"),
        ("train/loop.py", "from .optim import OPTIMIZERS"),
        ("train/loop.py", "from . import optim"),
        ("train/loop.py", "from ..errors import RunError"),
        ("train/loop.py", "from .. import __version__"),
        ("train/loop.py", "import torch.serve"),
        ("train/loop.py", "ROWS = {'a': 'train.optim:SGD', 'b': 'measure this: that'}"),
        ("settings.py", "from .errors import RecipeError"),
        ("cli.py", "from .verbs.table import VERBS"),
        ("verbs/train.py", "from ..api import load"),
        ("__init__.py", "from .api import load"),
    ],
)
def test_a_right_arrow_is_left_alone(tmp_path, file, line):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{line}\n")
    assert wrong_arrows(tmp_path) == []


# --------------------------------------------------------------------------- libraries are silent


def test_only_the_command_line_prints_and_exits():
    loud = {"print", "exit", "quit", "sys.exit", "os._exit", "sys.stdout.write", "sys.stderr.write"}
    wrong = [
        f"{path}:{line} may not call {name}"
        for path, tree in sources(PACKAGE)
        if top(path) not in LAST
        for line, name in calls(tree)
        if name in loud
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_catches_every_exception():
    wrong = [
        f"{path}:{node.lineno} catches everything; name what may go wrong"
        for path, tree in sources(PACKAGE)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_ever_unpickled():
    wrong = [
        f"{path}:{node.lineno} reads pickles"
        for path, tree in sources(PACKAGE)
        for node in ast.walk(tree)
        if re.search(
            r"^(import|from) (pickle|dill|joblib|shelve)\b|\btorch\.load$|allow_pickle=True",
            ast.unparse(node)
            if isinstance(node, (ast.Import, ast.ImportFrom, ast.Attribute, ast.keyword))
            else "",
        )
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_is_named_after_nothing():
    vague = {"utils", "util", "common", "helpers", "helper", "misc", "core", "base"}
    assert [str(p) for p, _ in sources(PACKAGE) if vague & {*p.with_suffix("").parts}] == []


# --------------------------------------------------------------------------- public names


def test_only_the_package_itself_has_something_in_its_init():
    inits = [p for p in PACKAGE.rglob("__init__.py") if p.parent != PACKAGE]
    assert [str(p) for p in inits if p.read_text("utf-8").strip()] == []


def test_the_public_names_are_those_that_exist():
    assert sorted(lingloom.__all__) == lingloom.__all__
    for name in lingloom.__all__:
        found = getattr(lingloom, name)
        assert found.__name__ == name and found.__module__.startswith("lingloom."), name
    with pytest.raises(AttributeError, match="module 'lingloom' has no attribute 'trian'"):
        lingloom.trian  # noqa: B018


def test_type_checkers_see_the_public_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    seen = [
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    ]
    assert sorted(seen) == lingloom.__all__


def test_every_error_is_public():
    own = [n for n, e in vars(errors).items() if isinstance(e, type) and issubclass(e, Exception)]
    assert sorted(own) == [name for name in lingloom.__all__ if name.endswith("Error")]


@pytest.mark.parametrize(
    "module", ["lingloom", "lingloom.cli", "lingloom.loading", "lingloom.runs"]
)
def test_nothing_heavy_is_imported_before_it_is_used(module):
    heavy = {"torch", "numpy", "pyarrow", "tokenizers", "transformers", "matplotlib"}
    check = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
