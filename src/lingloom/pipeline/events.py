"""What the long verbs say while they work; the command line draws it, Python may ignore it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Stage = Literal[
    "run",
    "plan",
    "corpus",
    "text",
    "tokenizer",
    "shards",
    "labels",
    "baseline",
    "model",
    "train",
    "measure",
    "report",
    "ladder",
    "rung",
]


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    stage: Stage
    what: Literal["begin", "progress", "stopped", "end"]
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What is about to happen, figures so far, or the result."""
