"""Every reason for which a document can be left out is told in Chinese too."""

from importlib import import_module

import pytest

from lingloom.loading import load
from lingloom.settings import Kinds
from lingloom.text.clean import CleanSettings, too_short
from lingloom.text.filters.batch import TextBatch
from lingloom.text.filters.kinds import FILTERS
from lingloom.text.prepare import UNEVEN
from lingloom.text.texts import Texts
from lingloom.trust.reasons import in_chinese

NEEDED = {
    "language": {"keep": ["en", "zh"]},
    "urls": {"domains": ["a.example"]},
    "words": {"files": ["words.txt"]},
}


def rules_of(kind, tmp_path, monkeypatch):
    """Whatever a family can say, with its defaults."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("bad\n", "utf-8")
    said = []

    def noted(family, rules):
        said.extend(f"{family}: {rule}" for rule, _ in rules)
        return [None] * len(rules[0][1])

    for row in FILTERS.values():
        module = import_module(f"lingloom.{row.partition(':')[0]}")
        monkeypatch.setattr(module, "first_reason", noted, raising=False)
    settings = load(Kinds(FILTERS).settings_class(kind), NEEDED.get(kind, {}))
    settings.judge(TextBatch(Texts.of_strings(["好的 text"]), [None], ["a.txt"]))
    return said


@pytest.mark.parametrize("kind", FILTERS)
def test_every_rule_of_every_family_is_told_in_chinese(kind, tmp_path, monkeypatch):
    said = rules_of(kind, tmp_path, monkeypatch)
    assert said
    for reason in said:
        assert in_chinese(reason), reason
        assert "{" not in in_chinese(reason)


@pytest.mark.parametrize(
    ("reason", "chinese"),
    [
        ("gopher: fewer than 50 words", "少于 50 个词"),
        ("chinese: fewer than 2 stop words", "停用词少于 2 个"),
        ("language: not en or zh", "不是 en or zh"),
        (
            "repetition: over 0.2 of characters in one sequence of 2 words",
            "2 词的最常见序列所占字符超过 0.2",
        ),
        ("overlaps quiz {0}.txt", "与 quiz {0}.txt 重合"),
        ("overlaps the held-out documents", "与留出文本重合"),
        ("nothing but repeated lines", "只剩重复的行"),
        ("nothing but repeated paragraphs", "只剩重复的段落"),
        ("weight of the source", "按来源的权重未取"),
        ("exact duplicate", "完全重复"),
        ("near duplicate", "近似重复"),
        ("duplicate", "重复"),
        (UNEVEN, "词数与标签数不同"),
        (too_short("", CleanSettings()), "空文档"),
        (too_short("ab", CleanSettings(min_chars=5)), "少于 5 个字符"),
        ("mine: a rule of my own", ""),
        ("of no form", ""),
    ],
)
def test_reasons_in_chinese(reason, chinese):
    assert in_chinese(reason) == chinese
