"""The rules of C4: lines that are sentences, documents of several of them."""

import re
from typing import Literal

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from ..texts import Texts
from .batch import TextBatch
from .filter import FilterSettings, Verdicts, first_reason

_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
_SENTENCE_END = re.compile(r"[.?!]+[\"'”’)\]]*(?=\s|$)|[。？！]+[”’』」）]*")


class C4Settings(FilterSettings):
    """Keeps the lines that are sentences, then the documents that have enough of them.

    A line goes when it does not end like a sentence, has few words or a monstrous one, or speaks of
    JavaScript, cookies or terms of use; marks of citations go from the others. A document goes when
    what is left has placeholder text, a curly bracket, or few sentences.

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified
    Text-to-Text Transformer", section 2.2; limits on word length, policies and citations as in the
    code published with it. Made for English; FineWeb left out `terminal`, FineWeb-2 left out C4's
    rules altogether for all other languages.
    """

    kind: Literal["c4"] = "c4"
    terminal: bool = True
    """Drop lines that do not end in one of `.?!"'`, or that end in three dots."""
    min_line_words: NonNegativeInt = 3
    """Shorter lines are dropped; words as white space separates them."""
    max_word_chars: PositiveInt = 1000
    """Lines with a longer word are dropped."""
    min_sentences: NonNegativeInt = 5
    """Documents with fewer sentences left are dropped."""

    def edit(self, texts: Texts) -> Texts:
        old = [texts[i] for i in range(len(texts))]
        new = [self.edited(text) for text in old]
        return texts if new == old else Texts.of_strings(new)

    def judge(self, batch: TextBatch) -> Verdicts:
        strings = batch.strings
        lorem = ["lorem ipsum" in text.lower() for text in strings]
        curly = ["{" in text for text in strings]
        few = [sentences(text) < self.min_sentences for text in strings]
        rules = [
            ("lorem ipsum", np.array(lorem, bool)),
            ("curly bracket", np.array(curly, bool)),
            (f"fewer than {self.min_sentences} sentences", np.array(few, bool)),
        ]
        return first_reason("c4", rules)

    def edited(self, text: str) -> str:
        """`text` without the lines that go."""
        lines = (self._kept(line.strip()) for line in text.splitlines())
        return "\n".join(line for line in lines if line is not None).strip()

    def _kept(self, line: str) -> str | None:
        """The line without marks of citations, or None."""
        words = line.split()
        if len(line) > self.max_word_chars and max(map(len, words)) > self.max_word_chars:
            return None
        if "[" in line:
            line = _CITATION.sub("", line)
        if self.terminal and (not line.endswith((".", "?", "!", '"', "'")) or line.endswith("...")):
            return None
        if len(words) < self.min_line_words:
            return None
        lower = line.lower()
        if "lorem ipsum" in lower:
            return line  # drops the whole document, whatever else the line says
        if "javascript" in lower:
            return None
        if "{" not in line and any(policy in lower for policy in _POLICIES):
            return None
        return line


def sentences(text: str) -> int:
    """Sentences of all lines: what ends in `.?!` before a blank, in `。？！`, or with the line."""
    found = 0
    for line in text.split("\n"):
        end = 0
        for end_mark in _SENTENCE_END.finditer(line):
            found += 1
            end = end_mark.end()
        found += bool(line[end:].strip())
    return found
