"""Personal data masked: each find becomes a word such as [EMAIL], and is counted.

What has a check digit is masked only where the digit is right. Source of the e-mail and address
rules: Penedo et al. 2024 (FineWeb), section 3.7; of the Chinese identity number: GB 11643-1999.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

import numpy as np

from .needs import CARD, EMAIL, IDENTITY, IP4, IP6, MOBILE, PHONE, personal_signs

Kind = Literal["email", "id", "card", "mobile", "phone", "ip"]

_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9_](?:[\w.+-]{0,62}[\w+-])?@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}"
    r"(?![A-Za-z0-9-])",
    re.ASCII,
)
_ID = re.compile(
    r"(?<![0-9A-Za-z])[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])"
    r"(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx](?![0-9A-Za-z])"
)
_CARD = re.compile(r"(?<![0-9A-Za-z.-])[2-6][0-9]{3}(?:[ -]?[0-9]{3,6}){2,4}(?![0-9.-])")
_MOBILE = re.compile(
    r"(?<![0-9A-Za-z.+-])(?:\+?86[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}"
    r"(?![0-9A-Za-z]|\.[0-9])"
)
_PHONE = re.compile(
    r"(?<![0-9A-Za-z.+/-])(?:"
    r"\+[1-9][0-9]{0,2}[ .-]?(?:\(0?[0-9]{1,4}\)[ .-]?)?[0-9]{1,4}(?:[ .-]?[0-9]{2,4}){1,4}"  # all
    r"|(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[.-])[2-9][0-9]{2}[.-][0-9]{4}"  # America
    r"|\(?0[1-9][0-9]{1,2}\)?[ -][2-9][0-9]{6,7}"  # China
    r"|\(?0[1-9][0-9]{1,3}\)? [0-9]{3,4} ?[0-9]{3,4}(?! ?[0-9])"  # Britain and much of Europe
    r")(?![0-9A-Za-z/]|[.-][0-9])"
)
_IP4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9])", re.ASCII)
_IP6 = re.compile(
    r"(?<![\w:.])(?=[0-9a-fA-F]{0,4}:)[0-9a-fA-F:]{6,39}"
    r"(?:(?<=:)(?:[0-9]{1,3}\.){3}[0-9]{1,3})?(?![\w:])",
    re.ASCII,
)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def masked(texts: list[str], kinds: Sequence[Kind], counts: Counter[str]) -> list[str]:
    """`texts` with the personal data of `kinds` replaced, in a fixed order of kinds.

    Args:
        texts: what to mask.
        kinds: email; id: Chinese identity numbers; card: bank cards; mobile: Chinese mobile
            numbers; phone: written with a country code or in a common national form; ip: addresses
            that are public, of either version.
        counts: how often each kind was found is added to it.
    """
    texts = list(texts)
    # a mask only takes characters that no other kind could use, so it never adds signs
    signs = personal_signs(texts)
    for kind, (word, rules) in _RULES.items():
        if kind not in kinds:
            continue
        for sign, pattern, right in rules:
            for i in np.flatnonzero(signs & sign):
                texts[i] = _replaced(texts[i], kind, word, pattern, right, counts)
    return texts


def _replaced(
    text: str,
    kind: str,
    word: str,
    pattern: re.Pattern[str],
    right: Callable[[str], bool],
    counts: Counter[str],
) -> str:
    def one(found: re.Match[str]) -> str:
        if not right(found[0]):
            return found[0]
        counts[kind] += 1
        return word

    return pattern.sub(one, text)


def right_identity(number: str) -> bool:
    """Whether the last of 18 characters of a Chinese identity number is its check digit.

    Source: ISO 7064:2003, MOD 11-2.
    """
    total = sum(int(d) * w for d, w in zip(number, _ID_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == number[17].upper()


def right_card(number: str) -> bool:
    """Whether 13 to 19 digits, blanks and hyphens aside, end in the check digit of ISO/IEC 7812-1
    (Luhn)."""
    digits = [int(d) for d in number if d.isdigit()][::-1]
    total = sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])
    return 13 <= len(digits) <= 19 and total % 10 == 0 and len(set(digits)) > 1


def _is_phone(text: str) -> bool:
    return 8 <= sum(c.isdigit() for c in text) <= 15


def _is_public_4(text: str) -> bool:
    try:
        return IPv4Address(text).is_global
    except ValueError:
        return False


def _is_public_6(text: str) -> bool:
    try:
        return IPv6Address(text).is_global
    except ValueError:
        return False


def _always(text: str) -> bool:
    return True


_Rule = tuple[int, re.Pattern[str], Callable[[str], bool]]
_RULES: dict[Kind, tuple[str, list[_Rule]]] = {
    "email": ("[EMAIL]", [(EMAIL, _EMAIL, _always)]),
    "id": ("[ID]", [(IDENTITY, _ID, right_identity)]),
    "card": ("[CARD]", [(CARD, _CARD, right_card)]),
    "mobile": ("[PHONE]", [(MOBILE, _MOBILE, _always)]),
    "phone": ("[PHONE]", [(PHONE, _PHONE, _is_phone)]),
    "ip": ("[IP]", [(IP4, _IP4, _is_public_4), (IP6, _IP6, _is_public_6)]),
}
"""Kind -> the word it becomes, and where it may stand: the sign without which it is not looked for,
its form, and what else must hold."""
