"""The run folder keeps every promise that verbs rely on."""

import json
import subprocess
import sys

import pytest

from lingloom.errors import DataError, RunError
from lingloom.runs import RunFolder, find_run


def test_two_processes_never_write_to_one_run(tmp_path):
    run = RunFolder(tmp_path / "demo")
    other = (
        "import sys\nfrom lingloom.runs import RunFolder\n"
        "with RunFolder(sys.argv[1]).writing():\n    print('in', flush=True)\n    input()\n"
    )
    command = [sys.executable, "-c", other, str(run.path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "in\n"
        with (
            pytest.raises(RunError, match=rf"process {holder.pid} is writing to this run; wait"),
            run.writing(),
        ):
            pass
        holder.kill()
        holder.communicate()
    with run.writing():
        pass  # the lock went with the process


def test_a_torn_last_line_of_the_log_is_left_out(tmp_path):
    run = RunFolder(tmp_path)
    for step in (1, 2):
        run.append_log({"step": step, "loss": 1.0 / step})
    with open(run.log, "a") as log:
        log.write('{"step": 3, "lo')
    assert [r["step"] for r in run.read_log()] == [1, 2]


def test_trimming_forgets_what_came_after_the_checkpoint(tmp_path):
    run = RunFolder(tmp_path)
    for step in (1, 2, 3, 4):
        run.append_log({"step": step})
    run.trim_log(2)
    run.append_log({"step": 3})
    assert [r["step"] for r in run.read_log()] == [1, 2, 3]


def test_facts_are_added_and_never_half_written(tmp_path):
    run = RunFolder(tmp_path)
    run.note(seed=3)
    run.note(state="done")
    assert json.loads((tmp_path / "run.json").read_text()) == {"seed": 3, "state": "done"}
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_a_damaged_file_says_so(tmp_path):
    (tmp_path / "scores.json").write_text('{"a": ')
    with pytest.raises(DataError, match=r"scores\.json: not whole JSON .*delete it and run"):
        RunFolder(tmp_path).read_json("scores.json")


def test_a_run_is_found_by_name_and_a_misspelt_one_is_guessed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/demo").mkdir(parents=True)
    (tmp_path / "runs/demo/recipe.yaml").write_text("seed: 0\n")
    assert find_run("demo").path.samefile(tmp_path / "runs/demo")
    assert find_run("runs/demo").path.samefile(tmp_path / "runs/demo")
    with pytest.raises(RunError, match=r"dmeo: no such run .* did you mean runs/demo\?"):
        find_run("dmeo")


def test_an_unwritable_folder_is_a_clear_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(
        RunError, match="file: is a file, so no folder can be there; give the name of a folder"
    ):
        RunFolder(blocked / "run").write_json("run.json", {})
