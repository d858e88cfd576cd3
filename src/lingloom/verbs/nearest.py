"""`lingloom nearest MODEL king - man + woman`: the words nearest to a word, or to a sum of words.

`lingloom nearest MODEL "the bank of the river" word=bank`: where the word stands in like manner; in
files that text.read names it is also said at which character. What a run held out is stored as
tokens, whose text may differ from the document's, so that there only the document is named.
"""

from collections.abc import Iterator

from pydantic import PositiveInt

from ..errors import RecipeError
from ..loading import COMMAND_LINE
from ..settings import Settings
from ..text.document import Document
from ..text.read import TextSettings, documents
from ..text.setaside import FileReport
from .asks.nearest import tell
from .console import answer, read_words, story


class NearestSettings(Settings):
    """Keys of `lingloom nearest`."""

    count: PositiveInt = 10
    """How many words, or places."""
    word: str = ""
    """A word of the text behind the run, as it is meant there; empty: all that stands behind the
    run are words."""
    other: str = ""
    """With word: the places of this word instead of its own."""
    text: TextSettings = TextSettings(read=[])
    """With word: where to look; without text.read it is the run's held-out text."""


def run(arguments: list[str]) -> int:
    """Print the nearest words, or places; the exit code."""
    words = read_words(
        "nearest", arguments, needs=2, takes=len(arguments), schema=NearestSettings, free=True
    )
    if words is None:
        return 0
    from ..api import load
    from ..loading import load as load_settings

    names = [name for name in words.names if not _is_key(name)]
    keys = [*(name for name in words.names if _is_key(name)), *words.overrides]
    if len(names) < 2:
        raise RecipeError("usage: lingloom nearest MODEL WORDS...; write a word behind the run")
    settings, text = load_settings(NearestSettings, {}, keys), " ".join(names[1:])
    if settings.word:
        _in_context(names[0], text, settings, words.json)
        return 0
    for key in keys:
        if key.partition("=")[0] == "word":
            raise RecipeError(
                f"word ({COMMAND_LINE}): is empty; name a word of the text behind the run, or "
                "leave it out"
            )
        if not key.startswith("count="):
            raise RecipeError(
                f"{key} ({COMMAND_LINE}): has no effect without word=..., a word of the text "
                "behind the run; leave it out"
            )
    tell(load(names[0]), text, settings.count, words.json)
    return 0


def _in_context(run: str, text: str, settings: NearestSettings, as_json: bool) -> None:
    from ..api import load

    reports: list[FileReport] = []
    found = load(run).nearest_in_context(
        text,
        settings.word,
        _texts(run, settings.text, reports),
        other=settings.other,
        count=settings.count,
    )
    if aside := sum(report.set_aside for report in reports):
        story(f"{aside:,} lines, rows or files of text.read cannot be read and were not searched")
    exact = bool(settings.text.entries)
    if as_json:
        near = [vars(place) | ({} if exact else {"start": None}) for place in found]
        answer({"text": text, "word": settings.word, "nearest": near})
        return
    for place in found:
        where = f"{place.document}, character {place.start}" if exact else place.document
        print(f"{place.similarity:.3f}  {place.before}[{place.word}]{place.after}  ({where})")


def _texts(run: str, text: TextSettings, reports: list[FileReport]) -> Iterator[Document]:
    """Those that are named, which adds a report of each file, or what the run held out."""
    if text.entries:
        yield from documents(text, lambda record: None, reports)
        return
    from ..api import need_run
    from ..pipeline.prepare import open_data

    data = open_data(need_run(run))
    for i in range(data.heldout.documents):
        ids = data.heldout.document(i).tolist()
        yield Document(data.tokenizer.decode(ids), data.heldout.document_id(i), "")


def _is_key(word: str) -> bool:
    section = word.partition("=")[0].partition(".")[0]
    return "=" in word and section in NearestSettings.model_fields
