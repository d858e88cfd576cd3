"""csv and tsv: the text column of each record, however many lines a quoted value spans."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from ..errors import DataError, FieldError
from .html import Described
from .lines import rows
from .setaside import Source, listed

_RECORD_CHARS = 1 << 20
"""How far the end of a quoted value is looked for."""


def table(
    chunks: Iterator[str],
    source: Source,
    field: Sequence[str] | int,
    others: Mapping[str, str | int],
    tabs: bool,
) -> Described:
    """The text column of each record; quotes mean something in csv only, as the formats have it.

    Args:
        chunks: the text.
        source: told what was set aside.
        field: names in the header line, of which the first that it has is meant, or a column number
            from 1 where there is no header.
        others: key of the meta -> the column that it is taken from, a name or a number likewise.
        tabs: tsv: columns end at a tab, and quotes are text.

    Raises:
        FieldError: the header has no such column.
        DataError: `field` is a number and others are names.
    """
    lines = rows(chunks, source)
    records = ((n, raw.split("\t"), raw) for n, raw in lines) if tabs else _records(lines, source)
    columns = None
    if isinstance(field, int):
        if named := next((name for name in others.values() if isinstance(name, str)), None):
            raise DataError(
                f"{source.name}: text.field {field} says that there is no header line, so there is "
                f"no column '{named}'; name all columns by number, or all by name"
            )
        places = {key: int(number) - 1 for key, number in ({"": field} | dict(others)).items()}
    else:
        line, header, _ = next(records, (0, [], ""))
        if not line:
            return
        first = next((name for name in field if name in header), field[0])
        wanted = {"": first} | {key: str(name) for key, name in others.items()}
        for key, name in wanted.items():
            if name not in header:
                setting = f"text.{key and key + '_'}field"
                near = (get_close_matches(name, header, n=1, cutoff=0.6) or header)[0]
                raise FieldError(
                    f"{source.name}:{line}: no column '{name}'; the header has {listed(header)}"
                    f" -- set {setting}={near}, or {setting}=1, 2, ... "
                    "if the file has no header line",
                    "" if key else near,
                )
        places = {key: header.index(name) for key, name in wanted.items()}
        columns = len(header)
    text, last = places.pop(""), max(places.values(), default=0)
    for line, values, raw in records:
        if max(text, last) < len(values) and (columns is None or len(values) == columns):
            yield str(line), values[text], {key: values[at] for key, at in places.items()}
        else:
            expected = f"the header has {columns}" if columns else f"text.field is {field}"
            source.set_aside(line, f"{len(values)} columns; {expected}", raw)


def _records(
    lines: Iterator[tuple[int, str]], source: Source
) -> Iterator[tuple[int, list[str], str]]:
    """(first line, values, raw) of csv records; quoted values may hold commas and line ends."""
    waiting: deque[tuple[int, str]] = deque()
    while True:
        first, raw = waiting.popleft() if waiting else next(lines, (0, ""))
        if not first:
            return
        if '"' not in raw:
            yield first, raw.split(","), raw
            continue
        record, taken, size, last = _Record(), [raw], len(raw), first
        rest = []
        record.take(raw)
        while record.open and size < _RECORD_CHARS:
            line, more = waiting.popleft() if waiting else next(lines, (0, ""))
            if not line:
                break
            rest.append((line, more))
            record.held.append("\n" * (line - last - 1))  # blank lines had been left out
            record.take(more)
            taken.append(more)
            size, last = size + len(more), line
        if record.open:  # take this line alone for broken, and read the ones after it again
            source.set_aside(first, "a quote is opened and not closed", raw)
            waiting.extendleft(reversed(rest))
        else:
            yield first, record.values, "\n".join(taken)


class _Record:
    """The values of one record, taken line by line.

    A quote counts at the start of a value only; what stands between its end and the next comma is
    kept. (The csv module has one limit of length for the whole process, and stops at stray marks.)
    """

    def __init__(self) -> None:
        self.values: list[str] = []
        self.held: list[str] = []
        """Parts of the quoted value that is open."""
        self.open = False

    def take(self, line: str) -> None:
        start = 0
        while start <= len(line):
            if self.open or line.startswith('"', start):
                start = self._quoted(line, start if self.open else start + 1)
            else:
                comma = line.find(",", start)
                comma = len(line) if comma < 0 else comma
                self.values.append(line[start:comma])
                start = comma + 1

    def _quoted(self, line: str, start: int) -> int:
        """Read on inside quotes; where the next value starts, or beyond the line."""
        self.open = True
        end = line.find('"', start)
        while end >= 0 and line.startswith('""', end):
            self.held.append(line[start : end + 1])
            start = end + 2
            end = line.find('"', start)
        if end < 0:
            self.held.append(line[start:] + "\n")
            return len(line) + 1
        comma = line.find(",", end)
        comma = len(line) if comma < 0 else comma
        self.held += (line[start:end], line[end + 1 : comma])
        self.values.append("".join(self.held))
        self.held, self.open = [], False
        return comma + 1
