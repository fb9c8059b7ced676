"""The bridge between a host application and an engine, without either."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from vimatte.plugin.bridge import Engine, EngineError, Event, Job, Request, find_engine

DOUBLE = Path(__file__).with_name("engine_double.py")


def engine(manner: str, **environ: str) -> Engine:
    made = Engine((sys.executable, str(DOUBLE), manner), environ={**os.environ, **environ})
    made.start()
    return made


def follow(made: Engine, job: Job, *, until: float = 20) -> Job:
    end = time.monotonic() + until
    while not job.over and time.monotonic() < end:
        if (event := made.wait(0.2)) is not None:
            job.feed(event)
    assert job.over, job
    return job


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_lines_go_there_and_back() -> None:
    assert Request(id="7", kind="run", fields={"job": {"shot": "é"}}).line().endswith(b"}\n")
    event = Event.parse(b'{"id": "7", "event": "progress", "done": 1}\n')
    assert (event.id, event.kind, dict(event.fields), event.ends) == ("7", "progress", {"done": 1}, False)
    for wrong in (b"noise", b"[]", b'{"id": "7"}'):
        with pytest.raises(ValueError):  # noqa: PT011 - JSON's own error is one too
            Event.parse(wrong)


def test_one_engine_runs_many_jobs_and_ends_when_told() -> None:
    made = engine("well", PYTHONHOME="")
    for _ in range(3):
        job = follow(made, Job(id=made.request("run"), title="a"))
        assert (job.state, job.written, job.done, job.total) == ("done", [1001], 1, 4)
    made.stop()
    assert not made.alive
    assert not runs(made.pid or 0)
    with pytest.raises(EngineError, match="does not run"):
        made.request("run")


def test_the_hosts_python_settings_are_not_handed_down() -> None:
    made = engine("well", PYTHONHOME="/nowhere", PYTHONPATH="/nowhere")
    assert follow(made, Job(id=made.request("doctor"), title="a")).result["pythonhome"] is None
    made.stop()


def test_cancel_is_heard_while_a_job_runs() -> None:
    made = engine("well")
    job = Job(id=made.request("run", hang=True), title="a")
    made.cancel(job.id)
    job.mark_cancelling()
    assert follow(made, job).state == "cancelled"
    made.stop()


def test_a_crash_is_a_sentence_with_the_engines_last_words() -> None:
    made = engine("crash")
    job = follow(made, Job(id=made.request("run"), title="a"))
    assert job.state == "failed"
    assert "SIGABRT" in job.message
    assert "the roof fell in" in job.message
    assert not made.alive


def test_an_engine_of_another_protocol_is_refused() -> None:
    made = engine("newer")
    job = follow(made, Job(id=made.request("run"), title="a"))
    assert job.state == "failed"
    assert "speaks protocol 2 and this add-on 1" in job.message
    assert not made.alive


def test_an_engine_that_does_not_listen_is_killed_in_time() -> None:
    made = engine("deaf")
    job = Job(id=made.request("run"), title="a")
    assert (event := made.wait(10)) is not None
    assert event.kind == "hello"
    began = time.monotonic()
    made.stop(timeout=0.3)
    assert time.monotonic() - began < 5
    assert not runs(made.pid or 0)
    assert follow(made, job).message == "The engine was ended."


def test_a_chatty_engine_does_not_block_anybody() -> None:
    made = engine("noisy")
    assert follow(made, Job(id=made.request("run"), title="a")).state == "done"
    made.stop()
    assert "a word for the log" in made.log
    assert len(made.log) <= 2000


def test_a_stray_line_among_the_events_goes_to_the_log() -> None:
    made = engine("stray")
    assert follow(made, Job(id=made.request("run"), title="a")).state == "done"
    made.stop()
    assert list(made.log) == ["not an event"]


def test_only_the_killed_engines_temp_files_are_removed(tmp_path: Path) -> None:
    made = engine("well")
    mine, other = tmp_path / f".layers.1001.exr.host.{made.pid}.tmp.exr", tmp_path / ".layers.1001.exr.host.1.tmp.exr"
    for path in (mine, other, tmp_path / "layers.1002.exr"):
        path.touch()
    made.remove_unfinished(tmp_path)
    assert mine.exists(), "it still runs"
    made.kill()
    made.remove_unfinished(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [other.name, "layers.1002.exr"]


def test_a_program_that_cannot_be_run_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="could not be started"):
        Engine((str(tmp_path / "nothing"),)).start()


def test_progress_and_time_left() -> None:
    now = [0.0]
    job = Job(id="1", title="a", clock=lambda: now[0])
    assert job.line() == "Starting …"
    job.feed(Event(id="1", kind="phase", fields={"phase": "matte", "total": 40}))
    assert (job.state, job.eta, job.line()) == ("running", None, "Matting 0/40")
    now[0] = 25.2
    job.feed(Event(id="1", kind="progress", fields={"phase": "matte", "done": 12, "total": 40}))
    assert job.eta == pytest.approx(58.8)
    assert job.line() == "Matting 12/40, 59 s left"
    now[0] = 252
    assert job.line() == "Matting 12/40, 9 min 48 s left"
    job.feed(Event(id="2", kind="done", fields={}))
    assert not job.over
    job.feed(Event(id="1", kind="done", fields={"written": 40}))
    assert (job.over, job.result["written"], job.eta) == (True, 40, None)


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_engine_is_found_where_it_was_named_first(tmp_path: Path) -> None:
    set_ = program(tmp_path / "set" / "bin" / "vimatte")
    env = program(tmp_path / "env" / "bin" / "python3.11")
    home = program(tmp_path / "home" / ".vimatte" / "venv" / "bin" / "vimatte")
    path = program(tmp_path / "path" / "vimatte")
    environ = {"VIMATTE_ENGINE": str(env), "HOME": str(tmp_path / "home"), "PATH": str(path.parent)}
    assert find_engine(str(tmp_path / "set"), environ=environ).command == (str(set_),)
    assert find_engine(environ=environ).command[:2] == (str(env), "-c")
    del environ["VIMATTE_ENGINE"]
    assert find_engine(environ=environ).command == (str(home),)
    environ["HOME"] = str(tmp_path)
    assert find_engine(environ=environ).command == (str(path),)
    environ["PATH"] = str(tmp_path)
    with pytest.raises(EngineError, match="was not found"):
        find_engine(environ=environ)


def test_a_wrong_place_is_said_and_not_replaced_by_another(tmp_path: Path) -> None:
    path = program(tmp_path / "path" / "vimatte")
    with pytest.raises(EngineError, match=r"the place that \$VIMATTE_ENGINE gives"):
        find_engine(environ={"VIMATTE_ENGINE": str(tmp_path / "gone"), "PATH": str(path.parent)})
