"""Bytes to text, some lines at a time; a line that does not decode is set aside, not fatal."""

import codecs
from collections.abc import Iterator
from itertools import chain

from .encoding import SAMPLE_BYTES, Guess, recognise
from .setaside import Source

ROW_CHARS = 1 << 25
"""The longest row that is read; a longer one is set aside."""

_LONGEST_HELD_BYTES = 1 << 18  # without a line end in sight, text is given in parts of this size


def decoded(pieces: Iterator[bytes], source: Source, encoding: str) -> Iterator[str]:
    """The text of a file in chunks that end with a line ('\\n'), but for parts of a very long one.

    A line that is set aside is left as an empty line, so that lines keep their numbers.

    Args:
        pieces: the bytes of the file.
        source: told the encoding, and what was set aside.
        encoding: 'auto', or a codec.
    """
    sample = b""
    while len(sample) < SAMPLE_BYTES and (piece := next(pieces, b"")):
        sample += piece
    if not sample:
        return
    guess = _told(encoding, sample) if encoding != "auto" else recognise(sample)
    if encoding == "auto" and guess.encoding == "utf-8" and sample.isascii():
        guess = Guess("ascii")
    if guess.encoding == "binary":
        source.report.bytes += len(sample)
        source.set_aside(0, "not text; if it is, set text.encoding", sample)
        return
    decoder = _Decoder(source, guess.encoding, sample)
    source.report.bytes += guess.mark_bytes
    yield from decoder.chunks(chain([sample[guess.mark_bytes :]], pieces))


def _told(encoding: str, sample: bytes) -> Guess:
    """The codec's own name; one that leaves the byte order open goes by the mark, or is -le."""
    name = codecs.lookup(encoding).name.replace("_", "-").removesuffix("-sig")
    if name in ("utf-16", "utf-32"):
        big = sample.startswith("\ufeff".encode(f"{name}-be"))
        name += "-be" if big else "-le"
    mark = "\ufeff".encode(name, "ignore")
    return Guess(name, len(mark) if mark and sample.startswith(mark) else 0)


def rows(chunks: Iterator[str], source: Source) -> Iterator[tuple[int, str]]:
    """(line number, line without its end) of every line that is not blank."""
    line, held, held_chars = 1, list[str](), 0
    for chunk in chunks:
        lines = chunk.split("\n")
        if len(lines) > 1 and held_chars:
            lines[0] = "".join([*held, lines[0]])
            too_long = held_chars > ROW_CHARS
            held, held_chars = [], 0
            if too_long:
                source.set_aside(line, f"row of more than {ROW_CHARS} characters", lines[0][:64])
                lines[0] = ""
        rest = lines.pop()
        for text in lines:
            if text and not text.isspace():
                yield line, text
            line += 1
        held_chars += len(rest)
        if rest and held_chars <= ROW_CHARS + len(rest):  # beyond that, only counted
            held.append(rest)
    text = "".join(held)
    if held_chars > ROW_CHARS:
        source.set_aside(line, f"row of more than {ROW_CHARS} characters", text[:64])
    elif text and not text.isspace():
        yield line, text


def has_half_character(text: str) -> bool:
    """Whether an escape such as \\ud83d left half of a surrogate pair, which UTF-8 cannot write."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


class _Decoder:
    def __init__(self, source: Source, encoding: str, sample: bytes):
        self.source = source
        self.line = 1
        self.newline = b"\n"
        self._use(encoding)
        self.old_mac = self.newline == b"\n" and b"\r" in sample and b"\n" not in sample
        if self.old_mac:
            self.newline = b"\r"

    def _use(self, encoding: str) -> None:
        self.encoding = self.source.report.encoding = encoding
        self.newline = "\n".encode(encoding)

    def chunks(self, pieces: Iterator[bytes]) -> Iterator[str]:
        held = b""
        for piece in pieces:
            self.source.report.bytes += len(piece)
            held += piece
            end = self._end_of_lines(held)
            if end:
                yield self._text(held[:end])
                held = held[end:]
            elif len(held) > _LONGEST_HELD_BYTES:
                text, held = self._part_of_line(held)
                yield text
        if held:
            yield self._text(held)

    def _end_of_lines(self, held: bytes) -> int:
        """Where the last whole line of `held` ends; 0 without one."""
        width = len(self.newline)
        place = held.rfind(self.newline)
        while place > 0 and place % width:  # half of one wide character and half of the next
            place = held.rfind(self.newline, 0, place + width - 1)
        return place + width if place >= 0 else 0

    def _text(self, raw: bytes) -> str:
        self._decide(raw)
        try:
            text = raw.decode(self.encoding)
        except UnicodeDecodeError:
            text = self._good_lines(raw)
        if self.old_mac:
            text = text.replace("\r", "\n")
        elif "\r" in text:
            text = text.replace("\r\n", "\n")
        self.line += text.count("\n")
        return text

    def _decide(self, raw: bytes) -> None:
        """A file that was pure ASCII so far is recognised at the first character that is not."""
        if self.encoding == "ascii" and not raw.isascii():
            guess = recognise(raw)
            self._use("utf-8" if guess.encoding == "binary" else guess.encoding)

    def _good_lines(self, raw: bytes) -> str:
        good, start, width = [], 0, len(self.newline)
        line = self.line
        while start < len(raw):
            place = raw.find(self.newline, start)
            while place > 0 and (place - start) % width:
                place = raw.find(self.newline, place + 1)
            end = place + width if place >= 0 else len(raw)
            try:
                good.append(raw[start:end].decode(self.encoding))
            except UnicodeDecodeError as error:
                self._set_aside(line, raw[start:end], error)
                good.append("\r" if self.old_mac else "\n")
            start, line = end, line + 1
        return "".join(good)

    def _part_of_line(self, held: bytes) -> tuple[str, bytes]:
        """Text of a line that is too long to wait for its end, and the bytes of a cut character."""
        self._decide(held)
        decoder = codecs.getincrementaldecoder(self.encoding)()
        try:
            return decoder.decode(held), decoder.getstate()[0]
        except UnicodeDecodeError as error:
            self._set_aside(self.line, held, error)
            return "", b""

    def _set_aside(self, line: int, raw: bytes, error: UnicodeDecodeError) -> None:
        self.source.set_aside(
            line,
            f"not {self.encoding} text (byte 0x{raw[error.start]:02x} at byte {error.start + 1})",
            raw.rstrip(b"\r\n") if len(self.newline) == 1 else raw,
        )
