"""All stages in order: from `text.read` to the files of a corpus, going on where it was stopped."""

import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import DataError
from ..setaside import listed
from .arranging import Layout, layout, scatter_tasks
from .audit import audit_task
from .budget import Budget
from .cleaning import clean_tasks
from .dropped import dropped_tasks
from .duplicates import ClusterTask, exact_tasks, pair_tasks, verify_tasks
from .executor import Executor
from .passages import passage_tasks, repeat_tasks
from .reading import read_tasks
from .settings import CorpusSettings
from .work import Task, key_of
from .writing import evaluation_places, file_tasks, gram_tasks

EXACT_RECORD_BYTES, BAND_RECORD_BYTES = 28, 12
GRAM_BYTES_FOLD = 24
"""Bytes of tables for each byte of evaluation text, at most: a gram a character."""


@dataclass(frozen=True)
class Progress:
    """How far a stage is."""

    stage: str
    done: int
    tasks: int
    seconds_s: float
    """Since the stage began, in this process."""


@dataclass
class Built:
    """What the stages made; keys name files in the work folder."""

    budget: Budget
    read: list[dict[str, Any]] = field(default_factory=list)
    """Figures of each input file, in order; so below for each part, range or file."""
    read_keys: list[str] = field(default_factory=list)
    cleaned: list[dict[str, Any]] = field(default_factory=list)
    cleaned_keys: list[str] = field(default_factory=list)
    exact: list[dict[str, Any]] = field(default_factory=list)
    exact_keys: list[str] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    verified: list[dict[str, Any]] = field(default_factory=list)
    verified_keys: list[str] = field(default_factory=list)
    clusters: dict[str, Any] = field(default_factory=dict)
    cluster_key: str = ""
    audit: dict[str, Any] = field(default_factory=dict)
    scattered: list[dict[str, Any]] = field(default_factory=list)
    scattered_keys: list[str] = field(default_factory=list)
    layout: Layout = Layout(1, 1, 1)
    grams: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    file_keys: list[str] = field(default_factory=list)
    dropped_keys: list[str] = field(default_factory=list)
    seconds_s: dict[str, float] = field(default_factory=dict)
    """Time of each stage in this process; what an earlier one did is not in it."""


Stages = Generator[Progress, None, Any]


def build(
    settings: CorpusSettings, spending: Budget, work: Path, executor: Executor
) -> Generator[Progress, None, Built]:
    """Run every stage; what `work` has already is not done again.

    Raises:
        RecipeError, DataError, MissingError: as reading; nothing is kept of all documents.
        RunError: the disk is full, or a worker was killed.
    """
    built, work = Built(spending), work.absolute()  # a worker may run in another folder
    yield from _read_and_clean(settings, work, executor, built)
    yield from _find_duplicates(settings, work, executor, built)
    yield from _arrange(settings, work, executor, built)
    return built


def _read_and_clean(
    settings: CorpusSettings, work: Path, executor: Executor, built: Built
) -> Stages:
    tasks = read_tasks(settings.text, work, built.budget.part_bytes)
    if not tasks:
        raise DataError("text.read is empty: name the files to clean, as in text.read=data/*.txt")
    built.read = yield from _stage("read", tasks, executor, built)
    built.read_keys = [task.key for task in tasks]
    parts = [part["file"] for read in built.read for part in read["parts"]]
    if not parts:
        aside = sum(read["report"]["set_aside"] for read in built.read)
        raise DataError(
            f"text.read: no document in {len(tasks)} files of {listed(settings.text.entries)}; "
            f"{aside} lines or files were set aside: look at them in {work}/*.aside.jsonl"
        )
    cleaning = clean_tasks(settings, work, parts)
    built.cleaned = yield from _stage("clean", cleaning, executor, built)
    built.cleaned_keys = [task.key for task in cleaning]
    if not any(part["documents"] for part in built.cleaned):
        counts: dict[str, int] = {}
        for part in built.cleaned:
            for reasons in part["dropped"].values():
                for reason, (documents, _) in reasons.items():
                    counts[reason] = counts.get(reason, 0) + documents
        most = sorted(counts.items(), key=lambda item: -item[1])[:3]
        told = "; ".join(f"{n} for '{reason}'" for reason, n in most)
        raise DataError(
            f"filters: none of {sum(counts.values())} documents is kept ({told}); look at what "
            "they are with: lingloom look FILES, and choose filters that suit them"
        )


