"""Text to token ids: ours (all the way to shards on disk) beside `tokenizers` and `tiktoken`.

    python benchmarks/tokenise.py                           the Python documentation on this machine
    python benchmarks/tokenise.py english.txt chinese.txt   each file on its own
    python benchmarks/tokenise.py --memory 64 256 1024      peak memory over that many megabytes
    python benchmarks/tokenise.py --shards big.jsonl        that file, of any size, read and written

All use one byte-level BPE of 16k tokens, trained on the file at hand. The contenders take turns,
each turn in a process of its own; medians are printed, the ids of all are checked to be the same.
`tokenizers` and `tiktoken` keep their ids in memory, as their batch calls do; ours write them.
"""

import argparse
import hashlib
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from lingloom.errors import DataError
from lingloom.text.document import Document
from lingloom.text.read import TextSettings, documents
from lingloom.tokens.bytelevel import BPESettings, BPETokenizer
from lingloom.tokens.open import open_tokenizer
from lingloom.tokens.shards import Shards
from lingloom.tokens.write import ShardStats, write_shards

DOCUMENT_CHARACTERS = 4000
Turn = tuple[float, float, str]
"""Seconds, megabytes of memory above those of the text and the tokenizer, hash of the ids."""


def python_documentation() -> str:
    """The language reference as `help()` shows it, and the standard library's own sources."""
    from pydoc_data.topics import topics

    sources = sorted(Path(os.__file__).parent.glob("*.py"))
    return "\n".join([*topics.values(), *(p.read_text("utf-8", "replace") for p in sources)])


def cut_documents(text: str, megabytes: float) -> list[str]:
    """Whole lines, about DOCUMENT_CHARACTERS each, again from the start until there is enough."""
    once, lines, size = [], [], 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        size += len(line)
        if size >= DOCUMENT_CHARACTERS:
            once.append("".join(lines))
            lines, size = [], 0
    once.append("".join(lines))
    wanted, out, held = megabytes * 1e6, [], 0
    while held < wanted:
        for document in once:
            out.append(document)
            held += len(document.encode())
            if held >= wanted:
                break
    return out


def ours(tokenizer: BPETokenizer, texts: list[str], folder: str) -> Callable[[], np.ndarray]:
    given = (("train", Document(text, str(i), "")) for i, text in enumerate(texts))
    for _ in write_shards(given, tokenizer, folder):
        pass

    def ids() -> np.ndarray:
        stored = Shards.open(folder, "train")
        every = stored.ids(0, stored.tokens)
        return every[every != stored.end]

    return ids


def without_kernel(
    tokenizer: BPETokenizer, texts: list[str], folder: str
) -> Callable[[], np.ndarray]:
    vars(tokenizer)["native"] = None
    return ours(tokenizer, texts, folder)


def library(tokenizer: BPETokenizer, texts: list[str], folder: str) -> Callable[[], np.ndarray]:
    found = tokenizer.library.encode_batch(texts, add_special_tokens=False)
    return lambda: np.concatenate([e.ids for e in found])


def library_fast(
    tokenizer: BPETokenizer, texts: list[str], folder: str
) -> Callable[[], np.ndarray]:
    found = tokenizer.library.encode_batch_fast(texts, add_special_tokens=False)
    return lambda: np.concatenate([e.ids for e in found])


def tiktoken(tokenizer: BPETokenizer, texts: list[str], folder: str) -> Callable[[], np.ndarray]:
    assert tokenizer.encoder is not None
    found = tokenizer.encoder.encode_ordinary_batch(texts, num_threads=os.cpu_count() or 1)
    return lambda: np.concatenate(found)


CONTENDERS = {
    "lingloom, to shards": ours,
    "lingloom without its kernel": without_kernel,
    "tokenizers encode_batch": library,
    "tokenizers encode_batch_fast": library_fast,
    "tiktoken encode_ordinary_batch": tiktoken,
}


def forget_peak() -> None:
    """Linux: the peak is the present use again, so that reading the text is not counted."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_megabytes() -> float:
    """The most memory that this process had since `forget_peak`, or since it began."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def turn(name: str, folder: str, file: str | None, megabytes: float) -> Turn:
    """One contender, once, in this process."""
    texts = cut_documents(_text(file), megabytes)
    tokenizer = open_tokenizer(folder)
    assert isinstance(tokenizer, BPETokenizer)
    tokenizer.encode_batch(texts[:2])
    tokenizer.library.encode_batch(texts[:2])
    forget_peak()
    before = peak_megabytes()
    with tempfile.TemporaryDirectory() as shards:
        begun = time.perf_counter()
        ids = CONTENDERS[name](tokenizer, texts, shards)
        seconds = time.perf_counter() - begun
        peak = peak_megabytes()
        digest = hashlib.sha256(ids().astype("<u4").tobytes()).hexdigest()
    return seconds, peak - before, digest


