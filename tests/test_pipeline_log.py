"""The log holds each step once, whenever the run was ended."""

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
