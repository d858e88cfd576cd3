"""Checkpoints survive what disks and kills do to them."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lingloom.errors import RunError
from lingloom.train import checkpoint, state_files
from lingloom.train.checkpoint import Checkpoints
from lingloom.train.settings import CheckpointSettings
from lingloom.train.state_files import State, damage

both_ways = pytest.mark.parametrize("background", [True, False], ids=["background", "at once"])


def store(folder, keep=3, background=False):
    return Checkpoints(folder, CheckpointSettings(keep=keep, background=background))


def state(step):
    torch.manual_seed(step)
    tensors = {
        "master": torch.randn(1000),
        "half": torch.randn(3, 5).bfloat16(),
        "count": torch.tensor(step),
        "empty": torch.zeros(0),
    }
    return State(step, tensors, {"x": 0.1 * step, "none": None})


def same(a, b):
    return (
        a.step == b.step
        and a.numbers == b.numbers
        and a.tensors.keys() == b.tensors.keys()
        and all(
            torch.equal(t, b.tensors[n]) and t.dtype == b.tensors[n].dtype
            for n, t in a.tensors.items()
        )
    )


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@both_ways
def test_what_is_saved_comes_back_bit_for_bit(tmp_path, background):
    checkpoints = store(tmp_path, background=background)
    checkpoints.save(state(4))
    checkpoints.close()
    found = store(tmp_path).newest()
    assert same(found.state, state(4))
    assert found.notes == []


def test_no_checkpoint_is_no_error(tmp_path):
    assert store(tmp_path / "none yet").newest() is None


@both_ways
def test_only_the_newest_are_kept(tmp_path, background):
    checkpoints = store(tmp_path, keep=2, background=background)
    for step in (1, 2, 3, 4):
        checkpoints.save(state(step))
    checkpoints.close()
    assert names(tmp_path) == ["step-00000003", "step-00000004"]


def flip_a_bit(path):
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 16
    path.write_bytes(raw)


def cut_short(path):
    os.truncate(path, path.stat().st_size // 2)


HARM = {
    "flipped tensors": (lambda f: flip_a_bit(f / "tensors.safetensors"), "SHA-256"),
    "short tensors": (lambda f: cut_short(f / "tensors.safetensors"), "bytes of"),
    "flipped numbers": (lambda f: flip_a_bit(f / "state.json"), "SHA-256"),
    "short manifest": (lambda f: cut_short(f / "manifest.json"), "not a whole manifest"),
    "no tensors": (lambda f: (f / "tensors.safetensors").unlink(), "is missing"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "is missing"),
    "empty manifest": (lambda f: (f / "manifest.json").write_text("[]"), "not a whole manifest"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_newest_falls_back_to_the_last_whole_one(tmp_path, harm):
    checkpoints = store(tmp_path)
    for step in (1, 2, 3):
        checkpoints.save(state(step))
    spoil, words = HARM[harm]
    spoil(tmp_path / "step-00000003")
    found = checkpoints.newest()
    assert same(found.state, state(2))
    assert len(found.notes) == 1
    assert "step-00000003: damaged" in found.notes[0]
    assert words in found.notes[0]


def test_a_damaged_checkpoint_is_replaced_and_never_counts_as_kept(tmp_path):
    checkpoints = store(tmp_path, keep=2)
    for step in (1, 2, 3):
        checkpoints.save(state(step))
    flip_a_bit(tmp_path / "step-00000003" / "state.json")
    again = store(tmp_path, keep=2)
    again.newest()
    again.save(state(3))
    assert names(tmp_path) == ["step-00000002", "step-00000003"]
    assert same(again.newest().state, state(3))


def test_when_all_are_damaged_the_run_does_not_silently_start_again(tmp_path):
    checkpoints = store(tmp_path)
    for step in (1, 2):
        checkpoints.save(state(step))
        flip_a_bit(tmp_path / f"step-0000000{step}" / "state.json")
    with pytest.raises(RunError, match="no whole checkpoint is left: delete"):
        checkpoints.newest()


def test_a_header_of_absurd_size_is_refused_unread(tmp_path):
    store(tmp_path).save(state(1))
    folder = tmp_path / "step-00000001"
    raw = struct.pack("<Q", 1 << 60) + b"{}"
    (folder / "tensors.safetensors").write_bytes(raw)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["tensors.safetensors"] = {
        "bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "announces a header of 1152921504606846976 bytes" in damage(folder)


def test_what_a_kill_left_behind_is_swept_away(tmp_path):
    store(tmp_path).save(state(1))
    shutil.copytree(tmp_path / "step-00000001", tmp_path / ".step-00000002-77")
    assert names(tmp_path) == [".step-00000002-77", "step-00000001"]
    assert same(store(tmp_path).newest().state, state(1))
    assert names(tmp_path) == ["step-00000001"]


@both_ways
def test_a_full_disk_leaves_earlier_checkpoints_whole_and_no_debris(
    tmp_path, monkeypatch, background
):
    checkpoints = store(tmp_path, background=background)
    checkpoints.save(state(1))
    checkpoints.wait()
    write, written = state_files._HashedFile.write, []

    def full(self, data):
        written.append(len(data))
        if len(written) > 2:
            raise OSError(28, "No space left on device")
        write(self, data)

    monkeypatch.setattr(state_files._HashedFile, "write", full)
    with pytest.raises(RunError, match="checkpoint of step 2: the disk is full; .*make room"):
        checkpoints.save(state(2))
        checkpoints.settle()
        checkpoints.wait()
    monkeypatch.undo()
    assert names(tmp_path) == ["step-00000001"]
    checkpoints.save(state(3))
    assert same(checkpoints.newest().state, state(3))
    checkpoints.close()


def test_an_old_checkpoint_that_cannot_be_put_aside_is_said(tmp_path, monkeypatch):
    checkpoints = store(tmp_path, keep=1)
    checkpoints.save(state(1))
    rename = os.rename

    def stuck(old, new):
        if Path(old).name == "step-00000001":
            raise PermissionError(13, "Permission denied")
        rename(old, new)

    monkeypatch.setattr(checkpoint.os, "rename", stuck)
    with pytest.raises(RunError, match="step 2: cannot be written .Permission denied."):
        checkpoints.save(state(2))
    assert same(checkpoints.newest().state, state(2))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_really_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system does not let us mount")
    try:
        checkpoints = store(disk, keep=5)
        checkpoints.save(state(1))
        big = State(2, {"master": torch.ones(100_000)}, {})
        with pytest.raises(RunError, match="checkpoint of step 2: the disk is full"):
            checkpoints.save(big)
        assert names(disk) == ["step-00000001"]
        assert same(checkpoints.newest().state, state(1))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_tensors_may_change_once_settled(tmp_path):
    checkpoints = store(tmp_path, background=True)
    live = state(1)
    for step in range(1, 20):
        checkpoints.save(State(step, live.tensors, {}))
        checkpoints.settle()
        live.tensors["master"].add_(1.0)
    checkpoints.close()
    found = store(tmp_path).newest().state
    assert torch.equal(found.tensors["master"] + 1, live.tensors["master"])


FORKED = """
import os, pathlib, signal, sys, time
from itertools import islice
sys.path.insert(0, sys.argv[2])
import test_loop as t
from lingloom.train.settings import CheckpointSettings
s = t.settings(steps=400, eval_every=0, checkpoint=CheckpointSettings(every=2, keep=2),
               regularise=t.RegulariseSettings(ema=0.9))

