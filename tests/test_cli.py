"""The command line answers fast, and clumsy words get clear errors."""

import os
import subprocess
import sys

import pytest

from lingloom.cli import main
from lingloom.verbs.ask import AskSettings
from lingloom.verbs.console import read_words
from lingloom.verbs.table import VERBS


def test_help_names_every_verb_and_imports_nothing_heavy():
    code = (
        "import sys\nfrom lingloom.cli import main\nassert main(['--help']) == 0\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'pydantic', 'rich', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for verb in VERBS:
        assert f"lingloom {verb}" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert f"usage: lingloom {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["trian"], 2, "error: 'trian' is not a verb; did you mean 'train'?"),
        (["xyzzy"], 2, "error: 'xyzzy' is not a verb; lingloom --help lists the verbs"),
        (["train"], 2, "error: usage: lingloom train RECIPE|RUN [key=value ...]"),
        (
            ["train", "nowhere.yaml"],
            2,
            "error: nowhere.yaml: no such recipe; give the path of a .yaml file",
        ),
        (
            ["ask", "nowhere", "hello"],
            1,
            "error: nowhere: no such run (no recipe.yaml in it); start one with: "
            "lingloom train RECIPE",
        ),
        (
            ["doctor", "--loud"],
            2,
            "error: '--loud' (command line): no such option; options are key=value",
        ),
    ],
)
def test_clumsy_words_get_a_clear_error(words, code, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    assert capsys.readouterr().err.strip() == says


def test_a_screen_that_lacks_characters_ends_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "lingloom.cli", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "\\u7ec7\\u8bed" in done.stdout


def test_doctor_finds_what_is_installed(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "✓ torch" in out and "GFLOP/s" in out and "memory allocator" in out


@pytest.mark.parametrize(
    ("words", "names", "overrides"),
    [
        (["run", "x=y", "decode.seed=1"], ["run", "x=y"], ["decode.seed=1"]),
        (["run", "--flag means what?"], ["run", "--flag means what?"], []),
        (["run", "decode.seed=1"], ["run"], ["decode.seed=1"]),
        (["run", "1+1=2"], ["run", "1+1=2"], []),
    ],
)
def test_a_prompt_may_hold_any_sign(words, names, overrides):
    read = read_words("ask", words, needs=1, takes=2, schema=AskSettings, free=True)
    assert (read.names, read.overrides) == (names, overrides)
