"""From scores to text: choosing one token after another, and streaming what they spell.

Works with every language model, neural or counted. All randomness comes from one seed.
"""

import sys
from codecs import getincrementaldecoder
from collections.abc import Generator, Iterator, Sequence
from typing import Generic, Literal, Self, TypeVar

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from ..errors import DataError, RecipeError
from ..settings import Settings
from ..tokens.tokenizer import Tokenizer
from .layers import check_length
from .model import LanguageModel

Reason = Literal["end", "length", "context", "stop"]
"""Why a generation ended: the model said so, max_new_tokens was reached, the model's context is
full, or a stop text appeared."""
T = TypeVar("T")
WINDOW = 8
"""Tokens that are decoded again with each new one, for the blanks that tokenizers put between."""


WRITES = ("next_token", "pairs", "span_corruption")
"""Objectives after which a model writes text."""


class DecodeSettings(Settings):
    """How the next token is chosen, and when to stop."""

    max_new_tokens: PositiveInt = 200
    """At most so many tokens are generated."""
    temperature: float = Field(default=0.8, ge=0)
    """Scores are divided by this; 0 always takes the likeliest token."""
    top_k: NonNegativeInt = 0
    """Choose among so many likeliest tokens only; 0 is off (Fan et al. 2018)."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Choose among the fewest likeliest tokens that hold this probability (Holtzman 2020)."""
    min_p: float = Field(default=0.0, ge=0, lt=1)
    """Leave out tokens less likely than this share of the likeliest (Nguyen et al. 2024)."""
    repetition_penalty: PositiveFloat = 1.0
    """Above 1 makes tokens that were already there less likely (Keskar et al. 2019, CTRL, 4.1)."""
    beams: PositiveInt = 1
    """Beginnings that are kept side by side while a text is written after another one, to find the
    likeliest; it needs temperature 0. 1 chooses token by token."""
    length_penalty: float = Field(default=0.0, ge=0, le=10)
    """With beams: alpha of Wu et al. 2016, equation 14; 0 prefers short texts, 1 long ones."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer; they are not part of it."""
    seed: NonNegativeInt = 0
    """The same seed gives the same text."""

    @model_validator(mode="after")
    def _all_options_have_an_effect(self) -> Self:
        if self.beams == 1 and self.length_penalty:
            raise ValueError(
                f"length_penalty {self.length_penalty:g} has no effect on one beam; set beams=4 or "
                "leave it out"
            )
        idle = {"temperature": 0, "top_k": 0, "top_p": 1, "min_p": 0, "repetition_penalty": 1}
        for name, off in idle.items():
            value = getattr(self, name)
            if self.beams > 1 and value != off:
                raise ValueError(
                    f"{name} {value:g} has no effect on beams {self.beams}, which look for the "
                    f"likeliest text; set {name}={off} or beams=1"
                )
        return self


class Stream(Generic[T], Iterator[T]):
    """An iterator that knows, once it has ended, why."""

    def __init__(self, items: Generator[T, None, Reason]):
        self._items = items
        self.reason: Reason | None = None
        """None while more may come."""

    def __next__(self) -> T:
        try:
            return next(self._items)
        except StopIteration as end:
            self.reason = end.value or self.reason
            raise StopIteration from None


def generate(
    model: LanguageModel, prompt_ids: Sequence[int], end: int | None, settings: DecodeSettings
) -> Stream[int]:
    """Token ids that follow the prompt, one by one; END itself is not among them.

    When the model's context is full the generation ends with reason 'context'; nothing slides.

    Args:
        model: any language model; a neural one is put into evaluation mode.
        prompt_ids: what to go on from, taken exactly as given. An empty prompt stands for `end`,
            as every document starts behind one.
        end: id of END, which stops the generation; None to go on until a limit.
        settings: `stop` is for `stream_text`, which sees text.

    Raises:
        DataError: the prompt is empty, and there is no `end` to start from.
        RecipeError: beams are asked for.
        ShapeError: the prompt is longer than the model's context.
    """
    need_decoded(settings, "next_token")
    prompt = list(prompt_ids)
    if not prompt:
        if end is None:
            raise DataError(
                "the prompt has no tokens, and no END is given to start a document with; "
                "give at least one token"
            )
        prompt = [end]
    check_length(len(prompt), _room(model))
    if isinstance(model, nn.Module):
        model.eval()
    return Stream(_generate(model, prompt, end, settings))


def need_decoded(settings: DecodeSettings, objective: str) -> None:
    """Refuse keys that say nothing to a model that learnt `objective`.

    Raises:
        RecipeError: one is set.
    """
    if objective not in WRITES:
        default = DecodeSettings()
        for key in DecodeSettings.model_fields:
            if getattr(settings, key) != getattr(default, key):
                raise RecipeError(
                    f"decode.{key}: has no effect on objective {objective}, of which no text is "
                    "written; leave it out"
                )
    elif settings.beams > 1 and objective != "pairs":
        raise RecipeError(
            f"decode.beams: {settings.beams} beams are for models that write a text for another "
            f"one, and after objective {objective} a text is written token by token; set "
            "decode.beams=1 decode.length_penalty=0"
        )


