"""CoNLL files: a word and its label in each line, in columns; a blank line ends a sentence.

Source: Tjong Kim Sang and De Meulder 2003 (Introduction to the CoNLL-2003 Shared Task), section 2.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .html import Described
from .lines import rows
from .setaside import Source

_DOCUMENT = "-DOCSTART-"
_COMMENT = re.compile(r"#\s*(newdoc|newpar|[\w.:]+ = )")
"""What CoNLL-U writes before a sentence."""


def conll(
    chunks: Iterator[str], source: Source, word: int, label: int, *, positions: bool = False
) -> Described:
    """The words of each sentence, joined by single spaces, with its labels, joined in the same way,
    and the line that each word stands on.

    A sentence with a line that cannot be read is set aside as a whole.

    Args:
        chunks: the text of the file.
        source: told what was set aside.
        word: number of the words' column, from 1.
        label: number of the labels' column, or 0: there are none.
        positions: whether each word ends with a digit, its place in a longer one, to leave out.
    """
    sentence = _Sentence(word, label, positions)
    before, undecoded, told = 0, set[int](), source.sink

    def sink(record: Mapping[str, Any]) -> None:
        undecoded.add(record["line"])
        told(record)

    source.sink = sink
    for line, raw in rows(chunks, source):
        between = range(before + 1, line)
        lost = undecoded.intersection(between)
        undecoded -= lost
        if lost and sentence:
            sentence.lose(min(lost))
        if len(lost) < len(between) and sentence:
            yield from sentence.ended(source)
        before = line
        if raw.startswith(_DOCUMENT):
            yield from sentence.ended(source)
        elif not _COMMENT.match(raw):
            sentence.take(line, raw)
    yield from sentence.ended(source)


class _Sentence:
    """Lines that belong together, until `ended` gives them out."""

    def __init__(self, word: int, label: int, positions: bool):
        self.word, self.label, self.positions = word, label, positions
        self.columns = 0
        """Of the file, by its first line."""
        self._clear()

    def _clear(self) -> None:
        self.first, self.words, self.labels = 0, list[str](), list[str]()
        self.lines = list[int]()
        self.wrong: tuple[int, str, str] | None = None
        """Line, reason and text of the first line that cannot be read."""

    def __bool__(self) -> bool:
        return bool(self.first)

    def lose(self, line: int) -> None:
        """One of its lines was set aside before it came here."""
        self.wrong = self.wrong or (line, "the line cannot be decoded", "")

    def take(self, line: int, raw: str) -> None:
        self.first = self.first or line
        columns = raw.rstrip("\n").split("\t") if "\t" in raw else raw.split()
        self.columns = self.columns or len(columns)
        if len(columns) != self.columns:
            why = f"{len(columns)} columns; the file's first line has {self.columns}"
        elif max(self.word, self.label) > len(columns):
            asked = f"word {self.word}" + (f" and label {self.label}" if self.label else "")
            why = f"{len(columns)} columns; text.field and text.label_field ask for {asked}"
        else:
            found = columns[self.word - 1]
            label = columns[self.label - 1].strip() if self.label else "_"
            why = self._unfit(found, label)
            if not why:
                self.words.append(found[:-1] if self.positions else found)
                self.labels.append(label)
                self.lines.append(line)
                return
        self.wrong = self.wrong or (line, why, raw)

    def _unfit(self, word: str, label: str) -> str:
        """Why a line cannot be read; empty where it can."""
        if self.positions and not (len(word) > 1 and word[-1].isdigit()):
            return f"word '{word}' does not end with its position (text.word_positions)"
        if len(word.split()) != 1:
            return f"word '{word}' is empty or holds a blank"
        if len(label.split()) != 1:
            return f"label '{label}' is empty or holds a blank"
        return ""

    def ended(self, source: Source) -> Described:
        """The sentence, if it is whole; the next line begins another."""
        if self.wrong is not None:
            line, why, raw = self.wrong
            source.set_aside(line, f"{why}; the sentence of line {self.first} is left out", raw)
        elif self.words:
            told = {"label": " ".join(self.labels), "lines": self.lines} if self.label else {}
            yield str(self.first), " ".join(self.words), told
        self._clear()
