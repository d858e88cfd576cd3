"""Lingloom from Python: `lingloom.load("runs/demo").generate("从前")`.

The functions are named so that none hides a room of the package (`train`, `plan`, `measure`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, overload

import numpy as np

from .device import prepare_allocator
from .errors import RecipeError, RunError
from .loading import load as load_settings
from .measure.perplexity import MeasureSettings, perplexity
from .measure.score import Score
from .models.arpa import is_arpa_file, write_arpa
from .models.arpa_reading import open_arpa
from .models.decode import DecodeSettings, Stream
from .models.given_vectors import named_vectors
from .models.ngram import NGram
from .models.port import learnt_by, load_model, save_model
from .models.vector_files import is_vector_file, write_vectors
from .pipeline import train as pipeline
from .pipeline.estimate import plan_recipe
from .pipeline.events import Event
from .pipeline.outcome import CARD
from .pipeline.prepare import open_data
from .pipeline.proofs import evidence
from .plan.plan import Plan
from .recipe import Recipe, read
from .runs import RunFolder, find_run, write_whole
from .tasks.answer import Answered, answer
from .tasks.classify import Classified, classify
from .tasks.embed import embed
from .tasks.fill import Unmasked, fill
from .tasks.fill_gaps import WithoutGaps, fill_gaps
from .tasks.generate import generate
from .tasks.in_context import Occurrence, embed_words, nearest_in_context
from .tasks.kinds import TASKS
from .tasks.nearest import By, Near, WordVectors, analogy, nearest, similarity, word_vectors
from .tasks.tag import Tagged, tag
from .tasks.tell import Told as Text
from .tasks.translate import Translation, translate
from .text.document import Document
from .tokens.labels import LabelSet, open_label_set
from .tokens.open import open_tokenizer
from .tokens.pixels import texts_of_images
from .tokens.tokenizer import Tokenizer
from .train.objectives.objective import objective_of
from .train.objectives.span import SpanSettings
from .trust.evidence import Proof
from .trust.prove import prove as prove_run

Told = Callable[[Event], None]


class Model:
    """A trained model with its tokenizer.

    Args:
        model: of any family.
        tokenizer: the one it was trained with.
        folder: where both are kept, or the file that they are read from.
        learnt: what it was trained for (`train.objective.kind`); empty: what its family learns by
            default.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, folder: Path, learnt: str = ""):
        self.model, self.tokenizer, self.folder = model, tokenizer, folder
        self.decode = DecodeSettings()
        """Defaults of what it writes; a run brings its own."""
        self.spans: SpanSettings | None = None
        """How it looks for answers in passages; a run brings its own."""
        self.learnt = learnt
        self.task = TASKS[learnt or next(iter(model.settings.learns()), "")]
        """What it can be asked: the method of this name."""

    def generate(self, prompt: str, **decode: Any) -> str:
        """What the model writes after `prompt`.

        Args:
            prompt: the beginning of a text, in any language.
            decode: fields of DecodeSettings, such as `max_new_tokens=100`.

        Raises:
            RecipeError: a field is unknown or out of range; or the model does not go on from texts.
            ShapeError: the prompt does not fit the model's context.
        """
        return "".join(self.stream(prompt, **decode))

    def stream(self, prompt: str, **decode: Any) -> Stream[str]:
        """`generate`, piece by piece; `.reason` says at the end why it ended."""
        self._need("generate")
        settings = load_settings(DecodeSettings, self.decode.model_dump() | decode)
        return generate(self.model, self.tokenizer, prompt, settings)

    @overload
    def translate(self, text: str, **decode: Any) -> str: ...

    @overload
    def translate(self, text: Sequence[str], **decode: Any) -> list[str]: ...

    def translate(self, text: str | Sequence[str], **decode: Any) -> str | list[str]:
        """What the model writes for a text, or for each of several: a translation, if that is what
        its targets were.

        Args:
            text: one text, or several.
            decode: fields of DecodeSettings, such as `temperature=0, beams=4`.

        Raises:
            RecipeError: a field is unknown or out of range; or the model does not write for texts.
            DataError: a text is empty.
            ShapeError: a text does not fit the model's context.
        """
        several = [text] if isinstance(text, str) else text
        found = [each.text for each in self.translations(several, **decode)]
        return found[0] if isinstance(text, str) else found

    def translations(self, texts: Sequence[str], **decode: Any) -> list[Translation]:
        """`translate`, with how likely each text is and why it ends."""
        self._need("translate")
        settings = load_settings(DecodeSettings, self.decode.model_dump() | decode)
        return translate(self.model, self.tokenizer, texts, settings)

    def fill_gaps(self, text: str, **decode: Any) -> WithoutGaps:
        """What the model puts where something is missing in a text.

        Args:
            text: with `___` for each gap.
            decode: fields of DecodeSettings, such as `temperature=0`.

        Raises:
            RecipeError: a field is unknown or out of range; or the model does not fill gaps.
            DataError: there is no gap, or too many.
            ShapeError: the text does not fit the model's context.
        """
        self._need("fill_gaps")
        settings = load_settings(DecodeSettings, self.decode.model_dump() | decode)
        return fill_gaps(self.model, self.tokenizer, text, settings)

    def fill(self, text: str, best: int = 5) -> Unmasked:
        """What stands at each [MASK] of `text`: the text without gaps, and the likeliest tokens.

        Args:
            text: with [MASK] where a token is missing.
            best: tokens for each place.

        Raises:
            RecipeError: the model was not taught by hidden tokens.
            DataError: there is no [MASK].
            ShapeError: the text does not fit the model's context.
        """
        self._need("fill")
        return fill(self.model, self.tokenizer, text, best)

    def embed(self, texts: Sequence[str], normalise: bool = True) -> np.ndarray:
        """A vector for each text, (N, C) float32: the mean of the last layer over its tokens; of
        length 1, unless `normalise` is false.

        Raises:
            RecipeError: the model neither reads in both directions nor goes on from texts.
            DataError: there is no text.
            ShapeError: a text does not fit the model's context.
        """
        return embed(self.model, self.tokenizer, texts, normalise).numpy()

    def embed_words(self, texts: Sequence[str], words: Sequence[str]) -> np.ndarray:
        """A vector for each word as it stands in its text, (N, C) float32 of length 1: the mean of
        the last layer over its tokens.

        Args:
            texts: at least one.
            words: one for each text; the first place where it stands there counts.

        Raises:
            RecipeError: the model has no vector for each place of a text.
            DataError: a word does not stand in its text.
            ShapeError: a text does not fit the model's context.
        """
        return embed_words(self.model, self.tokenizer, texts, words).numpy()

    def nearest_in_context(
        self,
        text: str,
        word: str,
        texts: Iterable[str | Document],
        *,
        other: str = "",
        count: int = 10,
    ) -> list[Occurrence]:
        """Where `word` stands in `texts` in the way nearest to that in which it stands in `text`,
        nearest first; or where `other` does. Errors as `embed_words`."""
        named = ((document.id, document.text) for document in _documents(texts))
        return nearest_in_context(
            self.model, self.tokenizer, text, word, named, other=other, count=count
        )

    @overload
    def classify(self, text: str, second: str | None = None) -> str: ...  # type: ignore[overload-overlap]

    @overload
    def classify(self, text: Sequence[Text]) -> list[str]: ...

    @overload
    def classify(self, text: np.ndarray) -> str | list[str]: ...

    def classify(
        self, text: str | Sequence[Text] | np.ndarray, second: str | None = None
    ) -> str | list[str]:
        """What a text or an image is, or each of several: its likeliest label.

        Args:
            text: one text, or several; pairs, where labels are given to two texts together; of a
                model that reads images, one (H, W) of pixels 0 to 255, or several (N, H, W).
            second: the other text of the one.

        Raises:
            RecipeError: the model was not taught what texts are.
            DataError: a text is empty; or it comes alone, or with another, where those that were
                learnt from did not; or nothing says what the labels are; or pixels are no numbers
                from 0 to 255.
            ShapeError: a text does not fit the model's context, or an image has another number of
                pixels.
        """
        if isinstance(text, np.ndarray) and text.ndim == 2:
            return self.classified(text[None])[0].label
        if not isinstance(text, str):
            return [each.label for each in self.classified(text)]
        return self.classified([text if second is None else (text, second)])[0].label

    def classified(self, texts: Sequence[Text] | np.ndarray) -> list[Classified]:
        """`classify` of several, with the probability of every label."""
        self._need("classify")
        if isinstance(texts, np.ndarray):
            if not self.reads_images:
                raise RecipeError(
                    f"{self.folder}: this {self.model.settings.kind} reads texts, and no arrays of "
                    "pixels; give a list of texts"
                )
            texts = texts_of_images(texts)
        return classify(self.model, self.tokenizer, self.labels, texts)

    @property
    def reads_images(self) -> bool:
        """Whether what it tells apart are images."""
        return self.task == "classify" and self.tokenizer.kind == "pixels"

    @property
    def labels(self) -> LabelSet:
        """What the model tells apart.

        Raises:
            DataError: nothing says what the labels are.
        """
        return open_label_set(self.folder)

    def answer(self, question: str, passage: str) -> str:
        """The answer to `question` as it stands in `passage`; empty where there is none.

        Raises:
            RecipeError: the model was not taught to find answers.
            DataError: a text is empty, or the question too long.
        """
        return self.answered([(question, passage)])[0].answer

    def answered(self, asked: Sequence[tuple[str, str]]) -> list[Answered]:
        """`answer` of several questions with their passages, with places and probabilities."""
        self._need("answer")
        return answer(self.model, self.tokenizer, asked, self.spans)

    def tag(self, text: str | Sequence[str]) -> list[tuple[str, str]]:
        """The words of a text, each with what it is.

        Args:
            text: as text, or as its words.

        Raises:
            RecipeError: the model was not taught what words are.
            DataError: the text is empty; or nothing says what the labels are.
            ShapeError: the text does not fit the model's context.
        """
        (found,) = self.tagged([text])
        return [(word.word, word.label) for word in found.words]

    def tagged(self, texts: Sequence[str | Sequence[str]]) -> list[Tagged]:
        """`tag` of several texts, with probabilities and what the labels mark, such as names."""
        self._need("tag")
        return tag(self.model, self.tokenizer, self.labels, texts)

    @cached_property
    def words(self) -> WordVectors:
        """The vectors of the model's tokens, by name.

        Raises:
            RecipeError: the model has none.
        """
        return word_vectors(self.model, self.tokenizer)

    def nearest(self, words: str, count: int = 10) -> list[Near]:
        """The tokens whose vectors are nearest to that of a word, or to a sum such as
        'king - man + woman', nearest first.

        Raises:
            RecipeError: the model has no vectors of tokens.
            DataError: a word has no vector; the message names near spellings.
        """
        return nearest(self.words, words, count)

    def similarity(self, a: str, b: str) -> float:
        """Cosine of the angle between the vectors of two tokens, -1 to 1; errors as `nearest`."""
        return similarity(self.words, a, b)

    def analogy(self, a: str, b: str, c: str, count: int = 10, by: By = "add") -> list[Near]:
        """What is to `c` as `b` is to `a`, likeliest first, by 3CosAdd or 3CosMul ('mul'); errors
        as `nearest`."""
        return analogy(self.words, a, b, c, count, by)

    def measure(self, texts: Iterable[str | Document], **measure: Any) -> list[Score]:
        """Bits per byte and perplexity on `texts`, with 95% intervals.

        Args:
            texts: documents, or their texts.
            measure: fields of MeasureSettings.

        Raises:
            DataError: there is no text.
            RecipeError: the model does not go on from texts.
        """
        if self.task != "generate":
            raise RecipeError(
                f"{self.folder}: a {self.model.settings.kind} model that was trained to "
                f"{self.task} is not measured on texts alone; measure it on a file, which says "
                "what is right, with: lingloom measure RUN text.read=FILE"
            )
        settings = load_settings(MeasureSettings, measure)
        return perplexity(self.model, _documents(texts), self.tokenizer, settings).scores

    def export(self, folder: str | Path) -> None:
        """Write a Hugging Face folder that transformers opens as it is (but for a chain of labels,
        see `models/layout/bert.py`); or an ARPA file, where the model is an n-gram and `folder`
        ends in .arpa or .arpa.gz; or the vectors of its tokens, where `folder` ends in .txt, .vec
        or .bin (see `models/vector_files.py`).

        Raises:
            RunError: the folder cannot be written, or holds something other than a model.
        """
        target = Path(folder)
        if is_arpa_file(target) and isinstance(self.model, NGram):
            names = [self.tokenizer.token_of(i) for i in range(self.tokenizer.vocab)]
            write_arpa(self.model, names, target, unknown=self.tokenizer.unknown)
            return
        if is_vector_file(target):
            write_vectors(target, *named_vectors(self.model, self.tokenizer))
            return
        if target.is_dir() and any(target.iterdir()) and not (target / "config.json").is_file():
            raise RunError(f"{target}: holds other files; export to a new folder")
        with TemporaryDirectory() as kept:
            if self.folder.is_file():
                self.tokenizer.save(Path(kept))
            home = kept if self.folder.is_file() else self.folder
            save_model(self.model, target, home, learnt=self.learnt)
        card = self.folder / CARD
        if card.is_file():
            write_whole(target / CARD, card.read_text("utf-8"))

    def _need(self, task: str) -> None:
        """Refuse what this model has not learnt."""
        if self.task != task:
            raise RecipeError(
                f"{self.folder}: a {self.model.settings.kind} model that was trained to "
                f"{self.task} cannot {task}; ask it by .{self.task}(...)"
            )


