"""`vimatte serve`: a resident engine that host applications talk to in JSON lines; see docs/blender.md.

One JSON object a line on standard input is a request, one a line on standard output an event of the request whose `id`
it carries. Every request ends with exactly one of the events `done`, `answer`, `cancelled` or `error`. Work is done one
request at a time, in order; `cancel` is heard at once. The end of standard input ends the engine.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import click

__all__ = ["PROTOCOL", "Server", "serve"]

PROTOCOL = 1
"""Counted up when an older host application would misunderstand."""

_PATIENCE = 10.0
"""Seconds that a step may still take after standard input ended, before the process leaves all the same."""

logger = logging.getLogger(__name__)
Request = Mapping[str, Any]


class _Stop(Exception):  # noqa: N818 - not a fault
    """The running request was cancelled."""


@click.command()
def serve() -> None:
    """Stay resident and take requests as JSON lines on standard input: run, track, tracks-edit, people, doctor, cancel,
    quit. Events come as JSON lines on standard output, the log on standard error.
    """
    logging.basicConfig(level=os.environ.get("VIMATTE_LOG", "WARNING").upper(), format="%(name)s: %(message)s")
    # Libraries that print would break the lines: their standard output becomes the log.
    lines = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    Server(lines).run(0)
    # Leaves without waiting for a step that outlived its host.
    lines.close()
    sys.stderr.flush()
    os._exit(0)


class Server:
    """Takes requests from a file descriptor and writes events to `out`."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._waiting: queue.Queue[Request | None] = queue.Queue()
        self._cancelled: set[str] = set()
        self._open: list[str] = []
        self._ended = threading.Event()

    def run(self, descriptor: int) -> None:
        """Serve until `quit` or the end of input."""
        self._say(None, {"event": "hello", "version": version("vimatte"), "protocol": PROTOCOL, "pid": os.getpid()})
        threading.Thread(target=self._listen, args=(descriptor,), name="requests", daemon=True).start()
        while (request := self._waiting.get()) is not None:
            self._answer(request)

    def _listen(self, descriptor: int) -> None:
        # Raw reads: a thread that waits inside a buffered reader would trouble the interpreter's end.
        rest = b""
        while chunk := _read(descriptor):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    self._hear(line)
        self._end()

    def _end(self) -> None:
        self._ended.set()
        with self._lock:
            self._cancelled.update(self._open)
        self._waiting.put(None)
        leave = threading.Timer(_PATIENCE, os._exit, (0,))
        leave.daemon = True
        leave.start()

    def _hear(self, line: bytes) -> None:
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or not isinstance(request.get("id"), str):
                raise ValueError('a request is an object with a text "id"')
        except ValueError as error:
            self._say(None, _error("ConfigError", 2, f"A line could not be read as a request: {error}."))
            return
        kind = request.get("request")
        if kind == "quit":
            self._say(request["id"], {"event": "answer"})
            self._end()
        elif kind == "cancel":
            with self._lock:
                known = request.get("of") in self._open
                if known:
                    self._cancelled.add(request["of"])
            self._say(request["id"], {"event": "answer", "known": known})
        elif not self._ended.is_set():
            with self._lock:
                self._open.append(request["id"])
            self._waiting.put(request)

    def _answer(self, request: Request) -> None:
        from vimatte.engine.errors import Cancelled, ConfigError, VimatteError

        name, kind = request["id"], str(request.get("request"))
        try:
            self._check(name)
            if kind not in _HANDLERS:
                raise ConfigError(f"There is no request '{kind}'; there is: {', '.join(sorted(_HANDLERS))}.")
            with closing(_HANDLERS[kind](request)) as events:
                for event in events:
                    self._check(name)
                    self._say(name, event)
        except (_Stop, Cancelled):
            self._say(name, {"event": "cancelled"})
        except VimatteError as error:
            self._say(name, _error(type(error).__name__, error.exit_code, str(error)))
        except MemoryError:
            self._say(name, _error("DeviceError", 5, "Out of memory: use fewer frames, or a machine with more."))
        except Exception as error:
            logger.error(traceback.format_exc())
            sentence = f"Something unforeseen went wrong ({type(error).__name__}: {error}); the log says where."
            self._say(name, _error("VimatteError", 1, sentence))
        finally:
            with self._lock:
                self._open.remove(name)
                self._cancelled.discard(name)

    def _check(self, name: str) -> None:
        with self._lock:
            if name in self._cancelled:
                raise _Stop

    def _say(self, name: str | None, event: Mapping[str, Any]) -> None:
        line = json.dumps({"id": name, **event}, default=str) + "\n"
        with self._lock:
            try:
                self._out.write(line.encode())
            except (BrokenPipeError, ValueError):
                # Nobody listens any more: input will end too.
                self._cancelled.update(self._open)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""


