"""Dumps of a MediaWiki, such as Wikipedia's pages-articles: the text of each article.

The XML is read event by event, so memory does not grow with the dump, and a document type with its
entities, which no dump has, is refused. mwparserfromhell reads the wikitext. Source: "Export
format", the manual of MediaWiki, schema 0.11.
"""

import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any
from xml.parsers import expat

from ..errors import MissingError
from .html import Described
from .setaside import Source

PAGE_CHARS = 1 << 22
"""The longest page that is read, twice what MediaWiki stores; a longer one is set aside."""

_TAG_BYTES = 1 << 20  # what expat may hold of a tag that does not end
_DEEPEST = 32
_FEED_BYTES = 1 << 16
_PAGE = ("mediawiki", "page")
_WANTED = {
    (*_PAGE, "title"): "title",
    (*_PAGE, "ns"): "namespace",
    (*_PAGE, "revision", "timestamp"): "date",
    (*_PAGE, "revision", "model"): "model",
    (*_PAGE, "revision", "text"): "text",
}
_NAMESPACE = ("mediawiki", "siteinfo", "namespaces", "namespace")
_UNREAD_NAMESPACES = {"6": "file", "14": "category"}
_UNREAD_TAGS = frozenset(("ref", "references", "table", "gallery", "timeline", "math", "score"))
_VARIANTS = re.compile(r"-\{(?:([A-Za-z;-]*)\|)?([^{}]*)\}-")
_VARIANT = re.compile(r"\s*zh(?:-[a-z]+)?\s*:")
_EMPTY_BRACKETS = re.compile(r"[ \t]?[(（][ \t,;，；、]*[)）]")
_BLANK_LINES = re.compile(r"\n{3,}")


def wiki(pieces: Iterator[bytes], source: Source) -> Described:
    """The newest text of each article without markup; `title` and `date` in the meta. The label is
    the number of the page, from 1.

    Args:
        pieces: the bytes of the file.
        source: told what is set aside: broken pages one by one; how many redirects there are, and
            pages that are no articles (discussions, templates, categories ...), in one record each.

    Raises:
        MissingError: mwparserfromhell is not installed.
    """
    plain_text = stripper()
    dump = _Dump()
    counts = {"redirects": 0, "pages that are no articles": 0}
    for number, page in enumerate(dump.pages(pieces, source), 1):
        if "redirect" in page:
            counts["redirects"] += 1
        elif page.get("namespace") != "0" or page.get("model", "wikitext") != "wikitext":
            counts["pages that are no articles"] += 1
        elif "too_long" in page:
            reason = f"page of more than {PAGE_CHARS} characters"
            source.set_aside(number, reason, page.get("title", ""))
        elif text := plain_text(page.get("text", ""), dump.unread):
            meta = {name: page[name] for name in ("title", "date") if page.get(name)}
            yield str(number), text, meta
        else:
            source.set_aside(number, "no text in the page", page.get("text", ""))
    for what, count in counts.items():
        if count:
            source.set_aside(0, f"{count} {what} left out")


class _Dump:
    """What expat finds, held until it is asked for: a page at a time."""

    def __init__(self) -> None:
        self.unread = set(_UNREAD_NAMESPACES.values()) | {"image"}
        """Names of the namespaces whose links are no text, in lower case."""
        self._path: list[str] = []
        self._page: dict[str, str] = {}
        self._parts: list[str] = []
        self._chars = 0
        self._key = ""
        self._finished: list[dict[str, str]] = []

    def pages(self, pieces: Iterator[bytes], source: Source) -> Iterator[dict[str, str]]:
        """Each page as {title, namespace, date, model, text}, and 'redirect' or 'too_long' where it
        is; a file that is broken is set aside from there on."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse
        fed = 0
        try:
            for piece in pieces:
                source.report.bytes += len(piece)
                for start in range(0, len(piece), _FEED_BYTES):
                    part = piece[start : start + _FEED_BYTES]
                    parser.Parse(part, False)
                    fed += len(part)
                    yield from self._taken()
                    if fed - max(parser.CurrentByteIndex, 0) > _TAG_BYTES:
                        raise ValueError(f"a tag of more than {_TAG_BYTES} bytes")
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError) as error:
            yield from self._taken()
            source.set_aside(
                0, f"not a MediaWiki dump from line {parser.CurrentLineNumber} ({error})"
            )
        else:
            yield from self._taken()

    def _taken(self) -> list[dict[str, str]]:
        finished, self._finished = self._finished, []
        return finished

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path and name != "mediawiki":
            raise ValueError(f"the first element is '{name[:40]}', not 'mediawiki'")
        if len(self._path) >= _DEEPEST:
            raise ValueError(f"elements nested more than {_DEEPEST} deep")
        self._path.append(name)
        path = tuple(self._path)
        if path == _PAGE:
            self._page = {}
        elif path == (*_PAGE, "redirect"):
            self._page["redirect"] = attributes.get("title", "")
        named = path == _NAMESPACE and attributes.get("key") in _UNREAD_NAMESPACES
        self._key = "unread" if named else _WANTED.get(path, "")
        self._parts, self._chars = [], 0

    def _text(self, text: str) -> None:
        if not self._key:
            return
        self._chars += len(text)
        if self._chars <= PAGE_CHARS:
            self._parts.append(text)
        elif self._path[1] == "page":
            self._page["too_long"] = self._key

    def _end(self, name: str) -> None:
        if self._key == "unread":
            self.unread.add("".join(self._parts).strip().lower())
        elif self._key:
            self._page[self._key] = "".join(self._parts)
        if tuple(self._path) == _PAGE:
            self._finished.append(self._page)
        self._key = ""
        self._path.pop()


def _refuse(*_: Any) -> None:
    raise ValueError("a document type, which may hold entities without end; dumps have none")


def stripper() -> Callable[[str, set[str]], str]:
    """A function from wikitext, and the namespaces whose links are left out, to the text.

    Templates, tables, references, formulas and galleries are left out; of links their words stay,
    of Chinese written in variants the first.

    Raises:
        MissingError: mwparserfromhell is not installed.
    """
    if not find_spec("mwparserfromhell"):
        raise MissingError("mwparserfromhell", "text", "reading MediaWiki dumps")
    import mwparserfromhell
    from mwparserfromhell.nodes import Tag, Wikilink

    def prune(code: Any, unread: set[str]) -> None:
        kept = []
        for node in code.nodes:
            inner = None
            if isinstance(node, Tag):
                if str(node.tag).strip().lower() in _UNREAD_TAGS:
                    continue
                inner = node.contents
            elif isinstance(node, Wikilink):
                space, colon, _ = str(node.title).partition(":")
                if colon and space.strip().lower() in unread:
                    continue
                inner = node.text
            kept.append(node)
            if inner is not None:
                prune(inner, unread)
        code.nodes = kept

    def plain_text(markup: str, unread: set[str]) -> str:
        code = mwparserfromhell.parse(markup)
        prune(code, unread)
        text = _VARIANTS.sub(_one_variant, code.strip_code(normalize=True, collapse=True))
        text = "\n".join(line.strip() for line in _EMPTY_BRACKETS.sub("", text).split("\n"))
        return _BLANK_LINES.sub("\n\n", text).strip()

    return plain_text


def _one_variant(found: re.Match[str]) -> str:
    flags, body = found[1] or "", found[2]
    if {"H", "T"} & set(flags):  # rules for the page and its title, which show nothing here
        return ""
    first = body.split(";")[0]
    return _VARIANT.sub("", first, count=1).strip() if _VARIANT.match(first) else body
