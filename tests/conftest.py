"""What tests share: commands in processes of their own, and the choice of who computes."""

import os
import subprocess
import sys
import time

import pytest


def pytest_make_parametrize_id(val, argname):
    """Bytes are named by their argument: those of gzip hold the time, and all workers that share
    the tests out must know them by one name."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def begin():
    """Begin `lingloom WORDS`, whose standard error can be read: `begin(*words, **of_popen)`."""

    def begun(*words, **how):
        return subprocess.Popen(
            [sys.executable, "-m", "lingloom.cli", *words],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            **how,
        )

    return begun


@pytest.fixture(scope="session")
def end_by(begin):
    """Begin `lingloom WORDS`, and once `ready()` send it the signal `number`; its exit code and
    what it said: `end_by(number, ready, *words)`. Without a signal it ends of itself."""

    def ended(number, ready, *words):
        with begin(*words) as process:
            since = time.monotonic()
            while number and not ready():
                assert process.poll() is None and time.monotonic() - since < 120
                time.sleep(0.02)
            if number:
                process.send_signal(number)
            said = process.communicate()[1]
        return process.returncode, said

    return ended


@pytest.fixture
def without_kernels(monkeypatch):
    """Call it, and from then on torch computes what compiled kernels would."""

    def switch() -> None:
        from lingloom.native import tensors

        monkeypatch.setattr(tensors, "kernels", lambda: None)

    return switch


@pytest.fixture
def needs_kernels():
    """Skips where the kernels are not built."""
    from lingloom.native.kernels import kernels

    if kernels() is None:
        pytest.skip("the kernels are not built")


@pytest.fixture(params=["kernels", "torch"])
def way(request, without_kernels) -> str:
    """Who computes."""
    if request.param == "torch":
        without_kernels()
    else:
        request.getfixturevalue("needs_kernels")
    return request.param
