"""The one thing that flows through `text/`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """A piece of text that is read, filtered, split and scored as a whole."""

    text: str
    id: str
    """Unique and stable: where it stands in its source, such as 'news.jsonl:381'."""
    source: str
    """The file or collection it came from; figures are reported per source."""
    meta: Mapping[str, Any] = field(default_factory=dict)
