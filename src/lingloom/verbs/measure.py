"""`lingloom measure MODEL`: bits per byte and perplexity on the held-out part, or on any text.

A model without a run, be it a Hugging Face folder or an ARPA file, is measured on text that is
named.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import DataError, RecipeError
from ..loading import COMMAND_LINE
from ..loading import load as load_settings
from ..measure.perplexity import MeasureSettings, need_measured, perplexity
from ..measure.score import Score
from ..recipe import Recipe
from ..runs import RunFolder
from ..settings import Settings
from ..text.corpus.opened import corpus_of
from ..text.document import Document
from ..text.prepare import prepare
from ..text.read import TextSettings
from .console import Words, answer, read_words, story
from .left_out import LeftOut

if TYPE_CHECKING:
    from ..api import Model


class MeasureWords(Settings):
    """Keys of `lingloom measure`."""

    text: TextSettings
    """What to measure; without text.read it is the run's held-out part. The run's recipe gives the
    defaults of reading and cleaning; a model without a run has the general ones."""
    measure: MeasureSettings = MeasureSettings()
    """How it is scored."""


def run(arguments: list[str]) -> int:
    """Print every score with its interval; the exit code."""
    words = read_words("measure", arguments, needs=1, takes=1, schema=MeasureWords)
    if words is None:
        return 0
    from ..api import load, need_run, run_of

    name = words.names[0]
    folder = run_of(name)
    settings = load_settings(MeasureWords, _defaults(folder), words.overrides)
    _refuse_idle(settings.text, words.overrides)
    folder = folder if settings.text.entries else need_run(name)
    model = load(name)
    if model.task != "generate":
        _by_its_judge(folder, settings, model, words)
        return 0
    where: dict[str, Any]
    corpus = corpus_of(TextSettings(read=settings.text.read))
    if corpus is not None:
        split = next((name for name in ("test", "validation") if name in corpus.splits), "")
        if not split:
            raise DataError(
                f"text.read: the corpus {corpus.folder} holds nothing out to measure on; make it "
                "again with split.validation_frac or split.test_frac above 0, or name other text"
            )
        documents = corpus.documents(split)
        measured = perplexity(model.model, documents, model.tokenizer, settings.measure)
        where = {"text": f"the {split} split of {corpus.folder}"}
        story(where["text"])
    elif settings.text.entries:
        with _other_text(folder, settings.text) as (documents, left_out):
            measured = perplexity(model.model, documents, model.tokenizer, settings.measure)
        where = _told(left_out)
    else:
        from ..pipeline.prepare import open_data

        heldout = open_data(need_run(name)).heldout
        measured = perplexity(model.model, heldout, model.tokenizer, settings.measure)
        where = {"text": "the run's held-out documents"}
    _tell(measured.scores, where, words)
    return 0


@contextmanager
def _other_text(
    folder: RunFolder | None, text: TextSettings, *, word_labels: bool = False
) -> Iterator[tuple[Iterator[Document], LeftOut]]:
    """The documents of other text, and what is left out of it; to be measured inside the `with`."""
    left_out = LeftOut(text.entries)
    with ExitStack() as open_files:
        dropped, set_aside = left_out.sinks(folder, open_files)
        read = prepare(text, dropped, set_aside, left_out.stats, word_labels=word_labels)
        yield (document for _, document in read), left_out


def _told(left_out: LeftOut) -> dict[str, Any]:
    """Tell what was read and left out; the same for --json."""
    for line in left_out.lines():
        story(line)
    return {"text": left_out.entries, **left_out.to_json()}


def _by_its_judge(
    folder: RunFolder | None, settings: MeasureWords, model: "Model", words: Words
) -> None:
    """Print the scores of a model that does not go on from texts, on its run's held-out part or on
    other text.

    Raises:
        RecipeError: such models are not measured on other text; or when they are trained only.
    """
    from ..pipeline.judges.judge import judge_of
    from ..pipeline.prepare import open_data
    from ..train.objectives.objective import objective_of

    what = f"a {model.model.settings.kind} model that was trained to {model.task}"
    recipe = _recipe(folder, settings, model)
    shape: Any = recipe.model
    objective: Any = objective_of(shape, recipe.train)
    need_measured(settings.measure, objective.kind)
    judge = judge_of(recipe)
    of_text = getattr(judge, "scores_of_text", None)
    if settings.text.entries and of_text is not None:
        word_labels = objective.labels_of == "word"
        with _other_text(folder, settings.text, word_labels=word_labels) as (read, left_out):
            scores: list[Score] = of_text(recipe, model.folder, model.model, read)
        _tell(scores, _told(left_out), words)
        return
    if folder is None:
        raise RecipeError(
            f"{model.folder}: {what} is measured on the held-out part of its run; give the run"
        )
    if settings.text.entries:
        raise RecipeError(
            f"text.read ({COMMAND_LINE}): {what} is measured on the held-out part of its run; "
            "leave text.read out"
        )
    scores_of = getattr(judge, "scores", None)
    if scores_of is None:
        raise RecipeError(
            f"{folder.path}: {what} is measured at the end of its training; see the scores with: "
            f"lingloom show {folder.path}"
        )
    scores = scores_of(recipe, open_data(folder), model.model)
    _tell(scores, {"text": "the run's held-out documents"}, words)


def _recipe(folder: RunFolder | None, settings: MeasureWords, model: "Model") -> Recipe:
    """The run's recipe; without a run, what the model and the words of the command line say."""
    if folder is not None:
        recipe = load_settings(Recipe, folder.recipe)
        return recipe.model_copy(update={"measure": settings.measure})
    from ..tasks.answer import usual_settings

    shape, said = model.model.settings, settings.model_dump(mode="json")
    learnt: dict[str, Any] = {"kind": model.learnt}
    if model.task == "answer":
        learnt = usual_settings(shape.context).model_dump(mode="json")
    train = {"objective": learnt} if model.learnt or model.task == "answer" else {}
    return load_settings(Recipe, {**said, "model": shape.model_dump(mode="json"), "train": train})


