"""How a family's settings and tensors are written in the Hugging Face layout: config.json, and
tensors by name. Each family is one file beside this one; `port.py` reads and writes with them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ..model import ModelSettings
from .config import Config


@dataclass(frozen=True)
class Piece:
    """A tensor of ours and the tensors that hold it in the other layout."""

    ours: str
    """Empty for a bias that we leave out and the other layout holds as zeros."""
    theirs: dict[str, tuple[int, ...]]
    """Name and shape as stored; ours is their rows, one below the other."""
    transposed: bool = False
    """Whether theirs is stored as (inputs, outputs)."""


@dataclass(frozen=True)
class Family:
    """How one family is written in the other layout."""

    architecture: str
    prefix: str
    """May stand before every name but those that `bare` matches."""
    pieces: Callable[[Any], Iterator[Piece]]
    config: Callable[[Any], dict[str, Any]]
    settings: Callable[[Config], ModelSettings]
    ignored: str
    """Pattern of stored names that are no weights."""
    model_type: str = ""
    """As config.json has it; empty where it is the family's kind."""
    bare: str = r"lm_head\."
    """Pattern with which names begin that never have the prefix."""
    older: Mapping[str, str] = field(default_factory=dict)
    """Ends of names as older files have them -> as they are now."""

    def stored_as(self, name: str) -> str:
        """The name under which we write a tensor of theirs."""
        return name if re.match(self.bare, name) else self.prefix + name

    def known_as(self, name: str) -> str:
        """What a name in a file stands for, without the prefix."""
        name = name.removeprefix(self.prefix)
        for old, new in self.older.items():
            if name.endswith(old):
                return name.removesuffix(old) + new
        return name


def own(settings: type[ModelSettings]) -> Family:
    """The layout of a family that nobody else writes: all names are our own."""
    kind: str = settings.model_fields["kind"].default

    def config(s: ModelSettings) -> dict[str, Any]:
        return {"lingloom": s.model_dump(mode="json", exclude={"kind", "vocab", "tied"})}

    def read(config: Config) -> ModelSettings:
        values: dict[str, Any] = {"vocab": config.need("vocab_size")}
        if "tied" in settings.model_fields:
            values["tied"] = config.need("tie_word_embeddings")
        return settings(**values | config.table("lingloom"))

    return Family(
        architecture=f"Lingloom{settings.__name__.removesuffix('Settings')}",
        prefix="",
        pieces=_own_pieces,
        config=config,
        settings=read,
        ignored="",
        model_type=f"lingloom_{kind}",
    )


def _own_pieces(s: Any) -> Iterator[Piece]:
    """Every tensor under our own name."""
    with torch.device("meta"):
        model = s.build()
    for name, tensor in model.state_dict().items():  # running statistics included
        yield Piece(name, {name: tuple(tensor.shape)})
