"""How the site is built (`make docs`): the same pages once per language, `-t zh` for Chinese.

Formulas become MathML while building, so that a page needs neither a script nor a network. Sphinx
takes snippets out of the source by name, cuts Chinese into words for its search, and is looked
after; MkDocs 1 is not any more, and its Material theme is only mended.
"""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

CHINESE = tags.has("zh")  # type: ignore[name-defined]  # noqa: F821  # Sphinx puts `tags` here

project = "织语 Lingloom" if CHINESE else "Lingloom 织语"
author, html_show_copyright, html_copy_source = "Lingloom", False, False
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
language = "zh_CN" if CHINESE else "en"
include_patterns = ["*.zh.md" if CHINESE else "*.md"]
exclude_patterns = [] if CHINESE else ["*.zh.md"]
root_doc = "index.zh" if CHINESE else "index"
html_theme = "furo"
html_title = f"{project} · {'公式' if CHINESE else 'the formulas'}"
html_math_renderer = "mathml"
html_static_path = ["site"]
html_css_files = ["lingloom.css"]
templates_path = ["site"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}


def mathml(formula: str, display: str) -> str:
    """The formula, with the thin space behind names of functions that TeX would set."""
    made = convert(formula, display=display)
    return re.sub(
        r"(<mi>(?:ln|log|exp|cos|sin|tanh|max|min)</mi>)", r'\1<mspace width="0.17em"/>', made
    )


def inline_formula(writer: Any, node: nodes.math) -> None:
    writer.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def displayed_formula(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def without_switch(app: Sphinx, name: str, source: list[str]) -> None:
    """The link to the other language stands in the page for its readers outside the site."""
    source[0] = re.sub(r"^\[(中文|English)\]\([\w.-]+\)\n", "", source[0], flags=re.MULTILINE)


def other_language(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Tell the sidebar where the same page stands in the other language."""
    page = name.removesuffix(".zh") if doctree else "index"  # the search page has no twin
    target = f"../en/{page}.html" if CHINESE else f"../zh/{page}.zh.html"
    context["language_switch"] = (target, "English" if CHINESE else "中文")


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
    app.connect("source-read", without_switch)
    app.connect("html-page-context", other_language)
