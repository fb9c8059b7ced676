"""What the command line says: to people, to machines, and when things end badly."""

from __future__ import annotations

import json

import pytest

from vimatte.cli.options import names_of
from vimatte.cli.talk import guarded, report
from vimatte.engine import events
from vimatte.engine.errors import Cancelled, ConfigError, DeviceError, MediaError

STREAM = (
    events.Planned(lines=(("shot", "a [v2].mov"), ("frames", "1001-1002"))),
    events.Warned(message="guessed the matrix"),
    events.PhaseStarted(phase="find", total=2),
    events.Progress(phase="find", done=1, total=2),
    events.TracksReady(path="l.tracks", names=("anna",)),
    events.PhaseStarted(phase="matte", total=2),
    events.FrameWritten(frame=1001, path="l.1001.exr"),
    events.JobDone(frames=2, written=2, seconds=1.5, files={"layers": "l.####.exr"}),
)


def test_people_read_plan_warnings_and_where_things_are(capsys):
    report(iter(STREAM), quiet=False, as_json=False)
    said = capsys.readouterr().err
    for words in ("a [v2].mov", "guessed the matrix", "Finding people", "1 person", "anna", "l.####.exr", "2 written"):
        assert words in said


def test_quiet_says_warnings_only(capsys):
    report(iter(STREAM), quiet=True, as_json=False)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.split() == ["warning", "guessed", "the", "matrix"]


def test_machines_read_one_object_a_line(capsys):
    report(iter(STREAM), quiet=False, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == [e.kind for e in STREAM]
    assert all("at" in line for line in lines)


def test_the_stream_is_closed_when_it_breaks():
    closed = []

    def stream():
        try:
            yield STREAM[0]
            raise MediaError("The disk is full.")
        finally:
            closed.append(True)

    with pytest.raises(MediaError):
        report(stream(), quiet=True, as_json=False)
    assert closed


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ConfigError("Bad range."), 2, "Bad range."),
        (DeviceError("No GPU."), 5, "No GPU."),
        (KeyboardInterrupt(), Cancelled.exit_code, "--resume"),
        (MemoryError(), 5, "memory"),
        (RuntimeError("boom"), 1, "VIMATTE_DEBUG"),
    ],
)
def test_errors_are_one_sentence_and_an_exit_code(error, code, says, capsys):
    def action():
        raise error

    with pytest.raises(SystemExit) as ended:
        guarded(action)
    assert ended.value.code == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert says in said
    assert "Traceback" not in said


def test_errors_for_machines_are_json(capsys):
    def action():
        raise ConfigError("Bad range.")

    with pytest.raises(SystemExit):
        guarded(action, as_json=True)
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["kind"], line["exit_code"]) == ("error", "ConfigError", 2)


@pytest.mark.parametrize("pair", ["1", "=anna", "1=", "anna"])
def test_names_need_both_sides(pair):
    with pytest.raises(ConfigError, match="ID=NAME"):
        names_of((pair,))


def test_names_become_a_mapping():
    assert names_of(("1=anna", "person_02 = bruno")) == {"1": "anna", "person_02": "bruno"}
