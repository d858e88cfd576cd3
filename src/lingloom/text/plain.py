"""Plain text: documents are lines, paragraphs or whole files, and never longer than a limit."""

import re
from collections.abc import Iterator
from itertools import chain

from .setaside import Source

_BLANK_LINE = re.compile(r"^[^\S\n]+$", re.MULTILINE)


def plain(
    chunks: Iterator[str], source: Source, unit: str, longest: int
) -> Iterator[tuple[str, str]]:
    """Documents of a plain text: the file, its paragraphs (between blank lines), or its lines.

    Args:
        chunks: the text.
        source: told the unit that 'auto' became.
        unit: 'file', 'paragraph', 'line', or 'auto': paragraphs where the first chunk has at least
            one blank line in forty, else lines.
        longest: a document of more characters is cut at a line end, or failing that anywhere.
    """
    first = next(chunks, "")
    if unit == "auto":
        inner = first.strip("\n")
        blank = inner.count("\n\n") - source.report.set_aside  # which left blank lines behind
        unit = "paragraph" if blank > 0 and 40 * blank >= inner.count("\n") else "line"
    source.report.unit = unit
    end_of_unit = {"line": "\n", "paragraph": "\n\n"}.get(unit)
    line, part, rest = 1, 1, ""
    for chunk in chain([first], chunks):
        rest += _truly_blank(chunk) if unit == "paragraph" else chunk
        if end_of_unit and end_of_unit in rest:
            end = rest.rfind(end_of_unit) + len(end_of_unit)
            for body in rest[:end].split(end_of_unit):
                if len(body) > longest or part > 1 or body.startswith("\n"):
                    yield from _cut(body, line, part, longest)
                elif body and not body.isspace():
                    yield str(line), body
                line, part = line + body.count("\n") + len(end_of_unit), 1
            line -= len(end_of_unit)  # the last body ends where `rest` begins
            rest = rest[end:]
        if len(rest) > longest:
            *whole, (line, part, rest) = _parts(rest, line, part, longest)
            for piece_line, piece_part, body in whole:
                yield from _cut(body, piece_line, piece_part, longest)
    yield from _cut(rest, line, part, longest)


def _truly_blank(chunk: str) -> str:
    """Lines of nothing but spaces made empty; other lines keep their spaces."""
    if " \n" in chunk or "\t\n" in chunk or "\u3000\n" in chunk:
        return _BLANK_LINE.sub("", chunk)
    return chunk


def _cut(body: str, line: int, part: int, longest: int) -> Iterator[tuple[str, str]]:
    """`body` without blank lines around it, as one document or several."""
    inner = body.lstrip("\n")
    line += len(body) - len(inner)
    for piece_line, piece_part, piece in _parts(inner.rstrip("\n"), line, part, longest):
        if piece and not piece.isspace():
            label = f"{piece_line}.{piece_part}" if piece_part > 1 else str(piece_line)
            yield label, piece


def _parts(body: str, line: int, part: int, longest: int) -> Iterator[tuple[int, int, str]]:
    """(line, part of that line, text) of pieces of at most `longest` characters."""
    start = 0
    while len(body) - start > longest:
        end = body.rfind("\n", start, start + longest) + 1 or start + longest
        yield line, part, body[start:end]
        newlines = body.count("\n", start, end)
        line, part = line + newlines, 1 if newlines else part + 1
        start = end
    yield line, part, body[start:]