def stream(folder: str, file: str | None, megabytes: float) -> Turn:
    """Ours over a stream that is never held in memory; the memory is that of the whole process."""
    tokenizer = open_tokenizer(folder)

    def given() -> Iterator[tuple[str, Document]]:
        once, held = cut_documents(_text(file), 2), 0.0
        while held < megabytes * 1e6:
            for i, text in enumerate(once):
                yield "train", Document(text, f"{i}", "")
                held += len(text.encode())

    with tempfile.TemporaryDirectory() as shards:
        begun = time.perf_counter()
        for _ in write_shards(given(), tokenizer, shards):
            pass
        seconds = time.perf_counter() - begun
    return seconds, peak_megabytes(), ""


def refuse(record: Mapping[str, Any]) -> None:
    raise SystemExit(f"cannot be read, so the figures would mislead: {record}")


def shards(folder: str, file: str) -> tuple[float, float, ShardStats]:
    """Seconds and megabytes of the whole process for `file`, read by the library's own reader."""
    tokenizer, stats = open_tokenizer(folder), ShardStats()
    found = (("train", d) for d in documents(TextSettings(read=[file]), refuse))
    with tempfile.TemporaryDirectory(dir=Path(file).parent) as written:
        begun = time.perf_counter()
        for stats in write_shards(found, tokenizer, written):  # noqa: B007 - the last counts
            pass
        seconds = time.perf_counter() - begun
    return seconds, peak_megabytes(), stats


def learn(file: str, vocab: int, folder: str) -> None:
    """A tokenizer from the first 10 MB of `file`, on which the speed depends little."""
    some, held = [], 0
    for document in documents(TextSettings(read=[file]), refuse):
        some.append(document.text)
        held += len(document.text.encode())
        if held > 10e6:
            break
    BPESettings(vocab=vocab).train(some).save(Path(folder))


def all_of(file: str, vocab: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        alone(learn, file, vocab, folder)
        seconds, peak, stats = alone(shards, folder, file)
    print(
        f"\n{file}: {stats.documents} documents, {stats.text_bytes / 1e6:.0f} MB of text, "
        f"{stats.tokens} tokens in {seconds:.1f} s, {stats.text_bytes / 1e6 / seconds:.1f} MB/s, "
        f"{peak:.0f} MB at the peak"
    )


def alone(job: Callable[..., Any], *args: object) -> Any:
    """`job` in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(job, *args).result()


def train(file: str | None, vocab: int, folder: str) -> None:
    try:
        tokenizer = BPESettings(vocab=vocab).train([_text(file)])
    except DataError as error:
        raise SystemExit(f"{file or 'Python documentation'}: {error}") from None
    tokenizer.save(Path(folder))


def compare(file: str | None, vocab: int, megabytes: float, rounds: int) -> None:
    print(f"\n{file or 'Python documentation'}: {megabytes:g} MB, {rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        train(file, vocab, folder)
        turns: dict[str, list[Turn]] = {name: [] for name in CONTENDERS}
        for _ in range(rounds):
            for name in CONTENDERS:
                turns[name].append(alone(turn, name, folder, file, megabytes))
    same = len({t[2] for some in turns.values() for t in some}) == 1
    first = [t[0] for t in turns["lingloom, to shards"]]
    print(f"{'':32}{'MB/s':>8}{'memory':>10}  ours is faster by (median of rounds, range)")
    for name, some in turns.items():
        ratios = [t[0] / mine for t, mine in zip(some, first, strict=True)]
        speed = megabytes / statistics.median(t[0] for t in some)
        memory = statistics.median(t[1] for t in some)
        ratio = f"{statistics.median(ratios):.2f}x ({min(ratios):.2f}-{max(ratios):.2f})"
        print(f"{name:32}{speed:8.1f}{memory:7.0f} MB  {ratio}")
    print("the same ids from all" if same else "THE IDS DIFFER")


def memory(file: str | None, vocab: int, sizes: list[float]) -> None:
    print("\npeak memory of the whole process, ours, text streamed to shards")
    with tempfile.TemporaryDirectory() as folder:
        train(file, vocab, folder)
        for size in sizes:
            seconds, peak, _ = alone(stream, folder, file, size)
            print(f"{size:8.0f} MB of text: {peak:6.0f} MB of memory, {size / seconds:.1f} MB/s")


def _text(file: str | None) -> str:
    return Path(file).read_text("utf-8") if file else python_documentation()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", help="UTF-8 text; default: the Python documentation")
    parser.add_argument("--vocab", type=int, default=16384)
    parser.add_argument("--megabytes", type=float, default=20, help="text per turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=float, nargs="+", metavar="MB", help="measure memory only")
    parser.add_argument("--shards", metavar="FILE", help="tokenise all of it, once")
    given = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("tokenizers", "tiktoken", "numpy"))
    print(f"Python {platform.python_version()}, {versions}, {os.cpu_count()} processors")
    if given.shards:
        all_of(given.shards, given.vocab)
        return
    for file in given.files or [None]:
        if given.memory:
            memory(file, given.vocab, given.memory)
        else:
            compare(file, given.vocab, given.megabytes, given.rounds)


if __name__ == "__main__":
    main()
