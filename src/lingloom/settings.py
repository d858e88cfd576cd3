"""What settings are: frozen, typed, documented; and the families among them.

A section is a field that holds further settings. A section whose value has a `kind` is a family:
the kind decides which keys are legal, and only the chosen family's module is imported. A list may
hold families too, one after the other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SerializeAsAny
from pydantic.fields import FieldInfo


class Settings(BaseModel):
    """Frozen, typed and finite; unknown keys are refused; the text under a field documents it."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


@dataclass(frozen=True)
class Kinds:
    """The rows of a family: kind -> 'module:class' below this package; one row per newcomer."""

    rows: Mapping[str, str]
    default: str | None = None
    """The kind when a recipe names none; without one, the section may be left out altogether."""

    def settings_class(self, kind: str) -> type[Settings]:
        """The class of `kind`; imports its module."""
        module, _, name = self.rows[kind].partition(":")
        found = getattr(import_module(f"lingloom.{module}"), name)
        assert issubclass(found, Settings)
        return found

    def build_default(self) -> Settings:
        """The default kind with its default values; the `default_factory` of a family field."""
        assert self.default is not None
        return self.settings_class(self.default)()


AnyKind = SerializeAsAny[Settings]
"""The type of a family field: `Annotated[AnyKind, Kinds(rows, default)]`; of a list of families:
`list[Annotated[AnyKind, Kinds(rows)]]`."""


# --------------------------------------------------------------------------- what keys there are


@dataclass(frozen=True)
class Key:
    """One key that a recipe may set."""

    name: str
    """Dotted, as on the command line; a family is listed by its `kind`."""
    default: str | None
    """As one would write it; None where the key must be set."""
    choices: tuple[str, ...]
    """The words that it may be; empty where it is not one of a few."""
    doc: str
    """One line."""
    many: bool = False
    """Whether it is a list of the choices."""


def describe(
    schema: type[Settings], tree: Mapping[str, Any] | None = None, prefix: str = ""
) -> Iterator[Key]:
    """Every key that `schema` accepts given the kinds chosen in `tree`, for people to read."""
    for name, f in schema.model_fields.items():
        below = (tree or {}).get(name)
        doc = " ".join((f.description or "").split())
        inner, kinds = section_of(f, below), kinds_of(f)
        if kinds:
            default = str(kinds.default) if not nullable(f) else "null"
            yield Key(f"{prefix}{name}.kind", default, tuple(kinds.rows), doc)
        elif many := item_kinds_of(f):
            yield Key(prefix + name, _default_text(f), tuple(many.rows), doc, many=True)
            for kind in many.rows:
                yield from describe(many.settings_class(kind), {}, f"{prefix}{name}.{kind}.")
        elif not inner and not (name == "kind" and prefix):
            yield Key(prefix + name, _default_text(f), _choices(f), doc)
        if inner:
            yield from describe(
                inner, below if isinstance(below, Mapping) else {}, f"{prefix}{name}."
            )


def keys(
    schema: type[Settings], tree: Mapping[str, Any] | None = None, prefix: str = ""
) -> Iterator[tuple[str, FieldInfo]]:
    """Every (dotted key, field) that `schema` accepts, sections included."""
    for name, f in schema.model_fields.items():
        below = (tree or {}).get(name)
        yield prefix + name, f
        if inner := section_of(f, below):
            yield from keys(inner, below if isinstance(below, Mapping) else {}, f"{prefix}{name}.")
        for place, item in items_of(f, below):
            if found := item_section_of(f, item):
                yield from keys(found, item, f"{prefix}{name}.{place}.")


def kinds_of(f: FieldInfo) -> Kinds | None:
    """The family behind a field, or None for any other field."""
    return next((m for m in f.metadata if isinstance(m, Kinds)), None)


def item_kinds_of(f: FieldInfo) -> Kinds | None:
    """The family to which each item of a list belongs, or None for any other field."""
    if get_origin(f.annotation) is not list:
        return None
    item = getattr(get_args(f.annotation)[0], "__metadata__", ())
    return next((m for m in item if isinstance(m, Kinds)), None)


def items_of(f: FieldInfo, value: Any) -> Iterator[tuple[str, Any]]:
    """(how messages and the command line name it, item) for each of a list of families: its kind,
    or its place, counted from 0, where that kind is unknown or stands twice."""
    kinds = item_kinds_of(f)
    if kinds is None or not isinstance(value, list):
        return
    names = [item.get("kind") if isinstance(item, Mapping) else None for item in value]
    for place, (name, item) in enumerate(zip(names, value, strict=True)):
        alone = isinstance(name, str) and name in kinds.rows and names.count(name) == 1
        yield str(name if alone else place), item


def item_section_of(f: FieldInfo, item: Any) -> type[Settings] | None:
    """The settings class of an item in a list of families; None where its kind is unknown."""
    kinds = item_kinds_of(f)
    kind = item.get("kind") if isinstance(item, Mapping) else None
    known = kinds is not None and isinstance(kind, str) and kind in kinds.rows
    return kinds.settings_class(kind) if kinds and known and isinstance(kind, str) else None


def section_of(f: FieldInfo, value: Any) -> type[Settings] | None:
    """The settings class of a section that holds `value`; None for plain fields, unknown kinds."""
    if kinds := kinds_of(f):
        kind = value.get("kind", kinds.default) if isinstance(value, Mapping) else kinds.default
        return kinds.settings_class(kind) if isinstance(kind, str) and kind in kinds.rows else None
    return next((o for o in options_of(f) if isinstance(o, type) and issubclass(o, Settings)), None)


def is_section(f: FieldInfo) -> bool:
    return kinds_of(f) is not None or section_of(f, None) is not None


def options_of(f: FieldInfo) -> tuple[Any, ...]:
    """The types of which a field's value is one."""
    union = get_origin(f.annotation) in (Union, UnionType)
    return get_args(f.annotation) if union else (f.annotation,)


def nullable(f: FieldInfo) -> bool:
    return type(None) in options_of(f)


def _choices(f: FieldInfo) -> tuple[str, ...]:
    words = get_args(f.annotation)
    return tuple(map(str, words)) if words and all(isinstance(w, str) for w in words) else ()


def _default_text(f: FieldInfo) -> str | None:
    return None if f.is_required() else value_text(f.get_default(call_default_factory=True))


def value_text(value: Any) -> str:
    """`value` as one would write it on the command line."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, Settings):
        return str(getattr(value, "kind", value))
    if value is None or value == "":
        return "null" if value is None else "''"
    return str(value).lower() if isinstance(value, bool) else str(value)