def _generate(
    model: LanguageModel, ids: list[int], end: int | None, settings: DecodeSettings
) -> Generator[int, None, Reason]:
    context = _room(model)
    cache = model.new_cache(1, min(context, len(ids) + settings.max_new_tokens))
    draws = torch.Generator().manual_seed(settings.seed)
    scores = model.step(torch.tensor([ids]), cache)[0]
    for made in range(1, settings.max_new_tokens + 1):
        chosen = choose(scores.float().cpu(), ids, settings, draws)
        if chosen == end:
            return "end"
        ids.append(chosen)
        yield chosen
        if made == settings.max_new_tokens:
            return "length"
        if len(ids) > context:
            return "context"
        scores = model.step(torch.tensor([[chosen]]), cache)[0]
    raise AssertionError("the loop returns")


def _room(model: LanguageModel) -> int:
    """Tokens that the model can read in all."""
    return sys.maxsize if getattr(model, "endless", False) else int(model.settings.context)


def choose(
    scores: Tensor, seen: Sequence[int], settings: DecodeSettings, draws: torch.Generator
) -> int:
    """The id of the next token.

    Args:
        scores: (V,) float32, natural-log scale, not normalised.
        seen: ids that the repetition penalty makes less likely.
        settings: temperature and limits; applied in the order penalty, temperature, top_k, top_p,
            min_p.
        draws: where the randomness comes from; not touched at temperature 0.
    """
    if settings.repetition_penalty != 1.0 and seen:
        scores = penalise(scores, seen, settings.repetition_penalty)
    if settings.temperature == 0:
        return int(scores.argmax())
    chances = keep(torch.softmax(scores.double() / settings.temperature, dim=-1), settings)
    return int(torch.multinomial(chances, 1, generator=draws))


def penalise(scores: Tensor, seen: Sequence[int], penalty: float) -> Tensor:
    """`scores` with those of `seen` ids divided (above 0) or multiplied (below) by `penalty`.

    Source: Keskar et al. 2019 (CTRL), section 4.1, with the sign handled as everyone does since.
    """
    ids = torch.tensor(sorted(set(seen)))
    old = scores[ids]
    return scores.index_copy(0, ids, torch.where(old > 0, old / penalty, old * penalty))


def keep(chances: Tensor, settings: DecodeSettings) -> Tensor:
    """`chances` (V,) with the tokens outside top_k, top_p and min_p at 0; not normalised again.

    The likeliest token always stays. Equal chances are cut off in the order of their ids.
    """
    ranked, ids = chances.sort(descending=True, stable=True)
    if settings.top_k:
        ranked[settings.top_k :] = 0
    if settings.top_p < 1:
        before = ranked.cumsum(0) - ranked  # probability of everything likelier
        ranked[before >= settings.top_p * ranked.sum()] = 0
    if settings.min_p:
        ranked[ranked < settings.min_p * ranked[0]] = 0
    return torch.zeros_like(chances).scatter(0, ids, ranked)


def stream_text(
    tokenizer: Tokenizer,
    ids: Iterator[int],
    prompt_ids: Sequence[int] = (),
    stop: Sequence[str] = (),
) -> Stream[str]:
    """The text of `ids` in pieces, as soon as its characters are whole.

    Joined, the pieces are the text that the ids add to the prompt. Bytes that are no UTF-8 become
    U+FFFD. What might be the start of a stop text is held back until it is known not to be.

    Args:
        tokenizer: spells the ids.
        ids: such as `generate` gives; its reason becomes this stream's.
        prompt_ids: what stands before; decides whether a blank comes first.
        stop: texts that end the stream with reason 'stop'; neither they nor what follows is given.
    """
    return Stream(_stream_text(tokenizer, ids, prompt_ids, tuple(s for s in stop if s)))


def _stream_text(
    tokenizer: Tokenizer, ids: Iterator[int], prompt_ids: Sequence[int], stop: Sequence[str]
) -> Generator[str, None, Reason]:
    decoder = getincrementaldecoder("utf-8")("replace")
    window, held = list(prompt_ids[-WINDOW:]), ""
    for token in ids:
        before = len(tokenizer.decode_bytes(window)) if window else 0
        window.append(token)
        held += decoder.decode(tokenizer.decode_bytes(window)[before:])
        window = window[-WINDOW:]
        if (at := _first(held, stop)) is not None:
            if at:
                yield held[:at]
            return "stop"
        free = len(held) - max((_begun(held, s) for s in stop), default=0)
        if free:
            yield held[:free]
            held = held[free:]
    held += decoder.decode(b"", final=True)
    if held:
        yield held
    return getattr(ids, "reason", None) or "end"


def _first(text: str, stop: Sequence[str]) -> int | None:
    """Where the first stop text starts."""
    found = [at for s in stop if (at := text.find(s)) >= 0]
    return min(found, default=None)


def _begun(text: str, stop: str) -> int:
    """Characters at the end of `text` that `stop` starts with."""
    longest = min(len(stop) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
