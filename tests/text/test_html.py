import gzip

import pytest

from lingloom.errors import MissingError
from lingloom.text import html as html_module
from lingloom.text.html import encoding_of, extractor
from lingloom.text.read import TextSettings, documents

pytest.importorskip("turbohtml")

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
    monkeypatch.setattr(html_module, "_MOST_TAGS", 1500)
    (tmp_path / "binary.html").write_bytes(b"\x89PNG\r\n\0\0\0" + bytes(range(256)) * 4)
    (tmp_path / "empty.html").write_bytes(b"<html><body></body></html>")
    (tmp_path / "good.html").write_text(page("a", SENTENCE * 3))
    (tmp_path / "long.html").write_bytes(b"<p>" + b"x" * 6000)
    (tmp_path / "many.html").write_bytes(b"<b>" * 1600)
    (tmp_path / "none.html").write_bytes(b"")
    (tmp_path / "odd.html").write_bytes(b"<p>" + b"good text\xff\xfe " * 20)
    aside = []
    found = read(tmp_path, aside)
    assert [d.id for d in found] == [f"{tmp_path / 'good.html'}:1"]
    assert {r["file"].rpartition("/")[2]: r["reason"] for r in aside} == {
        "binary.html": "not text",
        "empty.html": "no main text in the page",
        "long.html": "page of more than 5000 bytes",
        "many.html": "page of more than 1500 tags",
        "none.html": "no main text in the page",
        "odd.html": "not utf-8 text (40 places cannot be decoded)",
    }


def test_deeply_nested_and_broken_pages_are_read(tmp_path):
    text = SENTENCE.encode() * 3
    reopened = b"".join(b"<b a%d>" % i for i in range(300)) + (b"<p>" + text) * 300
    hidden = b"<div><!--</div>--><div a='</div>'><style></div></style><b></div></b>"
    for name, raw in {
        "boxes": b"<p><object>" * 20_000 + text,
        "deep": b"<div>" * 100_000 + text,
        "hidden": hidden * 600 + text,
        "long": (b"<p>" + text) * 600,
        "menus": b"<div class=menu>" * 5000 + b"<h1>" + text,
        "reopened": reopened,
        "stray": b"</b>" * 600 + b"<div>" * 600 + text,
        "torn": b"<p>\0" + text + b"<table><tr><td <<",
    }.items():
        (tmp_path / f"{name}.html").write_bytes(raw)
    aside = []
    found = {d.id.rpartition("/")[2]: d.text for d in read(tmp_path, aside)}
    assert [name for name, text in found.items() if SENTENCE.strip() not in text] == []
    assert (len(found), aside) == (8, [])


def main_text(body: str) -> str:
    return extractor()(f"<html><head><title>t</title></head><body>{body}</body></html>").text


def test_an_article_in_several_boxes_is_taken_whole():
    boxes = "".join(f"<div><p>{SENTENCE * 3}{name}</p></div>" for name in ("one", "two", "three"))
    text = main_text(f"<div><div class=frame>{boxes}</div></div>")
    assert [name in text for name in ("one", "two", "three")] == [True] * 3


def test_lines_without_paragraphs_are_read():
    lines = "<br>".join(f"{SENTENCE}{i}" for i in range(20))
    assert f"{SENTENCE}19" in main_text(f"<table><tr><td>{lines}</table>")


@pytest.mark.parametrize(
    "aside",
    [
        *("<nav>{}</nav>", "<aside>{}</aside>", "<div role=navigation>{}</div>"),
        *("<div class='post-comments'>{}</div>", "<section id=RelatedPosts>{}</section>"),
        *("<div hidden>{}</div>", "<noscript>{}</noscript>", "<script>{}</script>"),
    ],
)
def test_what_stands_beside_the_text_goes_even_from_its_midst(aside):
    beside = aside.format("<p>Follow us for more of the same, every day.</p>")
    text = main_text(f"<main><h1>A</h1><p>{SENTENCE * 3}</p>{beside}<p>{SENTENCE * 3}</p></main>")
    assert (text.count("museum"), "Follow us" in text) == (6, False)


@pytest.mark.parametrize(
    "frame",
    [
        *("<div class=has-sidebar>{}</div>", "<div class='shareholders-letter'>{}</div>"),
        *("<body class=navy-theme>{}</body>", "<div id=comments-open>{}</div>"),
        *("<form>{}</form>", "<aside>{}</aside>", "<div class=navigation-free>{}</div>"),
    ],
)
def test_what_holds_the_text_stays_whatever_it_is_called(frame):
    text = main_text(frame.format(f"<p>{SENTENCE * 3}</p><p>{CHINESE * 3}</p>") + "<p>短。</p>")
    assert (text.count("museum"), text.count("博物馆")) == (3, 3)


def test_an_article_called_by_a_word_of_menus_stays_beside_another():
    boxes = "".join(
        f"<div class={name}><p>{SENTENCE * 3}{name}</p></div>"
        for name in ("social-science-journal", "reviews")
    )
    text = main_text(f"<div>{boxes}</div>")
    assert ("social-science-journal" in text, "reviews" in text) == (True, True)


def test_chinese_text_in_paragraphs_is_told_from_links():
    links = "".join(f"<li><a href=/{i}>栏目{i}</a></li>" for i in range(30))
    text = main_text(f"<ul>{links}</ul><div><p>{CHINESE * 3}</p><p>{CHINESE * 3}</p></div>")
    assert text == f"{CHINESE * 3}\n\n{CHINESE * 3}"


def test_lists_tables_and_code_keep_their_lines():
    body = (
        "<ul><li>x</li><li>y</li></ul><table><tr><td>a</td><td>b</td></tr></table><pre>p\n  q</pre>"
    )
    text = main_text(f"<article><p>{SENTENCE * 4}</p>{body}</article>")
    assert text.endswith("\n\nx\ny\n\na  b\n\np\n  q")


def test_html_without_turbohtml_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "p.html").write_text("<p>x")
    monkeypatch.setattr(html_module, "find_spec", lambda name: None)
    with pytest.raises(MissingError) as caught:
        read(tmp_path / "p.html")
    assert str(caught.value) == (
        "reading HTML needs the package 'turbohtml', which is not installed; "
        "run: pip install 'lingloom[text]'"
    )
