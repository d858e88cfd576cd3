"""`lingloom ask MODEL "text" ["second text"]`: what the model has learnt is done to a text.

A model that goes on from texts goes on from it, one that translates translates it: what a model
can be asked follows from what it was trained for (`tasks/kinds.py`). One that tells images apart is
asked about those of a file: `lingloom ask MODEL t10k-images-idx3-ubyte.gz at=7`.
"""

import sys
from importlib import import_module

from ..errors import DataError
from .asks.keys import AskSettings, need_no_image, need_one_text
from .console import read_words

READ_TWO = ("answer", "classify")
"""Tasks that may be of two texts at once, the second of which is the last word."""


def run(arguments: list[str]) -> int:
    """Print the answer; the exit code."""
    words = read_words("ask", arguments, needs=1, takes=3, schema=AskSettings, free=True)
    if words is None:
        return 0
    from ..api import load

    model = load(words.names[0])
    if model.reads_images:
        from .asks.images import run as ask_of_images

        ask_of_images(model, words)
        return 0
    need_no_image(words.overrides)
    text = words.names[1] if len(words.names) > 1 else _standard_input()
    if model.task not in READ_TWO:
        need_one_text(words)
    import_module(f"{__package__}.asks.{model.task}").run(model, text, words)
    return 0


def _standard_input() -> str:
    if sys.stdin.isatty():
        raise DataError('no text: write it after the run, as in: lingloom ask RUN "从前"')
    return sys.stdin.read().rstrip("\n")
