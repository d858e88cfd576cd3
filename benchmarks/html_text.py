"""Main text of HTML pages: ours beside trafilatura, in turns, and how alike the two texts are.

    python benchmarks/html_text.py FOLDER... --pages 200 --rounds 3 [--truth ground-truth.json]

Needs trafilatura, which is no dependency. Pages are an even sample of all *.html below the folders;
likeness is the F1 of the bags of tokens (words, Chinese characters) of a page, averaged over pages
on which trafilatura finds a text. With the true texts of pages, {name: {"articleBody": text}} as in
Scrapinghub's article extraction benchmark, both are measured against these too.
"""

import argparse
import gc
import json
import logging
import re
import statistics
import time
from collections import Counter
from pathlib import Path

import trafilatura

from lingloom.text.html import decoded_page, extractor

TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\W_]+")


def overlap(found: str, true: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of the bags of tokens."""
    left, right = Counter(TOKEN.findall(found)), Counter(TOKEN.findall(true))
    both = sum((left & right).values())
    return (
        both / max(1, left.total()),
        both / max(1, right.total()),
        2 * both / max(1, left.total() + right.total()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", nargs="+", type=Path)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--truth", type=Path, help="JSON with the true texts of the pages")
    args = parser.parse_args()
    logging.disable()
    found = sorted(p for folder in args.folder for p in folder.rglob("*.html") if p.is_file())
    found = [p for p in found if 2000 < p.stat().st_size < 2_000_000]
    found = found[:: max(1, len(found) // args.pages)][: args.pages]
    raws = [p.read_bytes() for p in found]
    size = sum(map(len, raws))
    main_text = extractor()
    ours_s, theirs_s = [], []
    for _ in range(args.rounds):
        gc.collect()  # nobody clears up after the other
        start = time.perf_counter()
        ours = [text_of(main_text, raw) for raw in raws]
        ours_s.append(time.perf_counter() - start)
        gc.collect()
        start = time.perf_counter()
        theirs = [trafilatura.extract(raw) or "" for raw in raws]
        theirs_s.append(time.perf_counter() - start)
    ratios = sorted(t / o for t, o in zip(theirs_s, ours_s, strict=True))
    alike = [overlap(a, b)[2] for a, b in zip(ours, theirs, strict=True) if b]
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
    if args.truth:
        known = json.loads(args.truth.read_text("utf-8"))
        true = [known[page.stem]["articleBody"] for page in found]
        for who, texts in (("ours", ours), ("trafilatura", theirs)):
            scores = zip(*(overlap(a, b) for a, b in zip(texts, true, strict=True)), strict=True)
            precision, recall, f1 = map(statistics.mean, scores)
            print(f"  {who:11} precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}")


def text_of(main_text, raw: bytes) -> str:  # type: ignore[no-untyped-def]
    try:
        return main_text(decoded_page(raw)[0]).text
    except ValueError:
        return ""


if __name__ == "__main__":
    main()
