"""Questions on passages as SQuAD's files nest them, each as a row of its own.

Source: Rajpurkar et al. 2016 and 2018 (SQuAD 1.1 and 2.0); in the same form CMRC 2018 (Cui et al.
2019) and DRCD (Shao et al. 2018).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .formats import Objects, texts_of_objects
from .html import Described
from .setaside import Source

FILE_CHARS = 1 << 28
"""The longest file that is read; it is held whole."""
_HEAD = re.compile(
    r'\s*\{\s*("version"\s*:\s*("[^"]*"|[\d.]+)\s*,\s*)?"data"\s*:\s*\[\s*\{.*?"paragraphs"', re.S
)


def is_squad(head: str) -> bool:
    """Whether the beginning of a file is that of SQuAD and its kin."""
    return bool(_HEAD.match(head))


def squad(
    chunks: Iterator[str], source: Source, names: Sequence[str], others: Mapping[str, str]
) -> Described:
    """The text of each question's row, whose fields are id, title, question, context and answers;
    its label is the number of the question. Arguments and errors as of `formats.jsonl`.
    """
    parts, size = list[str](), 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > FILE_CHARS:
            source.set_aside(0, f"file of more than {FILE_CHARS} characters", parts[0][:64])
            return
    raw = "".join(parts)
    try:
        tree = json.loads(raw)
    except json.JSONDecodeError as error:
        source.set_aside(error.lineno, f"not JSON ({error})", raw[:64])
        return
    except RecursionError:
        source.set_aside(0, "not JSON (nested too deeply)", raw[:64])
        return
    escaped = "\\u" if "\\u" in raw else ""
    yield from texts_of_objects(_questions(tree, escaped, source), source, names, others)


def _questions(tree: Any, escaped: str, source: Source) -> Objects:
    """(number, whether it may hold half characters, row) of each question that is whole."""
    number = 0
    for article in _listed(tree, "data", number, source):
        for paragraph in _listed(article, "paragraphs", number, source):
            told = {key: paragraph.get(key) for key in ("context",)} | {
                "title": article.get("title")
            }
            for question in _listed(paragraph, "qas", number, source):
                number += 1
                row = {
                    key: question[key] for key in ("id", "question", "answers") if key in question
                }
                yield number, escaped, {k: v for k, v in told.items() if v is not None} | row


def _listed(tree: Any, key: str, number: int, source: Source) -> list[dict[str, Any]]:
    """The objects of the list `key`; what is none is told as standing behind question `number`."""
    found = tree.get(key) if isinstance(tree, dict) else None
    if not isinstance(found, list):
        source.set_aside(number, f"no list of '{key}' behind question {number}")
        return []
    odd = sum(not isinstance(each, dict) for each in found)
    if odd:
        source.set_aside(number, f"{odd} of '{key}' are no objects, behind question {number}")
    return [each for each in found if isinstance(each, dict)]
