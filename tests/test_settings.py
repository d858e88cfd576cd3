"""Every way a recipe can be written, and every way in which it can be wrong, word for word."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import settings as trials
from hypothesis import strategies as st
from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from lingloom.errors import RecipeError
from lingloom.loading import load, read_tree, to_yaml
from lingloom.settings import AnyKind, Key, Kinds, Settings, describe, keys
from lingloom.train.adam import AdamWSettings
from lingloom.train.descent import SGDSettings
from lingloom.train.muon import MuonSettings
from lingloom.train.optim import OPTIMIZERS
from lingloom.train.schedule import SCHEDULES, CosineSettings, WSDSettings

OPTIMIZER = Kinds(OPTIMIZERS, "adamw")


class Text(Settings):
    """A section with a key that must be set."""

    read: list[str]
    """Files."""
    field: str = "text"
    """Name of the
    field."""
    share: dict[str, float] = {}
    """Weight of each source."""


class Train(Settings):
    """A section that holds a family."""

    steps: PositiveInt = 100
    """Optimizer steps."""
    batch: PositiveInt = 8
    """Sequences per step."""
    lr: PositiveFloat = 1e-3
    """Step size."""
    compile: bool = False
    """Compile the model."""
    limit: int | None = None
    """Most rows; null: all."""
    size: int | Literal["all"] = "all"
    """How many."""
    precision: Literal["bf16", "fp32"] = "fp32"
    """Number format."""
    optimizer: Annotated[AnyKind, OPTIMIZER] = Field(default_factory=OPTIMIZER.build_default)
    """How gradients change weights."""

    @model_validator(mode="after")
    def _fits(self) -> "Train":
        if self.batch > self.steps * 100:
            raise ValueError(f"batch {self.batch} is too large for {self.steps} steps")
        return self


class Recipe(Settings):
    """As small as a recipe can be with one of everything."""

    text: Text
    """Where the text is."""
    train: Train = Train()
    """How it is trained."""
    schedule: Annotated[AnyKind | None, Kinds(SCHEDULES)] = None
    """How the step size changes; null: not at all."""
    out: str = ""
    """The run folder."""


GOOD = "text: {read: [a.txt]}\ntrain: {steps: 50, lr: 3e-4}\n"


def read(tmp_path: Path, text: str, overrides: list[str] | None = None) -> Recipe:
    path = tmp_path / "toy.yaml"
    path.write_text(text, "utf-8")
    return load(Recipe, path, overrides or [])


def refusal(tmp_path: Path, text: str, overrides: list[str] | None = None) -> str:
    """What a wrong recipe is told, with the folder's own name left out."""
    with pytest.raises(RecipeError) as error:
        read(tmp_path, text, overrides)
    return str(error.value).replace(f"{tmp_path}/", "")


# --------------------------------------------------------------------------- what is read


def test_the_command_line_wins_over_the_recipe_and_the_recipe_over_the_defaults(tmp_path):
    recipe = read(tmp_path, GOOD, ["train.lr=1e-2", "train.lr=2e-2"])
    assert (recipe.train.lr, recipe.train.steps, recipe.train.batch) == (2e-2, 50, 8)


def test_a_family_that_the_recipe_does_not_mention_has_its_default_kind(tmp_path):
    recipe = read(tmp_path, GOOD)
    assert recipe.train.optimizer == AdamWSettings()
    assert recipe.schedule is None


@pytest.mark.parametrize(
    "text",
    [
        "train: {optimizer: {kind: muon}}",
        "train: {optimizer: muon}",
        "train:\n  optimizer:\n    kind: muon",
    ],
)
def test_a_kind_chooses_the_class(tmp_path, text):
    assert read(tmp_path, f"text: {{read: [a]}}\n{text}").train.optimizer == MuonSettings()


def test_a_family_without_a_kind_takes_the_keys_of_its_default(tmp_path):
    recipe = read(tmp_path, GOOD, ["train.optimizer.beta2=0.5"])
    assert recipe.train.optimizer == AdamWSettings(beta2=0.5)


@pytest.mark.parametrize("empty", ["train:", "train: {}", "train: ~", "train: {optimizer: }"])
def test_a_section_left_empty_has_its_defaults(tmp_path, empty):
    assert read(tmp_path, f"text: {{read: [a]}}\n{empty}\n").train == Train()


MOMENTUM = "text: {read: [a]}\ntrain: {optimizer: {kind: momentum, momentum: 0.5}}\n"


