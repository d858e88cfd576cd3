"""jsonl, parquet and conversations in YAML: (place in the file, text) of each document, and the
other fields of it that are wanted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import repeat
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from ..errors import FieldError
from .html import Described
from .lines import has_half_character, rows
from .setaside import Source, listed

Labelled = Iterator[tuple[str, str]]
"""(label, text): the label is the line or row number, and `.2`, `.3` for later parts of a line."""

_YAML_CHARS = 1 << 24
_YAML_DEPTH = 16
_PARQUET_ROWS = 256


def jsonl(
    chunks: Iterator[str], source: Source, names: Sequence[str], others: Mapping[str, str]
) -> Described:
    """The text of each line's object.

    Args:
        chunks: the text of the file.
        source: told what was set aside.
        names: of the field that holds the text; of several that a row has, the first.
        others: key of the meta -> the field that it is taken from, where a row has it.

    Raises:
        FieldError: the file's first object has no such field: the file is likely another one.
    """
    return texts_of_objects(_objects(chunks, source), source, names, others)


def _objects(chunks: Iterator[str], source: Source) -> "Objects":
    for line, raw in rows(chunks, source):
        try:
            yield line, raw, json.loads(raw)
        except ValueError as error:
            source.set_aside(line, f"not JSON ({error})", raw)
        except RecursionError:
            source.set_aside(line, "not JSON (nested too deeply)", raw)


Objects = Iterator[tuple[int, str, Any]]
"""(line or row, as it stands in the file, what JSON makes of it)."""


def texts_of_objects(
    objects: Objects, source: Source, names: Sequence[str], others: Mapping[str, str]
) -> Described:
    """The text of each object; arguments and errors as of `jsonl`."""
    seen_object = False
    for line, raw, row in objects:
        if not isinstance(row, dict):
            source.set_aside(line, f"not a JSON object but {_kind_of(row)}", raw)
            continue
        source.fields = source.fields or list(row)
        field = next((name for name in names if name in row), names[0])
        text = row.get(field)
        if isinstance(text, str):
            seen_object = True
            found = _described(row, others)
            if "\\u" in raw and has_half_character(json.dumps([text, found], ensure_ascii=False)):
                source.set_aside(line, "half of a surrogate pair in the text", raw)
                continue
            yield str(line), text, found
        elif field in row:
            seen_object = True
            source.set_aside(line, f"field '{field}' is {_kind_of(text)}, not text", raw)
        elif not seen_object:
            raise _no_field(source, line, names, row, raw)
        else:
            source.set_aside(line, f"no field {_either(names)}", raw)


def _described(row: Mapping[str, Any], others: Mapping[str, str]) -> dict[str, Any]:
    """What is wanted of a row besides its text, as text; but answers as they are."""
    found = {key: row.get(name) for key, name in others.items()}
    lists = {key: " ".join(value or ()) for key, value in found.items() if _are_words(value)}
    plain = {k: str(v) for k, v in found.items() if isinstance(v, str | int | float) and v != ""}
    told = {"answer": found["answer"]} if others.get("answer") in row else {}
    return plain | lists | told


def _are_words(value: Any) -> bool:
    """Whether it is a list of texts, as the labels of words are often given."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _no_field(
    source: Source, line: int, names: Sequence[str], row: dict[str, Any], raw: str
) -> FieldError:
    if isinstance(row.get("data"), list) and '"paragraphs"' in raw:
        return FieldError(
            f"{source.name}:{line}: no field {_either(names)}; the file nests questions as SQuAD "
            "does -- set text.format=squad"
        )
    texts = {name: len(value) for name, value in row.items() if isinstance(value, str)}
    near = get_close_matches(names[0], texts, n=1, cutoff=0.6)
    best = near[0] if near else max(texts, key=lambda name: texts[name], default="")
    return FieldError(
        f"{source.name}:{line}: no field {_either(names)}; the row has {listed(row)}"
        f" -- set text.field{f'={best}' if best else ' to the one that holds the text'}",
        best,
    )


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _kind_of(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return "null" if value is None else kinds.get(type(value), "a number")


def parquet(
    file: Any, source: Source, names: Sequence[str], others: Mapping[str, str]
) -> Described:
    """The text column of each row.

    Args:
        file: a path, or a binary file that can seek.
        source: told what was set aside.
        names: of the column; of several that the file has, the first.
        others: key of the meta -> the column that it is taken from, where the file has it.

    Raises:
        FieldError: there is no such column, or it does not hold text.
    """
    row = 0
    try:
        table = pq.ParquetFile(file)
        schema = table.schema_arrow
        texts = [f.name for f in schema if _holds_text(f.type)]
        source.fields = schema.names
        field = next((name for name in names if name in schema.names), "")
        if not field:
            near = (get_close_matches(names[0], texts, n=1, cutoff=0.6) or texts[:1] or [""])[0]
            raise FieldError(
                f"{source.name}: no column {_either(names)}; the file has {listed(schema.names)}"
                f" -- set text.field{f'={near}' if near else ' to the one that holds the text'}",
                near,
            )
        if field not in texts:
            raise FieldError(
                f"{source.name}: column '{field}' holds {schema.field(field).type}, not text"
                " -- set text.field to a column of strings"
            )
        columns = [field, *(name for name in others.values() if name in schema.names)]
        for batch in table.iter_batches(_PARQUET_ROWS, columns=columns, use_threads=False):
            rest = batch.select(columns[1:]).to_pylist() if columns[1:] else repeat({})
            for text, fields in zip(batch.column(field).to_pylist(), rest, strict=False):
                row += 1
                if text is None:
                    source.set_aside(row, f"column '{field}' is null")
                else:
                    source.report.bytes += len(text.encode())
                    yield str(row), text, _described(fields, others)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        source.set_aside(row, f"damaged parquet after row {row} ({error})")


def _holds_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def conversations(chunks: Iterator[str], source: Source) -> Labelled:
    """Each conversation of a YAML file `conversations: [[line, line, ...], ...]`, a line a line."""
    raw = ""
    for chunk in chunks:
        raw += chunk
        if len(raw) > _YAML_CHARS:
            source.set_aside(0, f"YAML of more than {_YAML_CHARS} characters", raw[:64])
            return
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        if _depth(raw, loader) > _YAML_DEPTH:
            source.set_aside(0, f"YAML nested more than {_YAML_DEPTH} deep", raw)
            return
        tree = yaml.compose(raw, loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "unreadable"
        source.set_aside(mark.line + 1 if mark else 0, f"not YAML ({problem})", raw)
        return
    pairs = tree.value if isinstance(tree, yaml.MappingNode) else []
    found = next((v for k, v in pairs if k.value == "conversations"), None)
    if not isinstance(found, yaml.SequenceNode):
        source.set_aside(0, "no list of 'conversations' in it", raw)
        return
    for node in found.value:
        line = node.start_mark.line + 1
        said = node.value if isinstance(node, yaml.SequenceNode) else []
        if not said or not all(isinstance(s, yaml.ScalarNode) for s in said):
            source.set_aside(line, "not a list of lines")
            continue
        text = "\n".join(s.value for s in said)
        if "\\" in raw and has_half_character(text):
            source.set_aside(line, "half of a surrogate pair in the text", text)
        else:
            yield str(line), text


def _depth(raw: str, loader: Any) -> int:
    """How deep `raw` is nested, up to one beyond the limit: a tree of millions ends the process."""
    depth = deepest = 0
    for event in yaml.parse(raw, loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(depth, deepest)
            if deepest > _YAML_DEPTH:
                break
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return deepest
