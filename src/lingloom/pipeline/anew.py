"""Runs that ended by a mistake before anything was learnt: they may be begun anew in their folder.

What training made is never removed here: checkpoints, models, and the log of a step.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import DataError, RecipeError, RunError, ShapeError
from ..runs import RunFolder, unwritable
from .prepare import FIGURES

FAILED = "failed"
"""State of a run that ended by a mistake in its recipe or in its text."""


def need_room(run: RunFolder) -> None:
    """Refuse to begin where a run is.

    Raises:
        RunError: the folder holds a run that is not to be begun anew.
    """
    if run.exists() and not may_begin_anew(run):
        raise RunError(
            f"{run.path}: already holds a run; go on with it: lingloom train {run.path}; or choose "
            "another folder with out=..."
        )


def may_begin_anew(run: RunFolder) -> bool:
    """Whether nothing was learnt in a run, and it has no whole data or ended by a mistake."""
    made = run.checkpoints.is_dir() and any(run.checkpoints.iterdir())
    models = any((folder / "config.json").is_file() for folder in (run.model, run.baseline))
    if made or models or run.read_log():
        return False
    return not data_whole(run) or run.read_json("run.json", {}).get("state") == FAILED


def data_whole(run: RunFolder) -> bool:
    """Whether a run has all its text in tokens."""
    return run.read_json(FIGURES) is not None


def clear(run: RunFolder) -> None:
    """Remove the data of a run that may be begun anew, and what it noted; `run` is locked.

    Raises:
        RunError: something was learnt in it meanwhile; or something cannot be removed.
    """
    need_room(run)
    try:
        if run.data.is_dir():
            shutil.rmtree(run.data)
        (run.path / "run.json").unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(run.path, error) from None


@contextmanager
def noting_failure(run: RunFolder) -> Iterator[None]:
    """Note it when a mistake in the recipe or in the text ends what is done inside the `with`."""
    try:
        yield
    except (RecipeError, DataError, ShapeError):
        run.note(state=FAILED)
        raise
