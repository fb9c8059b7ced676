"""The process that keeps a model open between tasks: serves, outlives its clients, is not needed, and leaves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support import faults
from support.cli_runner import vimatte

PROGRAM = [sys.executable, "-c", "from vimatte.cli.entry import vimatte; vimatte()"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def gone(pid: int, seconds: float = 30) -> bool:
    """Whether a process that is not our child ends within this time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Path]:
    """An engine with the `masks` model."""
    file = tmp_path / "session" / "engine.json"
    file.parent.mkdir()
    subprocess.run(
        [*PROGRAM, "engine", "start", "--connection", str(file), "--matting", "masks", "--device", "cpu"],
        check=True, env=ENVIRONMENT, capture_output=True, timeout=120,
    )  # fmt: skip
    pid = json.loads(file.read_text())["pid"]
    yield file
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def arguments(folder: Path, *more: str | Path) -> list[str | Path]:
    shot = faults.sequence(folder / "plate", list(range(1001, 1007)))
    tracks = folder / "out" / "layers.tracks"
    if not tracks.exists():
        vimatte("track", shot, "--masks", folder / "plate" / "masks", "--out", tracks)
    return ["matte", shot, "--tracks", tracks, "--out", folder / "out" / "layers.exr", "--matting", "masks", *more]


def layers(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (folder / "out").glob("*.exr")}


def test_the_engine_works_for_one_task_after_the_other_and_stops(tmp_path: Path, connection: Path) -> None:
    assert vimatte(*arguments(tmp_path)).code == 0
    whole = layers(tmp_path)
    for name in whole:
        (tmp_path / "out" / name).unlink()
    for frames in ("1004-1006", "1001-1003"):
        run = vimatte(*arguments(tmp_path, "--engine", connection, "--frames", frames, "--resume"))
        assert run.code == 0
        assert "There is no engine" not in run.err
    assert layers(tmp_path) == whole
    wrong = vimatte(*arguments(tmp_path, "--engine", connection, "--frames", "1-9", "--resume"))
    assert (wrong.code, "asks for 1-9" in wrong.err) == (2, True), "an error comes through as it is"
    words = arguments(tmp_path, "--engine", connection, "--frames", "1002-1004", "--overwrite")
    plate = tmp_path / "plate" / "plate.1003.exr"
    plate.write_bytes(plate.read_bytes()[:1000])
    bad = vimatte(*words)
    assert (bad.code, "Frames 1003 of 1002-1004 were not made" in bad.err) == (3, True)
    log = connection.with_suffix(".log").read_text()
    assert log.count("matte 100") == 3
    pid = json.loads(connection.read_text())["pid"]
    assert vimatte("engine", "stop", "--connection", connection).code == 0
    assert gone(pid)
    assert not connection.exists()


def test_without_the_engine_the_work_is_done_all_the_same(tmp_path: Path, connection: Path) -> None:
    os.kill(json.loads(connection.read_text())["pid"], signal.SIGKILL)
    run = vimatte(*arguments(tmp_path, "--engine", connection))
    assert run.code == 0
    assert "There is no engine" in run.err
    assert len(layers(tmp_path)) == 6
    assert vimatte("engine", "stop", "--connection", connection).code == 0, "nothing to stop is no fault"


def test_the_engine_answers_only_those_who_know_its_token_and_leaves_with_its_session(connection: Path) -> None:
    known = json.loads(connection.read_text())
    assert connection.stat().st_mode & 0o077 == 0
    for line in (b'{"request": "stop", "token": "guess"}\n', b"nonsense\n", b"[]\n", b""):
        with socket.create_connection(("127.0.0.1", known["port"]), timeout=20) as client:
            client.sendall(line)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b""
    assert not gone(known["pid"], 0)
    connection.unlink()
    assert gone(known["pid"]), "a session that was killed runs no exit action"


def test_a_model_that_cannot_be_opened_is_said_at_the_start(tmp_path: Path) -> None:
    run = subprocess.run(
        [*PROGRAM, "engine", "start", "--connection", str(tmp_path / "e.json"), "--matting", "magic"],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 4
    assert "magic" in run.stderr
    assert not (tmp_path / "e.json").exists()
