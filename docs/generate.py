"""Write docs/recipe.md, the reference of every key, from the settings themselves.

Run by `make docs`; a test fails when the page and the code disagree.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from lingloom.recipe import Recipe
from lingloom.settings import Kinds, Settings, kinds_of

PAGE = Path(__file__).with_name("recipe.md")


def page() -> str:
    """The whole page as Markdown."""
    lines = [
        "# Recipe reference",
        "",
        "Generated from the settings by `make docs`; do not edit.",
        "",
        "A recipe is one YAML file; `key=value` after it on the command line wins. A key with a",
        "`kind` is a family: the kind decides which keys are legal below it.",
        "",
    ]
    lines += section(Recipe, "", "recipe")
    return "\n".join(lines).rstrip() + "\n"


def section(schema: type[Settings], prefix: str, title: str) -> Iterator[str]:
    """One table of keys, then the sections below it."""
    yield from [f"## {title}", "", " ".join((schema.__doc__ or "").split()), ""]
    plain, nested = [], []
    for name, field in schema.model_fields.items():
        kinds, inner = kinds_of(field), inner_of(field.annotation)
        if kinds or inner:
            nested.append((f"{prefix}{name}", kinds, inner))
        elif name != "kind":
            default = "required" if field.is_required() else f"`{field.get_default()!r}`"
            says = " ".join((field.description or "").split()).replace("|", "\\|")
            plain.append(f"| `{prefix}{name}` | {default} | {says} |")
    if plain:
        yield from ["| key | default | meaning |", "|---|---|---|", *plain, ""]
    for key, kinds, inner in nested:
        if kinds:
            yield from families(key, kinds)
        elif inner:
            yield from section(inner, f"{key}.", key)


def families(key: str, kinds: Kinds) -> Iterator[str]:
    """One section for each kind of a family."""
    for kind in kinds.rows:
        default = " (default)" if kind == kinds.default else ""
        yield from section(kinds.settings_class(kind), f"{key}.", f"{key}.kind: {kind}{default}")


def inner_of(annotation: object) -> type[Settings] | None:
    """The settings class of a nested section, or None."""
    options = [annotation, *get_args(annotation)]
    return next((o for o in options if isinstance(o, type) and issubclass(o, Settings)), None)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
