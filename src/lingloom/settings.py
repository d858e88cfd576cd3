"""Recipes: one YAML file plus key=value -> frozen, checked settings; every mistake at once.

YAML is read as a newcomer reads it: `3e-4` is a number, `no` is a word, `012` is twelve, and a key
written twice is an error. A field whose value has a `kind` is a family: the kind decides which keys
are legal, and only the chosen family's module is imported.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, SerializeAsAny, ValidationError, create_model
from pydantic.fields import FieldInfo

from .errors import RecipeError

COMMAND_LINE = "command line"


class Settings(BaseModel):
    """Frozen and typed; unknown keys are refused; the text under a field is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Kinds:
    """The rows of a family: kind -> 'module:class' below this package; one row per newcomer."""

    rows: Mapping[str, str]
    default: str | None = None
    """The kind when a recipe names none; without one, the section may be left out altogether."""

    def settings_class(self, kind: str) -> type[Settings]:
        module, _, name = self.rows[kind].partition(":")
        found = getattr(import_module(f"lingloom.{module}"), name)
        assert issubclass(found, Settings)
        return found

    def build_default(self) -> Settings:
        """The default kind with its default values; the `default_factory` of a family field."""
        assert self.default is not None
        return self.settings_class(self.default)()


AnyKind = SerializeAsAny[Settings]
"""The type of a family field: `Annotated[AnyKind, Kinds(rows, default)]`."""


# --------------------------------------------------------------------------- reading


def load(
    schema: type[S],
    recipe: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
) -> S:
    """Read `recipe`, apply each `a.b=value`, and check everything.

    Args:
        schema: the settings class that the whole recipe must fit.
        recipe: a YAML file, or the same tree as a mapping.
        overrides: `key=value` strings with dotted keys; later ones win.

    Raises:
        RecipeError: one line per mistake: the key, where it was set, what would do.
    """
    tree, where = read_recipe(recipe)
    by_hand = apply_overrides(tree, overrides)
    return check(schema, tree, where, by_hand)