@pytest.mark.parametrize("override", ["train.optimizer.kind=sgd", "train.optimizer=sgd"])
def test_a_kind_changed_by_hand_forgets_the_old_kinds_keys(tmp_path, override):
    assert read(tmp_path, MOMENTUM, [override]).train.optimizer == SGDSettings()


def test_a_kind_changed_by_hand_keeps_what_was_set_by_hand_in_either_order(tmp_path):
    words = ["train.optimizer.momentum=0.7", "train.optimizer.kind=nesterov"]
    for overrides in (words, words[::-1]):
        optimizer: Any = read(tmp_path, MOMENTUM, overrides).train.optimizer
        assert (optimizer.kind, optimizer.momentum) == ("nesterov", 0.7)


def test_a_kind_changed_by_hand_also_forgets_keys_of_the_default_kind(tmp_path):
    text = "text: {read: [a]}\ntrain: {optimizer: {beta1: 0.5}}\n"
    assert read(tmp_path, text, ["train.optimizer.kind=sgd"]).train.optimizer == SGDSettings()


@pytest.mark.parametrize("override", ["train.optimizer.kind=momentum", "train.optimizer=momentum"])
def test_the_same_kind_by_hand_forgets_nothing(tmp_path, override):
    optimizer: Any = read(tmp_path, MOMENTUM, [override]).train.optimizer
    assert optimizer.momentum == 0.5


def test_a_kind_given_by_hand_where_none_was_chosen_forgets_nothing(tmp_path):
    recipe = read(tmp_path, GOOD + "schedule: {warmup: 5}\n", ["schedule.kind=wsd"])
    assert recipe.schedule == WSDSettings(warmup=5)


def test_a_family_may_be_given_whole_by_hand(tmp_path):
    recipe = read(tmp_path, MOMENTUM, ["train.optimizer={kind: muon, momentum: 0.9}"])
    assert recipe.train.optimizer == MuonSettings(momentum=0.9)


def test_a_section_given_by_hand_joins_the_recipes(tmp_path):
    recipe = read(tmp_path, GOOD, ["train={batch: 4}"])
    assert (recipe.train.steps, recipe.train.batch) == (50, 4)


def test_an_optional_family_is_off_on_and_off_again(tmp_path):
    assert read(tmp_path, GOOD, ["schedule.kind=cosine"]).schedule == CosineSettings()
    assert read(tmp_path, GOOD, ["schedule=wsd"]).schedule == WSDSettings()
    on = GOOD + "schedule: {kind: wsd, decay: 5}\n"
    assert read(tmp_path, on).schedule == WSDSettings(decay=5)
    assert read(tmp_path, on, ["schedule=null"]).schedule is None
    assert read(tmp_path, GOOD + "schedule:\n").schedule is None


def test_a_tree_may_be_given_as_a_mapping_and_is_left_alone():
    tree = {"text": {"read": ["a"]}, "train": {"optimizer": "muon"}}
    recipe = load(Recipe, tree, ["train.steps=3", "train.optimizer=sgd"])
    assert (recipe.train.steps, recipe.train.optimizer) == (3, SGDSettings())
    assert tree == {"text": {"read": ["a"]}, "train": {"optimizer": "muon"}}


def test_a_mapping_may_hold_settings():
    recipe = load(Recipe, {"text": Text(read=["a"]), "train": Train(steps=3)})
    assert (recipe.text.read, recipe.train.steps) == (["a"], 3)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a.txt", ["a.txt"]),
        ("*.txt", ["*.txt"]),
        ("a: b", ["a: b"]),
        ("#", ["#"]),
        ("- a", ["- a"]),
        ("&a", ["&a"]),
        ("!a", ["!a"]),
        ("a=b=c", ["a=b=c"]),
        ("no", ["no"]),
        ("12:30", ["12:30"]),
        ("2024-01-01", ["2024-01-01"]),
        ("'3'", ["3"]),
        ('"a\\nb"', ["a\nb"]),
        ("'", ["'"]),
        ("'a' or 'b'", ["'a' or 'b'"]),
        (" a ", [" a "]),
        ("织语", ["织语"]),
    ],
)
def test_a_word_of_the_command_line_is_text_unless_it_is_plainly_more(tmp_path, word, value):
    assert [read(tmp_path, GOOD, [f"text.field={word}"]).text.field] == value


