"""Many shots in a row: none takes others with it, and the summary says how each went."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from vimatte.cli import batch

from support.cli_runner import Run, vim_batch

CHILD = """
import json, os, signal, sys
job = json.load(open(sys.argv[sys.argv.index("--job") + 1]))
def say(**values): print(json.dumps(values), flush=True)
name = os.path.basename(job["shot"])
print("a library chatters")
say(event="phase", phase="matte", total=2, at=0.1)
say(event="frame", frame=1001, path=job["out"], kept=False, at=0.1)
if name == "bad.mov":
    say(event="error", kind="MediaError", exit_code=3, message="bad.mov is damaged.")
    sys.exit(3)
if name == "killed.mov":
    os.kill(os.getpid(), signal.SIGKILL)
if name == "mute.mov":
    sys.exit(9)
sys.stderr.write("a word for the log")
say(event="done", frames=2, written=1, seconds=0.5, files={"layers": job["out"]}, at=0.2)
"""


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of five shots whose processes are small stand-ins."""
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    honest = batch._events

    def stand_in(command: list[str], log: object) -> object:
        assert command[3:5] == ["--job", command[4]]
        return honest([sys.executable, str(child), *command[3:]], log)

    monkeypatch.setattr(batch, "_events", stand_in)
    path = tmp_path / "list.toml"
    path.write_text(
        "".join(
            f'[[shots]]\nshot = "{name}.mov"\nout = "out/{{shot}}/layers.exr"\n'
            for name in ("first", "bad", "killed", "mute", "last")
        )
        + '[[shots]]\nname = "typo"\nshto = "x"\n'
    )
    return path


def summary(path: Path) -> dict[str, object]:
    return json.loads(path.read_text())


def test_bad_shots_do_not_stop_the_others(listed: Path) -> None:
    run = vim_batch("--shots", listed, "--quiet")
    assert run.code == 6
    table = summary(listed.with_suffix(".summary.json"))
    shots = {one["name"]: one for one in table["shots"]}
    assert [(n, s["state"], s["exit_code"]) for n, s in shots.items()] == [
        ("first", "done", 0), ("bad", "failed", 3), ("killed", "failed", 1), ("mute", "failed", 1),
        ("last", "done", 0), ("typo", "failed", 2),
    ]  # fmt: skip
    assert (table["done"], table["failed"], table["waiting"]) == (2, 4, 0)
    assert shots["bad"]["message"] == "bad.mov is damaged."
    assert "signal 9" in shots["killed"]["message"]
    assert "exit code 9" in shots["mute"]["message"]
    assert "did you mean 'shot'" in shots["typo"]["message"]
    assert (shots["last"]["frames"], shots["last"]["written"]) == (2, 1)
    for words in ("bad: error: bad.mov is damaged.", "4 of 6 shots failed: bad, killed, mute, typo"):
        assert words in run.err


def test_every_shot_has_a_log_of_its_own(listed: Path) -> None:
    vim_batch("--shots", listed, "--quiet")
    log = (listed.parent / "out" / "last" / "layers.log").read_text()
    assert "a word for the log" in log
    assert "a library chatters" in log
    assert '"event": "done"' in log
    assert "damaged" in (listed.parent / "out" / "bad" / "layers.log").read_text()


def test_machines_read_which_shot_an_event_is_of(listed: Path) -> None:
    run = vim_batch("--shots", listed, "--json", "--summary", listed.parent / "s.json")
    lines = [json.loads(line) for line in run.out.splitlines()]
    assert [(x["name"], x["index"], x["total"]) for x in lines if x["event"] == "shot"][-1] == ("typo", 6, 6)
    assert [x["name"] for x in lines if x["event"] == "error" and "name" in x] == ["bad", "killed", "mute", "typo"]
    assert lines[-2] == {"event": "shots", "done": 2, "total": 6, "summary": str(listed.parent / "s.json")}
    assert lines[-1]["exit_code"] == 6
    assert summary(listed.parent / "s.json")["done"] == 2


def test_options_stand_above_the_list(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = []
    monkeypatch.setattr(batch, "_run", lambda one, _result, dry_run: iter(jobs.append((one.job, dry_run)) or ()))
    run = vim_batch("--shots", listed, "--quiet", "--resume", "--matting", "masks", "--name", "1=zoe", "--dry-run")
    assert run.code == 0
    assert all(job is None or (job.resume, job.matting, job.names) == (True, "masks", {"1": "zoe"}) for job, _ in jobs)
    assert all(dry for _, dry in jobs)


def test_stopping_stops_all_and_says_what_waits(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "_run", stop)
    run: Run = vim_batch("--shots", listed, "--quiet")
    assert run.code == 130
    table = summary(listed.with_suffix(".summary.json"))
    assert (table["stopped"], table["waiting"]) == (1, 5)


def test_one_shot_and_many_are_two_things(listed: Path) -> None:
    assert vim_batch("shot.mov", "--shots", listed).code == 2
    assert vim_batch("--job", "job.toml", "--shots", listed).code == 2
