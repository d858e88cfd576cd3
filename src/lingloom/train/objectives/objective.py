"""What every objective promises; each is one file beside this one.

An objective knows what it learns from: which rows are read at each step, and what they cost. It
answers (sum of losses, number of targets), never a mean: a mean of means is wrong as soon as two
micro-batches hold different numbers of targets, so the loop divides once, by the count of the step.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from ...errors import RecipeError
from ...models.model import ModelSettings
from ...settings import Kinds, Settings
from ...text.read import TextSettings
from ...tokens.batch import Rows
from ...tokens.reading import Order, Reading
from ...tokens.tokenizer import Tokenizer, TokenizerSettings
from ..settings import TrainSettings
from .kinds import OBJECTIVES

Objective = Callable[[Any, Any], tuple[Tensor, int]]
"""(model, rows) -> (summed loss in nats, number of targets)."""


Amount = tuple[float, float, float]
"""What is expected, and the least and most that would not surprise."""


@dataclass(frozen=True)
class Preparation:
    """What an objective takes to make of the text, once, before the first step."""

    name: str
    """What is made."""
    seconds_s: Amount
    memory_bytes: Amount
    """While it is made."""
    lasting_bytes: Amount
    """Of memory, while training reads it."""
    disk_bytes: Amount
    """At the fullest moment."""


class ObjectiveSettings(Settings):
    """What is learnt from what."""

    unit: ClassVar[str] = "nats/token"
    """Of the loss, over its count."""
    labels_of: ClassVar[Literal["", "text", "word"]] = ""
    """What carries a label that is learnt; empty where none is."""

    learns_targets: ClassVar[bool] = False
    """Whether it learns from the targets of texts."""

    seconds: ClassVar[Literal["never", "may", "must"]] = "never"
    """Whether it reads a second text beside each."""

    learns_answers: ClassVar[bool] = False
    """Whether it learns where answers stand in these."""

    fills: ClassVar[bool] = True
    """Whether rows fill the model's context, however long texts are."""

    smooths: ClassVar[bool] = True
    """Whether it has labels that can be smoothed."""

    packings: ClassVar[tuple[str, ...]] = ("stream",)
    """Values of train.packing that it knows."""

    @property
    def varies(self) -> bool:
        """Whether its products have many shapes, as rows or what is told of them vary."""
        return not self.fills

    def need_effect(self, model: ModelSettings, train: TrainSettings) -> None:
        """Refuse what would change nothing.

        Raises:
            RecipeError: `train` asks for label smoothing or a packing that this does not have, or
                for penalties on weights that none of `model` are.
        """
        kind, smoothing = self.kind, train.regularise.label_smoothing  # type: ignore[attr-defined]
        if smoothing and not self.smooths:
            raise RecipeError(
                f"train.regularise.label_smoothing: {smoothing:g} has no effect on objective "
                f"{kind}, which foretells no label; leave it out"
            )
        if smoothing and not model.smooths:
            raise RecipeError(
                f"train.regularise.label_smoothing: {smoothing:g} spreads the probability of "
                f"single labels, and model.kind {model.kind} learns whole paths; leave it out, "  # type: ignore[attr-defined]
                "or set model.chain=false"
            )
        for key in ("l1", "l2"):
            if (penalty := getattr(train.regularise, key)) and not model.decays:
                raise RecipeError(
                    f"train.regularise.{key}: {penalty:g} has no effect on model.kind "
                    f"{model.kind}, none of whose weights decay; leave it out"  # type: ignore[attr-defined]
                )
        if train.packing not in self.packings:
            raise RecipeError(
                f"train.packing: '{train.packing}' has no effect on objective {kind}, which reads "
                "rows of its own; leave it out"
            )

    def loss(self, model: Any, rows: Any, label_smoothing: float = 0.0) -> tuple[Tensor, int]:
        """Summed loss in nats, and the number of targets."""
        raise NotImplementedError

    def extra_tokens(self) -> Sequence[str]:
        """Names of special tokens that the tokenizer must have besides its own."""
        return ()

    def order(
        self, reading: Reading, model: ModelSettings, train: TrainSettings, seed: int
    ) -> Order:
        """What training reads at each step.

        Raises:
            DataError: there is too little of it, or it lacks what this objective learns from.
        """
        raise NotImplementedError

    def heldout(self, reading: Reading, model: ModelSettings, batch: int) -> Iterator[Rows]:
        """Everything that is held out, once, `batch` rows at a time, in the same way every time."""
        raise NotImplementedError

    def preparation(self, tokens: float) -> Preparation | None:
        """What it takes to get ready to learn from a text of so many tokens; None: next to nothing.

        Args:
            tokens: of the training text.
        """
        return None

    def pretended(
        self, model: ModelSettings, train: TrainSettings, rows: int, context: int
    ) -> Rows:
        """Rows of the right shape with any content, by which memory and time are foretold.

        Args:
            model: with `vocab` settled.
            train: packing is looked at.
            rows: how many.
            context: places of each.
        """
        raise NotImplementedError


