"""HTML pages: the main text, without menus, scripts and advertisements.

Source: Bevendorff et al. 2023, "An Empirical Comparison of Web Content Extraction Algorithms",
whose library resiliparse does the work.
"""

import codecs
import ctypes
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from itertools import accumulate
from typing import Any, NamedTuple

from ..errors import MissingError
from ..native.kernels import kernels
from .encoding import SAMPLE_BYTES, recognise
from .setaside import Source

PAGE_BYTES = 1 << 23
"""The longest page that is read; a longer one is set aside."""

Described = Iterator[tuple[str, str, Mapping[str, Any]]]
"""(label, text, meta): as `formats.Labelled`, and what else is known of the document."""

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})", re.I)
_CHARSET_BYTES = 4096  # where a page must name its encoding; browsers look at 1024
_MOST_BAD_FRAC = 0.001
_DEEPEST = 512
_TOO_DEEP = ">".join("*" * (_DEEPEST + 1))
_TAG = re.compile(rb"<(/?)([a-z][^ \t\n\f\r/>]*)")  # in lower case
# Of elements that need no end, some hold nothing and the others end where the next one begins.
_LONE = frozenset(
    b"area base br col embed hr img input link meta source track wbr "
    b"p li dt dd option tr td th thead tbody tfoot colgroup".split()
)
_NAMES = 512
# What pages call these encodings is often a part of what they use.
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs"} | dict.fromkeys(
    ("iso8859-1", "latin-1", "ascii"), "cp1252"
)


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
        MissingError: resiliparse is not installed.
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
    codec = encoding_of(raw) if encoding == "auto" else encoding
    try:
        page = main_text(decoded_page(raw, codec))
    except ValueError as error:
        source.set_aside(0, str(error), raw)
        return
    source.report.encoding = codec
    yield "1", page.text, {"title": page.title} if page.title else {}


def extractor() -> Callable[[str], Page]:
    """A function from a page to its main text, which raises ValueError where there is none.

    Raises:
        MissingError: resiliparse is not installed.
    """
    if not find_spec("resiliparse"):
        raise MissingError("resiliparse", "text", "reading HTML")
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    def main_text(content: str) -> Page:
        many, deep = content.count("<") > _DEEPEST, f"elements nested more than {_DEEPEST} deep"
        # Extraction is quadratic in the depth, and no browser goes that deep either.
        if many and depth(content.encode()) > _DEEPEST:
            raise ValueError(deep)
        tree = HTMLTree.parse(content)
        # In comments, scripts and addresses may stand what looks like an end.
        if many and tree.document and tree.document.query_selector(_TOO_DEEP):
            raise ValueError(deep)
        text = extract_plain_text(
            tree, main_content=True, alt_texts=False, list_bullets=False, comments=False
        )
        if not text:
            raise ValueError("no main text in the page")
        return Page(text, " ".join((tree.title or "").split()))

    return main_text


def depth(page: bytes, *, native: bool = True) -> int:
    """How deep elements are nested at most, those that need no end left out.

    An end counts where an element of its name is open, and where the name is one of the first 512
    of the page. Comments and scripts are read like the rest: a page made for it may be deeper.

    Args:
        page: in UTF-8, or another encoding that keeps ASCII.
        native: use the kernel where there is one.
    """
    library = kernels() if native else None
    if library is None:
        return max(accumulate(_steps(page), initial=0))
    library.lingloom_html_depth.restype = ctypes.c_int64
    return int(library.lingloom_html_depth(page, ctypes.c_int64(len(page))))


def _steps(page: bytes) -> Iterator[int]:
    """1 for an element that begins, -1 for one that ends."""
    opened = dict[bytes, int]()
    for slash, name in _TAG.findall(page.lower()):
        if name in _LONE or (slash and not opened.get(name)):
            continue
        step = -1 if slash else 1
        if name in opened or len(opened) < _NAMES:
            opened[name] = opened.get(name, 0) + step
        yield step


def decoded_page(raw: bytes, codec: str) -> str:
    """The characters of a page; one bad byte in a thousand is let pass, as U+FFFD.

    Raises:
        ValueError: it is no text, or not in this encoding.
    """
    if codec == "binary":
        raise ValueError("not text")
    content = raw.decode(codec, "replace")
    bad = content.count("\ufffd")
    if bad and codec == "utf-8":
        bad -= raw.count("\ufffd".encode())  # those were in the page
    if bad > max(1, _MOST_BAD_FRAC * len(content)):
        raise ValueError(f"not {codec} text ({bad} places cannot be decoded)")
    return content.removeprefix("\ufeff")


def encoding_of(raw: bytes, told: str = "") -> str:
    """The codec of a page: by its mark, its bytes where they are UTF-8, what the server or the
    page itself says, and at last what its characters look like; 'binary' if it is no text.

    Args:
        raw: the page.
        told: what the server called it.
    """
    guess = recognise(raw[:SAMPLE_BYTES])
    if guess.mark_bytes or guess.encoding in ("utf-8", "utf-16-le", "utf-16-be", "binary"):
        return guess.encoding
    in_page = _CHARSET.search(raw[:_CHARSET_BYTES])
    for name in (told, in_page[1].decode("ascii", "replace") if in_page else ""):
        codec = _codec(name)
        if codec and raw.decode(codec, "replace").count("\ufffd") <= _MOST_BAD_FRAC * len(raw):
            return codec
    return guess.encoding


def _codec(name: str) -> str | None:
    try:
        codec = codecs.lookup(name).name
        "".encode(codec)
    except (LookupError, ValueError):  # unknown, not of text, or not even a name
        return None
    return _WIDER.get(codec, codec)
