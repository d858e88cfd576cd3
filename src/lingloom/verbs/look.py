"""`lingloom look FILES...`: what is there, before anything is done with it."""

from ..errors import RecipeError
from ..loading import COMMAND_LINE
from ..loading import load as load_settings
from ..text.look import Look, LookSettings, look
from .console import answer, bytes_text, read_words

EXAMPLE_CHARS = 160
"""Of each example so much is shown."""
ROWS = 6
"""Entries of each list that are shown."""


def run(arguments: list[str]) -> int:
    """Print what a sample of the files holds; the exit code."""
    words = read_words("look", arguments, needs=1, takes=len(arguments), schema=LookSettings)
    if words is None:
        return 0
    if any(word.startswith("text.read=") for word in words.overrides):
        raise RecipeError(f"text.read ({COMMAND_LINE}): look takes the files before the keys")
    found = look(load_settings(LookSettings, {"text": {"read": words.names}}, words.overrides))
    if words.json:
        answer(vars(found))
        return 0
    for line in lines(found):
        print(line)
    return 0


def lines(found: Look) -> list[str]:
    """What was found as a person reads it."""
    whole = found.files_opened == found.files
    out = [
        f"files      {found.files:,}, {bytes_text(found.disk_bytes)} on disk"
        + ("" if whole else f"; {found.files_opened:,} of them opened"),
        f"sample     {found.documents:,} documents, {bytes_text(found.sample_bytes)} of text",
        f"formats    {_listed(found.formats)}",
        f"encodings  {_listed(found.encodings)}",
        f"languages  {_listed(found.languages, found.languages.total())}",
        f"scripts    {_listed(found.scripts, found.scripts.total())}",
        "length     "
        + ", ".join(f"{float(q):.0%} <= {n:,}" for q, n in found.length_chars.items())
        + " characters",
        f"repeated   {found.exact_duplicate_frac:.1%} exactly, {found.near_duplicate_frac:.1%} "
        "nearly (Jaccard .8), within the sample",
        f"to mend    {_listed(found.to_mend) if found.to_mend else 'nothing'}",
        f"personal   {_listed(found.personal) if found.personal else 'nothing found'}",
        f"set aside  {_listed(found.set_aside) if found.set_aside else 'nothing'}",
    ]
    for record in found.set_aside_examples:
        out.append(f"           {record['file']}:{record['line']}: {record['reason']}")
    for name, example in found.examples.items():
        text = " ".join(example["text"].split())
        cut = text[:EXAMPLE_CHARS] + ("..." if len(text) > EXAMPLE_CHARS else "")
        out += [f"{name:<10} {example['id']}", f"           {cut}"]
    out += [f"note       {note}" for note in found.notes]
    return [*out, "", "# a recipe to begin with: lingloom clean RECIPE", *found.recipe.splitlines()]


def _listed(counts: dict[str, int], total: int = 0) -> str:
    """The most frequent first; as shares where a total is given."""
    order = sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    shown = [
        f"{k or 'not read'} {n / total:.0%}" if total else f"{k or 'not read'} {n:,}"
        for k, n in order
    ]
    more = [f"{len(shown) - ROWS} more"] if len(shown) > ROWS else []
    return ", ".join([*shown[:ROWS], *more])
