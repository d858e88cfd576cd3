import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingloom.errors import MissingError
from lingloom.native.kernels import kernels
from lingloom.text import html as html_module
from lingloom.text.html import depth, encoding_of
from lingloom.text.read import TextSettings, documents

pytest.importorskip("resiliparse")

SENTENCE = "The museum opened its doors in 1911 and has shown local history ever since. "
CHINESE = "这座博物馆于一九一一年开放，自那时起一直展出当地的历史。"


def page(title: str, text: str, charset: str = "utf-8", body: str = "") -> str:
    return (
        f'<html><head><meta charset="{charset}"><title>{title}</title>'
        "<script>var hidden = 1;</script></head><body><nav><ul><li><a href=/>Home</a></li>"
        "<li><a href=/shop>Shop</a></li></ul></nav>"
        f"<main><h1>{title}</h1><p>{text}</p><p>{text}</p>{body}</main>"
        "<footer>Copyright</footer></body></html>"
    )


def read(path, aside=None, reports=None, **settings):
    sink = ([] if aside is None else aside).append
    return list(documents(TextSettings(read=str(path), **settings), sink, reports))


def test_a_page_gives_its_main_text_and_its_title(tmp_path):
    path = tmp_path / "museum.html"
    path.write_text(page("The  Museum", SENTENCE * 4), "utf-8")
    reports = []
    (found,) = read(path, reports=reports)
    assert found.text.count("The museum opened its doors") == 8
    assert "hidden" not in found.text
    assert "Shop" not in found.text
    assert found.meta == {"title": "The Museum"}
    assert (reports[0].format, reports[0].encoding) == ("html", "utf-8")


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("gb2312", "gb18030"), ("gbk", "gb18030"), ("big5", "big5hkscs"), ("utf-16", "utf-16-le")],
)
def test_a_chinese_page_in_an_old_encoding_is_read(tmp_path, charset, codec):
    traditional = "這座博物館於一九一一年開放，自那時起一直展出當地的歷史。"
    text = traditional if charset == "big5" else CHINESE
    raw = page("标题" if charset != "big5" else "標題", text * 4, charset).encode(charset)
    (tmp_path / "p.htm.gz").write_bytes(gzip.compress(raw))
    reports = []
    (found,) = read(tmp_path / "p.htm.gz", reports=reports)
    assert text in found.text
    assert reports[0].encoding == codec


def test_what_a_page_says_of_its_encoding_decides_where_its_bytes_do_not():
    short = '<meta http-equiv=Content-Type content="text/html; charset={}"><p>价格</p>'
    assert encoding_of(short.format("gbk").encode("gbk")) == "gb18030"
    assert encoding_of(b"<p>\xbc\xdb\xb8\xf1</p>", "gb2312") == "gb18030"
    assert encoding_of(b"<meta charset='iso-8859-1'><p>caf\xe9</p>") == "cp1252"
    # a page of UTF-8 that calls itself something else is UTF-8
    assert encoding_of(short.format("gbk").encode("utf-8")) == "utf-8"
    assert encoding_of(short.format("no-such-thing").encode("gbk")) != "utf-16-le"
    assert encoding_of("价".encode("utf-16")) == "utf-16-le"


def test_pages_that_cannot_be_read_are_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(html_module, "PAGE_BYTES", 5000)
    (tmp_path / "binary.html").write_bytes(b"\x89PNG\r\n\0\0\0" + bytes(range(256)) * 4)
    (tmp_path / "empty.html").write_bytes(b"<html><body></body></html>")
    (tmp_path / "good.html").write_text(page("a", SENTENCE * 3))
    (tmp_path / "long.html").write_bytes(b"<p>" + b"x" * 6000)
    (tmp_path / "none.html").write_bytes(b"")
    (tmp_path / "odd.html").write_bytes(b"<p>" + b"good text\xff\xfe " * 20)
    aside = []
    found = read(tmp_path, aside)
    assert [d.id for d in found] == [f"{tmp_path / 'good.html'}:1"]
    assert {r["file"].rpartition("/")[2]: r["reason"] for r in aside} == {
        "binary.html": "not text",
        "empty.html": "no main text in the page",
        "long.html": "page of more than 5000 bytes",
        "none.html": "no main text in the page",
        "odd.html": "not utf-8 text (40 places cannot be decoded)",
    }


def test_deeply_nested_and_broken_pages_do_no_harm(tmp_path):
    (tmp_path / "deep.html").write_bytes(b"<div>" * 100_000 + SENTENCE.encode() * 3)
    (tmp_path / "long.html").write_bytes((b"<p>" + SENTENCE.encode() * 3) * 600)
    (tmp_path / "torn.html").write_bytes(b"<p>\0" + SENTENCE.encode() * 3 + b"<table><tr><td <<")
    hidden = b"<div><!--</div>--><div a='</div>'><style></div></style><b></div></b>"
    (tmp_path / "hidden.html").write_bytes(hidden * 600 + SENTENCE.encode() * 3)
    (tmp_path / "stray.html").write_bytes(b"</b>" * 600 + b"<div>" * 600 + SENTENCE.encode() * 3)
    aside = []
    assert [SENTENCE.strip() in d.text for d in read(tmp_path, aside)] == [True, True]
    assert [r["reason"] for r in aside] == ["elements nested more than 512 deep"] * 3


def test_html_without_resiliparse_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "p.html").write_text("<p>x")
    monkeypatch.setattr(html_module, "find_spec", lambda name: None)
    with pytest.raises(MissingError) as caught:
        read(tmp_path / "p.html")
    assert str(caught.value) == (
        "reading HTML needs the package 'resiliparse', which is not installed; "
        "run: pip install 'lingloom[text]'"
    )


PIECES = [
    *("<div>", "</div>", "<br/>", "<svg", "</", "<", "b>", "</b>", "<li>", "<tr_x>", "<colgroup>"),
    *("<colgroups>", "<é>", "<p\u017f>", "/", "a", "<P a=b>", "</ p>", "<noscript>", "</TABLE >"),
    *("<table>", "<h1>", "<!--", "\0", "<p\0>", "</DIV\t", "<x-a>", "</x-a>", "</X-B>", "<x-b\f"),
]


@pytest.mark.skipif(kernels() is None, reason="the kernels are not built")
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=30))
def test_the_kernel_counts_the_same_depth_as_its_twin(pieces):
    page = "".join(pieces).encode("utf-8", "replace")
    assert depth(page) == depth(page, native=False)


@pytest.mark.parametrize("native", [True, False])
def test_only_elements_that_need_an_end_make_a_page_deep(native):
    assert depth(b"<html><body><p><p><br><LI>a<div><b>x</b></div></body>", native=native) == 4
    assert depth(b"<ul><li><ul><li>" * 3, native=native) == 6
    assert depth(b"</div></div><div>", native=native) == 1
    assert depth(b"", native=native) == 0


@pytest.mark.parametrize("native", [True, False])
def test_ends_of_what_did_not_begin_hide_no_depth(native):
    assert depth(b"</b>" * 600 + b"<div>" * 600, native=native) == 600
    assert depth(b"<div></b>" * 600, native=native) == 600
    assert depth(b"<x-a></x-b>" * 600, native=native) == 600
    assert depth(b"<b><DIV></b></div\n>" * 600, native=native) == 2


@pytest.mark.parametrize("native", [True, False])
def test_ends_count_for_the_first_names_of_a_page(native):
    pairs = [f"<a{i}></a{i}>".encode() for i in range(600)]
    assert depth(b"".join(pairs), native=native) == 600 - 512
    assert depth(b"".join(pairs + pairs[:100]), native=native) == 600 - 512 + 1
