"""The log holds each step once, whenever the run was ended."""

import subprocess
import sys
from contextlib import closing

from lingloom.pipeline.log import Log
from lingloom.runs import RunFolder
from lingloom.train.record import StepRecord


def write(run: RunFolder, *records: StepRecord) -> None:
    with closing(Log(run, tensorboard=False)) as log:
        for record in records:
            log.write(record)


def test_a_run_killed_before_its_first_checkpoint_begins_its_log_anew(tmp_path):
    run = RunFolder(tmp_path)
    write(run, *(StepRecord(step, 1.0, 1.0, 1e-3) for step in (1, 2, 3)))
    with open(run.log, "a") as log:
        log.write('{"step": 4, "lo')  # torn by the kill
    write(run, *(StepRecord(step, 1.0, 1.0, 1e-3) for step in (1, 2)))
    assert [r["step"] for r in run.read_log()] == [1, 2]


def test_what_came_after_the_checkpoint_is_void_in_the_log_and_the_guard_file(tmp_path):
    run = RunFolder(tmp_path)
    bad = {"step": 3, "reason": "the loss is nan"}
    write(run, StepRecord(1, 1.0), StepRecord(2, 1.0), StepRecord(3, 9.0, refused=bad))
    assert "the loss is nan" in run.guard.read_text()
    write(run, StepRecord(2, events={"resumed": "going on"}), StepRecord(3, 1.0))
    assert [(r["step"], r["loss"]) for r in run.read_log()] == [(1, 1.0), (2, 1.0), (3, 1.0)]
    assert run.guard.read_text() == ""


KILLED = """
import os, sys
import subprocess
import sys
from contextlib import closing
from pathlib import Path
import torch
from lingloom import runs
from lingloom.device import matmul_peak
from lingloom.models.gpt2 import GPT2Settings
from lingloom.pipeline.log import Log
from lingloom.tokens.batch import Batch
from lingloom.train.loop import train
from lingloom.train.objectives.cross_entropy import next_token
from lingloom.train.settings import CheckpointSettings, TrainSettings

torch.set_num_threads(1)
matmul_peak(torch.float32, torch.device("cpu"))

def batch_at(step):
    ids = torch.randint(16, (2, 9), generator=torch.Generator().manual_seed(step))
    return Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous())

def dies(function):
    def counted(*args, **more):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return function(*args, **more)
    return counted

def learn(folder, background):
    torch.manual_seed(0)
    s = TrainSettings(steps=3, batch=2, precision="fp32", eval_every=2,
                      checkpoint=CheckpointSettings(every=2, keep=1, background=background))
    run = runs.RunFolder(folder)
    with closing(Log(run, tensorboard=False)) as log:
        model = GPT2Settings(vocab=16, context=8, layers=1, heads=1, width=8).build()
        for record in train(model, next_token, batch_at, s, seed=1, checkpoints=run.checkpoints,
                            evaluate=lambda m: {"loss": float(m.positions.sum())}):
            log.write(record)

def child(kill_at, folder, background):
    global left
    pid = os.fork()
    if pid == 0:
        left = kill_at
        for name in ("fsync", "rename", "replace", "mkdir"):
            setattr(os, name, dies(getattr(os, name)))
        runs.RunFolder.append_log = dies(runs.RunFolder.append_log)
        learn(folder, background)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

for background in (False, True):
    for point in range(1000):
        folder = Path(sys.argv[1]) / f"{background}-{point:03d}"
        folder.mkdir()
        codes = [child(point, folder, background), child(point, folder, background)]
        assert child(1000, folder, background) == 0
        assert set(codes) <= {0, 9}, codes
        if codes[0] == 0:
            break
"""


def test_a_run_killed_at_any_write_has_every_step_once_in_its_log(tmp_path):
    """Killed at its n-th write to disk, gone on and killed again there, for every n."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    logs = [RunFolder(folder).read_log() for folder in sorted(tmp_path.iterdir())]
    assert len(logs) > 30
    figures = [[(r["step"], r["loss"], r.get("evaluation")) for r in log] for log in logs]
    assert [step for step, *_ in figures[0]] == [1, 2, 3]
    assert all(log == figures[0] for log in figures)
