"""`vimatte serve` as a host application sees it: a process, lines in, lines out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import faults

COMMAND = (sys.executable, "-c", "from vimatte.cli.entry import vimatte; vimatte()", "serve")


class Served:
    """A serving process; `events` fills on a thread."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.events: list[dict[str, Any]] = []
        self._threads = [threading.Thread(target=self._listen), threading.Thread(target=self._drain)]
        self.log = ""
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.log = self.process.stderr.read()

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def ask(self, name: str, request: str, **fields: Any) -> None:
        self.say(json.dumps({"id": name, "request": request, **fields}))

    def until(self, name: str | None, *kinds: str, timeout: float = 60) -> dict[str, Any]:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for event in list(self.events):
                if event["id"] == name and event["event"] in kinds:
                    return event
            time.sleep(0.02)
        raise AssertionError(f"no {kinds} of {name} in {self.events[-5:]}\n{self.log}")

    def leave(self, timeout: float = 20) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(timeout)
        for thread in self._threads:
            thread.join(10)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()
        return code


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    if made.process.poll() is None:
        made.process.kill()
    made.leave()


def clip(folder: Path, *, frames: int = 6) -> dict[str, Any]:
    shot = faults.sequence(folder, list(range(1001, 1001 + frames)), size=(96, 64))
    return {"shot": shot, "out": str(folder / "out" / "layers.exr"), "masks": str(folder / "masks")}


def test_one_process_tracks_edits_mattes_and_looks(tmp_path: Path, served: Served) -> None:
    job = clip(tmp_path)
    folder = str(tmp_path / "out" / "layers.tracks")
    served.ask("1", "track", job=job, folder=folder)
    served.ask("2", "people", folder=folder, job=job, thumbnails=str(tmp_path / "people"))
    served.ask("3", "tracks-edit", folder=folder, edits=[["rename", {"1": "zoe"}]])
    served.ask("4", "run", job={**job, "masks": None, "tracks": folder})
    served.ask("5", "run", job={**job, "masks": None, "tracks": folder, "resume": True})
    assert served.until(None, "hello")["protocol"] == 1
    done = served.until("5", "done", "error")
    assert done["event"] == "done", done
    assert done["written"] == 0, "the second run keeps what is whole"
    people = served.until("2", "answer")["people"]
    assert [(p["id"], p["name"], p["first"], p["last"]) for p in people] == [(1, "anna", 1001, 1006)]
    assert all(0 <= c <= 1 for c in people[0]["colour"])
    assert Path(people[0]["thumbnail"]).read_bytes()[:4] == b"\x89PNG"
    assert served.until("3", "answer")["people"][0]["name"] == "zoe"
    frames = [e["frame"] for e in served.events if e["id"] == "4" and e["event"] == "frame"]
    assert frames == list(range(1001, 1007))
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.suffix == ".exr") == [
        f"layers.{n}.exr" for n in frames
    ]
    assert served.leave() == 0
    assert {e["event"] for e in served.events if e["id"] is not None} >= {"planned", "phase", "progress", "frame"}


def test_every_request_that_cannot_be_met_ends_with_a_sentence(tmp_path: Path, served: Served) -> None:
    served.say("this is not JSON")
    served.say("[]")
    served.ask("1", "dance")
    served.ask("2", "run", job={"shot": str(tmp_path / "no.mov"), "out": str(tmp_path / "layers.exr")})
    served.ask("3", "run", job={"shot": "a", "out": "b", "colour": "c"})
    served.ask("4", "tracks-edit", folder=str(tmp_path / "none"), edits=[["drop", 1]])
    served.ask("5", "track", job={"shot": "a", "out": "b"})
    served.ask("6", "cancel", of="99")
    for name, words in (("1", "dance"), ("2", "no.mov"), ("3", "colour"), ("4", "none"), ("5", "folder")):
        error = served.until(name, "error")
        assert words in error["message"], error
        assert error["exit_code"] >= 2
        assert "Traceback" not in error["message"]
    assert served.until("6", "answer")["known"] is False
    served.ask("7", "quit")
    served.until("7", "answer")
    assert served.process.wait(20) == 0
    assert [e["kind"] for e in served.events if e["id"] is None and e["event"] == "error"] == ["ConfigError"] * 2


def test_doctor_answers_for_machine_and_shot(tmp_path: Path, served: Served) -> None:
    served.ask("1", "doctor", shot=clip(tmp_path)["shot"])
    answer = served.until("1", "answer", "error")
    assert dict(answer["machine"])["python"].startswith("3.")
    assert dict(answer["shot"])["picture"].startswith("96x64")


def test_cancel_stops_between_two_frames_and_leaves_whole_files_only(tmp_path: Path, served: Served) -> None:
    job = clip(tmp_path, frames=60)
    served.ask("1", "run", job=job)
    served.ask("2", "run", job={**job, "out": str(tmp_path / "never" / "layers.exr")})
    served.until("1", "frame", "error")
    served.ask("3", "cancel", of="2")
    served.ask("4", "cancel", of="1")
    asked = time.monotonic()
    served.until("1", "cancelled", timeout=20)
    assert time.monotonic() - asked < 10
    served.until("2", "cancelled")
    assert not (tmp_path / "never").exists()
    there = sorted((tmp_path / "out").glob("*.exr"))
    assert 1 <= len(there) < 60
    for path in there:
        assert np.isfinite(faults.oiio.ImageBuf(str(path)).get_pixels(faults.oiio.FLOAT)).all()
    assert [p.name for p in (tmp_path / "out").iterdir() if ".tmp" in p.name] == []
    served.ask("5", "run", job={**job, "resume": True, "frames": "1001-1002"})
    assert served.until("5", "done", "error")["event"] == "done", "and it serves on"


def test_the_end_of_input_ends_the_engine_in_the_middle_of_a_job(tmp_path: Path, served: Served) -> None:
    served.ask("1", "run", job=clip(tmp_path, frames=60))
    served.until("1", "frame", "error")
    assert served.leave(timeout=15) == 0
    assert [p.name for p in (tmp_path / "out").iterdir() if ".tmp" in p.name] == []


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_in_the_middle_every_named_file_is_whole(tmp_path: Path, served: Served) -> None:
    served.ask("1", "run", job=clip(tmp_path, frames=60))
    served.until("1", "frame", "error")
    served.process.send_signal(signal.SIGKILL)
    served.process.wait(10)
    for path in (tmp_path / "out").glob("layers.*.exr"):
        assert np.isfinite(faults.oiio.ImageBuf(str(path)).get_pixels(faults.oiio.FLOAT)).all()
