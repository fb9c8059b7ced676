"""What a farm's session reads off a task: progress, phase, and the one sentence of a failure."""

from __future__ import annotations

import pytest

from vimatte.cli.talk import guarded, report
from vimatte.engine import events
from vimatte.engine.errors import MediaError

STREAM = (
    events.Planned(lines=(("shot", "a.mov"),)),
    events.PhaseStarted(phase="matte", total=4),
    events.FrameWritten(frame=1001, path="l.1001.exr"),
    events.FrameWritten(frame=1002, path="l.1002.exr", kept=True),
    events.Progress(phase="matte", done=1, total=4),
    events.Warned(message="guessed\nthe matrix"),
    events.PhaseStarted(phase="verify", total=4),
    events.JobDone(frames=4, written=1, seconds=1.5, files={}),
)


def test_a_session_reads_progress_and_status(capsys, monkeypatch) -> None:
    monkeypatch.setenv("VIMATTE_REPORT", "openjd")
    report(iter(STREAM), quiet=False, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "shot: a.mov",
        "openjd_status: Matting",
        "frame 1001 written: l.1001.exr",
        "frame 1002 was whole already: l.1002.exr",
        "openjd_progress: 25.0",
        "warning: guessed the matrix",
        "openjd_status: Verifying",
        "done: 4 frames, 1 written now, 1.5 s",
    ]


def test_a_session_reads_why_a_task_failed(capsys, monkeypatch) -> None:
    monkeypatch.setenv("VIMATTE_REPORT", "openjd")

    def fail() -> None:
        raise MediaError("Frame 1003 is\ndamaged.")

    with pytest.raises(SystemExit) as left:
        guarded(fail)
    assert left.value.code == 3
    assert capsys.readouterr().out == "openjd_fail: Frame 1003 is damaged.\n"
