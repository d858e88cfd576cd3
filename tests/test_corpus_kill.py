"""A corpus whose making is killed or stopped, and gone on with by the same command."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CLEAN = ("clean", "r.yaml", "text.read=more")

KILLED_AT_EACH_STEP = """
import json, os, signal, sys
from pathlib import Path
from lingloom.corpus_recipe import read_corpus
from lingloom.pipeline import corpus
from lingloom.text.corpus import work

def make(out, die_at=0):
    '''In a process of its own: its wait status. What tasks it did goes to OUT.done.'''
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    replace, steps = os.replace, 0
    def counted(*names):
        nonlocal steps
        steps += 1
        if steps == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*names)
    os.replace = counted
    marker = work.write_whole
    def noted(path, text):
        marker(path, text)
        with open(out + ".done", "a") as file:
            file.write(path.name + "\\n")
    work.write_whole = noted
    for _ in corpus.clean(read_corpus("r.yaml", [f"out={out}"])):
        pass
    Path(out + ".steps").write_text(str(steps))
    os._exit(0)

assert make("whole") == 0
steps = int(Path("whole.steps").read_text())
every = max(1, steps // 12)
killed = sorted({1, 2, 3, *range(4, steps - 6, every), *range(steps - 6, steps + 1)})
for at in killed:
    status = make(f"at{at}", at)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (at, status)
    assert make(f"at{at}") == 0, at
print(json.dumps({"steps": steps, "killed": killed}))
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    def text(i: int) -> str:
        return " ".join(map(str, hashlib.blake2b(str(i).encode(), digest_size=60).digest()))

    texts = [text(i) for i in range(60)]
    texts += [texts[i] + " the end" for i in range(9)] + texts[9:15]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    (tmp_path / "r.yaml").write_text(
        "text: {read: a.jsonl}\nworkers: 1\nsplit: {validation_frac: 0.1, test_frac: 0.1}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but those that tell the time."""
    times = ("log.jsonl", "lock", "report.html", "recipe.yaml")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in times
    }


def test_killed_at_any_step_a_corpus_comes_out_the_same(here):
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EACH_STEP], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] > 30 < len(told["killed"]) * 2
    whole = contents(here / "whole")
    assert len(whole) > 5
    for at in told["killed"]:
        assert contents(here / f"at{at}") == whole, at
        tasks = (here / f"at{at}.done").read_text().split()
        assert len(tasks) == len(set(tasks)), f"killed at {at}: a finished task was done again"
        assert sorted(tasks) == sorted((here / "whole.done").read_text().split())


def group_of(process: subprocess.Popen) -> list[int]:
    """Ids of the living processes of a session."""
    found = []
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and os.getsid(int(place.name)) == process.pid:
                state = (place / "stat").read_text().rsplit(")", 1)[1].split()[0]
                found += [int(place.name)] if state not in "ZX" else []
        except OSError:
            continue
    return found


@pytest.fixture
def at_work(here, begin):
    """A cleaning of enough text to be met at work, its second stage begun: `at_work(*words)`."""
    texts = (hashlib.blake2b(str(i).encode(), digest_size=64).hexdigest() for i in range(2000))
    rows = [json.dumps({"text": " ".join(t[k : k + 4] for k in range(96))}) + "\n" for t in texts]
    (here / "more").mkdir()
    for i in range(4):
        (here / f"more/{i}.jsonl").write_text("".join(rows[i::4]))

    def begun(*words):
        process = begin(*CLEAN, *words, stdout=subprocess.DEVNULL, start_new_session=True)
        for line in process.stderr:
            if line.strip().startswith("read"):
                break
        return process

    return begun


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_workers_end_when_the_process_that_asked_is_killed(here, at_work, end_by):
    process = at_work("workers=2", "out=c")
    assert len(group_of(process)) >= 3
    process.kill()
    process.communicate()
    until = time.monotonic() + 20
    while group_of(process) and time.monotonic() < until:
        time.sleep(0.05)
    assert not group_of(process)
    for out in ("out=c", "out=d"):
        assert end_by(None, None, *CLEAN, out)[0] == 0
    assert contents(here / "c") == contents(here / "d")


@pytest.mark.parametrize(
    ("number", "send", "workers"),
    [
        (signal.SIGINT, os.kill, 1),
        (signal.SIGINT, os.killpg, 2),  # as a terminal sends it
        (signal.SIGTERM, os.kill, 2),
        (signal.SIGTERM, os.killpg, 2),
    ],
)
def test_a_signal_ends_cleaning_between_two_tasks(here, at_work, number, send, workers):
    process = at_work(f"workers={workers}", "out=c")
    send(process.pid, number)
    said = process.communicate()[1]
    assert process.returncode == 130, said
    assert "stopped; everything finished is kept; the same command goes on" in said
    assert "Traceback" not in said
    assert (here / "c/.work").is_dir() and not (here / "c/manifest.json").exists()
