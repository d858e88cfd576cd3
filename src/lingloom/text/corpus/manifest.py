"""What a finished corpus says of itself, and its files put in their place.

corpora/NAME/
  manifest.json   figures of every stage and source, hashes of the files; written last: with it the
                  corpus is whole. The same text and recipe give the same bytes.
  recipe.yaml     the fully resolved recipe
  train/ validation/ test/   parquet files with id, source, url, text; read in the order of names
  dropped/        documents that were left out, each with its reason and what it repeats
  set_aside.jsonl lines, rows and files that could not be read, and why
  tokens/         with `tokens` in the recipe: a tokenizer and the splits as token shards
  log.jsonl       when each stage ran and how long it took
  report.html     all of it, to be looked at; with times and versions, so that it and the log alone
                  differ from one making of the corpus to the next
  .work/          files between the stages; while it is there, the same command goes on
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...runs import make_folder
from .build import Built
from .cleaning import SPLITS
from .reading import aside_of
from .settings import CorpusSettings, plain
from .work import read_array, written

MANIFEST, WORK, TOKENS = "manifest.json", ".work", "tokens"
FORMAT = 1
_NO_EFFECT = ("memory", "workers", "executor", "keep_work", "out")
"""Settings that change nothing in what is written."""


def described(settings: CorpusSettings) -> dict[str, Any]:
    """The settings that decide what a corpus holds."""
    return {name: value for name, value in plain(settings).items() if name not in _NO_EFFECT}


def manifest(settings: CorpusSettings, work: Path, built: Built) -> dict[str, Any]:
    """All figures; those of documents add up, which is checked here.

    in = kept + dropped + set aside, for the whole and for each source.
    """
    sources = _sources(built)
    for name, figures in sources.items():
        came_in = figures["documents"] + figures["set_aside"]
        gone = sum(n for n, _ in figures["dropped"].values()) + figures["set_aside"]
        assert came_in == figures["kept"] + gone, (name, figures)
    dropped: dict[str, list[int]] = {}
    languages: dict[str, list[int]] = {}
    for figures in sources.values():
        _add(dropped, figures["dropped"])
        _add(languages, figures["languages"])
    return {
        "format": FORMAT,
        "recipe": described(settings),
        "documents": sum(f["documents"] for f in sources.values()),
        "set_aside": sum(f["set_aside"] for f in sources.values()),
        "kept": _kept(built),
        "dropped": _most_first(dropped),
        "languages": _most_first(languages),
        "stages": _stages(built),
        "sources": sources,
        "inputs": [read["report"] for read in built.read],
        "duplicates": _duplicates(work, built),
        "audit": built.audit,
        "benchmarks": _benchmarks(built),
        "masked": _sum(part["masked"] for part in built.cleaned),
        "shortened": sum(part["shortened"] for part in built.scattered),
        "lengths": _added(file["lengths"] for file in built.files),
        "files": _files(built),
    }


def _most_first(counts: dict[str, list[int]]) -> dict[str, list[int]]:
    return dict(sorted(counts.items(), key=lambda item: -item[1][0]))


def _sources(built: Built) -> dict[str, dict[str, Any]]:
    """Source -> what came in, what was kept, in which languages where a filter asked for them,
    what was dropped and why."""
    sources: dict[str, dict[str, Any]] = {}
    for read in built.read:
        report = read["report"]
        sources[report["name"]] = {
            "documents": report["documents"],
            "set_aside": report["set_aside"],
            "bytes": report["bytes"],
            "kept": 0,
            "kept_bytes": 0,
            "languages": {},
            "dropped": {},
        }
    for file in built.files:
        for name, (documents, size) in file["by_source"].items():
            sources[name]["kept"] += documents
            sources[name]["kept_bytes"] += size
        for name, languages in file["by_language"].items():
            _add(sources[name]["languages"], languages)
    for stage in (built.cleaned, built.scattered, built.files):
        for figures in stage:
            for name, reasons in figures["dropped"].items():
                _add(sources[name]["dropped"], reasons)
    return sources


def _add(total: dict[str, list[int]], counts: dict[str, list[int]]) -> None:
    """Add [documents, bytes] under each name to those in `total`."""
    for name, (documents, size) in counts.items():
        entry = total.setdefault(name, [0, 0])
        entry[0] += documents
        entry[1] += size


def _kept(built: Built) -> dict[str, dict[str, int]]:
    """Split -> documents, and their copies and bytes as written, weights counted in."""
    kept = {split: {"documents": 0, "copies": 0, "bytes": 0} for split in SPLITS}
    for (split, _), file in zip(built.layout.files, built.files, strict=True):
        kept[split]["documents"] += sum(n for n, _ in file["by_source"].values())
        kept[split]["copies"] += file["copies"]
        kept[split]["bytes"] += file["copies_bytes"]
    return kept


def _stages(built: Built) -> list[dict[str, Any]]:
    """Documents and bytes of text in and out of each stage, each document once."""
    read = [part for file in built.read for part in file["parts"]]
    single = [count for file in built.files for count in file["by_source"].values()]
    counts = [
        ("read", *_total(read)),
        ("clean", *_total(built.cleaned)),
        ("dedup", *_total(built.scattered)),
        ("decontaminate", sum(n for n, _ in single), sum(size for _, size in single)),
    ]
    rows = []
    for (name, documents, size), before in zip(counts[1:], counts, strict=False):
        rows.append(
            {
                "stage": name,
                "documents_in": before[1],
                "documents_out": documents,
                "bytes_in": before[2],
                "bytes_out": size,
            }
        )
    return rows


def _total(parts: list[dict[str, Any]]) -> tuple[int, int]:
    return sum(p["documents"] for p in parts), sum(p["bytes"] for p in parts)


def _duplicates(work: Path, built: Built) -> dict[str, Any]:
    """How many documents repeat others, in clusters of what size, at what similarity."""
    found: dict[str, Any] = {"exact": sum(part["removed"] for part in built.exact)}
    if not built.cluster_key:
        return found
    edges = [np.array(read_array(work / key, "jaccard")) for key in built.verified_keys]
    similar = np.concatenate(edges)
    similar = similar[~np.isnan(similar)]
    sizes = read_array(work / built.cluster_key, "sizes")
    return found | {
        "near": built.clusters["removed"],
        "clusters": built.clusters["clusters"],
        "candidates": sum(part["candidates"] for part in built.verified),
        "pairs": sum(part["edges"] for part in built.verified),
        "cluster_sizes": {
            str(n): int(c) for n, c in zip(*np.unique(sizes, return_counts=True), strict=True)
        },
        "jaccard": np.histogram(similar, bins=20, range=(0, 1))[0].tolist(),
    }


def _benchmarks(built: Built) -> dict[str, dict[str, int]]:
    """Evaluation file -> its documents, its lines that could not be read, and the documents that
    were dropped for it."""
    hits = _sum(file["benchmarks"] for file in built.files)
    found = built.grams[0] if built.grams else {"documents": {}, "set_aside": {}}
    return {
        name: {
            "documents": found["documents"].get(name, 0),
            "set_aside": found["set_aside"].get(name, 0),
            "dropped": n,
        }
        for name, n in hits.items()
    }


def _files(built: Built) -> list[dict[str, Any]]:
    return [
        {
            "path": f"{split}/{i:05}.parquet",
            "documents": file["copies"],
            "bytes": file["copies_bytes"],
            "sha256": file["sha256"],
        }
        for (split, i), file in zip(built.layout.files, built.files, strict=True)
    ]


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for some in counts:
        for name, n in some.items():
            total[name] += n
    return dict(total)


def _added(histograms: Iterable[list[int]]) -> list[int]:
    total: list[int] = []
    for some in histograms:
        total += [0] * (len(some) - len(total))
        for i, n in enumerate(some):
            total[i] += n
    return total


# --------------------------------------------------------------------------- files


def put_in_place(work: Path, out: Path, built: Built) -> None:
    """The files of the corpus under their names; those of an earlier one go."""
    for name in (*SPLITS, "dropped", TOKENS):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in (*SPLITS, "dropped"):
        make_folder(out / name)
    for (split, i), key in zip(built.layout.files, built.file_keys, strict=True):
        _linked(work / f"{key}.parquet", out / split / f"{i:05}.parquet")
    for i, key in enumerate(built.dropped_keys):
        _linked(work / f"{key}.parquet", out / "dropped" / f"{i:05}.parquet")
    with written(out / "set_aside.jsonl") as path, open(path, "wb") as to:
        for key in built.read_keys:
            with open(aside_of(str(work), key), "rb") as part:
                shutil.copyfileobj(part, to)


def _linked(source: Path, target: Path) -> None:
    with suppress(OSError):
        os.link(source, target)
        return
    with written(target) as aside:
        shutil.copyfile(source, aside)