def test_values_by_hand_may_be_lists_mappings_and_empty(tmp_path):
    recipe = read(
        tmp_path, GOOD, ["text.read=[a.txt, 'b,c']", "text.share={wiki: .5, news: 2}", "out="]
    )
    assert recipe.text.read == ["a.txt", "b,c"]
    assert recipe.text.share == {"wiki": 0.5, "news": 2.0}
    assert recipe.out == ""
    assert read(tmp_path, GOOD, ["text.share.web=3"]).text.share == {"web": 3.0}


@pytest.mark.parametrize(
    ("yaml", "value"),
    [
        ("3e-4", 3e-4),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1_000", 1000.0),
        ("012", 12.0),
        ("+7", 7.0),
    ],
)
def test_numbers_are_what_they_look_like(tmp_path, yaml, value):
    assert read(tmp_path, f"text: {{read: [a]}}\ntrain: {{lr: {yaml}}}").train.lr == value


@pytest.mark.parametrize("word", ["no", "on", "yes", "y", "1:30", "0x10", "2024-01-01", "=", "<<"])
def test_words_stay_words(tmp_path, word):
    assert read(tmp_path, f"text: {{read: [a]}}\nout: {word}").out == word


def test_no_turns_a_switch_off_all_the_same(tmp_path):
    assert read(tmp_path, GOOD, ["train.compile=yes"]).train.compile is True
    assert read(tmp_path, GOOD, ["train.compile=no"]).train.compile is False


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path):
    assert read(tmp_path, "\ufeff" + GOOD).train.steps == 50


# --------------------------------------------------------------------------- written and read back


def test_a_loaded_recipe_written_out_reads_back_equal(tmp_path):
    recipe = read(
        tmp_path,
        GOOD,
        ["train.optimizer=muon", "schedule=wsd", "out='012'", "text.read=[no, '3e-4', '*', '']"],
    )
    again = read(tmp_path, to_yaml(recipe))
    assert again == recipe
    assert again.text.read == ["no", "3e-4", "*", ""]


@example(out="\x85 \u2028", words=["\ufeff", "a\n\n b ", "\r", "\t"], lr=1e-5, limit=-1)
@trials(max_examples=50, deadline=None)
@given(
    out=st.text(st.characters(exclude_categories=["Cs"])),
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
    lr=st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    limit=st.none() | st.integers(),
)
def test_any_recipe_written_out_reads_back_equal(tmp_path_factory, out, words, lr, limit):
    recipe = Recipe(text=Text(read=words), train=Train(lr=lr, limit=limit), out=out)
    path = tmp_path_factory.getbasetemp() / "round.yaml"
    path.write_text(to_yaml(recipe), "utf-8", newline="")
    assert load(Recipe, path) == recipe


def test_one_list_used_twice_is_written_twice(tmp_path):
    class Two(Settings):
        a: list[str]
        b: list[str]

    same = ["x"]
    assert to_yaml(Two.model_construct(a=same, b=same)) == "a:\n- x\nb:\n- x\n"


def test_settings_are_frozen_and_finite():
    with pytest.raises(ValidationError, match="frozen"):
        Train().steps = 5  # type: ignore[misc]
    with pytest.raises(ValidationError, match="finite"):
        Train(lr=float("inf"))


# --------------------------------------------------------------------------- wrong keys and values


