"""HTML pages: the main text, without menus, scripts and advertisements.

turbohtml parses a page and proposes the element with the article; `extractor` says what is taken
from there, and how far around it. Source of the proposal: the scores of Arc90's Readability, by
commas and length of paragraphs and density of links.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import MissingError
from .encoding import SAMPLE_BYTES, recognise
from .setaside import Source

if TYPE_CHECKING:
    from turbohtml import Element

PAGE_BYTES = 1 << 23
"""The longest page that is read; a longer one is set aside."""

_MOST_TAGS = 1 << 18  # each costs up to 700 bytes of memory
_LEAST_TAG_CHARS = 3

Described = Iterator[tuple[str, str, Mapping[str, Any]]]
"""(label, text, meta): as `formats.Labelled`, and what else is known of the document."""

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})", re.I)
_CHARSET_BYTES = 4096  # where a page must name its encoding; browsers look at 1024
_START_BYTES = 64
_TELLING_BYTES = 1 << 16
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_MOST_BAD_FRAC = 0.001
# What pages call these encodings is often a part of what they use.
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs"} | dict.fromkeys(
    ("iso8859-1", "latin-1", "ascii"), "cp1252"
)
_BESIDE = ",".join(
    ("script", "style", "noscript", "template", "nav", "footer", "aside", "form", "button")
    + ("select", "textarea", "iframe", "svg", "dialog", "[hidden]", "[aria-hidden=true]")
)
_CALLED_BESIDE = {
    **dict.fromkeys(("footer", "comment", "comments", "commentlist", "related", "newsletter"), 0.5),
    **dict.fromkeys(("nav", "navbar", "navigation", "menu", "menus", "submenu"), 0.1),
    **dict.fromkeys(("share", "sharing", "banner", "contentinfo", "complementary"), 0.1),
    **dict.fromkeys(("search", "dialog"), 0.1),
}
"""Words in the role, class or id of what stands beside a text -> the most of all text that such an
element holds: a frame may be called after what stands in a part of it ("has-comments")."""
_STEMS = ("nav", "menu", "footer", "comment", "related", "newsletter", "shar")
_MAY_STAND_BESIDE = ",".join(
    f"[{attribute}]:is({','.join(f'[{attribute}*={stem} i]' for stem in stems)})"
    for attribute, stems in (
        ("role", ("navigation", "contentinfo", "banner", "complementary", "search", "dialog")),
        ("class", _STEMS),
        ("id", _STEMS),
    )
)
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+")
_MOST_BESIDE_FRAC = 0.5
# Chosen on judged pages; docs/LOG.md has what other shares gave.
_LEAST_PARAGRAPHS_FRAC = 0.6
_LEAST_TEXT_FRAC = 0.1


class Page(NamedTuple):
    """What a page says."""

    text: str
    title: str


def html(pieces: Iterator[bytes], source: Source, encoding: str) -> Described:
    """The main text of the one page that is a file; its title, where it has one, in the meta.

    Args:
        pieces: the bytes of the file.
        source: told the encoding, and why a page is set aside.
        encoding: 'auto', or a codec.

    Raises:
        MissingError: turbohtml is not installed.
    """
    main_text = extractor()
    parts, size = list[bytes](), 0
    for piece in pieces:
        source.report.bytes += len(piece)
        parts.append(piece)
        size += len(piece)
        if size > PAGE_BYTES:
            source.set_aside(0, f"page of more than {PAGE_BYTES} bytes", parts[0])
            return
    raw = b"".join(parts)
    try:
        content, codec = decoded_page(raw, encoding)
        page = main_text(content)
    except ValueError as error:
        source.set_aside(0, str(error), raw)
        return
    source.report.encoding = codec
    yield "1", page.text, {"title": page.title} if page.title else {}


def extractor() -> Callable[[str], Page]:
    """A function from a page to its main text, which raises ValueError where there is none.

    It is the text of the element that turbohtml's `main_content` proposes, or of the next one
    around it with at least 0.6 of the text in paragraphs and 0.1 of all text: an article often
    stands in several boxes, of which the proposal is one. What the kind of an element, its role,
    class or id call navigation, comments, advertising and the like is left out, unless it holds too
    much to stand beside anything.

    Raises:
        MissingError: turbohtml is not installed.
    """
    if not find_spec("turbohtml"):
        raise MissingError("turbohtml", "text", "reading HTML")
    from turbohtml import Element, PlainText, parse

    plain = PlainText(bullet="")

    def main_text(content: str) -> Page:
        if len(content) > _LEAST_TAG_CHARS * _MOST_TAGS and content.count("<") > _MOST_TAGS:
            raise ValueError(f"page of more than {_MOST_TAGS} tags")
        document = parse(content, positions=False, scripting=True)
        body, title = document.select_one("html > body"), document.select_one("title")
        text = ""
        if body is not None:
            proposed = document.main_content()
            around = [proposed, *proposed.ancestors] if proposed else []
            most = _MOST_BESIDE_FRAC * _paragraph_chars(body)
            for element in body.select(_BESIDE):
                if _paragraph_chars(element) <= most:  # some pages are one form
                    element.decompose()
            boxes = [element for element in around if isinstance(element, Element)]
            box = _wide_enough(boxes, body)
            chars = len(box.text)
            for element in box.select(_MAY_STAND_BESIDE):
                most_frac = _most_beside(element)
                if most_frac and len(element.text) <= most_frac * chars:
                    element.decompose()
            text = box.to_text(plain).strip()
        if not text:
            raise ValueError("no main text in the page")
        return Page(text, " ".join(title.text.split()) if title else "")

    return main_text


def _wide_enough(boxes: Iterable["Element"], body: "Element") -> "Element":
    """The first of `boxes`, each in the next, that holds most of the text; at last the body."""
    text = _LEAST_TEXT_FRAC * len(body.text)
    paragraphs = _LEAST_PARAGRAPHS_FRAC * _paragraph_chars(body)
    for box in boxes:
        if box.tag == "body":
            break
        if len(box.text) >= text and _paragraph_chars(box) >= paragraphs:
            return box
    return body


def _most_beside(element: "Element") -> float:
    """The share of a text that an element so called holds where it stands beside; 0: it is none."""
    called = (element.attrs.get(name) or "" for name in ("role", "class", "id"))
    names = " ".join(" ".join(name) if isinstance(name, list) else name for name in called)
    words = (word.lower() for word in _WORD.findall(names))
    return max((_CALLED_BESIDE.get(word, 0.0) for word in words), default=0.0)


def _paragraph_chars(element: "Element") -> int:
    return sum(len(paragraph.text) for paragraph in element.select("p:not(p p)"))


def decoded_page(raw: bytes, encoding: str = "auto", told: str = "") -> tuple[str, str]:
    """The characters of a page, and the codec; one bad byte in a thousand is let pass, as U+FFFD.

    Args:
        raw: the page.
        encoding: 'auto', or a codec.
        told: what the server called it.

    Raises:
        ValueError: it is no text, or not in this encoding.
    """
    if encoding in ("auto", "utf-8") and b"\0" not in raw and _looks_like_utf_8(raw):
        try:
            return raw.decode().removeprefix("\ufeff"), "utf-8"  # no closer look is needed
        except UnicodeDecodeError:
            pass
    codec = encoding_of(raw, told) if encoding == "auto" else encoding
    if codec == "binary":
        raise ValueError("not text")
    content = raw.decode(codec, "replace")
    bad = content.count("\ufffd")
    if bad and codec == "utf-8":
        bad -= raw.count("\ufffd".encode())  # those were in the page
    if bad > max(1, _MOST_BAD_FRAC * len(content)):
        raise ValueError(f"not {codec} text ({bad} places cannot be decoded)")
    return content.removeprefix("\ufeff"), codec


def _looks_like_utf_8(raw: bytes) -> bool:
    return recognise(raw[:_START_BYTES]).encoding == "utf-8"


def encoding_of(raw: bytes, told: str = "") -> str:
    """The codec of a page: by its mark, its bytes where they are UTF-8, what the server or the
    page itself says, and at last what its characters look like; 'binary' if it is no text.

    Args:
        raw: the page.
        told: what the server called it.
    """
    guess = recognise(_telling_part(raw))
    if guess.mark_bytes or guess.encoding in ("utf-8", "utf-16-le", "utf-16-be", "binary"):
        return guess.encoding
    in_page = _CHARSET.search(raw[:_CHARSET_BYTES])
    for name in (told, in_page[1].decode("ascii", "replace") if in_page else ""):
        codec = _codec(name)
        if codec and raw.decode(codec, "replace").count("\ufffd") <= _MOST_BAD_FRAC * len(raw):
            return codec
    return guess.encoding


def _telling_part(raw: bytes) -> bytes:
    """How a page begins, and what follows its first byte beyond ASCII."""
    if b"\0" in raw:
        return raw[:SAMPLE_BYTES]
    high = _HIGH_BYTE.search(raw, _START_BYTES)
    start = high.start() if high else _START_BYTES
    return raw[:_START_BYTES] + raw[start : start + _TELLING_BYTES]


def _codec(name: str) -> str | None:
    try:
        codec = codecs.lookup(name).name
        "".encode(codec)
    except (LookupError, ValueError):  # unknown, not of text, or not even a name
        return None
    return _WIDER.get(codec, codec)
