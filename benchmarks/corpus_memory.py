"""Peak memory of `lingloom clean` on 1, 4 and 16 times a text, against the budget it was given.

    python benchmarks/corpus_memory.py FILE... [--folds 1 4 16] [--memory 1GB] [--workers 2]

Each further copy of the text has the words of its documents in another order, so that it is as long
and repeats nothing. Memory is that of all processes of the run together, sampled every 20 ms from
/proc/PID/smaps_rollup: `own` is what they hold themselves; `all` also counts pages of mapped files,
which the system takes back when it needs them. Pages that processes share are counted once.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from lingloom.text.read import TextSettings, documents

EVERY_S = 0.02
RECIPE = {
    "filters": ["short", "gopher_repetition"],
    "dedup": {"passages": "line", "audit": True},
    "split": {"validation_frac": 0.002, "test_frac": 0.002},
}
Peaks = dict[str, tuple[int, int]]
"""Stage -> (own, all) in bytes."""


def write_input(sources: list[str], folder: Path, fold: int) -> int:
    """`fold` files with the documents of `sources`; their text in bytes."""
    size = 0
    for copy in range(fold):
        draw = random.Random(copy)
        with open(folder / f"{copy:02}.jsonl", "w", encoding="utf-8") as to:
            for document in documents(TextSettings(read=sources), lambda record: None):
                text = document.text if not copy else shuffled(document.text, draw)
                size += len(text.encode())
                to.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    return size


def shuffled(text: str, draw: random.Random) -> str:
    """The words of each line, or its characters where it has few blanks, in another order."""
    lines = []
    for line in text.split("\n"):
        parts, between = (line.split(" "), " ") if line.count(" ") * 20 > len(line) else (line, "")
        lines.append(between.join(draw.sample(parts, len(parts))))
    return "\n".join(lines)


def memory(session: int) -> tuple[int, int]:
    """(own, all) bytes of the processes of a session, as they are now."""
    own = whole = 0
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            if os.getsid(int(place.name)) != session:
                continue
            rows = (place / "smaps_rollup").read_text().splitlines()[1:]
        except OSError:  # it has gone
            continue
        found = {name: int(rest.split()[0]) << 10 for name, rest in (r.split(":") for r in rows)}
        whole += found["Pss"]
        own += found["Pss_Anon"] + found["Pss_Shmem"]
    return own, whole


def stages(process: subprocess.Popen[str]) -> Iterator[str]:
    """The name of each stage as it ends."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("           ") and "; " in line:
            yield line[11:31].strip()


def peaks(recipe: Path) -> tuple[Peaks, float]:
    """The peaks of each stage of one run, and how many seconds it took."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "lingloom.cli", "clean", str(recipe)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    highest, ended = [0, 0], threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY_S):
            highest[:] = map(max, zip(highest, memory(process.pid), strict=True))

    watching = threading.Thread(target=watch)
    watching.start()
    found: Peaks = {}
    for stage in stages(process):
        found[stage] = (highest[0], highest[1])
        highest[:] = [0, 0]
    code = process.wait()
    ended.set()
    watching.join()
    found["end"] = (highest[0], highest[1])
    assert code == 0, f"lingloom clean ended with {code}"
    return found, time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", metavar="FILE")
    parser.add_argument("--folds", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard-mb", type=int, default=32)
    parser.add_argument("--folder", help="where the input and the corpus go for the while")
    chosen = parser.parse_args()
    first = 0
    for fold in chosen.folds:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
            folder = Path(name)
            (folder / "input").mkdir()
            size = write_input(chosen.sources, folder / "input", fold)
            settings = {
                "text": {"read": str(folder / "input")},
                "out": str(folder / "corpus"),
                "memory": chosen.memory,
                "workers": chosen.workers,
                "shard_mb": chosen.shard_mb,
            }
            (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE | settings))
            found, taken = peaks(folder / "recipe.yaml")
        own, whole = (max(peak[i] for peak in found.values()) for i in (0, 1))
        first = first or own
        print(
            f"{fold:>3}x  {size / 1e6:7.1f} MB of text  {taken:6.1f} s  own {own / 1e6:6.0f} MB "
            f"({own / first:.2f} of {chosen.folds[0]}x)  all {whole / 1e6:6.0f} MB  of "
            f"memory={chosen.memory}"
        )
        for stage, (mine, every) in found.items():
            print(f"       {stage:<20} own {mine / 1e6:6.0f} MB  all {every / 1e6:6.0f} MB")


if __name__ == "__main__":
    main()
