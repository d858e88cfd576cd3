"""`lingloom demo`: the whole way, on text that is already on this machine."""

from importlib.resources import as_file, files

from ..recipe import Recipe
from ..runs import RUNS, RunFolder
from .console import read_words, story
from .train import carry_through


def run(arguments: list[str]) -> int:
    """Train the demo's recipe, or go on with a demo that was stopped; the exit code."""
    words = read_words("demo", arguments, needs=0, takes=0, schema=Recipe)
    if words is None:
        return 0
    name = next_folder()
    stopped = RunFolder(RUNS / name)
    if stopped.exists():
        story(f"going on with {stopped.path}, which was stopped")
        return carry_through(str(stopped.path), words.overrides, as_json=words.json)
    with as_file(files(__package__) / "demo.yaml") as recipe:
        overrides = [f"out={RUNS / name}", *words.overrides]
        return carry_through(str(recipe), overrides, as_json=words.json)


def next_folder() -> str:
    """The name of an unfinished demo, or else of one that does not exist yet."""
    number = 1
    while True:
        name = "demo" if number == 1 else f"demo-{number}"
        run = RunFolder(RUNS / name)
        if not run.exists() or run.read_json("run.json", {}).get("state") != "finished":
            return name
        number += 1