@pytest.mark.parametrize(
    ("text", "overrides", "says"),
    [
        (
            GOOD,
            ["train.stepz=1"],
            "train.stepz (command line): no such key; did you mean 'train.steps'?",
        ),
        (
            "text: {read: [a], feild: x}",
            [],
            "text.feild (toy.yaml): no such key; did you mean 'text.field'?",
        ),
        (GOOD, ["lr=1"], "lr (command line): no such key; did you mean 'train.lr'?"),
        (GOOD, ["trian.lr=1"], "trian (command line): no such key; did you mean 'train'?"),
        (GOOD, ["qqqq=1"], "qqqq (command line): no such key"),
        (
            GOOD,
            ["train.optimizer.beta3=0.5"],
            "train.optimizer.beta3 (command line): no such key of 'adamw'; "
            "did you mean 'train.optimizer.beta2'?",
        ),
        (
            MOMENTUM,
            ["train.optimizer.beta1=0.5"],
            "train.optimizer.beta1 (command line): no such key of 'momentum'",
        ),
        (
            GOOD,
            ["train.optimizer.steps=5"],
            "train.optimizer.steps (command line): no such key of 'adamw'; "
            "did you mean 'train.steps'?",
        ),
        (
            GOOD,
            ["train.steps=0"],
            "train.steps (command line): input should be greater than 0, got 0",
        ),
        (
            "text: {read: [a]}\ntrain: {steps: 1.5}",
            [],
            "train.steps (toy.yaml): input should be a whole number, got 1.5",
        ),
        (
            GOOD,
            ["train.steps=many"],
            "train.steps (command line): input should be a whole number, got 'many'",
        ),
        (
            GOOD,
            ["train.steps="],
            "train.steps (command line): input should be a whole number, got ''",
        ),
        (
            GOOD,
            ["train.steps=true"],
            "train.steps (command line): input should be a whole number, got 'true'",
        ),
        (GOOD, ["train.lr=x"], "train.lr (command line): input should be a number, got 'x'"),
        (
            GOOD,
            ["train.lr=.inf"],
            "train.lr (command line): input should be a finite number, got inf",
        ),
        (
            GOOD,
            ["train.compile=maybe"],
            "train.compile (command line): input should be true or false, got 'maybe'",
        ),
        (
            GOOD,
            ["train.precision=fp16"],
            "train.precision (command line): 'fp16' is not one of 'bf16', 'fp32'",
        ),
        (
            GOOD,
            ["out=2024"],
            "out (command line): input should be text, got 2024; write it in quotes",
        ),
        (
            GOOD,
            ["text.read=a.txt"],
            "text.read (command line): input should be a list such as [a, b], got 'a.txt'",
        ),
        (
            GOOD,
            ["text.read=[a, 3]"],
            "text.read.1 (command line): input should be text, got 3; write it in quotes",
        ),
        (
            GOOD,
            ["text.share=3"],
            "text.share (command line): input should be a mapping such as {a: 1, b: 2}, got 3",
        ),
        (
            GOOD,
            ["text.share={wiki: x}"],
            "text.share.wiki (command line): input should be a number, got 'x'",
        ),
        (
            GOOD,
            ["train.size=some"],
            "train.size (command line): input should be a whole number, got 'some'; "
            "or 'some' is not one of 'all'",
        ),
        (
            GOOD,
            ["train.batch=9000"],
            "train (command line): batch 9000 is too large for 50 steps",
        ),
        (
            "out: a",
            [],
            "text.read (toy.yaml): is missing; set it in the recipe or as text.read=...",
        ),
        (
            "",
            [],
            "text.read (toy.yaml): is missing; set it in the recipe or as text.read=...",
        ),
        (
            "text: {read: [a]}\ntrain: 5",
            [],
            "train (toy.yaml): is a section with keys such as train.steps, got 5",
        ),
        (
            "text: {read: [a]}\ntrain: 5",
            ["train.lr=1e-3"],
            "train (toy.yaml): is a section with keys such as train.steps, got 5",
        ),
        (
            "text: a.txt",
            [],
            "text (toy.yaml): is a section with keys such as text.read, got 'a.txt'",
        ),
        (
            GOOD,
            ["train.optimizer=[muon]"],
            "train.optimizer (command line): is a section with keys such as "
            "train.optimizer.kind, got ['muon']",
        ),
    ],
)
def test_a_wrong_key_or_value_is_told(tmp_path, text, overrides, says):
    assert refusal(tmp_path, text, overrides) == says


KNOWN = "'sgd', 'momentum', 'nesterov', 'adam', 'adamw', 'adagrad', 'adafactor', 'muon'"


@pytest.mark.parametrize(
    ("text", "overrides", "says"),
    [
        (
            "text: {read: [a]}\ntrain: {optimizer: {kind: adamv}}",
            [],
            f"train.optimizer.kind (toy.yaml): 'adamv' is not one of {KNOWN}; did you mean 'adam'?",
        ),
        (
            GOOD,
            ["train.optimizer=lion"],
            f"train.optimizer.kind (command line): 'lion' is not one of {KNOWN}",
        ),
        (
            GOOD,
            ["train.optimizer="],
            f"train.optimizer.kind (command line): '' is not one of {KNOWN}",
        ),
        (
            GOOD,
            ["train.optimizer.kind=[a]"],
            f"train.optimizer.kind (command line): '['a']' is not one of {KNOWN}",
        ),
        (
            GOOD,
            ["schedule.warmup=5"],
            "schedule.kind (toy.yaml): is missing; choose one of 'constant', 'inverse_time', "
            "'exponential', 'step', 'inverse_sqrt', 'linear', 'cosine', 'wsd'",
        ),
    ],
)
def test_a_wrong_kind_is_told(tmp_path, text, overrides, says):
    assert refusal(tmp_path, text, overrides) == says


