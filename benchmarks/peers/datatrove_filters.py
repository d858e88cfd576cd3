"""datatrove's quality filters over documents whose words are given; run by benchmarks/filters.py.

Reads one JSON object from the file named first: `documents` and, for each, its `words` and the
number of `sentences` of each line. Writes one to the file named second: for each filter its
verdicts and seconds, and the seconds of datatrove's own word tokenizer.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import c4_filters, fineweb_quality_filter
from datatrove.pipeline.filters import gopher_quality_filter as quality
from datatrove.pipeline.filters import gopher_repetition_filter as repetition
from datatrove.utils.text import split_into_words

MODULES = (c4_filters, fineweb_quality_filter, quality, repetition)


def verdicts_of(judge: Any, documents: list[str]) -> tuple[list[str | None], list[str], float]:
    """Reason or None of each document, its text afterwards, and seconds."""
    found: list[str | None] = []
    texts = []
    start = time.perf_counter()
    for text in documents:
        document = Document(text=text, id="")
        try:
            verdict = judge.filter(document)
        except ZeroDivisionError:  # a document without words or lines
            verdict = (False, "empty")
        found.append(None if verdict is True else verdict[1])
        texts.append(document.text)
    return found, texts, time.perf_counter() - start


def numbers(documents: list[str], words_of: Callable[[str], list[str]]) -> list[list[int]]:
    """The counts of the repetition rules, by datatrove's own functions."""
    rules = repetition.GopherRepetitionFilter()
    rows = []
    for text in documents:
        paragraphs = rules.paragraph_exp.split(text.strip())
        lines = rules._line_splitter.split(text)
        words = words_of(text)
        row = [len(paragraphs), *repetition.find_duplicates(paragraphs)]
        row += [len(lines), *repetition.find_duplicates(lines)]
        grams = [repetition.get_n_grams(words, n) for n in (2, 3, 4)]
        row += [repetition.find_top_duplicate(g) if g else 0 for g in grams]
        rows.append(row + [repetition.find_all_duplicate(words, n) for n in range(5, 11)])
    return rows


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        given = json.load(file)
    documents, language = given["documents"], given["language"]
    words = dict(zip(documents, given["words"], strict=True))
    sentences = given["sentences"]
    start = time.perf_counter()
    if given["tokenise"]:
        for text in documents:
            split_into_words(text, language)
    own_s = time.perf_counter() - start
    for module in MODULES:
        if hasattr(module, "split_into_words"):
            module.split_into_words = lambda text, language: words[text]
    c4_filters.split_into_sentences = lambda line, language: range(sentences.get(line, 0))
    if given["marks"]:
        quality.PUNCTUATION_SET = set(given["marks"])
    out: dict[str, Any] = {"version": version("datatrove"), "tokenise_s": own_s, "verdicts": {}}
    for name, judge in {
        "gopher_quality": quality.GopherQualityFilter(
            **given["settings"].get("gopher_quality", {})
        ),
        "gopher_repetition": repetition.GopherRepetitionFilter(
            **given["settings"].get("gopher_repetition", {})
        ),
        "c4": c4_filters.C4QualityFilter(),
        "fineweb": fineweb_quality_filter.FineWebQualityFilter(
            **given["settings"].get("fineweb", {})
        ),
    }.items():
        found, texts, seconds = verdicts_of(judge, documents)
        out["verdicts"][name] = {"reasons": found, "seconds": seconds}
        if name == "c4":
            out["c4_texts"] = texts
    out["numbers"] = numbers(documents, words.__getitem__)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(out, file)


if __name__ == "__main__":
    main()
