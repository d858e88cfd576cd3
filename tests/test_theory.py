"""The pages of formulas are computed, not believed: every number, snippet, picture and link."""

import ast
import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
THEORY = ROOT / "docs/theory"
NAMES = sorted(p.stem for p in THEORY.glob("*.md") if not p.stem.endswith(".zh"))
PAGES = [name for name in NAMES if name != "index"]
ALL = sorted(THEORY.glob("*.md"))
SECTIONS = {
    "": ["The formula", "The letters", "Picture", "Our code", "By hand", "Experiment", "Source"],
    ".zh": ["公式", "符号", "图示", "我们的代码", "手算", "实验", "出处"],
}
NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
every_page = pytest.mark.parametrize("name", PAGES)


def read(name: str, language: str = "") -> str:
    return (THEORY / f"{name}{language}.md").read_text("utf-8")


def section(name: str, language: str, number: int) -> str:
    title = re.escape(SECTIONS[language][number])
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", read(name, language), re.M | re.S)
    assert found, f"{name}{language}: no section {title}"
    return found[1]


def fences(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{re.escape(kind)}\n(.*?)^```", text, re.M | re.S)


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def printed(code: str, name: str) -> str:
    """What a piece of a page prints, run as a reader would run it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), torch.random.fork_rng():
        exec(compile(code, name, "exec"), {"__name__": "page"})
    return out.getvalue().rstrip()


def alike(got: str, shown: str, share: float) -> None:
    """The same words; numbers differ by one in their last place, or by `share` of themselves."""
    assert re.sub(NUMBER, "#", got) == re.sub(NUMBER, "#", shown), got
    for ours, theirs in zip(re.findall(NUMBER, got), re.findall(NUMBER, shown), strict=True):
        digits, _, power = theirs.partition("e")
        decimals = len(digits.partition(".")[2])
        last = 1.01 * 10.0 ** (int(power or 0) - decimals) if decimals else 0.0
        room = max(last, share * abs(float(theirs)))
        assert abs(float(ours) - float(theirs)) <= room, f"{ours}, but the page shows {theirs}"


def test_every_page_stands_in_both_languages_and_in_both_lists():
    assert {p.name for p in ALL} == {f"{n}{end}.md" for n in NAMES for end in SECTIONS}
    for language in SECTIONS:
        listed = re.findall(rf"\]\(([\w-]+){language}\.md\)", read("index", language))
        assert set(listed) - {"index"} == set(PAGES)


@every_page
def test_both_languages_say_the_same(name):
    english, chinese = read(name), read(name, ".zh")
    for language, page in (("", english), (".zh", chinese)):
        assert re.findall(r"^## (.*)", page, re.M) == SECTIONS[language]
        table = re.findall(r"^\|.*", section(name, language, 1), re.M)
        assert {"": "| shape |", ".zh": "| 形状 |"}[language] in table[0]
        cells = [row.count("|") for row in table]
        assert len(set(cells)) == 1, "a bar inside a cell parts it in two"
    assert f"[中文]({name}.zh.md)" in english and f"[English]({name}.md)" in chinese
    for part in (r"^\$\$\n.*?^\$\$", r"^```.*?^```", r"!\[.*?\]\((.*?)\)", r"\]\((?:\.\./)+.*?\)"):
        pages = (re.sub(r"\\text\{.*?\}", "", page) for page in (english, chinese))
        both = (re.findall(part, page, re.M | re.S) for page in pages)
        assert len({str(found) for found in both}) == 1, part
    for mark in ("\n| ", "\n* ", "\n1. ", "\n2. ", "\n3. ", "\n4. ", "\n5. ", "\n6. ", "\n7. "):
        assert english.count(mark) == chinese.count(mark), mark


@every_page
def test_what_is_worked_by_hand_is_what_our_code_computes(name):
    hand = section(name, "", 4)
    (code,), (shown,) = fences(hand, "python"), fences(hand, "text")
    assert "lingloom" in code or "`numpy`" in prose(hand), "by our code, or said plainly"
    alike(printed(code, name), shown.rstrip(), 0)
    computed = set(re.findall(r"\d+\.\d{3,}", shown))
    assert computed, "no number is worked out"
    for language in SECTIONS:
        told = set(re.findall(r"\d+\.\d{3,}", prose(section(name, language, 4))))
        assert told == computed, "the steps and the code name different numbers"


@every_page
def test_every_experiment_runs_and_comes_out_as_shown(name):
    tried = section(name, "", 5)
    codes, shown = fences(tried, "python"), fences(tried, "text")
    assert len(codes) == len(shown) >= 1
    for code, text in zip(codes, shown, strict=True):
        alike(printed(code, name), text.rstrip(), 0.05)


@every_page
def test_every_snippet_is_in_the_source(name):
    places = r"^```\{literalinclude\} (\S+)\n:language: \w+\n(.*?)^```"
    found = re.findall(places, section(name, "", 3), re.M | re.S)
    assert found
    for path, options in found:
        assert f"]({path})" in section(name, "", 3), "a link stands beside each snippet"
        source = (THEORY / path).read_text("utf-8")
        if wanted := re.search(r":pyobject: (\S+)", options):
            assert wanted[1] in objects(ast.parse(source)), f"{path} has no {wanted[1]}"
        else:
            start, end = re.findall(r":(?:start-at|end-before): (.*)", options)
            assert start in source and end in source[source.index(start) :], f"{path}: {start}"


@every_page
def test_tests_that_prove_the_code_are_named_beside_it(name):
    named = []
    for language in SECTIONS:
        parts = re.split(r"\[(tests/[\w/.]+)\]\((\S+?)\)", section(name, language, 3))[1:]
        assert parts, f"{name}{language}: no link to a test of this code"
        for label, link, after in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            assert link == f"../../{label}" and (THEORY / link).is_file(), link
            tests = re.findall(r"`(test_\w+)`", after)
            missing = set(tests) - objects(ast.parse((THEORY / link).read_text("utf-8")))
            assert tests and not missing, f"{label} has no {missing or 'test that is named'}"
            named.append((language, label, tests))
    half = len(named) // 2
    assert [row[1:] for row in named[:half]] == [row[1:] for row in named[half:]]


def objects(tree: ast.AST, prefix: str = "") -> set[str]:
    """Dotted names of all classes and functions."""
    names = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names |= {prefix + node.name} | objects(node, f"{prefix}{node.name}.")
    return names


@pytest.mark.parametrize("page", ALL, ids=lambda p: p.name)
def test_every_file_that_a_page_links_to_is_there(page):
    text = prose(page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        assert (page.parent / link).is_file(), link
    assert not re.search(r"https?://", text), "pages name papers, and need no network"


@pytest.mark.parametrize("page", ALL, ids=lambda p: p.name)
def test_every_formula_can_be_shown(page):
    convert = pytest.importorskip("latex2mathml.converter").convert
    text = prose(page.read_text("utf-8"))
    blocks = re.findall(r"^\$\$\n(.*?)^\$\$", text, re.M | re.S)
    inline = re.findall(
        r"\$([^$\n]+)\$", re.sub(r"^\$\$\n.*?^\$\$|`[^`]*`", "", text, flags=re.M | re.S)
    )
    for formula in [*blocks, *inline]:
        shown = convert(formula)
        assert "<mi>&</mi>" not in shown, f"an alignment that is not understood: {formula}"
        tables = re.findall(r"\\begin\{(?:array|matrix|pmatrix|split|cases)\}", formula)
        rows = formula.count(r"\\") + len(tables) if tables else 0
        assert shown.count("<mtr") == rows, f"a row is lost: {formula}"
        assert not re.search(r"\\[a-zA-Z]+", shown), f"a command is not understood: {formula}"


def test_pictures_are_drawn_from_what_the_code_computes_today(tmp_path):
    script = [sys.executable, str(THEORY / "pictures.py"), str(tmp_path)]
    subprocess.run(script, check=True, capture_output=True)
    drawn = {p.name for p in tmp_path.iterdir()}
    assert drawn == {p.name for p in (THEORY / "pictures").iterdir()}
    shown = {
        link for page in ALL for link in re.findall(r"pictures/([\w.-]+)", page.read_text("utf-8"))
    }
    assert shown == drawn
    for name in drawn:
        alike(
            (tmp_path / name).read_text("utf-8"), (THEORY / "pictures" / name).read_text("utf-8"), 0
        )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_site_is_built_without_a_warning(language, tmp_path):
    pytest.importorskip("sphinx")
    tag = ["-t", "zh"] if language == "zh" else []
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", *tag]
    command += ["docs/theory", str(tmp_path)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    page = next(tmp_path.glob("cross-entropy*.html")).read_text("utf-8")
    assert "<math" in page and ">next_token<" in page
    assert not re.search(r'(?:src|<link[^>]*href)="(?:https?:)?//', page), "no network"
