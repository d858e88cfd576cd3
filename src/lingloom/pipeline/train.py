"""A run from its recipe to its report, and the way back into a stopped one.

Each stage yields events. Whatever is finished is found again when the same run goes on: whole
shards are not written twice, training continues from its newest whole checkpoint.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Any

from ..device import peak_memory_bytes, release_memory, seed_all
from ..errors import RecipeError
from ..loading import load, to_yaml
from ..models.given_vectors import begin_from, freeze
from ..models.model import NeuralModel
from ..models.ngram import NGram
from ..models.port import save_model
from ..plan.plan import Plan
from ..recipe import Recipe
from ..runs import RunFolder, write_whole
from ..settings import Settings
from ..text.setaside import listed
from ..tokens.labels import LabelSet
from ..tokens.reading import Order
from ..tokens.tokenizer import Tokenizer
from ..train import loop
from ..train.objectives.objective import objective_of
from .anew import begin_anew, need_room, noting_failure
from .environment import environment
from .estimate import plan_recipe
from .events import Event
from .judges.judge import judge_of
from .log import Log
from .outcome import close
from .prepare import Data, prepare

MAY_CHANGE = (
    "train.steps",
    "train.eval_every",
    "train.checkpoint",
    "train.objective.longest",
    "train.objective.no_answer",
    "train.tensorboard",
    "measure",
    "decode",
)
"""Keys that a stopped run may change: they leave the steps already done what they were."""


def start(
    recipe: Recipe, stop: Callable[[], bool] = lambda: False, plan: Plan | None = None
) -> Iterator[Event]:
    """Make a new run of `recipe` and carry it through. A run that is there already, and ended
    before anything was learnt, is begun anew: see `anew.py`.

    Args:
        recipe: as read; its `out` names the run folder.
        stop: asked after every step; True saves and leaves.
        plan: of this recipe, where there is one already.

    Raises:
        RunError: the folder already holds a run, or another process writes to it.
    """
    begun, run = time.perf_counter(), RunFolder(recipe.out)
    need_room(run)
    plan = plan or plan_recipe(recipe)
    release_memory()
    yield Event("plan", "end", {"plan": plan})
    plan.require()
    with run.writing(), noting_failure(run):
        if run.exists():
            begin_anew(run)
            yield Event("run", "begin", {"anew": str(run.path)})
        run.write_json("plan.json", json.loads(plan.to_json()))
        write_whole(run.recipe, to_yaml(recipe))  # from here on this is a run
        begun_with = {"seed": recipe.seed, "environment": environment(), "state": "started"}
        run.write_json("run.json", begun_with)
        yield from _carry_on(run, recipe, stop, begun)


def resume(
    run: RunFolder, overrides: list[str], stop: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Go on with a stopped run, or train a finished one for more steps.

    Raises:
        RecipeError: `overrides` change what may not change; every such key is named.
    """
    begun = time.perf_counter()
    old = load(Recipe, run.recipe)
    recipe = load(Recipe, run.recipe, overrides)
    refused = [key for key in changed(old, recipe) if not key.startswith(MAY_CHANGE)]
    if refused:
        free = [key for key in MAY_CHANGE if any(name.startswith(key) for name in _flat(old))]
        raise RecipeError(
            "\n".join(
                f"{key} (command line): cannot change in {run.path}, which was begun with another "
                f"value; start a new run with it, or change one of {', '.join(free)}"
                for key in refused
            )
        )
    with run.writing(), noting_failure(run):
        write_whole(run.recipe, to_yaml(recipe))
        run.note(state="resumed")
        yield from _carry_on(run, recipe, stop, begun)


def changed(old: Settings, new: Settings) -> list[str]:
    """Dotted keys whose values differ."""
    before, after = _flat(old), _flat(new)
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def _flat(settings: Settings) -> dict[str, Any]:
    """Dotted key -> value, of all that are not settings themselves."""

    def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
        leaves: dict[str, Any] = {}
        for name, value in tree.items():
            if isinstance(value, Mapping):
                leaves |= flat(value, f"{prefix}{name}.")
            else:
                leaves[prefix + name] = value
        return leaves

    return flat(settings.model_dump(mode="json"))


def _carry_on(
    run: RunFolder, recipe: Recipe, stop: Callable[[], bool], begun: float
) -> Iterator[Event]:
    """Every stage, in order; `run` is locked."""
    data = yield from prepare(recipe, run)
    release_memory()
    recipe = with_vocab(recipe, data.tokenizer, data.label_set)
    write_whole(run.recipe, to_yaml(recipe))
    stopped = False
    if recipe.baseline is not None:
        yield from _count(run, recipe.baseline, data, baseline=True)
        release_memory()
    if recipe.model.kind == "ngram":  # type: ignore[attr-defined]
        yield from _count(run, recipe.model, data, baseline=False)
    else:
        stopped = yield from _learn(run, recipe, data, stop)
    release_memory()
    if not stopped:
        yield from judge_of(recipe).finish(run, recipe, data)
    _note_costs(run, begun)
    run.note(state="stopped" if stopped else "finished")
    if not stopped:
        yield from close(run, recipe, data)


def _note_costs(run: RunFolder, begun: float) -> None:
    """Add this process's time to the run's, and take in its peak memory."""
    facts = run.read_json("run.json", {})
    run.note(
        seconds_s=facts.get("seconds_s", 0.0) + time.perf_counter() - begun,
        peak_memory_bytes=max(facts.get("peak_memory_bytes", 0), peak_memory_bytes()),
    )