def _error(kind: str, exit_code: int, message: str) -> dict[str, Any]:
    return {"event": "error", "kind": kind, "exit_code": exit_code, "message": message}


Events = Generator[Mapping[str, Any]]


def _run(request: Request) -> Events:
    from vimatte.engine.job_file import job_from_mapping
    from vimatte.engine.pipeline import run_job

    with closing(run_job(job_from_mapping(request.get("job") or {}))) as stream:
        for event in stream:
            yield json.loads(event.to_json())


def _track(request: Request) -> Events:
    from vimatte.engine.job_file import job_from_mapping
    from vimatte.engine.pipeline import run_tracking

    job = job_from_mapping(request.get("job") or {})
    with closing(run_tracking(job, _folder(request))) as stream:
        for event in stream:
            yield json.loads(event.to_json())


def _tracks_edit(request: Request) -> Events:
    """`edits`: [["rename", {id or name: name}], ["merge", into, other, …], ["split", who, frame], ["drop", who, …]]."""
    from vimatte.cli.serve_people import people_of
    from vimatte.engine.errors import ConfigError
    from vimatte.engine.tracks import TrackSet

    folder = _folder(request)
    tracks = TrackSet.load(folder)
    for edit in request.get("edits") or []:
        match edit:
            case ["rename", dict(names)]:
                tracks = tracks.rename(names)
            case ["merge", into, *others]:
                tracks = tracks.merge(into, *others)
            case ["split", who, int(frame)]:
                tracks = tracks.split(who, frame)
            case ["drop", *who]:
                tracks = tracks.drop(who)
            case _:
                raise ConfigError(f"There is no edit {json.dumps(edit)}; there is: rename, merge, split, drop.")
    if request.get("edits"):
        tracks.save(folder)
    yield {"event": "answer", "people": people_of(tracks)}


def _people(request: Request) -> Events:
    """Say who is in `folder`; with a `job` also write a small picture of each to `thumbnails`."""
    from vimatte.cli.serve_people import people_of, write_thumbnails
    from vimatte.engine.job_file import job_from_mapping
    from vimatte.engine.tracks import TrackSet

    tracks = TrackSet.load(_folder(request))
    files: Mapping[int, str] = {}
    if request.get("job") and request.get("thumbnails"):
        files = write_thumbnails(tracks, job_from_mapping(request["job"]), Path(request["thumbnails"]))
    yield {"event": "answer", "people": people_of(tracks, thumbnails=files)}


def _doctor(request: Request) -> Events:
    from vimatte.cli import doctor

    answer: dict[str, Any] = {"event": "answer", "machine": doctor.about_machine()}
    if shot := request.get("shot"):
        answer["shot"] = doctor.about_shot(
            Path(shot), None, request.get("start_frame", 1001), "skip", request.get("in_space"), request.get("ocio")
        )
    yield answer


def _folder(request: Request) -> Path:
    from vimatte.engine.errors import ConfigError

    folder = request.get("folder")
    if not isinstance(folder, str) or not folder:
        raise ConfigError("The request does not say 'folder'; it needs the folder of the tracks.")
    return Path(folder)


_HANDLERS: Mapping[str, Callable[[Request], Events]] = {
    "doctor": _doctor,
    "people": _people,
    "run": _run,
    "track": _track,
    "tracks-edit": _tracks_edit,
}
