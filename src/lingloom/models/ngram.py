"""n-gram with interpolated modified Kneser-Ney smoothing: the baseline that learns by counting.

From Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling",
section 3, estimated as in Heafield et al. 2013, "Scalable modified Kneser-Ney language model
estimation". Differs from KenLM's lmplz in one point: the vocabulary is the tokenizer's, all of it,
so every id has a probability above 0, and distributions sum to one without an unknown word.
`counts.py` counts, `kneser_ney.py` smooths, `backoff.py` looks up, `arpa.py` speaks to others.

The well-known 5-gram perplexity on the Penn Treebank, 141.2 (Mikolov et al. 2011, "KN5"), is from
SRILM. The paper gives no command; the example of its author's RNNLM toolkit asks for `-order 5
-kndiscount -interpolate -gt3min 1 -gt4min 1`, which leaves SRILM's own cutoff on 5-grams: those
seen once are dropped. Here that is `prune: [0, 0, 0, 0, 1]` with `pruned_mass: backoff`, each
sentence a document, `<unk>` a word like others, ends counted. The default drops nothing: 120.8
instead of 121.4 on a held-out tenth of WikiText-2's validation text (122.3 with one discount).

Shapes: B sequences, T tokens, V vocabulary, N order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, ValidationError, field_validator
from torch import Tensor

from ..errors import DataError, RecipeError
from ..tokens.batch import IGNORE, Batch
from . import ngram_files
from .backoff import Table
from .counts import count, stream
from .kneser_ney import Discounts, estimate
from .model import ModelSettings


class NGramSettings(ModelSettings):
    decays: ClassVar[bool] = False
    kind: Literal["ngram"] = "ngram"
    order: int = Field(default=5, ge=1, le=8)
    """Longest n-gram; the model looks back order - 1 tokens, never over a document's start."""
    discount: Literal["modified", "single"] = "modified"
    """Three discounts per order for counts of 1, 2 and more (Chen and Goodman), or one (Kneser and
    Ney 1995, interpolated)."""
    prune: tuple[int, ...] = (0,)
    """Per order, drop n-grams seen at most this often; the last value holds for higher orders."""
    pruned_mass: Literal["interpolate", "backoff"] = "interpolate"
    """Where the probability of dropped n-grams goes: as in KenLM, or as in SRILM."""
    vocab: int = Field(default=0, ge=0)
    """Number of token ids; 0 takes the tokenizer's."""
    end: int = Field(default=-1, ge=-1)
    """Id of END, which opens every context and closes every document; -1 takes the tokenizer's."""
    context: int = Field(default=512, gt=0)
    """Tokens per row when text is read in rows; the model itself takes rows of any length."""

    @field_validator("prune")
    @classmethod
    def _rises_from_zero(cls, prune: tuple[int, ...]) -> tuple[int, ...]:
        if not prune or prune[0] != 0 or list(prune) != sorted(prune):
            raise ValueError(
                f"{list(prune)} must start with 0 (every word stays) and never fall, as [0, 0, 1]"
            )
        return prune

    def shape(self) -> str:
        return f"order {self.order}"

    def build(self) -> "NGram":
        """A model that has seen nothing: until `fit`, every token is equally likely."""
        return NGram(self)


@dataclass
class NGramCache:
    """What decoding remembers."""

    contexts: np.ndarray
    """(N - 1, B) int64; row m - 1 holds the id of the m-gram that ends at the last token read."""


