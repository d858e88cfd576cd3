"""`lingloom ask RUN "prompt"`: the model goes on from a prompt."""

import sys

from ..errors import DataError
from ..models.decode import DecodeSettings
from ..settings import Settings
from .console import answer, read_words, story


class AskSettings(Settings):
    """Keys of `lingloom ask`."""

    decode: DecodeSettings = DecodeSettings()
    """How it is asked; the run's recipe gives the defaults."""


def run(arguments: list[str]) -> int:
    """Print the continuation as it is made; the exit code."""
    words = read_words("ask", arguments, needs=1, takes=2, schema=AskSettings, free=True)
    if words is None:
        return 0
    from ..api import load
    from ..loading import load as load_settings

    model = load(words.names[0])
    asked = load_settings(
        AskSettings, {"decode": model.decode.model_dump(mode="json")}, words.overrides
    )
    prompt = words.names[1] if len(words.names) > 1 else _standard_input()
    if not prompt:
        story("(an empty prompt: the model begins a text of its own)")
    stream = model.stream(prompt, **asked.decode.model_dump())
    if words.json:
        text = "".join(stream)
        answer({"prompt": prompt, "text": text, "reason": stream.reason})
        return 0
    for piece in stream:
        print(piece, end="", flush=True)
    print()
    if stream.reason in ("context", "length"):
        story(_why(str(stream.reason), asked.decode.max_new_tokens))
    return 0


def _standard_input() -> str:
    if sys.stdin.isatty():
        raise DataError('no prompt: write it after the run, as in: lingloom ask RUN "从前"')
    return sys.stdin.read().rstrip("\n")


def _why(reason: str, limit: int) -> str:
    if reason == "length":
        return f"(ended at decode.max_new_tokens={limit})"
    return "(ended because the model's context is full)"
