"""Bits per byte and perplexity of any model on any text, with intervals over documents.

A document is scored as the model learnt it: END, its tokens, END again; every token and the closing
END exactly once, a long document in overlapping windows; a model that carries a state reads a long
document on and on instead. What the tokens do not spell (unknown
words, spaces that a tokenizer loses) is charged as raw bytes, ln 256 nats each, so bits per byte
is the length of a code from which the text can be had back, and no tokenizer wins by forgetting.
UTF-8 leaves enough byte patterns unused to mark where such a stretch ends at no further cost. One
thing is not charged: a character replaced by another of the same length (a line break by a space,
a capital by a small letter); such a score is marked `lossless: False`.

Source: Gao et al. 2020 (The Pile), section 3.1, for bits per byte.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, Protocol

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt, model_validator
from torch import nn

from ..errors import DataError, RecipeError
from ..models.model import CausalModel, LanguageModel, need_carrying
from ..settings import Settings
from ..text.document import Document
from ..tokens.batch import Batch
from ..tokens.evaluation import carried_batches, evaluation_batches
from ..tokens.tokenizer import Tokenizer
from ..train.objectives.cross_entropy import token_nats
from .score import Score, Tally, ratio

RAW_BYTE_NATS = math.log(256)
OF_ALL = {"batch", "resamples", "seed"}
"""Keys of MeasureSettings that mean something for every objective."""
_OF_WORDS = {"similarity", "analogies", "analogies_by"}
OF_ONE = {
    "next_token": {"documents", "stride", "carried", "hardest"},
    "pairs": {"decoded", "documents", "hardest"},
    "skip_gram": _OF_WORDS,
    "cbow": _OF_WORDS,
    "co_occurrence": _OF_WORDS,
}
"""Objective -> those that mean something for it besides."""
PIECE_BYTES = 4_000_000
"""Text of a stream that is held in memory at once; a single longer document is held whole."""


class MeasureSettings(Settings):
    """How text is scored."""

    documents: NonNegativeInt = 0
    """Documents scored: evenly spread over stored text, the first ones of a stream; 0: all."""
    stride: NonNegativeInt = 0
    """New tokens per window where a document is longer than the context: less is slower and gives
    each token more to go by. 0: half the context."""
    carried: bool = False
    """Read all documents as one stretch, in order, the model's state carried from each to the next,
    as the published figures of recurrent models on the Penn Treebank are made (Zaremba et al.
    2014); recurrent families only. A baseline is scored document by document as ever."""
    batch: PositiveInt = 16
    """Windows scored at once; changes speed and memory, not results."""
    resamples: PositiveInt = 1000
    """Draws behind each 95% interval."""
    seed: NonNegativeInt = 0
    """Fixes those draws."""
    decoded: NonNegativeInt = 500
    """Where a model writes one text for another: held-out sources for which it does so, spread
    evenly, to compare what it wrote with their targets by BLEU and chrF; 0: none."""
    similarity: list[str] = []
    """For vectors of words: files of two words and how alike people find them, a pair a line."""
    analogies: list[str] = []
    """For vectors of words: files of questions `a b c d`, one a line: d is to c as b is to a. Lines
    `: NAME` begin sections, which are scored by themselves too."""
    analogies_by: Literal["add", "mul"] = "add"
    """How they are answered: by the word nearest to b - a + c (3CosAdd), or that with the largest
    product of its nearness to b and to c, over that to a (3CosMul)."""
    hardest: NonNegativeInt = 5
    """Documents that the report shows for needing the most bits per byte."""

    @model_validator(mode="after")
    def _there_are_analogies(self) -> "MeasureSettings":
        if self.analogies_by != "add" and not self.analogies:
            raise ValueError(
                f"analogies_by={self.analogies_by} has no effect without analogies; name files of "
                "questions in analogies, or leave analogies_by out"
            )
        return self


def need_measured(measure: MeasureSettings, objective: str) -> None:
    """Refuse keys that say nothing to a model that learnt `objective`.

    Raises:
        RecipeError: one is set.
    """
    told = OF_ALL | OF_ONE.get(objective, set())
    default = MeasureSettings()
    for key in MeasureSettings.model_fields:
        if key not in told and getattr(measure, key) != getattr(default, key):
            others = [name for name, keys in OF_ONE.items() if key in keys]
            raise RecipeError(
                f"measure.{key}: has no effect on objective {objective}, only on "
                f"{', '.join(others)}; leave it out"
            )


class StoredText(Protocol):
    """Tokenised documents that can be looked up, such as the held-out shards of a run."""

    @property
    def documents(self) -> int:
        """How many."""

    def document(self, index: int) -> np.ndarray:
        """Token ids of one, without END."""

    def document_bytes(self, index: int) -> int:
        """UTF-8 bytes of its text."""

    def document_id(self, index: int) -> str:
        """Its name."""


@dataclass(frozen=True)
class DocumentTable:
    """What each of N documents cost."""

    ids: list[str]
    nats: np.ndarray
    """(N,) float64, what the model paid for all targets, the closing END included."""
    targets: np.ndarray
    """(N,) int64, how many targets that were."""
    text_bytes: np.ndarray
    """(N,) int64, UTF-8 bytes of the text."""
    unspelt_bytes: np.ndarray
    """(N,) int64, how many of them no token spells."""

    def bits(self) -> np.ndarray:
        """Length of each document's code, (N,) float64: model and raw bytes together."""
        return (self.nats + RAW_BYTE_NATS * self.unspelt_bytes) / math.log(2)

    def bits_per_byte(self) -> Tally:
        """For `score.ratio`, and for `score.compare` with another model's."""
        return Tally(self.ids, self.bits(), self.text_bytes.astype(float))

    def nats_per_token(self) -> Tally:
        """Without the charge for unspelt bytes, as perplexities are usually given."""
        return Tally(self.ids, self.nats, self.targets.astype(float))

    def hardest(self, count: int, least_bytes: int = 100) -> list[int]:
        """Indices of the documents with the most bits per byte, hardest first; very short ones,
        where END weighs more than the text, are left out unless there are no others."""
        long = np.flatnonzero(self.text_bytes >= least_bytes)
        rows = long if len(long) else np.flatnonzero(self.text_bytes)
        order = np.argsort(-self.bits()[rows] / self.text_bytes[rows], kind="stable")
        return [int(i) for i in rows[order[:count]]]


