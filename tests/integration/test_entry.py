"""What the installed commands call: exit codes and words are those of the command, whatever is left undone."""

from __future__ import annotations

import subprocess
import sys

import pytest

_RUN = "from vimatte.cli.entry import {0}; import sys; sys.argv = ['{0}', *{1}]; {0}()"


def run(command: str, arguments: list[str], *, before: str = "") -> subprocess.CompletedProcess[str]:
    code = before + _RUN.format(command, arguments)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("command", ["vim_batch", "vimatte"])
def test_words_and_exit_codes_are_the_commands(command: str) -> None:
    told = run(command, ["--version"])
    assert (told.returncode, told.stderr) == (0, "")
    assert "version" in told.stdout
    refused = run(command, ["--no-such-option"])
    assert refused.returncode == 2
    assert "--no-such-option" in refused.stderr


def test_a_fault_of_the_shot_has_its_own_code() -> None:
    refused = run("vim_batch", ["nowhere.mov", "--out", "layers.exr"])
    assert refused.returncode == 3
    assert refused.stderr.startswith("error: ")


def test_others_tidy_up_before_it_is_left() -> None:
    """And what they print arrives, though nothing is taken apart."""
    before = "import click; old = click.Command.main; import atexit\n"
    before += "def main(*a, **k):\n    atexit.register(print, 'tidied up')\n    return old(*a, **k)\n"
    before += "click.Command.main = main\n"
    told = run("vimatte", ["--version"], before=before)
    assert told.returncode == 0
    assert told.stdout.endswith("tidied up\n")


def test_what_nobody_foresaw_is_told() -> None:
    before = "import vimatte.cli.main as m\ndef main():\n    raise RuntimeError('unforeseen')\nm.main = main\n"
    told = run("vimatte", [], before=before)
    assert told.returncode == 1
    assert "unforeseen" in told.stderr
