"""A sample of a stream of any length, and long texts in pieces; both in bounded memory."""

import re
from collections.abc import Iterable, Iterator

PIECE_CHARACTERS = 1 << 16
_AFTER_BREAK = re.compile(r"\n(?=\S)")


def cut(text: str, size: int) -> Iterator[str]:
    """`text` in pieces of about `size` characters that encode to the same ids as the whole.

    Every kind begins a new word after a line break that something visible follows, so pieces end
    there; a line is never cut, however long.
    """
    start = 0
    while len(text) - start > size and (found := _AFTER_BREAK.search(text, start + size - 1)):
        yield text[start : found.end()]
        start = found.end()
    yield text[start:] if start else text


def sample(texts: Iterable[str], budget_bytes: int) -> list[str]:
    """At most about `budget_bytes` of `texts`, spread evenly over all of them, in their order.

    Keeps every n-th piece; whenever that is too much, n doubles. What is kept depends on the texts
    alone. A piece is a text, or about 64 thousand characters of a longer one.
    """
    kept: list[tuple[str, int]] = []
    held, every, index = 0, 1, 0
    for text in texts:
        for piece in cut(text, PIECE_CHARACTERS):
            if piece and index % every == 0:
                kept.append((piece, len(piece.encode())))
                held += kept[-1][1]
                while held > budget_bytes and len(kept) > 1:
                    kept, every = kept[::2], every * 2
                    held = sum(size for _, size in kept)
            index += 1
    return [piece for piece, _ in kept]
