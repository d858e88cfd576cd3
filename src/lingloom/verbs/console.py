"""What all verbs share at the command line: words in, story out."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from ..errors import RecipeError
from ..loading import COMMAND_LINE
from ..native.kernels import kernels_report
from ..settings import Settings, describe
from .table import MODEL, VERBS


@dataclass(frozen=True)
class Words:
    """The words after a verb."""

    names: list[str]
    """Positional words, in order."""
    overrides: list[str]
    """The `key=value` words."""
    json: bool
    """Whether the answer is wanted as JSON."""


def read_words(
    verb: str,
    arguments: Sequence[str],
    *,
    needs: int,
    takes: int,
    schema: type[Settings] | None,
    free: bool = False,
) -> Words | None:
    """The words of `verb`, or None when help was asked for and has been printed.

    Args:
        verb: as in table.VERBS.
        arguments: everything after the verb.
        needs: positional words that must be there.
        takes: positional words that may be there; they come first.
        schema: the settings that `key=value` words are checked against, for --help; None: the verb
            takes no keys.
        free: the last positional word may be any text, unless it begins with a key of `schema`.

    Raises:
        RecipeError: a word is missing or not understood.
    """
    if any(word in ("-h", "--help") for word in arguments):
        print(help_of(verb, schema))
        return None
    words = [word for word in arguments if word != "--json"]
    names: list[str] = []
    while words and len(names) < takes:
        if "=" in words[0] and len(names) >= needs and not (free and _is_text(words[0], schema)):
            break
        names.append(words.pop(0))
    unknown = [w for w in (words if free else [*names, *words]) if w.startswith("--")]
    if unknown:
        raise RecipeError(f"'{unknown[0]}' ({COMMAND_LINE}): no such option; options are key=value")
    if len(names) < needs:
        raise RecipeError(f"usage: lingloom {verb} {VERBS[verb][0]}")
    if schema is None and words:
        raise RecipeError(f"'{words[0]}' ({COMMAND_LINE}): lingloom {verb} takes no such word")
    return Words(names, words, "--json" in arguments)


def _is_text(word: str, schema: type[Settings] | None) -> bool:
    """Whether `word`, which has an equals sign, is no key of `schema`."""
    section = word.partition("=")[0].partition(".")[0]
    return schema is None or section not in schema.model_fields


def help_of(verb: str, schema: type[Settings] | None) -> str:
    """Usage of `verb` and every key it takes, read from the settings so that it cannot go stale."""
    words, says = VERBS[verb]
    lines = [f"usage: lingloom {verb} {words}".rstrip(), "", f"  {says}"]
    if "MODEL" in words:
        lines += ["", f"  {MODEL}"]
    lines += ["", "  --json: the answer as JSON, on standard output"]
    if schema is None:
        return "\n".join(lines)
    lines += ["", "keys, set as key=value, with their defaults:"]
    for key in describe(schema):
        of = "a list of" if key.many else "one of"
        choices = f"{of} {', '.join(key.choices)}. " if key.choices else ""
        default = "(must be set)" if key.default is None else key.default
        lines.append(f"  {key.name} = {default}")
        lines += wrap(choices + key.doc, 96, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def answer(value: Any) -> None:
    """Print `value` as one JSON document on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


def story(line: str = "") -> None:
    """Print one line of the story on standard error."""
    print(line, file=sys.stderr, flush=True)


def tell_kernels() -> None:
    """Say it when the compiled kernels are not in use: the work takes many times as long."""
    there, says, mend = kernels_report()
    if not there:
        story(f"note       kernels of our own: {says}; mend: {mend}")


def bytes_text(size: float) -> str:
    """A size that a person reads: 1536 -> '1.5 KB'."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def count_text(count: float) -> str:
    """A count that a person reads: 10700000 -> '10.7M'."""
    for unit, power in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= power:
            return f"{count / power:.1f}{unit}"
    return f"{count:.0f}"


def time_text(seconds: float) -> str:
    """A duration that a person reads: 75 -> '1 min 15 s'."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