def load(path: str | Path) -> Model:
    """The model of a run, by folder or name; of any Hugging Face folder of a known family; or an
    n-gram of words from an ARPA file, named .arpa or .arpa.gz.

    Raises:
        RunError: there is no such run, or it has no finished model.
        DataError: a file is missing, damaged or of an unknown kind.
    """
    folder, run = Path(path), run_of(path)
    if run is None and is_arpa_file(folder):
        return Model(*open_arpa(folder), folder)
    if run is None:
        return Model(load_model(folder), open_tokenizer(folder), folder, _known(learnt_by(folder)))
    if not (run.model / "config.json").is_file():
        raise RunError(
            f"{run.path}: has no finished model yet; go on with: lingloom train {run.path}"
        )
    recipe = load_settings(Recipe, run.recipe)
    settings: Any = recipe.model
    objective: Any = objective_of(settings, recipe.train)
    model = Model(load_model(run.model), open_tokenizer(run.model), run.model, objective.kind)
    model.decode = recipe.decode
    if isinstance(objective, SpanSettings):
        model.spans = objective
    return model


def run_of(path: str | Path) -> RunFolder | None:
    """The run of that name; None where `path` is a model without a run: a Hugging Face folder, or
    an ARPA file.

    Raises:
        RunError: there is neither.
    """
    if (Path(path) / "config.json").is_file() or is_arpa_file(path):
        return None
    return find_run(path)


