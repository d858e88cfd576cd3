import bz2
import gzip
import tracemalloc
from xml.sax.saxutils import escape

import pytest

from lingloom.errors import MissingError
from lingloom.text import stream
from lingloom.text import wiki as wiki_module
from lingloom.text.read import TextSettings, documents
from lingloom.text.wiki import stripper

pytest.importorskip("mwparserfromhell")

SITE = (
    '<siteinfo><namespaces><namespace key="0" /><namespace key="1">Talk</namespace><namespace '
    'key="6">文件</namespace><namespace key="14">分类</namespace></namespaces></siteinfo>'
)
ADA = """{{Infobox|name={{lang|en|Ada}}}}
'''Ada''' ({{born|1815}}) was a [[mathematician|maths]] person.<ref>a book</ref>
[[文件:Ada.jpg|thumb|A [[picture]] of her]]
== Life ==
* one

{| class=x
| cell
|}
-{zh-hans:计算机;zh-hant:電腦}- 50&nbsp;km <math>x^2</math><!-- hidden -->
[[Category:People]] [[分类:人]] [[Talk:Ada]]"""


def page(title, text, ns=0, more="", model="wikitext"):
    return (
        f"<page><title>{title}</title><ns>{ns}</ns><id>7</id>{more}<revision><id>1</id>"
        f"<timestamp>2020-01-02T03:04:05Z</timestamp><model>{model}</model>"
        f'<text xml:space="preserve">{escape(text)}</text></revision></page>'
    )


def dump(*pages):
    start = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11">'
    return (start + SITE + "".join(pages) + "</mediawiki>").encode()


def read(path, aside=None, reports=None, **settings):
    sink = ([] if aside is None else aside).append
    return list(documents(TextSettings(read=str(path), **settings), sink, reports))


def test_an_article_gives_its_text_without_markup(tmp_path):
    path = tmp_path / "wiki.xml"
    path.write_bytes(dump(page("Ada &amp; Co", ADA)))
    reports = []
    (found,) = read(path, reports=reports)
    assert found.text == ("Ada was a maths person.\n\nLife\none\n\n计算机 50\xa0km\nTalk:Ada")
    assert found.meta == {"title": "Ada & Co", "date": "2020-01-02T03:04:05Z"}
    assert found.id == f"{path}:1"
    assert reports[0].format == "wiki"
    assert reports[0].bytes == path.stat().st_size


def test_redirects_and_pages_that_are_no_articles_are_left_out_and_counted(tmp_path):
    pages = [
        page("A", "text of A"),
        page("B", "#REDIRECT [[A]]", more='<redirect title="A" />'),
        page("C", "#REDIRECT [[A]]", more='<redirect title="A" />'),
        page("Talk:A", "talk", ns=1),
        page("A.css", "css", model="css"),
        page("Empty", "{{stub}}"),
        page("D", "text of D"),
    ]
    (tmp_path / "w.xml").write_bytes(dump(*pages))
    aside = []
    found = read(tmp_path / "w.xml", aside)
    assert [(d.id.rpartition(":")[2], d.text) for d in found] == [
        ("1", "text of A"),
        ("7", "text of D"),
    ]
    assert [(r["line"], r["reason"]) for r in aside] == [
        (6, "no text in the page"),
        (0, "2 redirects left out"),
        (0, "2 pages that are no articles left out"),
    ]


def test_of_a_page_with_its_history_the_last_text_is_read(tmp_path):
    old = "<revision><timestamp>2001-01-01T00:00:00Z</timestamp><text>old</text></revision>"
    (tmp_path / "w.xml").write_bytes(dump(page("A", "new", more=old)))
    (found,) = read(tmp_path)
    assert (found.text, found.meta["date"][:4]) == ("new", "2020")


@pytest.mark.parametrize(("suffix", "pack"), [("bz2", bz2.compress), ("gz", gzip.compress)])
def test_packed_dumps_are_read(tmp_path, suffix, pack):
    raw = dump(*(page(f"P{i}", f"text {i}") for i in range(200)))
    # many streams end to end, as in dumps that can be read from the middle
    (tmp_path / f"w.xml.{suffix}").write_bytes(
        b"".join(pack(raw[i : i + 999]) for i in range(0, len(raw), 999))
    )
    aside = []
    assert [d.text for d in read(tmp_path, aside)] == [f"text {i}" for i in range(200)]
    assert not aside