def test_all_mistakes_are_told_at_once(tmp_path):
    text = "text: {raed: [a]}\ntrain: {steps: -1, optimizer: {kind: adamw, beta1: 2}}\nuot: x\n"
    overrides = ["train.batch=none", "steps", "a..b=1", "schedule=wds"]
    assert refusal(tmp_path, text, overrides).splitlines() == [
        "'steps' (command line): not of the form key=value, as in train.lr=1e-3",
        "'a..b=1' (command line): not of the form key=value, as in train.lr=1e-3",
        "text.read (toy.yaml): is missing; set it in the recipe or as text.read=...",
        "text.raed (toy.yaml): no such key; did you mean 'text.read'?",
        "train.optimizer.beta1 (toy.yaml): input should be less than 1, got 2",
        "train.steps (toy.yaml): input should be greater than 0, got -1",
        "train.batch (command line): input should be a whole number, got 'none'",
        "schedule.kind (command line): 'wds' is not one of 'constant', 'inverse_time', "
        "'exponential', 'step', 'inverse_sqrt', 'linear', 'cosine', 'wsd'; did you mean 'wsd'?",
        "uot (toy.yaml): no such key; did you mean 'out'?",
    ]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("=x", "'=x' (command line): not of the form key=value, as in train.lr=1e-3"),
        ("=", "'=' (command line): not of the form key=value, as in train.lr=1e-3"),
        ("", "'' (command line): not of the form key=value, as in train.lr=1e-3"),
        (".a=1", "'.a=1' (command line): not of the form key=value, as in train.lr=1e-3"),
        ("a.=1", "'a.=1' (command line): not of the form key=value, as in train.lr=1e-3"),
        (
            "train.lr.x=1",
            "train.lr.x (command line): 'train.lr' is a value without keys; set it as train.lr=...",
        ),
        (
            "text.read=[a",
            "text.read (command line): '[a' is not a list: not YAML: "
            "expected ',' or ']', but got '<stream end>'",
        ),
        (
            "text.read=[*.txt]",
            "text.read (command line): '[*.txt]' is not a list: "
            "a text that starts with '*' wants quotes",
        ),
    ],
)
def test_a_malformed_word_of_the_command_line_is_told(tmp_path, override, says):
    assert refusal(tmp_path, GOOD, [override]) == says


# --------------------------------------------------------------------------- files that are none


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "out: a\nout: b\n",
            "toy.yaml:2: key 'out' is written twice; keep one",
        ),
        (
            "train:\n  steps: 1\n  steps: 2\n",
            "toy.yaml:3: key 'steps' is written twice; keep one",
        ),
        (
            "train:\n\tsteps: 1\n",
            "toy.yaml:2: a tab stands where YAML wants spaces; indent with spaces",
        ),
        (
            "- a\n- b\n",
            "toy.yaml: a recipe is a mapping such as 'out: runs/a'; this is a list",
        ),
        (
            "hello",
            "toy.yaml: a recipe is a mapping such as 'out: runs/a'; this is a single value, "
            "'hello'",
        ),
        (
            "3",
            "toy.yaml: a recipe is a mapping such as 'out: runs/a'; this is a single value, 3",
        ),
        (
            "text: {read: *.txt}",
            "toy.yaml:1: a text that starts with '*' wants quotes",
        ),
        (
            "text: {read: *txt}",
            "toy.yaml:1: '*txt' is an alias in YAML, which recipes do not use; "
            "write the value out, or quote a text that starts with '*'",
        ),
        (
            "a: &a [x]\nb: [*a, *a]\n",
            "toy.yaml:1: '&a' is an alias in YAML, which recipes do not use; "
            "write the value out, or quote a text that starts with '&'",
        ),
        ("[a, b]: 3", "toy.yaml:1: a list or a mapping cannot be a key; put the key in quotes"),
        (
            "out: a\n---\nout: b\n",
            "toy.yaml:2: a second document starts here; "
            "a recipe is one document, without '---' inside",
        ),
        ("out: [a\n", "toy.yaml:2: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("out: a\x00", "toy.yaml:1: character U+0000 may not stand in YAML; delete it"),
        ("a: " + "[" * 1000, "toy.yaml:1: nested deeper than 32 levels"),
        (
            "train: {steps: " + "9" * 5000 + "}",
            "toy.yaml:1: a number of 5000 digits; quote it to mean the text",
        ),
        (
            "out: !!python/object/apply:os.system [ls]",
            "toy.yaml:1: not YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.system'",
        ),
        (
            GOOD + "1: x\nnull: y\n",
            "1 (toy.yaml): no such key\nnull (toy.yaml): no such key",
        ),
    ],
)
def test_a_file_that_is_no_recipe_is_told(tmp_path, text, says):
    assert refusal(tmp_path, text) == says


