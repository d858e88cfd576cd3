"""What every language model promises; each family is one file beside this one.

Shapes: B sequences, T tokens, C width, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import RecipeError
from ..settings import Settings
from ..tokens.batch import IGNORE, Batch, PairBatch, Passages
from ..tokens.tokenizer import Tokenizer


class LanguageModel(Protocol):
    """A model that can be scored and asked; it knows nothing of loss, optimizer or files."""

    settings: Any
    """The family's settings; has `kind`, `vocab` and `context`."""

    def logits(self, batch: Batch) -> Tensor:
        """Scores of every next token, (B, T, V) float32, natural-log scale, not normalised."""

    def new_cache(self, batch: int, length: int) -> Any:
        """Room to decode `batch` sequences of up to `length` tokens each."""

    def step(self, ids: Tensor, cache: Any) -> Tensor:
        """Read `ids` (B, T) after what `cache` holds, remember them, score what follows: (B, V).

        Raises:
            ShapeError: the tokens do not fit the model's context.
        """


class NeuralModel(nn.Module):
    """Base of the families that learn by gradient, whatever they learn."""

    settings: Any

    def hidden(self, batch: Any) -> Tensor:
        """What an objective starts from, mostly the last layer's output (B, T, C), in the working
        precision; `batch` is of the kind of `Rows` that the family reads.

        Raises:
            ShapeError: a row is longer than the model's context.
        """
        raise NotImplementedError

    def state_width(self) -> int:
        """Numbers per row of `Batch.state`; 0 where the family carries none."""
        return 0

    def flops_per_token(self, context: int) -> float:
        """Floating-point operations of one token's forward pass; training takes thrice that."""
        raise NotImplementedError

    def flops_of(self, rows: Any) -> float:
        """The same of a forward pass over `rows`, which are of the kind that the family reads."""
        return float(rows.tokens * self.flops_per_token(rows.context))

    def decays(self, name: str, parameter: nn.Parameter) -> bool:
        """Whether weight decay applies: matrices yes, gains, biases and positions no."""
        return parameter.ndim >= 2

    def begin(self, tokenizer: Tokenizer) -> Mapping[str, Any]:
        """Take over what the settings ask to begin from, once, before training; what came of it.

        Raises:
            RecipeError, DataError: it does not fit this model, or cannot be read.
        """
        return {}

    def input_tables(self) -> list[nn.Embedding]:
        """Tables in which tokens are looked up as they are read, all of one width; vectors that
        were learnt before can stand in them. None where the family has none."""
        embed = getattr(self, "embed", None)
        return [embed] if isinstance(embed, nn.Embedding) else []

    def sparse_gradients(self, wanted: bool) -> None:
        """Have gradients of tables that are only looked up in come as sparse tensors of the rows
        that were read, instead of whole tables of mostly zeros. Our loop takes both; torch's
        optimizers mostly do not, so it is off until asked for.

        A table that is multiplied too has a whole gradient anyway, to which autograd would add the
        rows one by one, in bf16 with a rounding for each.
        """
        output = getattr(self, "output_weight", None)
        multiplied = output() if output else None
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                module.sparse = wanted and module.weight is not multiplied

    def row_limits(self) -> dict[str, float]:
        """Parameter -> the largest 2-norm that each of its rows may have after an update."""
        return {}

    def tables(self) -> list[Tensor]:
        """Weights of which single rows are looked up or scored, rather than multiplied as a whole;
        some optimizers treat them differently."""
        return [m.weight for m in self.modules() if isinstance(m, nn.Embedding)]