def read_recipe(recipe: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The recipe as a fresh tree, and the name by which messages call it."""
    if isinstance(recipe, Mapping):
        return _copy(recipe), "recipe"
    path = Path(recipe)
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe{_nearest_file(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    return parse_yaml(text, str(path)), str(path)


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """A YAML mapping, read strictly.

    Raises:
        RecipeError: the text is not YAML, not a mapping, or writes a key twice.
    """
    try:
        tree = yaml.load(text, _StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise RecipeError(f"{where}{line}: not a recipe: {problem}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise RecipeError(f"{where}: a recipe is a mapping of keys; this is a {_kind_of(tree)}")
    return tree


def apply_overrides(tree: dict[str, Any], overrides: Sequence[str]) -> set[str]:
    """Write each `a.b=value` into `tree`; the dotted keys that were set this way."""
    by_hand: set[str] = set()
    before = _copy(tree)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise RecipeError(
                f"'{override}' ({COMMAND_LINE}): not of the form key=value, as in train.lr=1e-3"
            )
        *parents, last = key.split(".")
        node = tree
        for parent in parents:
            below = node.setdefault(parent, {})
            if not isinstance(below, dict):
                below = node[parent] = {}
            node = below
        try:
            value = yaml.load(text, _StrictLoader)
        except yaml.YAMLError:
            value = text  # `text.read=a: b` is a file name, not a mistake in YAML
        old = node.get(last)
        if isinstance(value, dict) and isinstance(old, dict) and "kind" not in value:
            value = {**old, **value}
        node[last] = value
        by_hand.add(key)
    _forget_other_kinds(tree, before, by_hand)
    return by_hand


def check(schema: type[S], tree: dict[str, Any], where: str, by_hand: set[str]) -> S:
    """`tree` as settings; every mistake is collected into one RecipeError."""
    mistakes: list[str] = []
    concrete = _concrete(schema, tree, where, by_hand, mistakes)
    try:
        settings = concrete.model_validate(tree)
    except ValidationError as error:
        mistakes += [_explain(e, schema, tree, where, by_hand) for e in error.errors()]
    if mistakes:
        raise RecipeError("\n".join(mistakes))
    return _public(schema, settings)


def keys(
    schema: type[Settings], tree: Mapping[str, Any] | None = None, prefix: str = ""
) -> Iterator[tuple[str, FieldInfo]]:
    """Every (dotted key, field) that `schema` accepts, following each `kind` chosen in `tree`."""
    tree = tree or {}
    for name, field in schema.model_fields.items():
        below = tree.get(name)
        below = below if isinstance(below, Mapping) else {}
        yield prefix + name, field
        kinds = kinds_of(field)
        if kinds:
            kind = below.get("kind", kinds.default)
            if kind in kinds.rows:
                yield from keys(kinds.settings_class(kind), below, f"{prefix}{name}.")
        elif inner := _inner(field):
            yield from keys(inner, below, f"{prefix}{name}.")


def kinds_of(field: FieldInfo) -> Kinds | None:
    """The family behind a field, or None for a plain field."""
    marks = [*field.metadata, *(m for a in get_args(field.annotation) for m in get_args(a))]
    return next((m for m in marks if isinstance(m, Kinds)), None)


def to_yaml(settings: Settings) -> str:
    """The fully resolved recipe as YAML that `load` reads back to equal settings."""
    return yaml.dump(
        settings.model_dump(mode="json"),
        Dumper=_PlainDumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )


# --------------------------------------------------------------------------- families


def _concrete(
    schema: type[S], tree: dict[str, Any], where: str, by_hand: set[str], mistakes: list[str]
) -> type[S]:
    """`schema` with each family field narrowed to the class that `tree` chooses."""
    narrowed: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        value, kinds = tree.get(name), kinds_of(field)
        if kinds and isinstance(value, dict):
            kind = value.get("kind", kinds.default)
            if kind not in kinds.rows:
                mistakes.append(_unknown_kind(name, kind, kinds, where, by_hand))
                narrowed[name] = (Any, None)
            else:
                narrowed[name] = (kinds.settings_class(kind), field.default)
        elif kinds and isinstance(value, str) and value in kinds.rows:
            tree[name] = {"kind": value}  # `model: gpt2` is short for `model: {kind: gpt2}`
            narrowed[name] = (kinds.settings_class(value), field.default)
        elif kinds and value is None and field.is_required():
            tree[name] = {"kind": kinds.default}
            narrowed[name] = (kinds.settings_class(kinds.default or ""), ...)
        elif (inner := _inner(field)) and (isinstance(value, dict) or _holds_family(inner)):
            value = tree.setdefault(name, {})
            if isinstance(value, dict):
                narrowed_inner = _concrete(inner, value, where, by_hand, mistakes)
                if narrowed_inner is not inner:
                    narrowed[name] = (narrowed_inner, ...)
    if not narrowed:
        return schema
    return create_model(schema.__name__, __base__=schema, **narrowed)


def _public(schema: type[S], settings: Settings) -> S:
    """Back to the public classes: the narrowed ones exist only to give exact error locations."""
    values = {}
    for name, field in schema.model_fields.items():
        value, inner = getattr(settings, name), _inner(field)
        if inner and isinstance(value, inner) and not kinds_of(field):
            value = _public(inner, value)
        values[name] = value
    return schema.model_construct(_fields_set=settings.model_fields_set, **values)


def _holds_family(schema: type[Settings]) -> bool:
    return any(kinds_of(f) for f in schema.model_fields.values())


def _forget_other_kinds(tree: dict[str, Any], before: dict[str, Any], by_hand: set[str]) -> None:
    """A kind changed by hand replaces the recipe's family, so the old family's keys go with it."""
    for key in [k for k in by_hand if k.endswith(".kind")]:
        *parents, _ = key.split(".")
        node, old = tree, before
        for parent in parents:
            node, old = node[parent], old.get(parent) if isinstance(old, dict) else None
        if not isinstance(old, dict) or old.get("kind") in (None, node["kind"]):
            continue
        prefix = ".".join(parents)
        for name in [n for n in node if n != "kind"]:
            own = f"{prefix}.{name}"
            if not any(k == own or k.startswith(f"{own}.") for k in by_hand):
                del node[name]


def _inner(field: FieldInfo) -> type[Settings] | None:
    """The settings class of a plain nested section, also when it may be None."""
    options = [field.annotation, *get_args(field.annotation)]
    return next((o for o in options if isinstance(o, type) and issubclass(o, Settings)), None)


# --------------------------------------------------------------------------- messages


def _explain(
    error: Any, schema: type[Settings], tree: dict[str, Any], where: str, by_hand: set[str]
) -> str:
    """One pydantic error as one sentence about one key."""
    key = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = [k for k, _ in keys(schema, tree)]
        near = get_close_matches(key, known, n=1, cutoff=0.6)
        problem = "no such key" + (f"; did you mean '{near[0]}'?" if near else "")
    elif error["type"] == "missing":
        problem = f"is missing; set it in the recipe or as {key}=..."
    elif error["type"] == "literal_error":
        problem = f"{error['input']!r} is not one of {error['ctx']['expected']}"
    elif error["type"] == "value_error":
        problem = message
    else:
        problem = f"{message[0].lower()}{message[1:]}, got {error['input']!r}"
    return f"{key or 'recipe'} ({_place(key, where, by_hand)}): {problem}"


def _unknown_kind(name: str, kind: Any, kinds: Kinds, where: str, by_hand: set[str]) -> str:
    key = next((k for k in by_hand if k.split(".")[-2:] == [name, "kind"]), f"{name}.kind")
    near = get_close_matches(str(kind), kinds.rows, n=1, cutoff=0.6)
    options = ", ".join(f"'{k}'" for k in kinds.rows)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"{key} ({_place(key, where, by_hand)}): '{kind}' is not one of {options}{hint}"


def _place(key: str, where: str, by_hand: set[str]) -> str:
    hand = any(key == k or key.startswith(f"{k}.") or k.startswith(f"{key}.") for k in by_hand)
    return COMMAND_LINE if key and hand else where


def _nearest_file(path: Path) -> str:
    folder = path.parent
    names = [p.name for p in folder.glob("*.y*ml")] if folder.is_dir() else []
    near = get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f"; did you mean {folder / near[0]}?" if near else "; give the path of a .yaml file"


def _kind_of(value: Any) -> str:
    return {list: "list", str: "text", int: "number", float: "number"}.get(type(value), "value")


def _copy(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {k: _copy(v) for k, v in tree.items()}
    return [_copy(v) for v in tree] if isinstance(tree, list) else tree


# --------------------------------------------------------------------------- strict YAML


class _StrictLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=deep)  # type: ignore[no-untyped-call]
            if not isinstance(name, str):
                name = key.value
            if name in names:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{name}' is written twice", key.start_mark
                )
            names.add(name)
        return super().construct_mapping(node, deep)


_PLAIN = {
    "bool": r"true|false",
    "null": r"null|~|",
    "int": r"[-+]?[0-9][0-9_]*",
    "float": r"[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
}
_StrictLoader.yaml_implicit_resolvers = {}
for _tag in ("bool", "null", "int", "float"):
    _StrictLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_PLAIN[_tag]})$"), None
    )
_StrictLoader.add_constructor(
    "tag:yaml.org,2002:int",
    lambda loader, node: int(loader.construct_scalar(node).replace("_", "")),
)


class _PlainDumper(yaml.SafeDumper):
    """Writes what `_StrictLoader` reads: a text that would read as a number or null is quoted."""


_PlainDumper.yaml_implicit_resolvers = _StrictLoader.yaml_implicit_resolvers