@dataclass(frozen=True)
class Measured:
    """Scores and what they are made of."""

    scores: list[Score]
    """Bits per byte, nats per token, perplexity per token (per word, if words are the tokens)."""
    table: DocumentTable


def perplexity(
    model: LanguageModel | CausalModel,
    texts: StoredText | Iterable[Document],
    tokenizer: Tokenizer,
    settings: MeasureSettings,
    fixes: Mapping[str, Any] | None = None,
) -> Measured:
    """Score `model` on `texts`; a stream is read once, a few megabytes of it in memory at a time.

    Args:
        model: of any family; it is in evaluation mode meanwhile.
        texts: stored token ids, or documents as they come.
        tokenizer: the one that the model was trained with.
        settings: see MeasureSettings.
        fixes: what else pins the scores, such as where the text is from.

    Raises:
        DataError: there is no document, or none with any text; or one has unknown words, and the
            model gives them no probability.
        RecipeError: documents are to be joined by a state, and the model carries none.
    """
    table = document_costs(model, texts, tokenizer, settings)
    context = model.settings.context
    pinned = {
        "documents": _digest(table),
        "text_bytes": int(table.text_bytes.sum()),
        "tokenizer": f"{tokenizer.kind} {tokenizer.vocab}",
        "context": context,
    }
    if not (isinstance(model, CausalModel) and model.state_width()):
        pinned["stride"] = min(context, settings.stride or max(1, context // 2))
    elif settings.carried:
        pinned["carried"] = True
    if unspelt := int(table.unspelt_bytes.sum()):
        pinned["unspelt_bytes"] = unspelt
    if not tokenizer.lossless:
        pinned["lossless"] = False
    rest: dict[str, Any] = {
        "resamples": settings.resamples,
        "seed": settings.seed,
        "fixes": {**pinned, **(fixes or {})},
    }
    bits = ratio(table.bits_per_byte(), "bits per byte", "bits/byte", **rest)
    nats = ratio(table.nats_per_token(), "nats per token", "nats/token", **rest)
    unit = "word" if tokenizer.kind == "words" else "token"
    return Measured([bits, nats, nats.through(f"perplexity per {unit}", "", _exp)], table)


def document_costs(
    model: LanguageModel | CausalModel,
    texts: StoredText | Iterable[Document],
    tokenizer: Tokenizer,
    settings: MeasureSettings,
) -> DocumentTable:
    """What each document costs `model`, in the order in which they come."""
    parts = []
    training = isinstance(model, nn.Module) and model.training
    if isinstance(model, nn.Module):
        model.eval()
    reader = Reader(model, settings, tokenizer.end)
    try:
        for piece in _pieces(texts, tokenizer, settings.documents):
            parts.append(_piece_costs(reader, piece, tokenizer))
    finally:
        if training and isinstance(model, nn.Module):
            model.train()
    columns = zip(*parts, strict=True) if parts else [[], [], [], [], []]
    ids, *numbers = columns
    joined = [np.concatenate(column) if column else np.zeros(0) for column in numbers]
    return DocumentTable([i for some in ids for i in some], *joined)


class Reader:
    """Reads held-out documents as `settings` ask, carrying the model's state where it has one."""

    def __init__(self, model: LanguageModel | CausalModel, settings: MeasureSettings, end: int):
        self.model, self.settings, self.end = model, settings, end
        self._width = model.state_width() if isinstance(model, CausalModel) else 0
        if settings.carried and isinstance(model, CausalModel):
            need_carrying(model.settings, "measure.carried=true")
        self._state: torch.Tensor | None = None

    def batches(self, texts: StoredText) -> Iterator[tuple[Batch, np.ndarray]]:
        """Batches in the order in which `costs` must see them, each with its documents' indices;
        further texts follow on those before where `settings.carried` joins documents."""
        context, measure = self.model.settings.context, self.settings
        if not self._width:
            return evaluation_batches(texts, context, measure.batch, measure.stride, end=self.end)
        return carried_batches(
            texts,
            context,
            measure.batch,
            end=self.end,
            across=measure.carried,
            goes_on=measure.carried and self._state is not None,
        )

    def costs(self, batch: Batch) -> torch.Tensor:
        """Cost of each target in nats, (B, T) float32; 0 where nothing is scored."""
        weight = next(self.model.parameters(), None) if isinstance(self.model, nn.Module) else None
        device = torch.device("cpu") if weight is None else weight.device
        if self._width:
            rows = len(batch.ids)
            if not batch.goes_on or self._state is None:
                self._state = torch.zeros(rows, self._width, device=device)
            self._state = self._state[:rows]
            batch = replace(batch, state=self._state)
        return token_nats(self.model, batch.to(device))


def _piece_costs(
    reader: Reader, piece: StoredText, tokenizer: Tokenizer
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The columns of DocumentTable for one piece of text."""
    n = piece.documents
    nats, targets = np.zeros(n), np.zeros(n, dtype=np.int64)
    impossible = np.zeros(n, dtype=np.int64)
    for batch, owner in reader.batches(piece):
        cost = reader.costs(batch).double().cpu().numpy()
        scored = owner >= 0
        nats += np.bincount(owner[scored], weights=cost[scored], minlength=n)
        targets += np.bincount(owner[scored], minlength=n)
        unknown = (batch.targets.cpu().numpy() == tokenizer.unknown) & np.isposinf(cost)
        impossible += np.bincount(owner[scored & unknown], minlength=n)
    _refuse_impossible(piece, impossible)
    text_bytes = np.array([piece.document_bytes(i) for i in range(n)], dtype=np.int64)
    spelt = [int(tokenizer.token_bytes[piece.document(i)].sum()) for i in range(n)]
    unspelt = np.maximum(0, text_bytes - np.array(spelt, dtype=np.int64))
    return [piece.document_id(i) for i in range(n)], nats, targets, text_bytes, unspelt


def _refuse_impossible(piece: StoredText, unknown: np.ndarray) -> None:
    """Refuse documents that no model with a closed vocabulary can have written."""
    found = np.flatnonzero(unknown)
    if len(found):
        raise DataError(
            f"{piece.document_id(int(found[0]))}: {unknown[found[0]]} of its words are unknown to "
            f"the model, which gives such words no probability ({len(found)} of "
            f"{piece.documents} documents here are like that) -- leave them out, or make the "
            "model again with <unk> among its words"
        )


@dataclass(frozen=True)
class _Piece:
    """A few documents of a stream, or some of a store."""

    names: list[str]
    sizes: list[int]
    ids: list[np.ndarray]

    @property
    def documents(self) -> int:
        return len(self.names)

    def document(self, index: int) -> np.ndarray:
        return self.ids[index]

    def document_bytes(self, index: int) -> int:
        return self.sizes[index]

    def document_id(self, index: int) -> str:
        return self.names[index]


def _pieces(
    texts: StoredText | Iterable[Document], tokenizer: Tokenizer, limit: int
) -> Iterator[StoredText]:
    if isinstance(texts, Iterable):
        yield from _streamed(islice(texts, limit or None), tokenizer)
    elif texts.documents:
        yield _spread(texts, limit) if 0 < limit < texts.documents else texts


def _spread(store: StoredText, count: int) -> _Piece:
    chosen = [i * store.documents // count for i in range(count)]
    return _Piece(
        [store.document_id(i) for i in chosen],
        [store.document_bytes(i) for i in chosen],
        [store.document(i) for i in chosen],
    )


def _streamed(documents: Iterable[Document], tokenizer: Tokenizer) -> Iterator[_Piece]:
    held: list[Document] = []
    held_bytes = 0
    for document in documents:
        held.append(document)
        held_bytes += 4 * len(document.text)  # never less than its UTF-8 bytes
        if held_bytes >= PIECE_BYTES:
            yield _encoded(held, tokenizer)
            held, held_bytes = [], 0
    if held:
        yield _encoded(held, tokenizer)


def _encoded(documents: list[Document], tokenizer: Tokenizer) -> _Piece:
    texts = [document.text for document in documents]
    sizes = [len(text.encode()) for text in texts]
    return _Piece([d.id for d in documents], sizes, tokenizer.encode_batch(texts))


def _digest(table: DocumentTable) -> str:
    """Tells one set of documents from another, whatever tokenizer read them."""
    rows = (f"{name}\t{size}\n" for name, size in zip(table.ids, table.text_bytes, strict=True))
    return hashlib.sha256("".join(rows).encode()).hexdigest()[:12]


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 700 else math.inf