def need_run(path: str | Path) -> RunFolder:
    """The run of that name, for its held-out text.

    Raises:
        RunError: there is no such run.
        RecipeError: it is a model without a run.
    """
    run = run_of(path)
    if run is None:
        raise RecipeError(
            f"{path}: is a model without a run, and has no held-out text; name some with "
            "text.read=FILE"
        )
    return run


def _known(learnt: str) -> str:
    """An objective that a folder names, if it is one of ours."""
    return learnt if learnt in TASKS else ""


def run(recipe: str | Path | Recipe, *overrides: str, tell: Told | None = None) -> Model:
    """Carry a recipe from raw text to a measured model, or go on with a stopped run.

    Memory is taken from the system as `device.prepare_allocator` says, in this process and from now
    on; where tensors were made before, a part of that comes too late, and the run may be slower.

    Args:
        recipe: a YAML file, a run, or a Recipe with `out` set.
        overrides: `key=value` words, which win.
        tell: called with each event on the way.

    Raises:
        RecipeError: the recipe is wrong; every mistake is named.
        RunError: the run cannot start or go on.
    """
    folder, events = begin(recipe, list(overrides))
    for event in events:
        if tell:
            tell(event)
    return load(folder.path)


def estimate(recipe: str | Path | Recipe, *overrides: str) -> Plan:
    """What a recipe will take on this machine: memory, seconds and disk, each with a band.

    Raises:
        RecipeError: the recipe is wrong, or names text that is not there.
    """
    prepare_allocator()  # as the run will
    return plan_recipe(recipe if isinstance(recipe, Recipe) else read(recipe, list(overrides)))


