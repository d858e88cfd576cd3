"""Main text of HTML pages: ours beside trafilatura, in turns, and how alike the two texts are.

    python benchmarks/html_text.py FOLDER... --pages 200 --rounds 3

Needs trafilatura, which is no dependency. Pages are an even sample of all *.html below the folders;
likeness is the F1 of the bags of tokens (words, Chinese characters) of a page, averaged over pages
on which trafilatura finds a text.
"""

import argparse
import logging
import re
import statistics
import time
from collections import Counter
from pathlib import Path

import trafilatura

from lingloom.text.html import decoded_page, encoding_of, extractor

TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\W_]+")


def f1(a: str, b: str) -> float:
    left, right = Counter(TOKEN.findall(a)), Counter(TOKEN.findall(b))
    both = sum((left & right).values())
    return 2 * both / max(1, left.total() + right.total())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", nargs="+", type=Path)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    logging.disable()
    found = sorted(p for folder in args.folder for p in folder.rglob("*.html") if p.is_file())
    found = [p for p in found if 2000 < p.stat().st_size < 2_000_000]
    raws = [p.read_bytes() for p in found[:: max(1, len(found) // args.pages)][: args.pages]]
    size = sum(map(len, raws))
    main_text = extractor()
    ours_s, theirs_s = [], []
    for _ in range(args.rounds):
        start = time.perf_counter()
        ours = [text_of(main_text, raw) for raw in raws]
        middle = time.perf_counter()
        theirs = [trafilatura.extract(raw) or "" for raw in raws]
        ours_s.append(middle - start)
        theirs_s.append(time.perf_counter() - middle)
    ratios = sorted(t / o for t, o in zip(theirs_s, ours_s, strict=True))
    alike = [f1(a, b) for a, b in zip(ours, theirs, strict=True) if b]
    print(f"{len(raws)} pages, {size / 1e6:.1f} MB; trafilatura {trafilatura.__version__}")
    print(f"  ours        {size / 1e6 / statistics.median(ours_s):7.2f} MB/s")
    print(f"  trafilatura {size / 1e6 / statistics.median(theirs_s):7.2f} MB/s")
    print(
        f"  ours is {statistics.median(ratios):.1f}x as fast ({ratios[0]:.1f} - {ratios[-1]:.1f})"
    )
    print(
        f"  token F1 mean {statistics.mean(alike):.3f}, median {statistics.median(alike):.3f} on "
        f"{len(alike)} pages; pages with text: ours {sum(map(bool, ours))}, theirs {len(alike)}"
    )


def text_of(main_text, raw: bytes) -> str:  # type: ignore[no-untyped-def]
    try:
        return main_text(decoded_page(raw, encoding_of(raw))).text
    except ValueError:
        return ""


if __name__ == "__main__":
    main()
