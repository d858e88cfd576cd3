"""Rules on languages, on words and on addresses, whose lists are the user's."""

import os
from typing import Annotated

import pytest

from lingloom.errors import DataError, RecipeError
from lingloom.loading import load
from lingloom.settings import AnyKind, Kinds, Settings
from lingloom.text.filters.batch import TextBatch
from lingloom.text.filters.filter import sift
from lingloom.text.filters.kinds import FILTERS
from lingloom.text.filters.language import LanguageSettings
from lingloom.text.filters.urls import UrlsSettings
from lingloom.text.filters.words import WordsSettings
from lingloom.text.texts import Texts


def batch(*strings: str, urls: list[str | None] | None = None) -> TextBatch:
    return TextBatch(Texts.of_strings(strings), urls)


def test_other_languages_and_unsure_ones_are_dropped():
    texts = batch("從前有座山，山裡有個廟。", "옛날 옛적에", "", "山水人中 สวยสวยสวยสวยสวย")
    assert LanguageSettings(keep=["zh"]).judge(texts) == [
        None,
        "language: not zh",
        "language: not zh",
        "language: less sure than 0.65",
    ]
    assert LanguageSettings(keep=["zh-Hans", "ko"]).judge(texts)[:2] == [
        "language: not zh-Hans or ko",
        None,
    ]
    assert LanguageSettings(keep=["zh"], min_score=0.5).judge(texts)[3] is None


@pytest.fixture
def word_list(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("# words\nDarn\nhot dog\n坏词\nc++\n\n", "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "dropped"),
    [
        ("Oh DARN!", True),
        ("darning socks", False),
        ("a hot dog, please", True),
        ("a shot dog", False),
        ("hot\ndog", False),
        ("这是坏词吗", True),
        ("in C++ we trust", True),
        ("", False),
    ],
)
def test_a_listed_word_drops_a_document(word_list, text, dropped):
    found = WordsSettings(files=[word_list]).judge(batch(text))
    assert found == ["words: a word of the list" if dropped else None]


def test_a_list_that_is_changed_is_read_again(word_list):
    settings = WordsSettings(files=[word_list])
    assert settings.judge(batch("fine")) == [None]
    with open(word_list, "a") as file:
        file.write("fine\n")
    os.utime(word_list, (1, 1))
    assert settings.judge(batch("fine")) == ["words: a word of the list"]
    assert [str(path) for path in settings.files_read()] == [word_list]


def test_listed_domains_and_parts_of_addresses_drop_a_document(tmp_path):
    listed = tmp_path / "domains.txt"
    listed.write_text("bad.org\n")
    settings = UrlsSettings(domains=["Example.com"], domain_files=[str(listed)], parts=["/ads/"])
    urls = [
        "http://example.com/a",
        "https://www.EXAMPLE.com:80/",
        "http://notexample.com/",
        "bad.org/x",
        "http://good.org/ads/1",
        "http://good.org/?u=http://bad.org",
        "http://[1",
        "",
    ]
    domain, part = "urls: a domain of the list", "urls: a listed part in the address"
    assert settings.judge(batch(*"abcdefgh", urls=urls)) == [
        domain, domain, None, domain, part, None, None, None,
    ]  # fmt: skip


def test_documents_without_an_address_are_kept_among_others():
    texts = batch("a", "b", urls=[None, "http://bad.org/x"])
    rules = UrlsSettings(domains=["bad.org"], parts=["x"])
    assert sift([rules], texts).verdicts == [None, "urls: a domain of the list"]


def test_addresses_must_be_there_to_be_judged():
    with pytest.raises(DataError, match="these documents have no addresses; name the field"):
        UrlsSettings(parts=["x"]).judge(batch("a"))


class Recipe(Settings):
    """A recipe of rules alone."""

    filters: list[Annotated[AnyKind, Kinds(FILTERS)]] = []
    """Rules."""


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (
            {"kind": "words", "files": ["no.txt"]},
            "filters.words.files.0 (recipe): no.txt: no such file; give a list with one entry a "
            "line",
        ),
        (
            {"kind": "words", "files": ["empty.txt"]},
            "filters.words.files.0 (recipe): empty.txt: is empty; write one entry a line, or leave "
            "the file out",
        ),
        (
            {"kind": "words", "files": ["latin.txt"]},
            "filters.words.files.0 (recipe): latin.txt: byte 0 is not UTF-8; save it as UTF-8",
        ),
        (
            {"kind": "words", "files": []},
            "filters.words.files (recipe): list should have at least 1 item after validation, "
            "not 0, got []",
        ),
        (
            "words",
            "filters.words.files (recipe): is missing; set it in the recipe or as "
            "filters.words.files=...",
        ),
        (
            "urls",
            "filters.urls (recipe): nothing to look for; give domains, domain_files or parts",
        ),
        (
            {"kind": "language", "keep": []},
            "filters.language.keep (recipe): list should have at least 1 item after validation, "
            "not 0, got []",
        ),
    ],
)
def test_wrong_lists_are_told_when_the_recipe_is_read(tmp_path, monkeypatch, item, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "latin.txt").write_bytes(b"\xe9\n")
    with pytest.raises(RecipeError) as error:
        load(Recipe, {"filters": [item]})
    assert str(error.value) == says
