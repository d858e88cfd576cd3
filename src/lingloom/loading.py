"""Recipes: one YAML file plus key=value -> checked settings; every mistake at once.

`model: gpt2` is short for `model: {kind: gpt2}`; a section left empty has its defaults. Where a
list holds families, the command line reaches the keys of one by its kind, as in
`text.filters.c4.min_sentences=3`. A message names the key, where it was set (the file, or the
command line), and what would do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from .errors import RecipeError
from .mistakes import nearest_file, problems_of
from .settings import (
    Kinds,
    Settings,
    is_section,
    item_kinds_of,
    item_section_of,
    items_of,
    keys,
    kinds_of,
    nullable,
    section_of,
)
from .strict_yaml import dump, parse, parse_value

COMMAND_LINE = "command line"
LONGEST_BYTES = 1 << 20
"""Of a recipe file: a longer one is a mistake of the one who named it."""

S = TypeVar("S", bound=Settings)


def load(
    schema: type[S],
    recipe: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
) -> S:
    """Read `recipe`, apply each `a.b=value`, and check everything.

    Args:
        schema: the settings class that the whole recipe must fit.
        recipe: a YAML file, or the same tree as a mapping.
        overrides: `key=value` strings with dotted keys; later ones win. A kind set here drops what
            the recipe says about another kind.

    Raises:
        RecipeError: one line per mistake: the key, where it was set, what would do.
    """
    if isinstance(recipe, Mapping):
        reading = _Reading(schema, _copy(recipe), "recipe")
    else:
        reading = _Reading(schema, read_tree(recipe), str(recipe))
    reading.override(overrides)
    settings = reading.check(schema, reading.tree, "")
    if reading.mistakes:
        raise RecipeError("\n".join(dict.fromkeys(reading.mistakes)))
    return cast(S, settings)


def to_yaml(settings: Settings) -> str:
    """The fully resolved recipe as YAML that `load` reads back to equal settings."""
    return dump(settings.model_dump(mode="json"))


def read_tree(recipe: str | Path) -> dict[str, Any]:
    """What a recipe file says, unchecked.

    Raises:
        RecipeError: the file cannot be read, or is not a YAML mapping.
    """
    text = _read_text(Path(recipe))
    try:
        return parse(text, str(recipe))
    except RecipeError as error:
        if Path(recipe).suffix.lower() in (".yaml", ".yml"):
            raise
        raise RecipeError(
            f"{error}\n{recipe}: is it text to read? then name it in a recipe, or as text.read="
            f"{recipe} behind one; recipes are .yaml files"
        ) from None


def _read_text(path: Path) -> str:
    """The text of a recipe file.

    Raises:
        RecipeError: there is no such file, or it is a folder, too long or not UTF-8.
    """
    if path.is_dir():
        inside = path / "recipe.yaml"
        hint = f"did you mean {inside}?" if inside.is_file() else "give the path of a .yaml file"
        raise RecipeError(f"{path}: is a folder, not a recipe; {hint}")
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST_BYTES + 1)
        if len(raw) > LONGEST_BYTES:
            raise RecipeError(
                f"{path}: longer than {LONGEST_BYTES} bytes, which no recipe is; "
                "give the path of a .yaml file"
            )
        return raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe; {nearest_file(path)}") from None
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"{path}: byte 0x{raw[error.start]:02x} at {error.start} is not UTF-8; "
            "save the recipe as UTF-8"
        ) from None
    except OSError as error:
        raise RecipeError(
            f"{path}: cannot be read ({error.strerror}); name a recipe that can"
        ) from None


# --------------------------------------------------------------------------- reading and checking


@dataclass
class _Reading:
    """One recipe on its way from a tree to settings, and what was found wrong with it."""

    schema: type[Settings]
    tree: dict[str, Any]
    where: str
    by_hand: set[str] = field(default_factory=set)
    """Dotted keys that were set on the command line."""
    mistakes: list[str] = field(default_factory=list)

    def override(self, overrides: Sequence[str]) -> None:
        """Write each `a.b=value` into the tree: first the kinds, outermost first, then the rest."""
        _expand(self.schema, self.tree)
        leaves: list[tuple[list[str], Any]] = []
        for override in overrides:
            key, equals, text = override.partition("=")
            parts = key.split(".")
            if not equals or not all(parts):
                self.mistakes.append(
                    f"'{override}' ({COMMAND_LINE}): not of the form key=value, as in train.lr=1e-3"
                )
                continue
            try:
                leaves += _leaves(self.schema, parts, parse_value(text))
            except RecipeError as error:
                self.mistakes.append(f"{key} ({COMMAND_LINE}): {error}")
        kinds = [leaf for leaf in leaves if leaf[0][-1] == "kind"]
        for parts, value in sorted(kinds, key=lambda leaf: len(leaf[0])):
            self._choose(parts[:-1], value)
        for parts, value in leaves:
            self._put(parts, value)
        _expand(self.schema, self.tree)

    def _choose(self, parts: list[str], kind: Any) -> None:
        """Forget what the recipe says of the family at `parts` when `kind` is another one."""
        found = _field_at(self.schema, self.tree, parts)
        kinds = kinds_of(found) if found else None
        old: Any = self.tree
        for part in parts:
            old = old.get(part) if isinstance(old, dict) else None
        if kinds and isinstance(old, dict) and old.get("kind", kinds.default) not in (None, kind):
            old.clear()
            old["kind"] = kind

    def _put(self, parts: list[str], value: Any) -> None:
        self.by_hand.add(".".join(parts))
        node = self.tree
        for depth, parent in enumerate(parts[:-1], 1):
            found = _field_at(self.schema, self.tree, parts[:depth])
            if found and item_kinds_of(found):
                self._put_in_item(found, node, parts, depth, value)
                return
            if found and not is_section(found) and get_origin(found.annotation) is not dict:
                above = ".".join(parts[:depth])
                self._say(
                    ".".join(parts), f"'{above}' is a value without keys; set it as {above}=..."
                )
                return
            if node.get(parent) is None:
                node[parent] = {}
            node = node[parent]
            if not isinstance(node, dict):
                return  # the recipe itself is wrong there, and `check` says so
        node[parts[-1]] = value

    def _put_in_item(
        self, found: FieldInfo, node: dict[str, Any], parts: list[str], depth: int, new: Any
    ) -> None:
        """Set a key of the family `parts[depth]` in the list `node[parts[depth - 1]]`."""
        _expand(self.schema, self.tree)
        above, name, value = ".".join(parts[:depth]), parts[depth], node.get(parts[depth - 1])
        item = dict(items_of(found, value)).get(name)
        if isinstance(item, dict) and len(parts) == depth + 2:
            item[parts[-1]] = new
            return
        there = ", ".join(f"'{place}'" for place, _ in items_of(found, value))
        says = f"'{above}' holds {there or 'nothing'}, not '{name}'"
        if isinstance(item, dict):
            says = f"'{above}.{name}' has keys such as {above}.{name}.{next(iter(item))}"
        self._say(".".join(parts), f"{says}; set it whole as {above}=[...]")

    def check(self, schema: type[Settings], tree: dict[str, Any], prefix: str) -> Settings | None:
        """`tree` as settings, or None after noting what is wrong; inner sections come first."""
        values, wrong = dict(tree), set()
        for name, found in schema.model_fields.items():
            if name not in tree:
                continue
            said = len(self.mistakes)
            values[name] = self._value(found, tree[name], prefix + name)
            if len(self.mistakes) > said:
                wrong.add(name)
        try:
            return schema.model_validate(values)
        except ValidationError as error:
            known = [key for key, _ in keys(self.schema, self.tree)]
            for path, problem in problems_of(error, values, schema, prefix, known):
                if not path or path[0] not in wrong:
                    self._say(prefix + ".".join(path), problem, within=True)
            return None

    def _value(self, found: FieldInfo, value: Any, key: str) -> Any:
        """`value` ready for pydantic: settings for a section, None for one that is wrong."""
        if item_kinds_of(found) and isinstance(value, list):
            return self._items(found, value, key)
        if is_section(found) and not (value is None and nullable(found)):
            return self._section(found, value, key)
        if isinstance(value, bool) and not _admits(found.annotation, bool):
            return str(value).lower()  # else pydantic would take true for 1
        return value

    def _items(self, found: FieldInfo, value: list[Any], key: str) -> list[Settings | None]:
        """Each of a list of families, or None after noting what is wrong with it."""
        checked: list[Settings | None] = []
        for place, item in items_of(found, value):
            where, inner = f"{key}.{place}", item_section_of(found, item)
            if isinstance(item, Settings):
                checked.append(item)
            elif inner:
                checked.append(self.check(inner, item, f"{where}."))
            elif isinstance(item, dict):
                self._say_unknown_kind(item_kinds_of(found), item, where)
                checked.append(None)
            else:
                self._say(where, f"is a kind or a mapping with a kind, got {item!r:.60}")
                checked.append(None)
        return checked

    def _section(self, found: FieldInfo, value: Any, key: str) -> Settings | None:
        if isinstance(value, Settings):
            return value
        if not isinstance(value, dict):
            inner = section_of(found, None)
            first = next(iter(inner.model_fields)) if inner and not kinds_of(found) else "kind"
            self._say(key, f"is a section with keys such as {key}.{first}, got {value!r:.60}")
            return None
        if inner := section_of(found, value):
            return self.check(inner, value, f"{key}.")
        self._say_unknown_kind(kinds_of(found), value, key)
        return None

    def _say_unknown_kind(self, kinds: Kinds | None, value: dict[str, Any], key: str) -> None:
        kind, rows = value.get("kind"), kinds.rows if kinds else {}
        options = ", ".join(f"'{k}'" for k in rows)
        near = get_close_matches(str(kind), rows, n=1)
        if kind is None:
            self._say(f"{key}.kind", f"is missing; choose one of {options}")
        else:
            hint = f"; did you mean '{near[0]}'?" if near else ""
            self._say(f"{key}.kind", f"'{kind}' is not one of {options}{hint}")

    def _say(self, key: str, problem: str, *, within: bool = False) -> None:
        """Note a mistake about `key`, or within it, with the place where it was set."""
        key = key.rstrip(".")
        hand = any(
            key == k or key.startswith(f"{k}.") or (within and k.startswith(f"{key}."))
            for k in self.by_hand
        )
        place = COMMAND_LINE if hand else self.where
        self.mistakes.append(f"{key or 'recipe'} ({place}): {problem}")


def _expand(schema: type[Settings], tree: dict[str, Any]) -> None:
    """Write out what a recipe may leave short: `model: gpt2`, and sections without a value."""
    for name, f in schema.model_fields.items():
        value = tree.get(name)
        if item_kinds_of(f) and isinstance(value, list):
            value = tree[name] = [{"kind": v} if isinstance(v, str) else v for v in value]
            for item in value:
                if inner := item_section_of(f, item):
                    _expand(inner, item)
        if not is_section(f):
            continue
        if value is None and not nullable(f) and (name in tree or f.is_required()):
            value = tree[name] = {}
        elif isinstance(value, str) and kinds_of(f):
            value = tree[name] = {"kind": value}
        if isinstance(value, dict) and (inner := section_of(f, value)):
            _expand(inner, value)


def _leaves(
    schema: type[Settings], parts: list[str], value: Any
) -> Iterator[tuple[list[str], Any]]:
    """`a={b: 1}` as `a.b=1` where `a` is a section, `model=gpt2` as `model.kind=gpt2`."""
    found = _field_at(schema, {}, parts)
    if found and kinds_of(found) and isinstance(value, str) and value:
        yield [*parts, "kind"], value
    elif found and is_section(found) and isinstance(value, dict) and value:
        for name, below in value.items():
            yield from _leaves(schema, [*parts, name], below)
    else:
        yield parts, value


def _field_at(schema: type[Settings], tree: Any, parts: Sequence[str]) -> FieldInfo | None:
    """The field of a dotted key under the kinds chosen in `tree`; None when there is none."""
    inner: type[Settings] | None = schema
    found = None
    for part in parts:
        found = inner.model_fields.get(part) if inner else None
        if found is None:
            return None
        tree = tree.get(part) if isinstance(tree, Mapping) else None
        inner = section_of(found, tree)
    return found


def _copy(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {k: _copy(v) for k, v in tree.items()}
    return [_copy(v) for v in tree] if isinstance(tree, list) else tree


def _admits(annotation: Any, kind: type) -> bool:
    """Whether a value of `kind` may stand for the type `annotation`."""
    if get_origin(annotation) in (list, tuple, dict):
        return False
    return annotation in (kind, Any, object) or any(_admits(a, kind) for a in get_args(annotation))
