"""The shared library is found, is told when it cannot be used, and is never needed."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lingloom.native import kernels as module


def report(monkeypatch, folder: Path) -> tuple[bool, str, str]:
    monkeypatch.delenv(module.SWITCH, raising=False)
    monkeypatch.setattr(module, "_HERE", folder)
    return module.kernels_report()


def test_kernels_built_from_an_older_source_are_left_alone(tmp_path, monkeypatch):
    library, source = tmp_path / f"_kernels{module.EXTENSION_SUFFIXES[0]}", tmp_path / "a.c"
    source.write_text("int a;")
    library.write_bytes(b"")
    os.utime(source, (100, 100))
    os.utime(library, (200, 200))
    assert report(monkeypatch, tmp_path) == (True, "compiled", "")
    os.utime(source, (300, 300))
    there, says, mend = report(monkeypatch, tmp_path)
    assert not there
    assert says == "built from an older source; Python does their work, slower"
    assert mend.startswith("install gcc, then: pip install --force-reinstall")


def test_kernels_that_were_not_built_are_reported_with_what_mends_it(tmp_path, monkeypatch):
    there, says, _ = report(monkeypatch, tmp_path)
    assert (there, says) == (False, "not built; Python does their work, slower")


@pytest.mark.parametrize("switch", ["off", "0", "no", "False"])
def test_kernels_can_be_switched_off(switch):
    code = "from lingloom.native.kernels import kernels, kernels_report as r; print(kernels(), r())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {module.SWITCH: switch},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("None (False, 'LINGLOOM_NATIVE=")
    assert "unset LINGLOOM_NATIVE" in done.stdout


def test_every_source_is_built_and_none_is_installed_which_could_be_newer_than_the_library():
    tree = Path(__file__).parents[2]
    tool = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    (built,) = tool["ext-modules"]
    native = tree / "src" / "lingloom" / "native"
    for key, suffix in (("sources", "c"), ("depends", "h")):
        assert built[key] == sorted(str(f.relative_to(tree)) for f in native.glob(f"*.{suffix}"))
    assert tool["include-package-data"] is False
