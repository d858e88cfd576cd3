"""How families of rules work together, and SlimPajama's rule for short documents."""

import numpy as np
import pytest

from lingloom.text.filters.batch import TextBatch
from lingloom.text.filters.filter import FilterSettings, first_reason, sift
from lingloom.text.filters.short import ShortSettings
from lingloom.text.texts import Texts


def judged(filters: FilterSettings | list[FilterSettings], *strings: str) -> list[str | None]:
    listed = filters if isinstance(filters, list) else [filters]
    return sift(listed, TextBatch(Texts.of_strings(strings))).verdicts


class Shouting(FilterSettings):
    """Drops what has no capital; writes all in capitals."""

    kind: str = "shouting"

    def edit(self, texts: Texts) -> Texts:
        return Texts.of_strings([texts[i].upper() for i in range(len(texts))])

    def judge(self, batch: TextBatch) -> list[str | None]:
        return [None if text.isupper() else "shouting: no letters" for text in batch.strings]


def test_of_several_reasons_the_first_family_counts():
    filters = [ShortSettings(min_chars=3), Shouting()]
    assert judged(filters, "12", "1234", "abcd") == [
        "short: fewer than 3 characters",
        "shouting: no letters",
        None,
    ]


def test_a_family_judges_the_texts_that_it_edited_and_later_ones_see_them_too():
    class Quiet(Shouting):
        def edit(self, texts: Texts) -> Texts:
            return texts

    sifted = sift([Shouting(), Quiet()], TextBatch(Texts.of_strings(["abc"])))
    assert (sifted.texts[0], sifted.verdicts) == ("ABC", [None])
    assert judged(Quiet(), "abc") == ["shouting: no letters"]


def test_a_batch_that_no_family_edits_keeps_its_texts():
    texts = Texts.of_strings(["a", "b"])
    assert sift([ShortSettings()], TextBatch(texts)).texts is texts


def test_no_documents_are_fine():
    assert judged([ShortSettings(), Shouting()]) == []


def test_of_several_rules_of_a_family_the_first_that_is_broken_is_named():
    rules = [("a", np.array([False, True, True])), ("b", np.array([False, True, False]))]
    assert first_reason("f", rules) == [None, "f: a", "f: a"]
    assert first_reason("f", rules[::-1]) == [None, "f: b", "f: a"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 200, True),
        ("x" * 199, False),
        ("x" * 199 + "." * 500, False),  # punctuation is not counted
        (" \n" * 500 + "x" * 199 + "\t" * 500, False),
        ("x" * 100 + " \n\t " * 300 + "x" * 99, True),  # a run of white space counts as one
        ("x" * 100 + " \n\t " * 300 + "x" * 98, False),
        ("." * 900 + "x" * 200, True),  # however far in
        ("山" * 199 + "。", True),  # only ASCII punctuation is left out, as published
        ("", False),
    ],
)
def test_short_documents_are_told_by_what_remains_without_punctuation_and_blanks(text, kept):
    assert judged(ShortSettings(), text) == [None if kept else "short: fewer than 200 characters"]


def test_rules_for_some_languages_leave_the_others_as_they_are():
    english, chinese = "all the words of an english sentence", "从前有座山，山里有座庙。"
    batch = TextBatch(Texts.of_strings([chinese, english, chinese]))
    sifted = sift([Shouting(only=["zh"]), ShortSettings(min_chars=20, only=["zh"])], batch)
    assert [sifted.texts[i] for i in range(3)] == [chinese, english, chinese]
    refused = "shouting: no letters"  # Chinese has no capitals
    assert sifted.verdicts == [refused, None, refused]
    sifted = sift([Shouting(only=["en"])], batch)
    assert [sifted.texts[i] for i in range(3)] == [chinese, english.upper(), chinese]
