"""Write docs/recipe.md, the reference of every key of both recipes, from the settings themselves.

Run by `make docs`; a test fails when the page and the code disagree.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lingloom.corpus_recipe import CorpusRecipe
from lingloom.recipe import Recipe
from lingloom.settings import Kinds, Settings, describe, item_kinds_of, kinds_of, section_of

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
        "First the recipe that trains a model, then the [recipe that cleans a corpus]"
        "(#cleaning-recipe),",
        "of which [corpus.md](corpus.md) tells. A list of families is written as",
        "`filters: [short, {kind: c4, terminal: false}]`.",
        "",
    ]
    lines += section(Recipe, "", "recipe")
    lines += section(CorpusRecipe, "", "cleaning recipe", skipped=("text", "tokens"))
    return "\n".join(lines).rstrip() + "\n"


def section(
    schema: type[Settings], prefix: str, title: str, skipped: Sequence[str] = ()
) -> Iterator[str]:
    """One table of keys, then the sections below it; those `skipped` stand above already."""
    yield from [f"## {title}", "", " ".join((schema.__doc__ or "").split()), ""]
    if skipped:
        yield from [f"Also {' and '.join(f'`{name}`' for name in skipped)}, as above.", ""]
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
        if name in skipped:
            continue
        if kinds := kinds_of(field) or item_kinds_of(field):
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
