"""The words in which a recipe is told what is wrong with it."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .settings import Settings

_WORDS = {
    "int_parsing": "input should be a whole number",
    "int_from_float": "input should be a whole number",
    "int_type": "input should be a whole number",
    "float_parsing": "input should be a number",
    "float_type": "input should be a number",
    "bool_parsing": "input should be true or false",
    "bool_type": "input should be true or false",
    "string_type": "input should be text",
    "list_type": "input should be a list such as [a, b]",
    "tuple_type": "input should be a list such as [a, b]",
    "dict_type": "input should be a mapping such as {a: 1, b: 2}",
}
"""Our words for pydantic's types of error; the others are well said already."""


def problems_of(
    error: ValidationError,
    values: dict[str, Any],
    schema: type[Settings],
    prefix: str,
    known: list[str],
) -> Iterator[tuple[list[str], str]]:
    """Path and problem of each wrong key; the branches of a union make one problem."""
    found: dict[tuple[str, ...], list[str]] = {}
    for e in error.errors(include_url=False):
        node: Any = values
        path: list[str] = []
        for part in e["loc"]:
            # pydantic puts the branches of a union in `loc`, and the tree has no such level
            inside = part in node if isinstance(node, dict) else isinstance(node, list)
            if inside:
                node = node[part]  # type: ignore[index]
            if inside or e["type"] == "missing":
                path.append(str(part))
        key = prefix + ".".join(path)
        found.setdefault(tuple(path), []).append(_problem(e, key, schema, known))
    for where, problems in found.items():
        yield list(where), "; or ".join(dict.fromkeys(problems))


def _problem(e: Any, key: str, schema: type[Settings], known: list[str]) -> str:
    """What is wrong with `key`, and what would do."""
    message = e["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    got = f"got {e['input']!r:.60}"
    if e["type"] == "extra_forbidden":
        kind = schema.model_fields.get("kind")
        return f"no such key{f' of {kind.default!r}' if kind else ''}{_nearest_key(key, known)}"
    if e["type"] == "missing":
        return f"is missing; set it in the recipe or as {key}=..."
    if e["type"] == "literal_error":
        return f"{e['input']!r:.60} is not one of {e['ctx']['expected'].replace(' or ', ', ')}"
    if e["type"] in ("value_error", "assertion_error"):
        return message
    if e["type"] == "string_type" and isinstance(e["input"], (int, float)):
        return f"{_WORDS['string_type']}, {got}; write it in quotes"
    return f"{_WORDS.get(e['type'], message[0].lower() + message[1:])}, {got}"


def _nearest_key(key: str, known: list[str]) -> str:
    """A hint at the key that may be meant: the same name elsewhere, or one written alike."""
    section, _, last = key.rpartition(".")
    names = {k.rpartition(".")[2]: k for k in reversed(known)}
    beside = {k.rpartition(".")[2]: k for k in known if k.rpartition(".")[0] == section}
    if last in names:
        return f"; did you mean '{names[last]}'?"
    if near := get_close_matches(last, beside, n=1):
        return f"; did you mean '{beside[near[0]]}'?"
    if near := get_close_matches(last, names, n=1, cutoff=0.75):
        return f"; did you mean '{names[near[0]]}'?"
    return ""


def nearest_file(path: Path) -> str:
    """A hint at the recipe that may be meant: one that wants its suffix, or is written alike."""
    folder = path.parent
    names = sorted(p.name for p in folder.glob("*.y*ml")) if folder.is_dir() else []
    near = [n for n in names if Path(n).stem == path.name] or get_close_matches(path.name, names)
    return f"did you mean {folder / near[0]}?" if near else "give the path of a .yaml file"
