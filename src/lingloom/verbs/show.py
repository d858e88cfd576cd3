"""`lingloom show RUN [batch|recipe|losses|attention]`: what the model saw, and how it went.

Of a corpus: `lingloom show CORPUS [dropped|sources|duplicates|holdout]`, in show_corpus.py.
"""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import NonNegativeInt, PositiveInt

from ..errors import RecipeError, RunError
from ..loading import COMMAND_LINE
from ..runs import RunFolder, find_run
from ..settings import Settings
from ..tokens.tokenizer import END, Tokenizer
from . import show_attention, show_corpus
from .console import answer, read_words

if TYPE_CHECKING:
    from ..tokens.labels import LabelSet


class ShowSettings(Settings):
    """Keys of `lingloom show`."""

    step: NonNegativeInt = 0
    """Which step's batch to show, from 0."""
    rows: PositiveInt = 4
    """How many of its sequences; of a corpus, how many documents of each kind."""
    lines: PositiveInt = 24
    """How many lines the losses take."""


def run(arguments: list[str]) -> int:
    """Print one view of a run; the exit code."""
    words = read_words("show", arguments, needs=1, takes=2, schema=ShowSettings)
    if words is None:
        return 0
    from ..loading import load as load_settings

    settings = load_settings(ShowSettings, {}, words.overrides)
    name = words.names[0]
    # The last two are of a corpus that is not finished, which Corpus tells.
    if any(Path(name, part).exists() for part in ("manifest.json", ".work", "train")):
        from ..text.corpus.opened import Corpus

        view = words.names[1] if len(words.names) > 1 else "corpus"
        _require_view(view, show_corpus.VIEWS)
        show_corpus.VIEWS[view](Corpus(name), settings.rows, words.json)
        return 0
    view = words.names[1] if len(words.names) > 1 else "run"
    _require_view(view, VIEWS)
    VIEWS[view](find_run(name), settings, words.json)
    return 0


def _require_view(view: str, views: Collection[str]) -> None:
    if view not in views:
        raise RecipeError(f"'{view}' ({COMMAND_LINE}): show takes {', '.join(views)}")


def _run(run: RunFolder, settings: ShowSettings, as_json: bool) -> None:
    facts, scores = run.read_json("run.json", {}), run.read_json("scores.json", {})
    if as_json:
        answer({"run": facts, **scores})
        return
    from ..measure.score import Score

    log = run.read_log()
    print(f"{run.path}: {facts.get('state', 'unknown')}, {log[-1]['step'] if log else 0} steps")
    for who, each in scores.get("scores", {}).items():
        for score in each:
            print(f"  {who}: {Score.from_json(score)}")
    print(f"  report: {run.report}" if run.report.is_file() else "  no report yet")


def _recipe(run: RunFolder, settings: ShowSettings, as_json: bool) -> None:
    from ..loading import read_tree

    if as_json:
        answer(read_tree(run.recipe))
    else:
        print(run.recipe.read_text("utf-8"), end="")


def _losses(run: RunFolder, settings: ShowSettings, as_json: bool) -> None:
    log = [r for r in run.read_log() if r["loss"] is not None]
    if as_json:
        answer(log)
        return
    if not log:
        raise RunError(
            f"{run.path}: no step was trained yet; see it with: lingloom show {run.path}"
        )
    kept = run.read_json("data/figures.json", {}).get("kept", {})
    watched = "validation" if kept.get("validation") else "held-out"
    print(f"{'step':>8} {'loss':>8} {watched:>10}  {_unit(run)}")
    for part in _parts(log, settings.lines):
        loss = sum(r["loss"] for r in part) / len(part)
        seen = [r["evaluation"]["loss"] for r in part if "evaluation" in r]
        shown = f"{seen[-1]:10.3f}" if seen else " " * 10
        bar = "█" * round(40 * loss / max(r["loss"] for r in log))
        print(f"{part[-1]['step']:>8} {loss:8.3f} {shown}  {bar}")


def _unit(run: RunFolder) -> str:
    """What the losses of a run are counted in."""
    from ..loading import load as load_settings
    from ..recipe import Recipe
    from ..train.objectives.objective import objective_of

    recipe = load_settings(Recipe, run.recipe)
    model: Any = recipe.model
    return objective_of(model, recipe.train).unit


