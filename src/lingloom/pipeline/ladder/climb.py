"""One ladder from its text to its page, and the way back onto one that was stopped.

FOLDER/
  ladder.yaml     the fully resolved settings
  ladder.json     what was promised, what came
  data/           tokenizer and shards, made once; every rung's data/ are links to these files
  rungs/NAME/     one ordinary run each
  ladder.html
"""

import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...device import peak_memory_bytes, release_memory
from ...errors import RecipeError, RunError
from ...loading import load, to_yaml
from ...plan.minutes import TextFigures
from ...runs import RunFolder, write_whole
from ...trust.ladder import LadderFacts, render
from ..environment import environment
from ..estimate import EVALUATION_TOKENS
from ..events import Event
from ..prepare import Data, prepare
from ..train import changed, resume, start, with_vocab
from .facts import ladder_facts
from .planning import plan_ladder, settle
from .rungs import Rung
from .settings import LadderSettings
from .sharing import share

SETTINGS, STATE, PAGE = "ladder.yaml", "ladder.json", "ladder.html"
Stop = Callable[[], bool]


def is_ladder(folder: str | Path) -> bool:
    """Whether a folder holds a ladder, finished or not."""
    return Path(folder, SETTINGS).is_file()


def open_ladder(folder: str | Path) -> LadderSettings:
    """The settings of a ladder that was begun."""
    return load(LadderSettings, Path(folder, SETTINGS)).model_copy(update={"out": str(folder)})


def rung_folder(ladder: LadderSettings, rung: Rung) -> RunFolder:
    """The run of one rung."""
    return RunFolder(Path(ladder.out) / "rungs" / rung.name)


def climb(ladder: LadderSettings, stop: Stop = lambda: False) -> Iterator[Event]:
    """Train and measure every rung that is not done, and write the page.

    Args:
        ladder: settled; where its folder holds a ladder, the same as there.
        stop: asked after every step; True saves and leaves.

    Raises:
        RecipeError: the folder's ladder has other settings; the budget is too small.
        RunError: the folder holds something else; a rung does not fit the machine.
    """
    begun, folder = time.perf_counter(), RunFolder(ladder.out)
    state = _found(ladder, folder)
    if state is None:
        plan = plan_ladder(ladder)
        release_memory()
        yield Event("ladder", "begin", {"plan": plan, "settings": ladder})
        plan.require()
        state = {**plan.to_json(), "seconds_s": 0.0, "environment": environment()}
    with folder.writing():
        folder.write_json(STATE, state)
        write_whole(folder.path / SETTINGS, to_yaml(ladder))
        finished = yield from _climb(ladder, folder, state, stop)
        taken = state["seconds_s"] + time.perf_counter() - begun
        peak = max(state.get("peak_memory_bytes", 0), peak_memory_bytes())
        folder.write_json(STATE, {**state, "seconds_s": taken, "peak_memory_bytes": peak})
        if finished:
            facts = _facts(ladder, folder)
            write_whole(folder.path / PAGE, render(facts))
            yield Event("ladder", "end", {"page": str(folder.path / PAGE), "facts": facts})


def _facts(ladder: LadderSettings, folder: RunFolder) -> LadderFacts:
    runs = [(rung, rung_folder(ladder, rung)) for rung in ladder.climbed()]
    files = {(s.st_dev, s.st_ino): s.st_size for s in map(Path.stat, folder.path.rglob("*"))}
    return ladder_facts(ladder, folder.read_json(STATE), runs, float(sum(files.values())))


def _found(ladder: LadderSettings, folder: RunFolder) -> dict[str, Any] | None:
    """What the ladder in `folder` promised; None where there is none yet."""
    if not is_ladder(folder.path):
        if folder.path.is_dir() and any(p.name != "lock" for p in folder.path.iterdir()):
            raise RunError(
                f"{folder.path}: holds something other than a ladder; choose another folder with "
                "out=..."
            )
        return None
    if keys := changed(open_ladder(folder.path), ladder):
        raise RecipeError(
            f"{folder.path}: holds a ladder with another {', '.join(keys)}; go on with it as it "
            f"is: lingloom ladder {folder.path}; or choose another folder with out=..."
        )
    found: dict[str, Any] = folder.read_json(STATE)
    return found


def _climb(
    ladder: LadderSettings, folder: RunFolder, state: dict[str, Any], stop: Stop
) -> Generator[Event, None, bool]:
    """Whether every rung was reached."""
    climbed = ladder.climbed()
    data = yield from prepare(ladder.recipe(climbed[0], 1, folder.path), folder)
    release_memory()
    for place, rung in enumerate(climbed, 1):
        run = rung_folder(ladder, rung)
        if not _is_done(run):
            yield Event("rung", "begin", {"name": rung.name, "at": place, "of": len(climbed)})
            yield from _one(ladder, rung, run, state["share"], data, stop)
            release_memory()
        if not _is_done(run):
            return False
        yield Event("rung", "end", {"name": rung.name, "scores": run.read_json("scores.json")})
    return True


def _is_done(run: RunFolder) -> bool:
    return run.report.is_file() and run.read_json("run.json", {}).get("state") == "finished"


def _one(
    ladder: LadderSettings, rung: Rung, run: RunFolder, share_of_it: float, data: Data, stop: Stop
) -> Iterator[Event]:
    if run.exists():
        yield from resume(run, [], stop)
        return
    share(data.folder, run)
    watched = data.validation
    figures = TextFigures(
        data.train.text_bytes,
        data.heldout.text_bytes,
        data.train.tokens,
        data.heldout.tokens,
        watched_bytes=watched.text_bytes if watched else 0.0,
        watched_tokens=watched.tokens if watched else None,
        eval_tokens=EVALUATION_TOKENS,
        ready=True,
    )
    vocab = partial(with_vocab, tokenizer=data.tokenizer)
    recipe, plan = settle(ladder, rung, share_of_it, figures, vocab, run.path)
    release_memory()
    yield from start(recipe, stop, plan)
