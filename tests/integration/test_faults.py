"""Each fault: one sentence, the documented exit code, no traceback, nothing half-written with a final name."""

from __future__ import annotations

import subprocess

import pytest

from support import cli_runner as runner
from support import faults


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda f: f.name)
def test_fault_is_one_sentence(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("VIMATTE_WEIGHTS", str(tmp_path / "weights"))
    try:
        arguments = fault.arguments(tmp_path)
    except faults.CannotCause as why:
        pytest.skip(str(why))
    try:
        run = runner.vim_batch(*arguments)
        leftovers = list((tmp_path / "small").glob(".*")) if (tmp_path / "small").exists() else []
    finally:
        subprocess.run(["umount", str(tmp_path / "small")], capture_output=True, check=False)
    assert run.code == fault.code, run.err
    assert "Traceback" not in run.err
    if fault.code:
        errors = [line for line in run.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert run.err.rstrip().endswith(errors[0]), "the error is the last thing said"
        for word in fault.says:
            assert word in errors[0]
        assert "unforeseen" not in errors[0]
    assert not leftovers
    assert not list(tmp_path.rglob(".*.tmp*"))
