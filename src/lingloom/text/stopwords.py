"""Words that say little: by a list, or by how often they occur.

Source: Luhn 1958 (The automatic creation of literature abstracts) for the idea; Salton and McGill
1983, section 3.3, for the share of documents.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import Field, NonNegativeInt

from ..errors import DataError, RecipeError
from ..settings import Settings


class StopWordsSettings(Settings):
    """Words that say little and are left out of every text; none unless asked for. Small letters
    stand for capitals too."""

    lists: list[str] = []
    """english, chinese, or UTF-8 files with a word in each line."""
    top: NonNegativeInt = 0
    """So many of the most frequent words of the training text as well."""
    document_frac: float = Field(default=1, gt=0, le=1)
    """And those that are in more than this share of its documents."""

    @property
    def by_frequency(self) -> bool:
        """Whether some follow from how often they occur."""
        return self.top > 0 or self.document_frac < 1

    def of(self, documents: Iterable[Sequence[str]]) -> frozenset[str]:
        """The words to leave out, as they may be written.

        Args:
            documents: the words of each; not read unless frequent ones are asked for.

        Raises:
            RecipeError: there is no such list.
            DataError: a list is not UTF-8.
        """
        found = set(listed_stopwords(self.lists))
        if self.by_frequency:
            found.update(frequent_words(documents, top=self.top, document_frac=self.document_frac))
        return frozenset(form for word in found for form in (word, word.capitalize(), word.upper()))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = _words(
    "a about after all also an and any are as at be because been before being between both but by "
    "can could did do does doing down during each few for from further had has have having he her "
    "here hers him his how i if in into is it its just me more most my no nor not now of off on "
    "once only or other our out over own same she should so some such than that the their them "
    "then there these they this those through to too under until up very was we were what when "
    "where which while who whom why will with would you your yours"
)
"""Function words of English."""
CHINESE = _words(
    "的 了 和 是 在 有 我 他 她 它 你 们 我们 你们 他们 她们 "
    "这 那 这个 那个 这些 那些 哪 什么 怎么 为什么 谁 不 没 "
    "没有 也 都 就 还 又 很 更 最 太 才 只 再 把 被 给 让 "
    "对 对于 关于 从 向 到 由 于 与 及 或 或者 而 而且 并 "
    "并且 但 但是 因为 所以 如果 虽然 那么 然后 以及 等 之 其 "
    "此 着 过 地 得 吗 呢 吧 啊 呀 嘛 一个 一些 一种 上 下 "
    "中 里 会 能 可以 要 将 已 已经 曾 曾经 自己 时 时候 以 "
    "为 则 即 若 虽 且 个"
)
"""Function words of Chinese."""


def listed_stopwords(names: Sequence[str]) -> frozenset[str]:
    """The words of every list named: 'english', 'chinese', or a UTF-8 file with a word in a line.

    Raises:
        RecipeError: there is no such file.
        DataError: it is not UTF-8.
    """
    found = set[str]()
    for name in names:
        if name in _LISTS:
            found |= _LISTS[name]
            continue
        try:
            found.update(Path(name).read_text("utf-8-sig").split())
        except UnicodeDecodeError:
            raise DataError(
                f"{name}: a list of stop words that is not UTF-8; save it as UTF-8"
            ) from None
        except OSError as error:
            raise RecipeError(
                f"stop words '{name}': neither english nor chinese, nor a file that can be read "
                f"({error.strerror}); name one of these, or a file with a word in each line"
            ) from None
    return frozenset(found)


def frequent_words(
    documents: Iterable[Sequence[str]],
    *,
    top: int = 0,
    document_frac: float = 1.0,
    most_words: int = 1_000_000,
) -> list[str]:
    """Words of `documents` that are frequent enough to say little, the most frequent first.

    Args:
        documents: the words of each; read once.
        top: so many of the most frequent words, by their count.
        document_frac: and all that are in more than this share of the documents, 0 to 1.
        most_words: words counted at once, which bounds the memory: beyond it the rarer half is
            forgotten, so that counts of rare words are lower bounds (Manku and Motwani 2002, lossy
            counting); words that are frequent enough to be asked for are not among them.
    """
    counts: Counter[str] = Counter()
    within: Counter[str] = Counter()
    number = 0
    for words in documents:
        number += 1
        counts.update(words)
        within.update(set(words))
        if len(counts) > most_words:
            kept = dict(sorted(counts.items(), key=lambda c: (-c[1], c[0]))[: most_words // 2])
            counts = Counter(kept)
            within = Counter({word: within[word] for word in kept})
    order = sorted(counts, key=lambda word: (-counts[word], word))
    common = {word for word in order if within[word] > document_frac * number}
    return [word for i, word in enumerate(order) if i < top or word in common]


_LISTS = {"english": ENGLISH, "chinese": CHINESE}
