import time
from collections import Counter

import pytest

from lingloom.text.clean import CleanSettings, clean_all
from lingloom.text.mask import masked, right_card, right_identity
from lingloom.text.prepare import TextStats, prepare
from lingloom.text.read import TextSettings

EVERY = ["email", "id", "card", "mobile", "phone", "ip"]


def mask(text, *kinds):
    counts = Counter()
    (found,) = masked([text], kinds or EVERY, counts)
    return found, dict(counts)


@pytest.mark.parametrize(
    ("text", "wanted", "kind"),
    [
        ("Write to jane.doe+x@mail.example.co.uk.", "Write to [EMAIL].", "email"),
        ("邮箱zhang_san@example.com，谢谢", "邮箱[EMAIL]，谢谢", "email"),
        ("身份证11010519491231002X。", "身份证[ID]。", "id"),
        ("电话13812345678，或+86 138-1234-5678", "电话[PHONE]，或[PHONE]", "mobile"),
        ("Call +44 20 7946 0958 now", "Call [PHONE] now", "phone"),
        ("Call (212) 555-0123 or 212-555-0123", "Call [PHONE] or [PHONE]", "phone"),
        ("总机010-62345678转3", "总机[PHONE]转3", "phone"),
        ("Tel. 020 7946 0958", "Tel. [PHONE]", "phone"),
        ("from 8.8.8.8 to 2001:4860:4860::8888.", "from [IP] to [IP].", "ip"),
        ("only 2001:4860:4860::8888", "only [IP]", "ip"),
        ("card 4111 1111 1111 1111 ok", "card [CARD] ok", "card"),
    ],
)
def test_personal_data_is_masked_and_counted(text, wanted, kind):
    assert mask(text) == (wanted, {kind: wanted.count("[")})


@pytest.mark.parametrize(
    "text",
    [
        "no one @ home, a@b, @name, x@y.1",
        "身份证110105194912310021",  # its check digit is X
        "11010519491331002X",  # month 13
        "card 4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "192.168.0.1, 10.0.0.7, 127.0.0.1, 1.2.3, 1.2.3.4.5, 300.1.1.1",
        "12:30:45, std::vector, ::1, fe80::1, a::b::c",
        "in 1998-2003, pages 100-200, 3.14159265, ISBN 978-7-04-012345-6",
        "2024-01-02 10:11:12, 1,234,567,890",
        "订单号1381234567890123，12345678",
    ],
)
def test_what_only_looks_like_it_stays(text):
    assert mask(text) == (text, {})


def test_check_digits_are_those_of_the_standards():
    assert right_identity("11010519491231002X")  # the example of GB 11643-1999
    assert right_identity("440524188001010014")  # and its second one
    assert not right_identity("110105194912310029")
    assert right_card("4539 1488 0343 6467")
    assert not right_card("4539 1488 0343 6468")


def test_only_the_kinds_that_are_asked_for_are_masked():
    text = "a@b.org 8.8.8.8"
    assert mask(text, "ip") == ("a@b.org [IP]", {"ip": 1})
    counts = Counter()
    settings = CleanSettings(mask=["email"])
    assert clean_all([text, "x", text], settings, counts) == [
        "[EMAIL] 8.8.8.8",
        "x",
        "[EMAIL] 8.8.8.8",
    ]
    assert counts == {"email": 2}


def test_masked_data_is_in_the_statistics(tmp_path):
    (tmp_path / "a.txt").write_text("write to a@b.org\nor to c@d.org\n")
    settings = TextSettings(read=str(tmp_path), clean=CleanSettings(mask=["email"]))
    stats = TextStats()
    texts = [d.text for _, d in prepare(settings, print, print, stats)]
    assert texts == ["write to [EMAIL]", "or to [EMAIL]"]
    assert stats.as_dict()["masked"] == {"email": 2}


def test_hostile_text_is_searched_in_linear_time():
    start = time.process_time()
    for part in ("a@", "a.", "1", "1 ", "1.", "a:", "+1 ", "x@a.b", "(", "0-", "4111 "):
        mask(part * 100_000)
    assert time.process_time() - start < 20
