"""The run folder: what every verb writes and reads.

runs/NAME/
  recipe.yaml     the fully resolved recipe; this file alone reruns the run
  run.json        how far it came, seed, commit, versions, machine
  log.jsonl       one record a step, in order, no step twice
  guard.jsonl     batches that the guard refused, with their document ids
  data/           tokenizer, packed shards, dropped and set-aside documents
  checkpoints/    step-00000100/ and so on; the newest whole one resumes the run
  model/          the trained model in Hugging Face layout
  baseline/       the n-gram that it is compared with
  plan.json  scores.json  heldout.json  samples.json  report.html
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .errors import DataError, RunError

RUNS = Path("runs")


class RunFolder:
    """One run's files; paths are given out, contents are written whole or not at all."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.log = self.path / "log.jsonl"
        self.guard = self.path / "guard.jsonl"
        self.data = self.path / "data"
        self.checkpoints = self.path / "checkpoints"
        self.model = self.path / "model"
        self.baseline = self.path / "baseline"
        self.report = self.path / "report.html"
        self.tensorboard = self.path / "tensorboard"

    def exists(self) -> bool:
        """Whether this folder holds a run."""
        return self.recipe.is_file()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for writing; the lock goes with the process, however it ends.

        Raises:
            RunError: another process is writing to this folder.
        """
        make_folder(self.path)
        try:
            lock = open(self.path / "lock", "a+", encoding="utf-8")  # noqa: SIM115 - closed below
        except OSError as error:
            raise unwritable(self.path / "lock", error) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                raise RunError(
                    f"{self.path}: process {lock.read().strip() or 'unknown'} is writing to this "
                    "run; wait for it, stop it, or choose another folder with out=..."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    # ------------------------------------------------------------------ small JSON files

    def write_json(self, name: str, value: Any) -> None:
        """Write `name` whole: a reader sees the old file or the new one, never a half."""
        text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=True)
        write_whole(self.path / name, text)

    def read_json(self, name: str, default: Any = None) -> Any:
        """The contents of `name`, or `default` when it is not there."""
        path = self.path / name
        if not path.is_file():
            return default
        try:
            return json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise DataError(
                f"{path}: not whole JSON ({error}); delete it and run the verb that writes it again"
            ) from None

    def note(self, **facts: Any) -> None:
        """Add `facts` to run.json."""
        self.write_json("run.json", {**self.read_json("run.json", {}), **facts})

    # ------------------------------------------------------------------ the log

    def append_log(self, record: Mapping[str, Any], *, saved: bool = False) -> None:
        """Add one record to the log; if its step is to be `saved`, bring the log to the disk first,
        so that not even a power failure leaves a checkpoint ahead of the log."""
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(json.dumps(record, ensure_ascii=False) + "\n")
            if saved:
                log.flush()
                os.fsync(log.fileno())

    def read_log(self) -> list[dict[str, Any]]:
        """Every whole record of the log; a last line torn by a kill is left out."""
        return _whole_lines(self.log)

    def trim_log(self, step: int) -> None:
        """Forget every record after `step`, so that no step appears twice once the run goes on."""
        for path in (self.log, self.guard):
            kept = [r for r in _whole_lines(path) if r["step"] <= step]
            if kept or path.exists():
                lines = (json.dumps(r, ensure_ascii=False) + "\n" for r in kept)
                write_whole(path, "".join(lines))


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines, without lines torn by a kill."""
    if not path.is_file():
        return []
    records = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def write_whole(path: Path, text: str) -> None:
    """Write a small text file so that a kill at any instant leaves the old one or the new one."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    make_folder(path.parent)
    try:
        with open(aside, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise unwritable(path, error) from None


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        RunError: something is in the way.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        file = next(place for place in (path, *path.parents) if place.exists())
        raise RunError(
            f"{file}: is a file, so no folder can be there; give the name of a folder"
        ) from None
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError) -> RunError:
    """The error for a place that cannot be written to."""
    return RunError(
        f"{path}: cannot be written ({error.strerror or error}); make room or choose another "
        "folder with out=..."
    )


def find_run(name: str | Path) -> RunFolder:
    """The run called `name`: a folder, or the name of one below runs/.

    Raises:
        RunError: there is no such run; the message names the nearest.
    """
    for path in (Path(name), RUNS / name):
        run = RunFolder(path)
        if (path / "manifest.json").is_file():
            raise RunError(
                f"{path}: is a cleaned corpus, not a run; look into it with: lingloom show {path}, "
                f"train on it with: lingloom train RECIPE text.read={path}"
            )
        if run.exists():
            return run
    if Path(name).suffix in (".yaml", ".yml"):
        raise RunError(
            f"{name}: is a recipe, not a run; make a run of it with: lingloom train {name}, and "
            "give the folder that it names"
        )
    known = [p.parent.name for p in RUNS.glob("*/recipe.yaml")] if RUNS.is_dir() else []
    near = get_close_matches(Path(name).name, known, n=1, cutoff=0.4)
    hint = f"did you mean {RUNS / near[0]}?" if near else "start one with: lingloom train RECIPE"
    raise RunError(f"{name}: no such run (no recipe.yaml in it); {hint}")


def installed_version(package: str) -> str | None:
    """The version of an installed package, without importing it; None when it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