def _find_duplicates(
    settings: CorpusSettings, work: Path, executor: Executor, built: Built
) -> Stages:
    dedup, parts = settings.dedup, built.cleaned_keys
    documents = sum(part["documents"] for part in built.cleaned)
    if dedup.exact:
        ranges = built.budget.ranges(documents * EXACT_RECORD_BYTES)
        tasks = exact_tasks(work, parts, ranges)
        built.exact = yield from _stage("exact duplicates", tasks, executor, built)
        built.exact_keys = [task.key for task in tasks]
    if not dedup.near:
        return
    ranges = built.budget.ranges(documents * BAND_RECORD_BYTES * dedup.minhash.bands)
    pairing = pair_tasks(work, parts, built.exact_keys, ranges)
    built.pairs = yield from _stage("candidate pairs", pairing, executor, built)
    pair_keys = [task.key for task in pairing]
    verifying = verify_tasks(work, parts, pair_keys, dedup.minhash, dedup.verify)
    built.verified = yield from _stage("verified pairs", verifying, executor, built)
    built.verified_keys = [task.key for task in verifying]
    built.cluster_key = key_of("clusters", parts, built.verified_keys)
    whole = tuple(parts), tuple(built.verified_keys)
    clustering = [ClusterTask(str(work), built.cluster_key, *whole)]
    (built.clusters,) = yield from _stage("clusters", clustering, executor, built)
    if dedup.audit:
        auditing = [audit_task(work, parts, built.exact_keys, built.cluster_key, dedup)]
        (built.audit,) = yield from _stage("audit", auditing, executor, built)


def _arrange(settings: CorpusSettings, work: Path, executor: Executor, built: Built) -> Stages:
    parts = built.cleaned_keys
    near = [built.cluster_key] if built.cluster_key else []
    repeats: list[str] = []
    if settings.dedup.passages != "none":
        gone, kind = [*built.exact_keys, *near], settings.dedup.passages
        finding = passage_tasks(work, parts, gone, kind, settings.dedup.passage_chars)
        found = yield from _stage("passages", finding, executor, built)
        ranges = built.budget.ranges(sum(f["passages"] for f in found) * 16)
        repeating = repeat_tasks(work, [task.key for task in finding], ranges)
        yield from _stage("repeated passages", repeating, executor, built)
        repeats = [task.key for task in repeating]
    split_bytes: Counter[str] = Counter()
    for part in built.cleaned:
        split_bytes.update(part["split_bytes"])
    built.layout = layout(settings, split_bytes)
    scattering = scatter_tasks(settings, work, built.layout, parts, built.exact_keys, near, repeats)
    built.scattered = yield from _stage("scatter", scattering, executor, built)
    built.scattered_keys = [task.key for task in scattering]
    ranges = built.budget.ranges(_held_out_bytes(settings, built) * GRAM_BYTES_FOLD)
    tests = gram_tasks(settings, work, built.layout, built.scattered_keys, ranges)
    built.grams = yield from _stage("grams of the tests", tests, executor, built)
    writing = file_tasks(settings, work, built.layout, built.scattered_keys, tests)
    built.files = yield from _stage("write", writing, executor, built)
    built.file_keys = [task.key for task in writing]
    stages = [
        (built.cleaned_keys, built.cleaned),
        (built.scattered_keys, built.scattered),
        (built.file_keys, built.files),
    ]
    gathering = dropped_tasks(work, stages, settings.shard_mb * 10**6)
    yield from _stage("dropped", gathering, executor, built)
    built.dropped_keys = [task.key for task in gathering]


def _held_out_bytes(settings: CorpusSettings, built: Built) -> int:
    """Text of the evaluation sets and of what is held out, about."""
    held = settings.split.validation_frac + settings.split.test_frac
    own = sum(part["bytes"] for part in built.cleaned) * held
    places = evaluation_places(settings.decontaminate)
    return int(own) + sum(place.size_bytes for place in places)


def _stage(
    name: str, tasks: Sequence[Task], executor: Executor, built: Built
) -> Generator[Progress, None, list[dict[str, Any]]]:
    """The figures of all tasks, in their order."""
    begun = time.perf_counter()
    found: list[dict[str, Any]] = [{}] * len(tasks)
    for done, (i, figures) in enumerate(executor.map(tasks), 1):
        found[i] = figures
        yield Progress(name, done, len(tasks), time.perf_counter() - begun)
    built.seconds_s[name] = time.perf_counter() - begun
    return found