_PARTLY = {
    "left_out": "pairs are empty on one side or do not fit model.context, and are left out",
    "cut texts": "texts do not fit model.context; only the beginning of each was read",
}
"""What fixes a score -> how it is told, since it says that not all of the text was measured."""


def _tell(scores: Sequence[Score], where: Mapping[str, Any], words: Words) -> None:
    for key, says in _PARTLY.items():
        if count := max((int(score.fixes.get(key, 0)) for score in scores), default=0):
            story(f"{count:,} {says}")
    if words.json:
        answer({**where, "scores": [score.to_json() for score in scores]})
    else:
        for score in scores:
            print(score)


_SPLITS = ("text.heldout", "text.heldout_frac", "text.validation", "text.split_seed")
"""Keys that divide text."""


def _refuse_idle(text: TextSettings, overrides: list[str]) -> None:
    """Refuse keys of `text` that would change nothing: all text that is read is measured."""
    for key in (override.partition("=")[0] for override in overrides):
        if key in _SPLITS:
            raise RecipeError(
                f"{key} ({COMMAND_LINE}): has no effect, as all text is measured; leave it out"
            )
        if key.startswith("text.") and not text.entries:
            raise RecipeError(
                f"{key} ({COMMAND_LINE}): has no effect without other text; name it by "
                "text.read=... or leave this out"
            )


def _defaults(folder: RunFolder | None) -> dict[str, Any]:
    """The run's own settings; every document is measured, repeated ones too."""
    all_text = {"read": [], "dedup": False, "heldout": [], "heldout_frac": 0, "validation": []}
    if folder is None:
        return {"text": all_text}
    recipe = load_settings(Recipe, folder.recipe)
    text = recipe.text.model_dump(mode="json") | all_text
    return {"text": text, "measure": recipe.measure.model_dump(mode="json")}
