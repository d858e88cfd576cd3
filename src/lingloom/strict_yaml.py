"""YAML as a newcomer reads it: `3e-4` is a number, `no` is a word, `012` is twelve.

A key is text and stands once. There are no aliases, so nothing is bigger than it looks; what is
nested absurdly deep is refused. What `dump` writes, `parse` reads back equal.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from .errors import RecipeError

DEEPEST = 32
"""Levels of nesting; a recipe has five."""


def parse(text: str, where: str) -> dict[str, Any]:
    """The YAML mapping in `text`; an empty text is an empty mapping.

    Raises:
        RecipeError: not YAML, not a mapping, a key twice, an alias; with the line in `where`.
    """
    try:
        tree = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}{_line(error, text)}: {_problem(error)}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        what = "list" if isinstance(tree, list) else f"single value, {tree!r:.40}"
        raise RecipeError(f"{where}: a recipe is a mapping such as 'out: runs/a'; this is a {what}")
    return tree


def parse_value(text: str) -> Any:
    """What a word of the command line means: a number, true, null, a text, [a, b] or {a: b}.

    Only brackets, braces and whole quotes are YAML syntax here; `a: b`, `*.txt` and `#` are texts.

    Raises:
        RecipeError: brackets or braces that are not closed or not separated.
    """
    word = text.strip()
    if word[:1] in ("[", "{"):
        try:
            return yaml.load(word, _Loader)
        except yaml.YAMLError as error:
            what = "list" if word[0] == "[" else "mapping"
            raise RecipeError(f"{word!r} is not a {what}: {_problem(error)}") from None
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
        try:
            return yaml.load(word, _Loader)
        except yaml.YAMLError:
            return text
    if not word:
        return text
    loader = _Loader("")
    node = yaml.ScalarNode(loader.resolve(yaml.ScalarNode, word, (True, False)), word)
    value = loader.construct_object(node)  # type: ignore[no-untyped-call]
    return text if isinstance(value, str) else value


def dump(tree: dict[str, Any]) -> str:
    """`tree` as YAML, keys in their own order."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _problem(error: yaml.YAMLError) -> str:
    """PyYAML's complaint in one line."""
    if isinstance(error, yaml.reader.ReaderError):
        return f"character U+{error.character:04X} may not stand in YAML; delete it"
    problem = str(getattr(error, "problem", None) or error)
    if "'\\t'" in problem:
        return "a tab stands where YAML wants spaces; indent with spaces"
    context = str(getattr(error, "context", None))
    if context in ("while scanning an alias", "while scanning an anchor"):
        return f"a text that starts with '{'*' if 'alias' in context else '&'}' wants quotes"
    if problem == "but found another document":
        return "a second document starts here; a recipe is one document, without '---' inside"
    return f"not YAML: {problem}" if not isinstance(error, _Refused) else problem


def _line(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        return f":{before.count(chr(10)) + 1}"
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}" if mark else ""


class _Refused(yaml.MarkedYAMLError):
    """Legal YAML that a recipe does not use."""


class _Loader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As PyYAML's, without aliases and anchors and within DEEPEST levels."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            raise _Refused(
                problem=f"'{sign}{event.anchor}' is an alias in YAML, which recipes do not use; "
                f"write the value out, or quote a text that starts with '{sign}'",
                problem_mark=event.start_mark,
            )
        if self.depth > DEEPEST:
            raise _Refused(
                problem=f"nested deeper than {DEEPEST} levels", problem_mark=event.start_mark
            )
        self.depth += 1
        try:
            return super().compose_node(parent, index)  # type: ignore[arg-type]
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As PyYAML's; every key is text and stands once."""
        found: dict[Hashable, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused(
                    problem="a list or a mapping cannot be a key; put the key in quotes",
                    problem_mark=key.start_mark,
                )
            if key.value in found:
                raise _Refused(
                    problem=f"key '{key.value}' is written twice; keep one",
                    problem_mark=key.start_mark,
                )
            found[key.value] = self.construct_object(value, deep=True)  # type: ignore[no-untyped-call]
        return found

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number in base ten, leading zeros and all."""
        digits = str(self.construct_scalar(node)).replace("_", "")
        if len(digits) > 100:
            raise _Refused(
                problem=f"a number of {len(digits)} digits; quote it to mean the text",
                problem_mark=node.start_mark,
            )
        return int(digits)


_PLAIN = {
    "bool": r"true|false",
    "null": r"null|~|",
    "int": r"[-+]?[0-9][0-9_]*",
    "float": r"[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
}
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern in _PLAIN.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), None
    )
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads: a text that would read as a number or null is quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that is met twice twice."""
        return True

    def text(self, data: str) -> yaml.ScalarNode:
        """A text; rare line breaks, which YAML would fold away, are escaped in double quotes."""
        style = '"' if re.search("[\x85\u2028\u2029\ufeff]", data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
_Dumper.add_representer(str, _Dumper.text)