def _parts(log: list[dict[str, Any]], lines: int) -> list[list[dict[str, Any]]]:
    """The log in at most `lines` stretches of equal length."""
    size = -(-len(log) // lines)
    return [log[i : i + size] for i in range(0, len(log), size)]


def _batch(run: RunFolder, settings: ShowSettings, as_json: bool) -> None:
    from ..loading import load as load_settings
    from ..pipeline.prepare import open_data
    from ..pipeline.train import order_of
    from ..recipe import Recipe

    recipe = load_settings(Recipe, run.recipe)
    if settings.step >= recipe.train.steps:
        raise RecipeError(
            f"step ({COMMAND_LINE}): {settings.step} is beyond the last step of {run.path}; name "
            f"one from 0 to {recipe.train.steps - 1}"
        )
    data = open_data(run)
    batches = order_of(recipe, data)
    batch = batches.at(settings.step)
    rows = []
    for i in range(min(settings.rows, len(batch.ids))):
        held = {name: tensor[i].tolist() for name, tensor in batch.tensors().items()}
        rows.append({**_texts(data.tokenizer, held), **_told(data.label_set, held), **held})
    if as_json:
        answer(
            {"step": settings.step, "documents": batches.document_ids(settings.step), "rows": rows}
        )
        return
    print(f"step {settings.step}: {len(batch.ids)} sequences of {batch.ids.shape[1]} tokens")
    for i, row in enumerate(rows):
        print(f"\n--- sequence {i}: {len(row['ids'])} tokens, ids {row['ids'][:8]} ...")
        for name in ("source", "target"):
            if f"{name}_text" in row:
                print(f"{name}: {row[f'{name}_text']}")
        if "text" in row:
            print(row["text"])
        for name, words in (("hidden", "hidden"), ("answer", "answer"), ("told", "label")):
            if name in row:
                print(f"{words}: {' '.join(row[name])}")


def _attention(run: RunFolder, settings: ShowSettings, as_json: bool) -> None:
    show_attention.show(run, settings.rows, as_json)


def _told(labels: "LabelSet | None", held: dict[str, Any]) -> dict[str, list[str]]:
    """The label of a row as a whole, or those of its words, by name."""
    if labels is None:
        return {}
    from ..tokens.batch import IGNORE

    numbers = held["targets"] if labels.of == "word" else [held["labels"]]
    return {"told": [labels.names[number] for number in numbers if number != IGNORE]}


def _texts(tokenizer: Tokenizer, held: dict[str, list[int]]) -> dict[str, Any]:
    """What a row says: its text; or its source and its target; or its text and what is hidden in
    it; without the padding."""
    from ..tokens.batch import IGNORE

    if "places" in held:
        text = [t for t, seen in zip(held["ids"], held["seen"], strict=True) if seen]
        hidden = [tokenizer.token_of(t) for t in held["targets"] if t != IGNORE]
        return {"text": _spelt(tokenizer, text), "hidden": hidden}
    if "ends" in held:
        text = [t for t, seen in zip(held["ids"], held["seen"], strict=True) if seen]
        first, last = held["ends"]
        answer = _spelt(tokenizer, text[first : last + 1]) if last else "(not in this window)"
        return {"text": _spelt(tokenizer, text), "answer": [answer]}
    if "source" not in held:
        return {"text": _spelt(tokenizer, held["ids"])}
    source = [t for t, seen in zip(held["source"], held["source_seen"], strict=True) if seen]
    target = [t for t in held["targets"] if t != IGNORE]
    return {"source_text": _spelt(tokenizer, source), "target_text": _spelt(tokenizer, target)}


def _spelt(tokenizer: Tokenizer, ids: list[int]) -> str:
    """The text of `ids` with special tokens by name; a character cut off at either end, or by a
    special token, becomes U+FFFD."""
    out, stretch = "", list[int]()
    for token in ids:
        if tokenizer.token_bytes[token] or token == tokenizer.unknown:
            stretch.append(token)
        else:
            name = END if token == tokenizer.end else tokenizer.token_of(token)
            out, stretch = out + tokenizer.decode(stretch) + name, []
    return out + tokenizer.decode(stretch)


VIEWS = {
    "run": _run,
    "batch": _batch,
    "recipe": _recipe,
    "losses": _losses,
    "attention": _attention,
}
