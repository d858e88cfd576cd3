"""`lingloom train RECIPE|RUN`: a new run, or go on with a stopped one."""

from ..device import prepare_allocator
from ..recipe import Recipe
from .console import answer, read_words, story, tell_kernels
from .follow import Follower, stopping


def run(arguments: list[str]) -> int:
    """Train to the end or until stopped; the exit code."""
    words = read_words("train", arguments, needs=1, takes=1, schema=Recipe)
    if words is None:
        return 0
    return carry_through(words.names[0], words.overrides, as_json=words.json)


def carry_through(recipe_or_run: str, overrides: list[str], *, as_json: bool = False) -> int:
    """Follow a run to its end, draw it, and say how to go on or what to try."""
    from ..api import begin

    prepare_allocator()
    tell_kernels()
    follower = Follower()
    with stopping() as stop:
        folder, events = begin(recipe_or_run, overrides, stop)
        for event in events:
            follower(event)
            if stop() and event.stage != "train":  # training itself saves before it leaves
                follower.stopped = True
                break
    if follower.stopped:
        story(f"stopped; everything finished is kept; go on with: lingloom train {folder.path}")
        return 130
    if as_json:
        answer({"run": str(folder.path), **folder.read_json("scores.json", {})})
    else:
        story(f'next       lingloom ask {folder.path} "The "      lingloom ask {folder.path} "我"')
        story(f"           lingloom prove {folder.path}        every promise, tried on this run")
        story(f"           lingloom show {folder.path} batch   what the model really saw")
        story(f"           open {folder.report} in a browser")
    return 0