class LabelModel(NeuralModel):
    """Base of the families that say what a text is, or what each of its words is.

    Shapes: L labels. Where `rows.targets` is given, words are told; its IGNORE marks the places
    that are not the first token of a word.
    """

    def label_scores(self, hidden: Tensor, rows: Passages) -> Tensor:
        """Scores of every label in float32, natural-log scale, not normalised: (B, L) of texts;
        (B, T, L) where words are told."""
        raise NotImplementedError

    def tag_nats(self, scores: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """What the labels of all words cost together, in nats.

        Args:
            scores: (B, T, L), as `label_scores` gives them.
            targets: (B, T) int64, or IGNORE.
            label_smoothing: share of a label's probability spread over all of them.
        """
        return F.cross_entropy(
            scores.flatten(0, 1),
            targets.flatten(),
            ignore_index=IGNORE,
            reduction="sum",
            label_smoothing=label_smoothing,
        )

    def tag_chances(self, scores: Tensor, words: Tensor) -> Tensor:
        """Probability of each label at each place, (B, T, L); of use where `words` (B, T) bool."""
        return scores.softmax(-1)

    def best_tags(self, scores: Tensor, words: Tensor) -> Tensor:
        """The labels to give, (B, T) int64; of use where `words` (B, T) bool."""
        return scores.argmax(-1)


class WritingModel(NeuralModel):
    """Base of the families that predict the next token of something."""

    def output_weight(self) -> Tensor:
        """(V, C): logits are `hidden @ output_weight.T`; the loss multiplies in chunks."""
        raise NotImplementedError

    def logits(self, batch: Any) -> Tensor:
        """Scores of every next token, (B, T, V) float32."""
        return (self.hidden(batch) @ self.output_weight().T).float()

    def tables(self) -> list[Tensor]:
        return [*super().tables(), self.output_weight()]


class CausalModel(WritingModel):
    """Base of the families that go on from a text."""

    endless: ClassVar[bool] = False
    """Whether it reads on beyond `settings.context`, which then only bounds the training rows."""

    def hidden(self, batch: Batch) -> Tensor:
        raise NotImplementedError

    def new_cache(self, batch: int, length: int) -> Any:
        """Room to decode `batch` sequences of up to `length` tokens each."""
        raise NotImplementedError

    def step(self, ids: Tensor, cache: Any) -> Tensor:
        """Read `ids` (B, T) behind the cache, in evaluation mode; what follows: (B, V) float32."""
        raise NotImplementedError


class PairModel(WritingModel):
    """Base of the families that write a text after reading another.

    Shapes: S tokens of a source, T of a target.
    """

    def hidden(self, batch: PairBatch) -> Tensor:
        raise NotImplementedError

    def begins_with(self, end: int) -> int:
        """Id of the token that begins what is written, where `end` is that of END."""
        return end

    def encode(self, source: Tensor, source_seen: Tensor) -> Any:
        """What a source (B, S) says, in the words of the model; made once, however much is written.

        Args:
            source: ids, padded on the right.
            source_seen: (B, S) bool, False in the padding.

        Raises:
            ShapeError: it is longer than the model's context.
        """
        raise NotImplementedError

    def new_cache(self, memory: Any, batch: int, length: int) -> "PairCache":
        """Room to write targets of up to `length` tokens for the `batch` sources of `memory`.

        Raises:
            ShapeError: `length` is more than the model's context.
        """
        raise NotImplementedError

    def step(self, ids: Tensor, cache: Any) -> Tensor:
        """Read `ids` (B, T) of the target behind the cache, in evaluation mode; what follows:
        (B, V) float32."""
        raise NotImplementedError


class PairCache(Protocol):
    """What a `PairModel` remembers while it writes."""

    def pick(self, rows: Tensor) -> None:
        """Go on with these of its rows, (rows,) int64, in this order; a row may come several times.

        A beam search keeps some beginnings and drops others in this way.
        """


_GONE = {"vectors": "", "static": False}
"""Keys that label models had before train.embed_from, with the values that asked for nothing."""


def without_gone_keys(values: Any) -> Any:
    """What a recipe or config.json says, without the keys of an earlier version.

    Raises:
        ValueError: one of them is set.
    """
    if not isinstance(values, Mapping):
        return values
    for key, nothing in _GONE.items():
        if values.get(key, nothing) != nothing:
            raise ValueError(
                f"{key}={values[key]!r:.60} was written for an earlier version; leave vectors and "
                "static out, and set train.embed_from and train.embed_frozen instead"
            )
    return {key: value for key, value in values.items() if key not in _GONE}


class ModelSettings(Settings):
    """What the rest of the program may ask of any family's settings."""

    objectives: ClassVar[tuple[str, ...]] = ("next_token",)
    """What the family can learn, by `objective.kind`; the first unless a recipe says otherwise."""
    carries: ClassVar[bool] = False
    """Whether the family can start a row from the state in which it left another."""
    decays: ClassVar[bool] = True
    """Whether any of the family's weights decay (`NeuralModel.decays`)."""

    @property
    def smooths(self) -> bool:
        """Whether labels that are learnt stand alone, so that each can be smoothed."""
        return True

    @property
    def mixes_rows(self) -> bool:
        """Whether what is computed of a row in training depends on the other rows of its batch, as
        with batch norm; such a batch is computed whole, and cannot be split into micro-batches."""
        return False

    @property
    def reads_pairs(self) -> bool:
        """Whether it can read two texts in a row and tell them apart."""
        return False

    def learns(self) -> tuple[str, ...]:
        """Of `objectives` those that a model of this shape can learn; the first unless a recipe
        says otherwise. None: it only makes vectors of texts."""
        return type(self).objectives

    def signs(self, tokenizer: Tokenizer) -> tuple[Sequence[int], Sequence[int]]:
        """Ids that stand before each text of which labels are told, and those behind it.

        Raises:
            DataError: the tokenizer has no such tokens.
        """
        return (), ()

    def shape(self) -> str:
        """How large it is, in the words of a report."""
        raise NotImplementedError

    def build(self) -> Any:
        """A fresh model with random weights, drawn from torch's global generator."""
        raise NotImplementedError


def need_carrying(model: Any, key: str) -> None:
    """Refuse to carry the state of a family that has none.

    Args:
        model: settings of any family.
        key: what asks for it, as one would write it.

    Raises:
        RecipeError: the family cannot.
    """
    if not type(model).carries:
        raise RecipeError(
            f"{key}: model.kind {model.kind} has no state to carry from one row to the next; "
            f"leave {key.partition('=')[0]} out, or set model.kind=rnn"
        )


def need_labels(labels: int) -> None:
    """Refuse to build a model before its labels are known.

    Raises:
        RecipeError: `labels` is 0, which stands for those of the data.
    """
    if not labels:
        raise RecipeError(
            "model.labels: 0 stands for the labels of the data, and no data are known here; set "
            "model.labels to the number of labels"
        )


def need_vocab(vocab: int) -> None:
    """Refuse to build a model before its vocabulary is known.

    Raises:
        RecipeError: `vocab` is 0, which stands for the tokenizer's size.
    """
    if not vocab:
        raise RecipeError(
            "model.vocab: 0 stands for the tokenizer's size, and no tokenizer is known here; "
            "set model.vocab to the number of token ids"
        )