def records(folder):
    t.torch.set_num_threads(1)
    for r in t.train(t.fresh(t.GPT2), t.next_token, t.batch_at, s, seed=5, checkpoints=folder):
        yield f"{r.step} {r.loss} {r.norm}"

for attempt in range(6):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        for line in records(pathlib.Path(sys.argv[1])):
            os.write(write, line.encode() + bytes([10]))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as lines:
        for line in lines:
            print("killed", line, end="")
            if int(line.split()[0]) >= 12 * (attempt + 1):
                time.sleep(0.0037 * attempt)
                os.kill(child, signal.SIGKILL)
                break
        else:
            sys.exit("the child ended by itself")
        for line in lines:  # printed while we slept
            print("killed", line, end="")
    os.waitpid(child, 0)
for line in islice(records(None), 72):
    print("straight", line)
"""


def test_killed_at_any_instant_a_run_goes_on_to_the_same_bits(tmp_path):
    """Kill -9 six times at odd moments; the losses are those of a run left in peace."""
    command = [sys.executable, "-c", FORKED, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = {"killed": {}, "straight": {}}
    for line in done.stdout.splitlines():
        which, step, loss, norm = line.split()
        if loss != "None":
            assert seen[which].setdefault(int(step), (loss, norm)) == (loss, norm)
    # each step is printed before it is saved, so no kill makes a gap
    assert sorted(seen["killed"]) == list(range(1, len(seen["killed"]) + 1))
    assert len(seen["killed"]) >= 72
    assert all(seen["straight"][step] == seen["killed"][step] for step in range(1, 73))
    assert store(tmp_path).newest().notes == []
