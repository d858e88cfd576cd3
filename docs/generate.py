"""Write docs/recipe.md, the reference of every key, from the settings themselves.

Run by `make docs`; a test fails when the page and the code disagree.
"""

from collections.abc import Iterator
from pathlib import Path

from lingloom.recipe import Recipe
from lingloom.settings import Kinds, Settings, describe, kinds_of, section_of

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
    plain = []
    for key in describe(schema, prefix=prefix):
        if "." in key.name.removeprefix(prefix):
            continue
        default = "required" if key.default is None else f"`{key.default}`"
        choices = f"One of {', '.join(f'`{c}`' for c in key.choices)}. " if key.choices else ""
        plain.append(f"| `{key.name}` | {default} | {choices}{key.doc} |")
    if plain:
        yield from ["| key | default | meaning |", "|---|---|---|", *plain, ""]
    for name, field in schema.model_fields.items():
        if kinds := kinds_of(field):
            yield from families(f"{prefix}{name}", kinds)
        elif inner := section_of(field, None):
            yield from section(inner, f"{prefix}{name}.", f"{prefix}{name}")


def families(key: str, kinds: Kinds) -> Iterator[str]:
    """One section for each kind of a family."""
    for kind in kinds.rows:
        default = " (default)" if kind == kinds.default else ""
        yield from section(kinds.settings_class(kind), f"{key}.", f"{key}.kind: {kind}{default}")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
