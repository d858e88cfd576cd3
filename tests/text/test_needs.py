from unicodedata import is_normalized

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingloom.native.kernels import kernels
from lingloom.text import needs as module
from lingloom.text.clean import CleanSettings, clean
from lingloom.text.needs import BLANKS, CONTROL, FORM, MANGLED, needs, personal_signs

compiled = pytest.mark.skipif(kernels() is None, reason="the kernels are not built")
BOTH = [pytest.param(True, marks=compiled), False]
MEAN = st.text(st.sampled_from(" \n\t\r\xa0\u3000\u200bÃ©Â€ae\u0301中Ω😀\ud800"), max_size=90)
NUMBERS = st.text(st.sampled_from("0123456789 .-()+@:aFx,_\n中"), max_size=200)
LONG = st.tuples(st.integers(0, 130), MEAN, st.integers(0, 130)).map(
    lambda parts: "x" * parts[0] + parts[1] + "y" * parts[2]
)


@pytest.mark.parametrize("native", BOTH)
@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("", 0),
        ("plain text\n\nin “two” paragraphs €5 → Ελλάς, 中文，한국 🙂", 0),
        ("a\r\nb", CONTROL | FORM),
        ("so\u00adft", CONTROL | FORM),
        ("e\u0301", FORM),
        ("\u2126", FORM),
        ("a \nb", BLANKS),
        ("a\u3000", BLANKS),
        ("\na", BLANKS),
        ("a\n", BLANKS),
        ("a\n\n\nb", BLANKS),
        ("schÃ¶n", MANGLED),
        ("Ã la carte", MANGLED),
        ("citÃ", 0),
        ("x" * 70 + "\n" + "x" * 70 + " \n" + "x", BLANKS),
    ],
)
def test_what_a_text_needs(native, text, flags):
    assert list(needs(["first", text, "last"], native=native)) == [0, flags, 0]


@compiled
@given(st.lists(st.one_of(MEAN, LONG, st.text(max_size=40)), max_size=4))
def test_the_kernel_tells_the_same_needs_as_its_twin(texts):
    assert list(needs(texts)) == list(needs(texts, native=False))


@compiled
@given(st.lists(NUMBERS, max_size=4))
def test_the_kernel_sees_the_same_signs_of_personal_data_as_its_twin(texts):
    assert list(personal_signs(texts)) == list(personal_signs(texts, native=False))


@given(st.one_of(MEAN, LONG, st.text(max_size=60)))
def test_a_text_that_needs_nothing_is_regular(text):
    flags = needs([text])[0]
    cleaned = clean(text, CleanSettings())
    if not flags & (CONTROL | FORM | BLANKS):
        assert cleaned == text
        assert is_normalized("NFC", text)
    assert not needs([cleaned])[0] & (CONTROL | BLANKS)


@pytest.mark.parametrize("native", BOTH)
@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("in 2003, at 10:11:12, for 1,234 of @you and std; a@ b", 0),
        ("+44 20 7946", module.PHONE),
        ("138-1234-5678", module.PHONE | module.MOBILE),
        ("12345678901234567", module.PHONE | module.MOBILE | module.CARD | module.IDENTITY),
        ("4111 1111 1111 1", module.PHONE | module.MOBILE | module.CARD),
        ("8.8.8.8", module.IP4),
        ("8.8..8.8.8", 0),
        ("2001:4860::1", module.IP6),
        ("1:2:3:4:5:6:7", module.IP6),
        ("1:2:3:4:5:6", 0),
        ("a_@b", module.EMAIL),
        ("x" * 64 + "@" + "x" * 64, module.EMAIL),
    ],
)
def test_signs_of_personal_data(native, text, signs):
    assert list(personal_signs(["中", text], native=native)) == [0, signs]
