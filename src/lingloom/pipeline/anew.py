"""Runs that ended by a mistake before anything was learnt: the corrected recipe begins them anew.

Nothing is removed: the data are made again in their place.
"""

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
    """Whether a run noted that a mistake ended it, and nothing was learnt in it."""
    made = run.checkpoints.is_dir() and any(run.checkpoints.iterdir())
    models = any((folder / "config.json").is_file() for folder in (run.model, run.baseline))
    if made or models or run.read_log():
        return False
    return run.read_json("run.json", {}).get("state") == FAILED


def begin_anew(run: RunFolder) -> None:
    """Have the data of a run made again; `run` is locked.

    Raises:
        RunError: something was learnt in it meanwhile; or the folder cannot be written.
    """
    need_room(run)
    try:
        (run.path / FIGURES).unlink(missing_ok=True)
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
