"""`vimatte engine`: a process beside a farm's tasks that keeps the matting model open from one task to the next.

`start` leaves it behind and writes a connection file, `vimatte matte --engine FILE` hands its work over, `stop` ends
it. It listens on this machine only, answers whoever can read the connection file, and leaves by itself when that file
is gone or nobody asked for anything for an hour. One JSON object a line: a request with the file's token, then events;
a client that goes away cancels its request between two frames.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import click

from vimatte.cli.talk import guarded

__all__ = ["Unreachable", "engine", "hand_over"]

_IDLE = 3600.0
"""Seconds without a request after which the engine leaves."""
_WATCH = 2.0
"""Seconds between two looks at the connection file."""
_START = 300.0
"""Seconds that opening a model may take."""
_STOP = 20.0
"""Seconds that the engine is given to end."""

logger = logging.getLogger(__name__)

_CONNECTION = click.option(
    "--connection", type=click.Path(path_type=Path), required=True, help="File that says how to reach the engine."
)
_MODEL = (
    click.option("--matting", default="lite", show_default=True, help="Matting model to open."),
    click.option("--proxy", type=int, default=1, show_default=True),
    click.option("--device", default="auto", show_default=True),
)


class Unreachable(Exception):  # noqa: N818 - not a fault: the work is done without the engine then
    """No engine answers at this connection file, or it ended in the middle of a request."""


@click.group()
def engine() -> None:
    """Keep a matting model open between the tasks of a farm session."""


def _with_model(function: Any) -> Any:
    for option in reversed(_MODEL):
        function = option(function)
    return function


@engine.command()
@_CONNECTION
@_with_model
def start(connection: Path, matting: str, proxy: int, device: str) -> None:
    """Open the model in a process of its own, and return when it is ready."""

    def action() -> None:
        log = connection.with_suffix(".log")
        arguments = ["--connection", str(connection), "--matting", matting, "--proxy", str(proxy), "--device", device]
        with log.open("ab") as out:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    "from vimatte.cli.entry import vimatte; vimatte()",
                    "engine",
                    "serve",
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "DETACHED_PROCESS", 0)
                | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        _await(process, connection, log)
        click.echo(f"engine {process.pid} is ready with {matting}; its log is {log}")

    guarded(action)


def _await(process: subprocess.Popen[bytes], connection: Path, log: Path) -> None:
    from vimatte.engine.errors import BackendError, VimatteError

    end = time.monotonic() + _START
    while time.monotonic() < end:
        with suppress(Unreachable):
            if _read(connection).get("pid") == process.pid:
                return
        if process.poll() is not None:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            sentence = (
                lines[-1].removeprefix("error: ").removeprefix("openjd_fail: ")
                if lines
                else f"The engine ended at once; see {log}."
            )
            kinds = {kind.exit_code: kind for kind in VimatteError.__subclasses__()}
            raise kinds.get(process.returncode, BackendError)(sentence)
        time.sleep(0.1)
    process.kill()
    raise BackendError(f"The engine was not ready within {_START:.0f} seconds; its log is {log}.")


@engine.command()
@_CONNECTION
def stop(connection: Path) -> None:
    """End the engine; nothing is wrong when there is none."""

    def action() -> None:
        try:
            known = _read(connection)
            with closing(_ask(known, {"request": "stop"})) as answers:
                for _ in answers:
                    pass
        except Unreachable:
            click.echo("no engine was running")
        connection.unlink(missing_ok=True)

    guarded(action)


@engine.command(hidden=True)
@_CONNECTION
@_with_model
def serve(connection: Path, matting: str, proxy: int, device: str) -> None:
    """Be the engine."""

    def action() -> None:
        from vimatte.engine.device import choose_device
        from vimatte.engine.farm import OpenModels
        from vimatte.engine.job import MatteJob

        models = OpenModels()
        wanted = MatteJob(shot=Path("none"), out="none.exr", matting=matting, proxy=proxy, device=device)
        models.get(wanted, device=choose_device(device))
        _Engine(connection, models).run()

    logging.basicConfig(level=os.environ.get("VIMATTE_LOG", "INFO").upper(), format="%(asctime)s %(message)s")
    guarded(action)


class _Engine:
    """Serves one request at a time."""

    def __init__(self, connection: Path, models: Any) -> None:
        self._connection, self._models = connection, models
        self._token = secrets.token_hex(32)
        self._asked = time.monotonic()
        self._busy = threading.Lock()

    def run(self) -> None:
        """Listen until asked to stop."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._announce(server.getsockname()[1])
            threading.Thread(target=self._watch, name="watch", daemon=True).start()
            going = True
            while going:
                client, _ = server.accept()
                with client, self._busy:
                    going = self._answer(client)
                    self._asked = time.monotonic()
        self._connection.unlink(missing_ok=True)

    def _announce(self, port: int) -> None:
        text = json.dumps({"port": port, "pid": os.getpid(), "token": self._token})
        temp = self._connection.with_name(f".{self._connection.name}.{os.getpid()}")
        with os.fdopen(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        os.replace(temp, self._connection)

    def _watch(self) -> None:
        """Leave when the session's folder is gone, or nobody asks any more: a killed session runs no exit action."""
        while True:
            time.sleep(_WATCH)
            try:
                ours = _read(self._connection).get("token") == self._token
            except Unreachable:
                ours = False
            idle = not self._busy.locked() and time.monotonic() - self._asked > _IDLE
            if not ours or idle:
                logger.info("leaving: %s", "idle" if ours else "the connection file is gone")
                if ours:
                    self._connection.unlink(missing_ok=True)
                os._exit(0)

    def _answer(self, client: socket.socket) -> bool:
        """Answer one request; False when it was to stop."""
        with suppress(OSError), client.makefile("rwb") as lines:
            try:
                request = json.loads(lines.readline())
                trusted = secrets.compare_digest(str(request.get("token")), self._token)
            except (ValueError, AttributeError):
                trusted = False
            if not trusted:
                return True
            logger.info("%s %s", request.get("request"), request.get("job", {}).get("frames", ""))
            if request.get("request") == "stop":
                return False
            with closing(self._chunk(request)) as events:
                for event in events:
                    lines.write((json.dumps(event) + "\n").encode())
                    lines.flush()
        return True

    def _chunk(self, request: Mapping[str, Any]) -> Generator[Mapping[str, Any]]:
        from vimatte.engine.errors import DeviceError, VimatteError
        from vimatte.engine.farm import run_chunk
        from vimatte.engine.job_file import job_from_mapping

        try:
            with closing(run_chunk(job_from_mapping(request.get("job") or {}), models=self._models)) as events:
                for event in events:
                    yield json.loads(event.to_json())
        except VimatteError as error:
            yield _error(error)
        except MemoryError:
            yield _error(DeviceError("Out of memory: use smaller chunks, or a machine with more."))
        except Exception as error:
            logger.error(traceback.format_exc())
            yield _error(
                VimatteError(f"Something unforeseen went wrong in the engine ({type(error).__name__}: {error}).")
            )


def _error(error: Any) -> dict[str, Any]:
    return {"event": "error", "exit_code": error.exit_code, "message": str(error)}


def hand_over(values: Mapping[str, Any], connection: Path) -> Iterator[Any]:
    """Let the engine run the chunk that `values` (keys of a job) describe, and yield its events.

    Raises the engine's VimatteError; Unreachable when no engine answers or it ends in the middle.
    """
    from vimatte.engine.errors import VimatteError
    from vimatte.engine.events import event_from

    errors = {kind.exit_code: kind for kind in VimatteError.__subclasses__()}
    done = False
    with closing(_ask(_read(connection), {"request": "matte", "job": values})) as answers:
        for answer in answers:
            if answer["event"] == "error":
                raise errors.get(answer["exit_code"], VimatteError)(answer["message"])
            done = answer["event"] == "done"
            yield event_from(answer)
    if not done:
        raise Unreachable("the engine ended in the middle of the chunk")


def _read(connection: Path) -> dict[str, Any]:
    try:
        known = json.loads(connection.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unreachable(f"no engine is announced at {connection}") from error
    return known if isinstance(known, dict) else {}


def _ask(known: Mapping[str, Any], request: Mapping[str, Any]) -> Generator[dict[str, Any]]:
    try:
        server = socket.create_connection(("127.0.0.1", int(known["port"])), timeout=10)
    except (OSError, KeyError, ValueError) as error:
        raise Unreachable(f"no engine listens ({error})") from error
    with server, server.makefile("rwb") as lines:
        # A frame may take minutes.
        server.settimeout(None)
        try:
            lines.write((json.dumps({**request, "token": known["token"]}) + "\n").encode())
            lines.flush()
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                yield json.loads(line)
        except OSError as error:
            raise Unreachable(f"the engine is gone ({error})") from error
