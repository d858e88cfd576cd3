"""csv and tsv: the text column of each record, however many lines a quoted value spans."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from ..errors import DataError
from .lines import rows
from .setaside import Source, listed

_RECORD_CHARS = 1 << 20
"""How far the end of a quoted value is looked for."""


def table(
    chunks: Iterator[str], source: Source, field: str | int, tabs: bool
) -> Iterator[tuple[str, str]]:
    """The text column of each record; quotes mean something in csv only, as the formats have it.

    Args:
        chunks: the text.
        source: told what was set aside.
        field: a name in the header line, or a column number from 1 where there is no header.
        tabs: tsv: columns end at a tab, and quotes are text.

    Raises:
        DataError: the header has no such column.
    """
    lines = rows(chunks, source)
    records = ((n, raw.split("\t"), raw) for n, raw in lines) if tabs else _records(lines, source)
    if isinstance(field, int):
        column, columns = field - 1, None
    else:
        line, header, _ = next(records, (0, [], ""))
        if not line:
            return
        if field not in header:
            near = get_close_matches(field, header, n=1, cutoff=0.6)
            raise DataError(
                f"{source.name}:{line}: no column '{field}'; the header has {listed(header)}"
                f" -- set text.field={near[0] if near else header[0]}, or text.field=1, 2, ... "
                "if the file has no header line"
            )
        column, columns = header.index(field), len(header)
    for line, values, raw in records:
        if column < len(values) and (columns is None or len(values) == columns):
            yield str(line), values[column]
        else:
            expected = f"the header has {columns}" if columns else f"text.field is {field}"
            source.set_aside(line, f"{len(values)} columns; {expected}", raw)


def _records(
    lines: Iterator[tuple[int, str]], source: Source
) -> Iterator[tuple[int, list[str], str]]:
    """(first line, values, raw) of csv records; quoted values may hold commas and line ends."""
    waiting: deque[tuple[int, str]] = deque()
    while True:
        line, raw = waiting.popleft() if waiting else next(lines, (0, ""))
        if not line:
            return
        taken = [(line, raw)]
        odd, size = raw.count('"') % 2, len(raw)
        while odd and size < _RECORD_CHARS:
            more = waiting.popleft() if waiting else next(lines, (0, ""))
            if not more[0]:
                break
            taken.append(more)
            odd, size = (odd + more[1].count('"')) % 2, size + len(more[1])
        if odd:  # take this line alone for broken, and read the ones after it again
            source.set_aside(line, "a quote is opened and not closed", raw)
            waiting.extendleft(reversed(taken[1:]))
        elif '"' not in raw:
            yield line, raw.split(","), raw
        else:
            whole = _with_blank_lines(taken)
            yield line, _split_quoted(whole), whole


def _with_blank_lines(taken: Sequence[tuple[int, str]]) -> str:
    """Lines joined again; a blank line inside a quoted value had been left out."""
    first = taken[0][0]
    joined = [""] * (taken[-1][0] - first + 1)
    for line, raw in taken:
        joined[line - first] = raw
    return "\n".join(joined)


def _split_quoted(record: str) -> list[str]:
    # csv.field_size_limit is one for the whole process, so longer values are split by hand
    if len(record) < csv.field_size_limit():
        return next(csv.reader([record], strict=False))
    values, start = [], 0
    while start <= len(record):
        if record.startswith('"', start):
            end = start + 1
            while record.startswith('""', end := record.find('"', end)):
                end += 2
            values.append(record[start + 1 : end].replace('""', '"'))
            start = record.find(",", end) + 1 or len(record) + 1
        else:
            end = record.find(",", start)
            end = len(record) if end < 0 else end
            values.append(record[start:end])
            start = end + 1
    return values
