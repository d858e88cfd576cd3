"""What kind each character is: one table for all kernels and for their twins in Python.

The kinds are those of Python's own Unicode data; Han and kana, which are written without blanks
between words, are a kind of their own.
"""

import unicodedata
from functools import cache

import numpy as np

WORD, MARK, CJK, SPACE, ALPHA, BREAK, TERMINAL, PUNCTUATION = (1 << bit for bit in range(8))
"""Letter or digit; mark that goes with the character before it; Han, kana or bopomofo; white space;
letter; end of a line for `str.splitlines`; end of a sentence; punctuation."""

KNOWN = 0x34000
"""Code points in the table; those above are rare marks, tags and private ones and have no kind."""

_CJK = (
    "3005 3007 3021-3029 303B-303C 3041-3096 309D-309F 30A1-30FA 30FD-30FF 3105-312F 31A0-31BF "
    "31F0-31FF 3400-4DBF 4E00-9FFF F900-FAD9 FF66-FF6F FF71-FF9D 1B000-1B16F 20000-33FFF"
)
_BREAKS = "A-D 1C-1E 85 2028-2029"
# Unicode 16, property Sentence_Terminal.
_TERMINALS = (
    "21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E "
    "1735-1736 17D4-17D5 1803 1809 1944-1945 1AA8-1AAB 1B4E-1B4F 1B5A-1B5B 1B5E-1B5F 1B7D-1B7F "
    "1C3B-1C3C 1C7E-1C7F 2024 203C-203D 2047-2049 2CF9-2CFB 2E2E 2E3C 2E53-2E54 2E60-2E61 3002 "
    "A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE12 "
    "FE15-FE16 FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 "
    "110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 "
    "113D4-113D5 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 "
    "11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 "
    "16B44 16D6E-16D6F 16E98 1BC9F 1DA88"
)


@cache
def character_kinds(more_terminals: str = "") -> np.ndarray:
    """uint8 (KNOWN): the kinds of each code point, joined by or.

    Args:
        more_terminals: characters that end a sentence beyond Unicode's own, such as '；'.
    """
    kinds = np.fromiter(map(_kinds_of, map(chr, range(KNOWN))), np.uint8, KNOWN)
    for written, bit in ((_BREAKS, BREAK), (_TERMINALS, TERMINAL)):
        for first, last in _ranges(written):
            kinds[first : last + 1] |= bit
    for first, last in _ranges(_CJK):
        kinds[first : last + 1] &= ~np.uint8(WORD | MARK)
        kinds[first : last + 1] |= CJK
    for character in more_terminals:
        kinds[ord(character)] |= TERMINAL
    kinds.flags.writeable = False
    return kinds


def _kinds_of(character: str) -> int:
    category = unicodedata.category(character)
    kinds = WORD if character.isalnum() else 0
    kinds |= MARK if category[0] == "M" and not kinds else 0
    kinds |= SPACE if character.isspace() else 0
    kinds |= ALPHA if character.isalpha() else 0
    return kinds | (PUNCTUATION if category[0] == "P" else 0)


def _ranges(written: str) -> list[tuple[int, int]]:
    pairs = [word.partition("-") for word in written.split()]
    return [(int(first, 16), int(last or first, 16)) for first, _, last in pairs]