def with_vocab(recipe: Recipe, tokenizer: Tokenizer, labels: LabelSet | None = None) -> Recipe:
    """`recipe` with the models' vocabulary settled, and the labels of what is to tell some.

    Raises:
        RecipeError: a vocabulary is set that is smaller than the tokenizer's; or a number of labels
            that is not the data's.
    """

    def settle(key: str, settings: Any) -> Any:
        if settings is None:
            return None
        if 0 < settings.vocab < tokenizer.vocab:
            raise RecipeError(
                f"{key}.vocab: {settings.vocab} is smaller than the tokenizer's {tokenizer.vocab}; "
                f"leave it out, or set tokens.vocab={settings.vocab}"
            )
        update: dict[str, Any] = {"vocab": settings.vocab or tokenizer.vocab}
        if "end" in type(settings).model_fields:
            update["end"] = tokenizer.end
        if labels is not None and key == "model":
            update |= _settled_labels(settings, labels)
        return settings.model_copy(update=update)

    return recipe.model_copy(
        update={
            "model": settle("model", recipe.model),
            "baseline": settle("baseline", recipe.baseline),
        }
    )


def _settled_labels(settings: Any, labels: LabelSet) -> dict[str, Any]:
    if settings.labels not in (0, len(labels.names)):
        raise RecipeError(
            f"model.labels: {settings.labels}, but the text has {len(labels.names)} labels "
            f"({listed(labels.names)}); leave it out"
        )
    update: dict[str, Any] = {"labels": len(labels.names)}
    if "label_names" in type(settings).model_fields:
        update["label_names"] = list(labels.names)
        if settings.label_names and settings.label_names != update["label_names"]:
            raise RecipeError(
                f"model.label_names: {listed(settings.label_names)}, but the text has "
                f"{listed(labels.names)}; leave it out"
            )
    return update


# --------------------------------------------------------------------------- counting


def _count(run: RunFolder, settings: Any, data: Data, *, baseline: bool) -> Iterator[Event]:
    """Fit a model that learns by counting, unless it is there already."""
    folder = run.baseline if baseline else run.model
    if (folder / "config.json").is_file():
        return
    yield Event("baseline", "begin", {"kind": settings.kind, "order": settings.order})
    begun = time.perf_counter()
    model: NGram = settings.build()
    model.fit(data.train.document(i) for i in range(data.train.documents))
    save_model(model, folder, data.folder)
    facts = {"order": settings.order, "seconds_s": time.perf_counter() - begun}
    if not baseline:
        run.note(counting_s=facts["seconds_s"], ngrams=sum(model.sizes()))
    yield Event("baseline", "end", facts)


# --------------------------------------------------------------------------- learning


def order_of(recipe: Recipe, data: Data) -> Order:
    """What training reads, step by step."""
    model: Any = recipe.model
    objective = objective_of(model, recipe.train)
    return objective.order(data.reading("train"), model, recipe.train, recipe.seed)


def _begin(model: NeuralModel, embed_from: str, tokenizer: Tokenizer) -> Mapping[str, Any]:
    """Let `model` start from what was learnt before; facts of it.

    Raises:
        RecipeError: the model has no embedding, or one of another width, or starts from a model.
    """
    begun = model.begin(tokenizer)
    if not embed_from:
        return begun
    if begun:
        raise RecipeError(
            f"train.embed_from: this {model.settings.kind} starts from what its settings name; "
            "leave train.embed_from out"
        )
    return begin_from(model, tokenizer, embed_from)


def _learn(
    run: RunFolder, recipe: Recipe, data: Data, stop: Callable[[], bool]
) -> Generator[Event, None, bool]:
    """Train by gradient; True when it was asked to stop before the end."""
    settings = recipe.train
    seed_all(recipe.seed, "weights")
    model: NeuralModel = recipe.model.build()  # type: ignore[attr-defined]
    fresh = not (run.checkpoints.is_dir() and any(run.checkpoints.iterdir()))
    if fresh and (begun := _begin(model, settings.embed_from, data.tokenizer)):
        run.note(begun_from=begun)
        yield Event("model", "end", begun)
    if settings.embed_frozen:
        freeze(model)
    objective, batches = objective_of(model.settings, settings), order_of(recipe, data)
    parameters = sum(p.numel() for p in model.parameters())
    run.note(parameters=parameters)
    yield Event(
        "train",
        "begin",
        {
            "kind": model.settings.kind,
            "parameters": parameters,
            "steps": settings.steps,
            "step_tokens": batches.at(0).tokens,
            "unit": objective.unit,
            "watched": data.watched.replace("heldout", "held-out"),
        },
    )
    records = loop.train(
        model,
        partial(objective.loss, label_smoothing=settings.regularise.label_smoothing),
        batches.at,
        settings,
        seed=recipe.seed,
        evaluate=judge_of(recipe).heldout_loss(data, model, recipe),
        checkpoints=run.checkpoints,
        document_ids=batches.document_ids,
        stop=stop,
    )
    stopped = False
    with closing(Log(run, tensorboard=settings.tensorboard)) as log:
        for record in records:
            log.write(record)
            stopped = "interrupted" in record.events
            yield Event("train", "progress", asdict(record))
    if not stopped:
        kind: str = objective.kind  # type: ignore[attr-defined]
        save_model(model, run.model, data.folder, learnt=kind)
    yield Event("train", "end", {"stopped": stopped})
    return stopped