def need_labels_in(text: TextSettings, objective: ObjectiveSettings) -> None:
    """Refuse to learn from labels that the text does not have, and labels that nothing learns from.

    Raises:
        RecipeError: one of the two.
    """
    kind, of = objective.kind, objective.labels_of  # type: ignore[attr-defined]
    if of and not text.labelled:
        how = "one for the whole text" if of == "text" else "one for each word, divided by blanks"
        raise RecipeError(
            f"text.label_field: objective {kind} learns from labels, and no field is named; set "
            f"text.label_field to the field that holds them, {how}; or see text.label_from"
        )
    for key in ("label_field", "label_from", "labels"):
        value, default = getattr(text, key), type(text).model_fields[key].default
        if value != default and not of:
            raise RecipeError(
                f"text.{key}: objective {kind} learns from no labels; leave text.{key}={value} "
                "out, or choose a model or train.objective.kind that tells labels"
            )


def need_targets_in(text: TextSettings, objective: ObjectiveSettings) -> None:
    """Refuse to learn from targets that the text does not have, and targets that nothing learns
    from.

    Raises:
        RecipeError: one of the two.
    """
    kind = objective.kind  # type: ignore[attr-defined]
    if objective.learns_targets and not text.target_field:
        raise RecipeError(
            f"text.target_field: objective {kind} learns to write a target for each text, and no "
            "field is named; set text.target_field to the field that holds it, of a file of jsonl, "
            "csv, tsv or parquet"
        )
    if text.target_field and not objective.learns_targets:
        raise RecipeError(
            f"text.target_field: objective {kind} reads no targets; leave text.target_field "
            f"'{text.target_field}' out, or choose a model or train.objective.kind that writes them"
        )


def need_all_words(
    tokens: TokenizerSettings, objective: ObjectiveSettings, stored: Tokenizer | None = None
) -> None:
    """Refuse to leave words out where each of them, or its place, is to be told.

    Args:
        tokens: of the recipe.
        objective: of the recipe.
        stored: the tokenizer that `tokens` opens, where it is there already.

    Raises:
        RecipeError: stop words are left out.
    """
    if objective.labels_of != "word" and not objective.learns_answers:
        return
    stop_words = getattr(tokens, "stop_words", None)
    remedy = "leave tokens.stop_words out"
    leaves_out = stop_words and (stop_words.lists or stop_words.by_frequency)
    if stored is not None:
        leaves_out = getattr(getattr(stored, "separate", None), "stop_words", None)
        remedy = "name another tokens.folder, or train a tokenizer"
    if leaves_out:
        raise RecipeError(
            "tokens.stop_words: words that are left out have no label and no place, and objective "
            f"{objective.kind} learns what or where each word is; {remedy}"  # type: ignore[attr-defined]
        )


def need_seconds_in(text: TextSettings, objective: ObjectiveSettings, model: ModelSettings) -> None:
    """Refuse to read two texts at once where one of them is missing, or where `model` or what it
    learns knows one text only; and the same of answers.

    Raises:
        RecipeError: one of these.
    """
    kind, field = objective.kind, text.second_field  # type: ignore[attr-defined]
    if objective.seconds == "must" and not field:
        raise RecipeError(
            f"text.second_field: objective {kind} finds the answers to questions in passages, and "
            "no field of passages is named; set text.field to the one that holds questions, "
            "text.second_field to that of passages, and text.answer_field to that of answers"
        )
    if field and objective.seconds == "never":
        instead = "; targets are named as text.target_field" if objective.learns_targets else ""
        raise RecipeError(
            f"text.second_field: objective {kind} reads one text at a time; leave "
            f"text.second_field '{field}' out, or choose an objective that reads two, span or "
            f"classify{instead}"
        )
    if field and not model.reads_pairs:
        raise RecipeError(
            f"text.second_field: this {model.kind} cannot tell two texts apart; leave "  # type: ignore[attr-defined]
            f"text.second_field '{field}' out, or set model.kind=bert with parts of 2 or more"
        )
    if objective.learns_answers and not text.answer_field:
        raise RecipeError(
            f"text.answer_field: objective {kind} learns where answers stand, and no field is "
            "named; set text.answer_field to the one that holds them"
        )
    if text.answer_field and not objective.learns_answers:
        raise RecipeError(
            f"text.answer_field: objective {kind} learns no answers; leave text.answer_field "
            f"'{text.answer_field}' out, or choose train.objective.kind span"
        )


def objective_of(model: ModelSettings, train: TrainSettings) -> ObjectiveSettings:
    """What `model` learns under `train`: `train.objective`, or what the family learns by default.

    Raises:
        RecipeError: the family cannot learn that.
    """
    able, chosen = model.learns(), train.objective
    if not able:
        raise RecipeError(
            f"model.head: a {model.kind} with head={model.head} learns nothing, it only makes "  # type: ignore[attr-defined]
            "vectors of texts; choose another head"
        )
    if chosen is None:
        chosen = Kinds(OBJECTIVES).settings_class(able[0])()
    assert isinstance(chosen, ObjectiveSettings)
    kind = chosen.kind  # type: ignore[attr-defined]
    if kind not in able:
        raise RecipeError(
            f"train.objective.kind: model.kind {model.kind} cannot learn {kind}, "  # type: ignore[attr-defined]
            f"only {', '.join(able)}; choose one of these, or {_instead(model, kind)}"
        )
    return chosen


def _instead(model: ModelSettings, kind: str) -> str:
    """What to do for a model to learn `kind`."""
    return "another model.head" if kind in type(model).objectives else "another model"
