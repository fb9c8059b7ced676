"""Killed at any moment and resumed: byte-identical to an undisturbed run, and no whole frame made twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FRAMES = "1001-1006"
COMMAND = [sys.executable, "-c", "from vimatte.cli.entry import vim_batch; vim_batch()"]


def _arguments(example: Path, out: Path, *more: str) -> list[str]:
    return [
        *COMMAND,
        str(example / "shot.mov"),
        "--masks",
        str(example / "masks"),
        "--out",
        str(out / "layers.exr"),
        "--frames",
        FRAMES,
        "--cryptomatte",
        "--preview",
        "--json",
        *more,
    ]


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def _events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def undisturbed(example, tmp_path_factory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(_arguments(example, out), check=True, capture_output=True)
    return _hashes(out)


def _start_and_stop_after(example: Path, out: Path, frames: int, how: signal.Signals) -> subprocess.Popen:
    run = subprocess.Popen(
        _arguments(example, out),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite run in the background is deaf to SIGINT, and so would be its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    seen = 0
    for line in run.stdout:
        event = json.loads(line)
        seen += event["event"] == "frame"
        if seen > frames or (frames == 0 and event["event"] == "progress" and event["phase"] == "matte"):
            break
    os.kill(run.pid, how)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 2])
def test_killed_and_resumed_gives_the_same_bytes(example, tmp_path, undisturbed, after):
    run = _start_and_stop_after(example, tmp_path, after, signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    whole = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("layers.*.exr")}
    assert len(whole) < 6

    done = subprocess.run(_arguments(example, tmp_path, "--resume"), check=True, capture_output=True, text=True)
    events = _events(done.stdout)
    kept = {Path(e["path"]).name for e in events if e["event"] == "frame" and e["kept"]}
    complete = {n for n in whole if (tmp_path / n.replace("layers.", "layers_crypto.")).exists()}
    assert kept <= set(whole)
    assert complete - kept == set(), "a whole frame was made twice"
    assert {n: (tmp_path / n).stat().st_mtime_ns for n in kept} == {n: whole[n] for n in kept}
    assert _hashes(tmp_path) == undisturbed


@pytest.mark.slow
def test_interrupted_leaves_whole_frames_and_says_so(example, tmp_path, undisturbed):
    run = _start_and_stop_after(example, tmp_path, 1, signal.SIGINT)
    rest, errors = run.communicate()
    assert run.returncode == 130
    assert "Traceback" not in errors
    assert "--resume" in _events(rest)[-1]["message"]
    assert not list(tmp_path.glob(".*"))
    for path in tmp_path.glob("layers.*.exr"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == undisturbed[path.name]


@pytest.mark.slow
def test_two_runs_are_byte_identical(example, tmp_path, undisturbed):
    subprocess.run(_arguments(example, tmp_path), check=True, capture_output=True)
    assert _hashes(tmp_path) == undisturbed


@pytest.mark.slow
def test_resume_redoes_frames_of_other_settings(example, tmp_path):
    short = [a if a != FRAMES else "1001-1002" for a in _arguments(example, tmp_path)]
    subprocess.run(short, check=True, capture_output=True)
    renamed = subprocess.run(
        [*short, "--resume", "--name", "1=front"], check=True, capture_output=True, text=True
    ).stdout
    frames = [e for e in _events(renamed) if e["event"] == "frame"]
    assert len(frames) == 2
    assert not any(e["kept"] for e in frames)
    assert json.loads((tmp_path / "layers.tracks" / "tracks.json").read_text())["instances"][0]["name"] == "front"
