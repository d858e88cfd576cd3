"""Unicode NFC of real text: ours beside ftfy as SlimPajama runs it, in turns.

    python benchmarks/normalise.py en.txt zh.txt --rounds 5

SlimPajama calls `ftfy.fix_text(text, normalization="NFC")` on each document. Each line is a
document; ours does the whole of `text.clean` (NFC, control characters, blanks), with the repair of
mojibake on as well in the last column. Without a file: Python's own documentation.
"""

import argparse
import pydoc_data.topics
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import ftfy

from lingloom.text.clean import CleanSettings, clean_all

BATCH = 512


def timed(work: Callable[[], list[str]]) -> tuple[float, list[str]]:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def ours(texts: list[str], settings: CleanSettings) -> list[str]:
    parts = (texts[i : i + BATCH] for i in range(0, len(texts), BATCH))
    return [text for part in parts for text in clean_all(part, settings)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("text", nargs="*", type=Path, help="UTF-8 text files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=4)
    args = parser.parse_args()
    named = {p.name: p.read_text("utf-8", errors="replace").split("\n") for p in args.text}
    for name, lines in (named or {"topics": [*pydoc_data.topics.topics.values()]}).items():
        texts, size = list[str](), 0
        for line in lines:
            texts.append(line)
            size += len(line.encode())
            if size > args.megabytes * 1e6:
                break
        run(name, texts, size, args.rounds)


def run(name: str, texts: list[str], size: int, rounds: int) -> None:
    plain, repairing = CleanSettings(), CleanSettings(mojibake=True)
    runs: dict[str, list[float]] = {"ours": [], "ours with repair": [], "ftfy": []}
    for _ in range(rounds):
        seconds, cleaned = timed(lambda: ours(texts, plain))
        runs["ours"].append(seconds)
        runs["ours with repair"].append(timed(lambda: ours(texts, repairing))[0])
        seconds, theirs = timed(lambda: [ftfy.fix_text(t, normalization="NFC") for t in texts])
        runs["ftfy"].append(seconds)
    assert all(normalize("NFC", t) == t for t in cleaned)
    marks = sum(a != b and "“" in a + "”" for a, b in zip(texts, theirs, strict=True))
    print(
        f"{name}: {size / 1e6:.1f} MB, {len(texts):,} documents; ftfy changes quotes in {marks:,}"
    )
    for who, each in runs.items():
        ratios = sorted(f / o for f, o in zip(runs["ftfy"], each, strict=True))
        print(
            f"  {who:<17} {size / 1e6 / statistics.median(each):8.1f} MB/s, over ftfy "
            f"{statistics.median(ratios):6.1f}x ({ratios[0]:.1f} - {ratios[-1]:.1f})"
        )


if __name__ == "__main__":
    main()