def prove(path: str | Path) -> Iterator[Proof]:
    """The program's promises, tried on a finished run; one Proof after the other.

    Raises:
        RunError: there is no such run, or it has no finished model.
    """
    run = find_run(path)
    recipe = load_settings(Recipe, run.recipe)
    return prove_run(evidence(run, recipe, open_data(run)))


def begin(
    recipe: str | Path | Recipe,
    overrides: list[str],
    stop: Callable[[], bool] = lambda: False,
) -> tuple[RunFolder, Iterator[Event]]:
    """The run of a recipe, or a run to go on with, and the events of carrying it through."""
    prepare_allocator()
    if isinstance(recipe, Recipe):
        if overrides:
            raise RecipeError("overrides go with a recipe's file; change the Recipe itself")
        if not recipe.out:
            raise RecipeError("out: is missing; a Recipe made in Python names its folder itself")
        return RunFolder(recipe.out), pipeline.start(recipe, stop)
    if Path(recipe).suffix in (".yaml", ".yml"):
        settings = read(recipe, overrides)
        return RunFolder(settings.out), pipeline.start(settings, stop)
    run = find_run(recipe)
    return run, pipeline.resume(run, overrides, stop)


def _documents(texts: Iterable[str | Document]) -> Iterator[Document]:
    for i, text in enumerate(texts):
        yield text if isinstance(text, Document) else Document(text, f"text {i}", "python")
