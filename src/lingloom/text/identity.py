"""Ids that documents bring along, told apart where a file uses one twice."""

from collections.abc import Iterator

from ..errors import DataError
from .dedup import SeenDigests, digest
from .html import Described
from .setaside import Source


def identified(described: Described, source: Source, field: str, memory_bytes: int) -> Described:
    """Each document with the id of its meta for its label, or its place where it has none. Where
    that was given in this file before, its place stands after it; ids that repeat are counted.

    Args:
        described: documents with their places for labels.
        source: told of the repeated ids.
        field: what the id is called in the file, for the message.
        memory_bytes: for digests of labels; beyond it they go to disk.

    Raises:
        DataError: the first document has no id.
    """
    with SeenDigests(memory_bytes) as seen:
        for count, (place, text, meta) in enumerate(described):
            own = meta.get("id")
            if own is None and not count:
                raise DataError(
                    f"{source.name}:{place}: no id in a field '{field}' -- set text.id_field to "
                    "the field that holds it, or leave it out"
                )
            wanted = label = place if own is None else own
            while not all(seen.add([digest(label)])):
                label = f"{label}#{place}"
            source.report.repeated_ids += own is not None and label != wanted
            yield label, text, meta


def undescribed(labelled: Iterator[tuple[str, str]]) -> Described:
    """Documents of which nothing else is known."""
    for label, text in labelled:
        yield label, text, {}
