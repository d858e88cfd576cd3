"""A list of families in a recipe: short forms, keys by hand, and every mistake word for word."""

from typing import Annotated, Any

import pytest

from lingloom.errors import RecipeError
from lingloom.loading import load, to_yaml
from lingloom.settings import AnyKind, Kinds, Settings, describe
from lingloom.text.filters.filter import FilterSettings
from lingloom.text.filters.kinds import FILTERS
from lingloom.text.filters.short import ShortSettings
from lingloom.train.optim import OPTIMIZERS


class Sifting(Settings):
    """A section with two lists of families."""

    filters: list[Annotated[AnyKind, Kinds(FILTERS)]] = []
    """Rules, in order."""
    steps: list[Annotated[AnyKind, Kinds(OPTIMIZERS)]] = []
    """Of another family."""


class Recipe(Settings):
    """As small as can be."""

    text: Sifting = Sifting()
    """A section."""


def filters(tree: Any, *overrides: str) -> list[Any]:
    return list(load(Recipe, {"text": {"filters": tree}}, overrides).text.filters)


def refusal(tree: Any, *overrides: str) -> str:
    with pytest.raises(RecipeError) as error:
        filters(tree, *overrides)
    return str(error.value)


@pytest.mark.parametrize("item", ["short", {"kind": "short"}, ShortSettings()])
def test_a_kind_alone_is_short_for_the_family_with_its_defaults(item):
    assert filters([item]) == [ShortSettings()]


def test_families_stand_in_the_order_of_the_recipe_and_have_their_own_keys():
    tree = [{"kind": "short", "min_chars": 7}, "short"]
    assert filters(tree) == [ShortSettings(min_chars=7), ShortSettings()]
    assert all(isinstance(f, FilterSettings) for f in filters(tree))


def test_the_command_line_gives_the_list_whole_or_one_key_of_a_kind():
    assert filters([], "text.filters=[short]") == [ShortSettings()]
    whole = "text.filters=[{kind: short, min_chars: 9}]"
    assert filters(["short"], whole) == [ShortSettings(min_chars=9)]
    assert filters(["short"], "text.filters.short.min_chars=9") == [ShortSettings(min_chars=9)]
    both = ("text.filters=[short]", "text.filters.short.min_chars=8")
    assert filters([], *both) == [ShortSettings(min_chars=8)]
    twice = filters(["short", "short"], "text.filters.1.min_chars=9")
    assert twice == [ShortSettings(), ShortSettings(min_chars=9)]


def test_a_list_of_families_written_out_reads_back_equal(tmp_path):
    recipe = load(Recipe, {"text": {"filters": ["short", {"kind": "short", "min_chars": 3}]}})
    path = tmp_path / "a.yaml"
    path.write_text(to_yaml(recipe), "utf-8")
    assert load(Recipe, path) == recipe
    assert "min_chars: 3" in to_yaml(recipe)


def test_a_tree_that_is_given_is_left_alone():
    tree = {"text": {"filters": ["short", {"kind": "short"}]}}
    load(Recipe, tree, ["text.filters.1.min_chars=5"])
    assert tree == {"text": {"filters": ["short", {"kind": "short"}]}}


def test_help_lists_the_kinds_and_the_keys_of_each():
    found = {key.name: key for key in describe(Recipe)}
    assert found["text.filters"].many and found["text.filters"].default == "[]"
    assert found["text.filters"].choices == tuple(FILTERS)
    assert found["text.filters.short.min_chars"].default == "200"


def options(rows: Any) -> str:
    return ", ".join(f"'{kind}'" for kind in rows)


@pytest.mark.parametrize(
    ("tree", "overrides", "says"),
    [
        (
            ["shrt"],
            [],
            f"text.filters.0.kind (recipe): 'shrt' is not one of {options(FILTERS)}; "
            "did you mean 'short'?",
        ),
        (
            [{"min_chars": 3}],
            [],
            f"text.filters.0.kind (recipe): is missing; choose one of {options(FILTERS)}",
        ),
        ([3], [], "text.filters.0 (recipe): is a kind or a mapping with a kind, got 3"),
        ([None], [], "text.filters.0 (recipe): is a kind or a mapping with a kind, got None"),
        ("short", [], "text.filters (recipe): input should be a list such as [a, b], got 'short'"),
        (
            [{"kind": "short", "min_char": 3}],
            [],
            "text.filters.short.min_char (recipe): no such key of 'short'; "
            "did you mean 'text.filters.short.min_chars'?",
        ),
        (
            ["short"],
            ["text.filters.short.min_chars=0"],
            "text.filters.short.min_chars (command line): input should be greater than 0, got 0",
        ),
        (
            ["short"],
            ["text.filters=[shrt]"],
            f"text.filters.0.kind (command line): 'shrt' is not one of {options(FILTERS)}; "
            "did you mean 'short'?",
        ),
        (
            ["short"],
            ["text.filters.c4.min_chars=3"],
            "text.filters.c4.min_chars (command line): 'text.filters' holds 'short', not 'c4'; "
            "set it whole as text.filters=[...]",
        ),
        (
            [],
            ["text.filters.short=3"],
            "text.filters.short (command line): 'text.filters' holds nothing, not 'short'; "
            "set it whole as text.filters=[...]",
        ),
    ],
)
def test_a_wrong_list_is_told_what_is_wrong(tree, overrides, says):
    assert refusal(tree, *overrides) == says


def test_every_mistake_in_a_list_is_reported_at_once():
    found = refusal([{"kind": "short", "min_chars": 0}, "qq", 3]).splitlines()
    assert [line.partition(" ")[0] for line in found] == [
        "text.filters.short.min_chars",
        "text.filters.1.kind",
        "text.filters.2",
    ]
