"""The engine as a process: started, spoken to, listened to on threads, ended. Never blocks the host application."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from .errors import EngineError
from .messages import PROTOCOL, Event, Request

__all__ = ["Engine"]

_LOG_LINES = 2000
# What a host application sets for its own Python and would break another one.
_NOT_INHERITED = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")


class Engine:
    """One `vimatte serve` process. All methods may be called from one thread; none waits unless it says so."""

    def __init__(self, command: Sequence[str], *, environ: Mapping[str, str] | None = None) -> None:
        self.command = (*command, "serve")
        self.log: deque[str] = deque(maxlen=_LOG_LINES)
        """Lines the engine wrote to its log, oldest first; the owner may pop them."""
        env = dict(os.environ if environ is None else environ)
        self._env = {k: v for k, v in env.items() if k not in _NOT_INHERITED} | {"PYTHONUNBUFFERED": "1"}
        self._events: queue.Queue[Event] = queue.Queue()
        self._out: queue.Queue[bytes | None] = queue.Queue()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._refusal = ""
        self._threads: list[threading.Thread] = []

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process, also after its end; None before `start`."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process and return at once. Raises EngineError when the program cannot be run."""
        if self._process is not None:
            raise EngineError("The engine was started before; make a new one.")
        flags: dict[str, Any] = {}
        if os.name == "nt":
            flags["creationflags"] = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        else:
            # Ctrl-C in the host application's terminal is not meant for the engine.
            flags["start_new_session"] = True
        try:
            process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self._env,
                **flags,
            )  # fmt: skip
        except OSError as error:
            raise EngineError(
                f"The engine {self.command[0]} could not be started: {error.strerror or error}."
            ) from error
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        log = self._thread(self._read_log, process.stderr)
        self._thread(self._read_events, process.stdout, log)
        self._thread(self._write_requests, process.stdin)

    def request(self, kind: str, **fields: Any) -> str:
        """Ask for something and return the request's id. Raises EngineError when the engine does not run."""
        if not self.alive:
            raise EngineError("The engine does not run; start it again.")
        request = Request(id=str(next(self._numbers)), kind=kind, fields=fields)
        self._out.put(request.line())
        return request.id

    def cancel(self, request_id: str) -> None:
        """Ask that a request be given up; its last event will be `cancelled` unless it was over already."""
        if self.alive:
            self.request("cancel", of=request_id)

    def poll(self) -> list[Event]:
        """Everything that was said since the last call."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._events.get_nowait())
        return found

    def wait(self, timeout: float) -> Event | None:
        """Next event, or None after `timeout` seconds of silence."""
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            return None

    def stop(self, timeout: float = 2.0) -> None:
        """End the process: its input ends, so it cancels and leaves; after `timeout` seconds it is killed."""
        process = self._process
        if process is None:
            return
        self._stopping = True
        self._out.put(None)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self._join()

    def kill(self) -> None:
        """End the process at once. Finished files are whole whenever it happens."""
        process = self._process
        if process is None:
            return
        self._stopping = True
        if process.poll() is None:
            process.kill()
            process.wait(5)
        self._out.put(None)
        self._join()

    def remove_unfinished(self, folder: Path) -> None:
        """Delete the hidden temp files that a killed engine left in `folder`."""
        if self.alive or self.pid is None or not folder.is_dir():
            return
        for path in folder.glob(f".*.{self.pid}.tmp.*"):
            with contextlib.suppress(OSError):
                path.unlink()

    def _thread(self, target: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, name=f"vimatte {target.__name__}", daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(1)

    def _write_requests(self, pipe: IO[bytes]) -> None:
        # A pipe that nobody empties blocks: this thread may wait, the host application may not.
        with contextlib.suppress(OSError):
            while (line := self._out.get()) is not None:
                pipe.write(line)
                pipe.flush()
        with contextlib.suppress(OSError):
            pipe.close()

    def _read_log(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in iter(pipe.readline, b""):
                self.log.append(line.decode("utf-8", "replace").rstrip())

    def _read_events(self, pipe: IO[bytes], log: threading.Thread) -> None:
        with pipe:
            for line in iter(pipe.readline, b""):
                try:
                    event = Event.parse(line)
                except ValueError:
                    self.log.append(line.decode("utf-8", "replace").rstrip())
                    continue
                if event.kind == "hello" and event.fields.get("protocol") != PROTOCOL:
                    self._refuse(event)
                if not self._refusal:  # what it still says before it ends means nothing
                    self._events.put(event)
        process = self._process
        assert process is not None
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            code = 0
        log.join(1)
        self._out.put(None)
        fields = {"code": code, "expected": self._stopping, "message": self._last_words(code)}
        self._events.put(Event(id=None, kind="exit", fields=fields))

    def _refuse(self, hello: Event) -> None:
        spoken, version = hello.fields.get("protocol"), hello.fields.get("version")
        self._refusal = (
            f"The engine (version {version}) speaks protocol {spoken} and this add-on {PROTOCOL}; "
            "install the two from the same release."
        )
        if self._process is not None:
            self._process.kill()

    def _last_words(self, code: int) -> str:
        if self._refusal:
            return self._refusal
        if self._stopping:
            return "The engine was ended."
        how = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"ended by {signal.Signals(-code).name}"
        last = next((line for line in reversed(self.log) if line.strip()), "")
        said = f" Its last words: {last.strip()}" if last else ""
        return f"The engine went away ({how}); what was written is whole, and it starts again when asked.{said}"