def test_a_broken_bzip2_file_gives_what_it_holds_and_is_told(tmp_path):
    packed = bz2.compress(b"a line\n" * 1000)
    (tmp_path / "a.txt.bz2").write_bytes(packed + packed[:-9])
    (tmp_path / "b.txt.bz2").write_bytes(packed + b"garbage")
    (tmp_path / "c.txt.bz2").write_bytes(bz2.compress(b""))
    aside = []
    found = read(tmp_path, aside, unit="line")
    assert [d.source.rpartition("/")[2] for d in found].count("b.txt.bz2") == 1000
    assert [d.source.rpartition("/")[2] for d in found].count("a.txt.bz2") >= 1000
    assert [r["reason"].partition(" (")[0] for r in aside] == [
        "bzip2 file breaks off; the rest of the file is lost",
        "damaged bzip2",
    ]


def test_a_bzip2_file_that_grows_without_end_is_cut_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "UNSUSPECTED_BYTES", 1 << 20)
    (tmp_path / "bomb.txt.bz2").write_bytes(bz2.compress(b"one line of text\n" * 400_000))
    aside = []
    found = read(tmp_path, aside, unit="line")
    assert 40_000 < len(found) < 300_000
    assert aside[0]["reason"].startswith("unpacks to more than 100 times its size")


ENTITIES = '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (ENTITIES.encode() + dump(page("A", "x")), "line 1 (a document type, which may hold"),
        (b"<html><p>x</p></html>", "line 1 (the first element is 'html', not 'mediawiki')"),
        (b"<mediawiki>" + b"<a>" * 40, "line 1 (elements nested more than 32 deep)"),
        (b"<mediawiki a='" + b"x" * 2_000_000, "line 1 (a tag of more than 1048576 bytes)"),
        (b"plain", "line 1 (syntax error: line 1, column 0)"),
        (b"", "line 1 (no element found: line 1, column 0)"),
    ],
)
def test_what_is_no_dump_is_refused(tmp_path, raw, reason):
    (tmp_path / "a.txt").write_text("a text")
    (tmp_path / "w.xml").write_bytes(raw)
    aside = []
    assert [d.text for d in read(tmp_path, aside)] == ["a text"]
    assert [r["reason"].startswith(f"not a MediaWiki dump from {reason}") for r in aside] == [True]


def test_a_dump_that_breaks_off_gives_the_pages_before(tmp_path):
    raw = dump(page("A", "first"), page("B", "second"))
    (tmp_path / "w.xml").write_bytes(raw[: raw.index(b"second")])
    aside = []
    assert [d.text for d in read(tmp_path, aside)] == ["first"]
    assert "no element found" in aside[0]["reason"] or "unclosed token" in aside[0]["reason"]
    (tmp_path / "w.xml").write_bytes(raw.replace(b"<title>B</title>", b"<title>B</ns>"))
    assert [d.text for d in read(tmp_path)] == ["first"]


def test_a_page_that_is_too_long_is_set_aside_and_memory_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr(wiki_module, "PAGE_CHARS", 1 << 16)
    raw = dump(page("Long", "word " * 4_000_000), page("B", "second"))
    (tmp_path / "w.xml").write_bytes(raw)
    aside = []
    tracemalloc.start()
    found = read(tmp_path, aside)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [d.text for d in found] == ["second"]
    assert [r["reason"] for r in aside] == ["page of more than 65536 characters"]
    assert peak < len(raw) / 2


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("-{T|zh-cn:甲;zh-tw:乙}-丙", "丙"),
        ("-{计算机}-", "计算机"),
        ("-{A|zh-cn:甲;zh-tw:乙}-", "甲"),
        ("[[A]] and [[B|c]], [http://x.org site]", "A and c, site"),
        ("a<br/>b <b>bold</b> ''it''", "ab bold it"),
        ("{{a|{{b}}", "{{a|"),
    ],
)
def test_markup_becomes_text(markup, text):
    assert stripper()(markup, {"file"}) == text


def test_dumps_without_mwparserfromhell_say_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "w.xml").write_bytes(dump())
    monkeypatch.setattr(wiki_module, "find_spec", lambda name: None)
    with pytest.raises(MissingError) as caught:
        read(tmp_path / "w.xml")
    assert "reading MediaWiki dumps needs the package 'mwparserfromhell'" in str(caught.value)