def test_a_billion_laughs_are_refused_at_once(tmp_path):
    lines = ["a0: &a0 [lol]"] + [f"a{i}: &a{i} [{'*a' + str(i - 1) + ', '}]" for i in range(1, 40)]
    assert refusal(tmp_path, "\n".join(lines)).startswith("toy.yaml:1: '&a0' is an alias in YAML")


def path_refusal(path: Path) -> str:
    with pytest.raises(RecipeError) as error:
        load(Recipe, path)
    return str(error.value).replace(f"{path.parent}/", "")


def test_a_missing_file_is_told_with_the_nearest(tmp_path):
    assert path_refusal(tmp_path / "toy.yaml") == (
        "toy.yaml: no such recipe; give the path of a .yaml file"
    )
    (tmp_path / "demo.yaml").write_text(GOOD)
    assert path_refusal(tmp_path / "demmo.yaml") == (
        "demmo.yaml: no such recipe; did you mean demo.yaml?"
    )
    assert path_refusal(tmp_path / "demo") == "demo: no such recipe; did you mean demo.yaml?"
    assert path_refusal(tmp_path / "no" / "x.yaml") == (
        "x.yaml: no such recipe; give the path of a .yaml file"
    )


def test_a_folder_is_told(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    assert path_refusal(folder) == "run: is a folder, not a recipe; give the path of a .yaml file"
    (folder / "recipe.yaml").write_text(GOOD)
    assert path_refusal(folder) == "run: is a folder, not a recipe; did you mean run/recipe.yaml?"


def test_bytes_that_are_not_utf8_are_told(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_bytes("out: 语".encode("gb18030"))
    assert path_refusal(path) == ("toy.yaml: byte 0xd3 at 5 is not UTF-8; save the recipe as UTF-8")


def test_a_file_of_another_size_altogether_is_told(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"a" * (1 << 20) + b"a")
    assert path_refusal(path) == (
        "corpus.txt: longer than 1048576 bytes, which no recipe is; give the path of a .yaml file"
    )


def test_the_tree_of_a_file_can_be_read_unchecked(tmp_path):
    (tmp_path / "toy.yaml").write_text("a: {b: 1}")
    assert read_tree(tmp_path / "toy.yaml") == {"a": {"b": 1}}


# --------------------------------------------------------------------------- the list of keys


def test_every_key_is_listed_with_default_choices_and_meaning():
    listed = {key.name: key for key in describe(Recipe)}
    assert list(listed)[:5] == [
        "text.read",
        "text.field",
        "text.share",
        "train.steps",
        "train.batch",
    ]
    assert listed["text.read"] == Key("text.read", None, (), "Files.")
    assert listed["text.field"] == Key("text.field", "text", (), "Name of the field.")
    assert listed["out"] == Key("out", "''", (), "The run folder.")
    assert listed["train.compile"].default == "false"
    assert listed["train.limit"].default == "null"
    assert listed["train.precision"].choices == ("bf16", "fp32")
    assert listed["train.optimizer.kind"] == Key(
        "train.optimizer.kind", "adamw", tuple(OPTIMIZERS), "How gradients change weights."
    )
    assert listed["train.optimizer.beta2"].default == "0.95"
    assert listed["schedule.kind"].default == "null"
    assert "schedule.warmup" not in listed


def test_the_list_follows_the_kinds_that_a_tree_chooses():
    tree = {"train": {"optimizer": {"kind": "sgd"}}, "schedule": {"kind": "wsd"}}
    names = [key.name for key in describe(Recipe, tree)]
    assert "train.optimizer.beta1" not in names
    assert "schedule.decay" in names
    assert names.count("schedule.kind") == 1


def test_every_listed_default_reads_back_as_the_default():
    words = [f"{k.name}={k.default}" for k in describe(Recipe) if k.default is not None]
    words = [w for w in words if not w.startswith("schedule.kind")]
    assert load(Recipe, {"text": {"read": ["a"]}}, words) == Recipe(text=Text(read=["a"]))


def test_keys_yields_sections_and_their_fields():
    names = [name for name, _ in keys(Recipe, {"train": {"optimizer": {"kind": "sgd"}}})]
    assert names[:3] == ["text", "text.read", "text.field"]
    assert "train.optimizer" in names
    assert "train.optimizer.kind" in names