class NGram:
    """Implements LanguageModel. Wherever ids come in, END opens a document."""

    def __init__(self, settings: NGramSettings):
        if settings.vocab == 0 or not 0 <= settings.end < settings.vocab:
            raise RecipeError(
                f"ngram: vocab is {settings.vocab} and end is {settings.end}; both must be known "
                "before the model is built -- take them from the tokenizer"
            )
        self.settings = settings
        self.vocab, self.end, self.begin = settings.vocab, settings.end, settings.vocab
        self.table = Table.uniform(settings.vocab)
        self.discounts: list[Discounts] = []

    # ------------------------------------------------------------------ learning

    def fit(self, documents: Iterable[np.ndarray]) -> None:
        """Count and smooth; replaces what was learnt before. `discounts` tells what was subtracted.

        Args:
            documents: token ids of each document, (tokens,) of any integer type, without END.

        Raises:
            DataError: there is no document, or an id is not in the vocabulary or is END.
        """
        settings = self.settings
        prune = [settings.prune[min(n, len(settings.prune) - 1)] for n in range(settings.order)]
        grams = count(stream(documents, self.vocab, self.end), self.vocab, settings.order)
        self.table, self.discounts = estimate(
            grams, kind=settings.discount, prune=prune, mass=settings.pruned_mass
        )

    def sizes(self) -> list[int]:
        """Number of n-grams of each order; the first is the vocabulary and the begin symbol."""
        return [len(level.keys) for level in self.table.levels]

    # ------------------------------------------------------------------ scoring

    def score(self, ids: np.ndarray) -> np.ndarray:
        """ln p of each token after those before it, (tokens,) float64.

        Args:
            ids: (tokens,) documents in a row, each closed by END; the first starts at its start.
        """
        ids = self._checked(ids)
        ends = np.flatnonzero(ids == self.end)
        begins = np.concatenate([[0], ends + 1])
        words = np.insert(ids, begins, self.begin)
        places = np.ones(len(words), dtype=bool)
        places[begins + np.arange(len(begins))] = False
        return self.table.score(words)[places]

    def token_nats(self, batch: Batch) -> Tensor:
        """-ln p(target) at each place, (B, T) float32, 0 where the target is IGNORE; never makes
        the (B, T, V) of `logits`."""
        targets = batch.targets.reshape(-1).cpu().numpy()
        scored = np.flatnonzero(targets != IGNORE)
        contexts = self._contexts(batch)[:, scored]
        nats = np.zeros(len(targets))
        nats[scored] = -self.table.score_after(contexts, self._checked(targets[scored]))
        return torch.from_numpy(nats).float().view(batch.ids.shape)

    def log_prob(self, context: Sequence[int], word: int) -> float:
        """ln p(word | context)."""
        column = self._context(context)[:, None]
        return float(self.table.score_after(column, self._checked(np.array([word])))[0])

    def distribution(self, context: Sequence[int]) -> np.ndarray:
        """p of every next token, (V,) float64, sums to one."""
        return self.table.distribution(self._context(context))

    def logits(self, batch: Batch) -> Tensor:
        """ln p of every next token, (B, T, V) float32. Before a row's first token nothing is known,
        unless it is END; a new segment within a row starts a document."""
        return self._log_distributions(self._contexts(batch)).view(*batch.ids.shape, self.vocab)

    # ------------------------------------------------------------------ decoding

    def new_cache(self, batch: int, length: int) -> NGramCache:
        """Room for `batch` sequences of any length; nothing is read yet, not even END."""
        return NGramCache(np.full((self.table.order - 1, batch), -1, dtype=np.int64))

    def step(self, ids: Tensor, cache: NGramCache) -> Tensor:
        """Read `ids` (B, T) after what `cache` holds; ln p of what follows, (B, V) float32."""
        for words in self._opened(ids.cpu().numpy()).T:
            cache.contexts = self.table.advance(cache.contexts, words)
        return self._log_distributions(cache.contexts)

    # ------------------------------------------------------------------ contexts

    def _contexts(self, batch: Batch) -> np.ndarray:
        """The context after each place of all rows, (N - 1, B * T) int64."""
        words = self._opened(batch.ids.cpu().numpy())
        B, T = words.shape
        row = np.full((B, T, 2), -2, dtype=np.int64)  # what opens a word, or -2; then the word
        row[:, :, 1] = words
        row[:, 0, 0] = -1
        if batch.segments is not None:
            segments = batch.segments.cpu().numpy()
            row[:, 1:, 0][segments[:, 1:] != segments[:, :-1]] = self.begin
        flat = row.reshape(-1)
        used = flat != -2
        return self.table.contexts(flat[used])[:, (np.cumsum(used) - 1)[1::2]]

    def _context(self, ids: Sequence[int]) -> np.ndarray:
        """The context after `ids`, (N - 1,) int64."""
        words = self._opened(np.array([-1, *ids][-self.table.order :], dtype=np.int64))
        return self.table.contexts(words)[:, -1]

    def _log_distributions(self, contexts: np.ndarray) -> Tensor:
        """ln p for each column, (columns, V) float32; equal columns are worked out once."""
        out = torch.empty(contexts.shape[1], self.vocab)
        places: dict[bytes, list[int]] = {}
        for place, column in enumerate(contexts.T):
            places.setdefault(column.tobytes(), []).append(place)
        for equal in places.values():
            p = self.table.distribution(contexts[:, equal[0]])
            with np.errstate(divide="ignore"):  # a closed vocabulary has an impossible word
                out[equal] = torch.from_numpy(np.log(p)).float()
        return out

    def _opened(self, ids: np.ndarray) -> np.ndarray:
        """The same ids with the begin symbol for END."""
        ids = self._checked(ids, lowest=-1)
        return np.where(ids == self.end, self.begin, ids)

    def _checked(self, ids: np.ndarray, lowest: int = 0) -> np.ndarray:
        ids = np.asarray(ids).astype(np.int64)
        if ids.size and not (ids.min() >= lowest and ids.max() < self.vocab):
            raise DataError(
                f"n-gram: token ids from {ids.min()} to {ids.max()}, but the vocabulary has "
                f"{self.vocab} -- use the tokenizer that the model was trained with"
            )
        return ids

    # ------------------------------------------------------------------ files

    def save(self, folder: Path) -> None:
        """Write `config.json` and `ngram.safetensors` into `folder`."""
        ngram_files.write(folder, self.settings, self.table, self.discounts)

    @classmethod
    def load(cls, folder: Path) -> "NGram":
        """The model that `save` wrote.

        Raises:
            DataError: a file is missing, damaged, or not an n-gram model.
        """
        values, table, discounts = ngram_files.read(folder)
        try:
            model = cls(NGramSettings(**values))
        except (ValidationError, RecipeError) as error:
            raise DataError(
                f"{folder}: the settings of this model are wrong -- {ngram_files.AGAIN}\n{error}"
            ) from None
        model.table, model.discounts = table, discounts
        return model
