import ast
import sys

import pytest

from lingloom.text import installed
from lingloom.text.read import TextSettings, documents


def read(entry, aside=None):
    return list(documents(TextSettings(read=entry), (aside if aside is not None else []).append))


def test_the_language_reference_is_read_topic_by_topic():
    found = {d.id: d.text for d in read("python:topics")}
    assert len(found) > 50
    assert '"assert"' in found["python:topics:assert"]


@pytest.fixture
def small_library(tmp_path, monkeypatch):
    long = "A docstring that is long enough to be worth reading, with some words to spare in it."
    (tmp_path / "one.py").write_text(
        f'raise SystemExit("imported")\n"""no docstring"""\n'
        f'class A:\n    """{long}\n\n    And more.\n    """\n'
        f'    def f(self):\n        """short"""\n\n        async def g():\n'
        f'            """{long} In g."""\n'
        f'if 1:\n    def h():\n        """{long} In g."""\n'
    )
    (tmp_path / "bad.py").write_text("def (:\n")
    (tmp_path / "odd.py").write_text(
        f'"""{long} \\d is an odd escape; \\ud83d is half a pair."""\n'
    )
    for folder in ("test", "sub"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.py").write_text(f'"""{long} {folder}"""')
    monkeypatch.setattr(installed.sysconfig, "get_path", lambda name: str(tmp_path))
    return long


def test_docstrings_are_parsed_and_never_imported(small_library):
    aside = []
    found = read("python:docstrings", aside)
    assert [(d.id, d.text) for d in found] == [
        ("python:docstrings:one.py:4", f"{small_library}\n\nAnd more."),
        ("python:docstrings:one.py:12", f"{small_library} In g."),
        ("python:docstrings:sub/m.py:1", f"{small_library} sub"),
    ]
    assert len(aside) == 1
    assert aside[0]["reason"].startswith("bad.py: not Python")


def test_docstrings_in_every_block_are_found():
    code = "try:\n  def a():\n    'A'\nexcept E:\n  def b():\n    'B'\nelse:\n  def c():\n    'C'\n"
    code += "match x:\n  case 1:\n    def d():\n      'D'\n"
    found = [text for _, text in installed._docstrings_of(ast.parse(code))]
    assert found == ["A", "B", "C", "D"]


def test_a_package_is_read_and_never_imported(tmp_path, monkeypatch):
    data = tmp_path / "made_up_pack" / "data"
    data.mkdir(parents=True)
    (tmp_path / "made_up_pack" / "__init__.py").write_text("raise SystemExit('imported')")
    (data / "b.txt").write_text("two")
    (data / "a.txt").write_text("one")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = read("package:made-up-pack/data/*.txt")
    assert [(d.id, d.text) for d in found] == [
        ("package:made-up-pack/data/a.txt:1", "one"),
        ("package:made-up-pack/data/b.txt:1", "two"),
    ]
    assert "made_up_pack" not in sys.modules
