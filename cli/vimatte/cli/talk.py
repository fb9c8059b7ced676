"""How commands talk: a progress bar for people, NDJSON for machines, one sentence for errors."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vimatte.engine import events
from vimatte.engine.errors import Cancelled, DeviceError, VimatteError

__all__ = ["fail", "guarded", "report"]

_PHASES = {
    "find": "Finding people",
    "propagate": "Following people",
    "track": "Tracking",
    "matte": "Matting",
    "preview": "Preview",
    "verify": "Verifying",
}


def report(stream: Iterator[events.Event], *, quiet: bool, as_json: bool) -> None:
    """Run a job's events to the end, and say them; JSON lines carry `at`, the seconds since the start."""
    with _closing(stream):
        if as_json:
            started = time.monotonic()
            for event in stream:
                line = {**json.loads(event.to_json()), "at": round(time.monotonic() - started, 3)}
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
        elif _for_farm():
            _report_to_farm(stream)
        else:
            _report_to_people(stream, quiet=quiet)


def _report_to_people(stream: Iterator[events.Event], *, quiet: bool) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    bar = Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}", style="dim"),
        console=console,
        disable=quiet or not console.is_terminal,
    )
    tasks: dict[str, Any] = {}
    with bar:
        for event in stream:
            match event:
                case events.Planned(lines=lines) if not quiet:
                    width = max(len(what) for what, _ in lines)
                    for what, how in lines:
                        bar.console.print(f"[bold]{what:<{width}}[/bold]  {escape(how)}")
                case events.PhaseStarted(phase=phase, total=total):
                    tasks[phase] = bar.add_task(_PHASES[phase], total=total, detail="")
                    if bar.disable and not quiet:
                        console.print(f"{_PHASES[phase]} …")
                case events.Progress(phase=phase, done=done, total=total, detail=detail):
                    if phase not in tasks:
                        tasks[phase] = bar.add_task(_PHASES[phase], total=total, detail="")
                    bar.update(tasks[phase], completed=done, total=total, detail=detail)
                case events.TracksReady(path=path, names=names) if not quiet:
                    count = "1 person" if len(names) == 1 else f"{len(names)} people"
                    bar.console.print(f"[bold]{count}[/bold]  {escape(', '.join(names))}  ({escape(path)})")
                case events.Warned(message=message):
                    bar.console.print(f"[yellow]warning[/yellow]  {escape(message)}")
                case events.JobDone() if not quiet:
                    bar.console.print(
                        f"[green]done[/green]  {event.frames} frames, {event.written} written now, "
                        f"{event.seconds:.1f} s"
                    )
                    for what, where in event.files.items():
                        bar.console.print(f"  {what:<14}{escape(where)}")
                case _:
                    pass


def _for_farm() -> bool:
    """Whether an Open Job Description session reads along: its templates set this."""
    return os.environ.get("VIMATTE_REPORT") == "openjd"


def _report_to_farm(stream: Iterator[events.Event]) -> None:
    def say(line: str) -> None:
        # One line each, and at once: the session reads the progress off the pipe.
        print(" ".join(line.splitlines()), flush=True)

    for event in stream:
        match event:
            case events.Planned(lines=lines):
                for what, how in lines:
                    say(f"{what}: {how}")
            case events.PhaseStarted(phase=phase):
                say(f"openjd_status: {_PHASES[phase]}")
            case events.Progress(done=done, total=total):
                say(f"openjd_progress: {100 * done / max(1, total):.1f}")
            case events.FrameWritten(frame=frame, path=path, kept=kept):
                say(f"frame {frame} {'was whole already' if kept else 'written'}: {path}")
            case events.TracksReady(path=path, names=names):
                say(f"tracks: {', '.join(names)} ({path})")
            case events.Warned(message=message):
                say(f"warning: {message}")
            case events.JobDone():
                say(f"done: {event.frames} frames, {event.written} written now, {event.seconds:.1f} s")


@contextmanager
def _closing(stream: Iterator[events.Event]) -> Generator[None]:
    try:
        yield
    finally:
        if isinstance(stream, Generator):
            stream.close()


def guarded(action: Callable[[], None], *, as_json: bool = False) -> NoReturn:
    """Run a command's action; turn whatever happens into a sentence and an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    logging.basicConfig(level=os.environ.get("VIMATTE_LOG", "ERROR").upper(), format="%(name)s: %(message)s")
    try:
        action()
    except VimatteError as error:
        fail(error, as_json=as_json)
    except KeyboardInterrupt:
        fail(Cancelled("Stopped. Every frame that was written is whole; --resume goes on from here."), as_json=as_json)
    except MemoryError:
        fail(DeviceError("Out of memory: use --frames for a shorter range, or a machine with more."), as_json=as_json)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if os.environ.get("VIMATTE_DEBUG"):
            traceback.print_exc()
        sentence = (
            f"Something unforeseen went wrong ({type(error).__name__}: {error}). What was written is whole. "
            "Run it again with VIMATTE_DEBUG=1 in the environment for the details to report."
        )
        fail(VimatteError(sentence), as_json=as_json)
    sys.exit(0)


def fail(error: VimatteError, *, as_json: bool = False) -> NoReturn:
    """Say one sentence and leave with the error's exit code."""
    if as_json:
        line = {"event": "error", "kind": type(error).__name__, "exit_code": error.exit_code, "message": str(error)}
        sys.stdout.write(json.dumps(line) + "\n")
    elif _for_farm():
        print(f"openjd_fail: {' '.join(str(error).splitlines())}", flush=True)
    else:
        sys.stderr.write(f"error: {error}\n")
    sys.exit(error.exit_code)


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
