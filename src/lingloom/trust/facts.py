"""What a report and a model card are made of: plain values, every part optional.

Whoever opens the run folder fills these; the report draws them and the card reasons from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..measure.score import Score


@dataclass(frozen=True)
class ModelFacts:
    """The model in figures; a figure that is not known stays None."""

    kind: str = ""
    """The family: 'llama', 'gpt2', 'ngram'."""
    shape: str = ""
    """In words: '6 layers, 6 heads, width 384'."""
    parameters: int | None = None
    vocab: int | None = None
    context: int | None = None
    tokenizer: str = ""
    """Kind of the tokenizer."""
    bytes_per_token: float | None = None
    """Mean over the training text: 1 for bytes, about 4 for English subwords."""
    train_tokens: int | None = None
    """Tokens in the training split."""
    seen_tokens: int | None = None
    """Tokens that training read, repeats included."""
    task: str = "generate"
    """What it can be asked; see tasks/kinds.py."""
    began_with: str = ""
    """The model whose weights training began with; empty: random ones."""


@dataclass(frozen=True)
class Curve:
    """How training went."""

    train: Sequence[tuple[int, float]] = ()
    """(step, loss)."""
    watched: Sequence[tuple[int, float]] = ()
    """(step, loss on text that is not trained on)."""
    lr: Sequence[tuple[int, float]] = ()
    """(step, learning rate)."""
    unit: str = "nats/token"
    """Unit of both losses."""
    split: str = "heldout"
    """Whose losses `watched` are: of the held-out text, or 'validation', which is not scored."""


@dataclass(frozen=True)
class PlanRow:
    """One promise made before the first step, and what came of it."""

    what: str
    unit: str
    predicted: float | None = None
    low: float | None = None
    high: float | None = None
    actual: float | None = None

    def kept(self) -> bool | None:
        """Whether the outcome fell inside the promised band; None while either is unknown."""
        if self.actual is None or self.low is None or self.high is None:
            return None
        return self.low <= self.actual <= self.high


@dataclass(frozen=True)
class Count:
    """Documents and bytes under one name: a source, a language, an encoding, a reason."""

    name: str
    documents: int
    text_bytes: int = 0


@dataclass(frozen=True)
class DataFacts:
    """The text in figures."""

    splits: Sequence[Count] = ()
    """'train' and 'heldout', after cleaning."""
    sources: Sequence[Count] = ()
    languages: Sequence[Count] = ()
    """Where the text is a corpus whose filters asked for them."""
    encodings: Sequence[Count] = ()
    dropped: Sequence[Count] = ()
    """Reason for which documents were left out."""
    set_aside: Sequence[tuple[str, str]] = ()
    """(file and line, why it could not be read); the first few."""
    set_aside_total: int | None = None
    """How many lines could not be read; None: as many as are listed."""


@dataclass(frozen=True)
class Sample:
    """What the model made of a text."""

    prompt: str
    text: str
    decoding: str = ""
    """Such as 'temperature 0.8, top-k 50, seed 0'."""
    continues: bool = True
    """Whether `text` goes on from `prompt`, rather than being an answer to it."""


@dataclass(frozen=True)
class DocumentRow:
    """One held-out document and how well the model foretold it."""

    id: str
    bits_per_byte: float
    text_bytes: int
    excerpt: str = ""


@dataclass(frozen=True)
class ProofRow:
    """One self-test on this very run."""

    name: str
    claim: str
    passed: bool | None
    """None: it could not be tried here; the numbers say why."""
    numbers: str = ""


@dataclass(frozen=True)
class ReportData:
    """Everything a report can show."""

    name: str
    summary: str = ""
    model: ModelFacts = ModelFacts()
    scores: Mapping[str, Sequence[Score]] = field(default_factory=dict)
    """Who -> its scores; the last one is the model, those before it are what it must beat."""
    difference: Score | None = None
    """Bits per byte of the model minus those of the baseline, paired by document."""
    curve: Curve = Curve()
    plan: Sequence[PlanRow] = ()
    data: DataFacts = DataFacts()
    samples: Sequence[Sample] = ()
    worst: Sequence[DocumentRow] = ()
    events: Sequence[str] = ()
    """What the guard did: steps skipped, rolled back."""
    proofs: Sequence[ProofRow] = ()
    recipe: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions, commit, seed, machine, dates."""
    limits: Sequence[str] = ()
    """Limits that the run's owner adds to those that follow from the figures."""
