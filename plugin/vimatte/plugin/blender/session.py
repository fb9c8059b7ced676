"""The engine of this Blender and what it is doing: one process, started when first needed, kept until Blender ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from ..bridge import Engine, EngineError, Job, find_engine  # noqa: TID252 - the package has another name inside Blender
from . import preferences
from .errors import UserError
from .wording import in_the_panel

LOG = "Vimatte Log"
_GRACE = 5.0
"""Seconds that a cancelled step may take before the engine is killed."""
_TICK = 0.1


@dataclass(slots=True, kw_only=True)
class Step:
    """One request, and what to do with its answer."""

    kind: str
    title: str
    fields: Mapping[str, Any]
    then: Callable[[Job], None] | None = None


@dataclass(slots=True, kw_only=True)
class Task:
    """Steps that belong together: the next is asked for when the one before has ended well."""

    title: str
    steps: deque[Step]
    folder: Path | None = None
    """Where its files go."""
    group: str = ""
    """Name of the node group it works for."""
    job: Job | None = None
    step: Step | None = None
    warnings: list[str] = field(default_factory=list)


class Session:
    """Everything that is not saved: the engine, the running task, the last sentence."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.task: Task | None = None
        self.message = ""
        """What to tell the artist, one sentence."""
        self.failed = False
        """Whether `message` is about something that went wrong."""
        self.warnings: list[str] = []
        self.doctor: list[tuple[str, str]] = []
        self._log: list[str] = []

    @property
    def busy(self) -> bool:
        """Whether a task runs."""
        return self.task is not None

    def start(self, task: Task) -> None:
        """Begin a task. Raises UserError when another runs, EngineError when there is no engine."""
        if self.task is not None:
            raise UserError(f"{self.task.title} still runs; wait for it or press Cancel.")
        self.message, self.failed, self.warnings = "", False, task.warnings
        if self.engine is None or not self.engine.alive:
            location = find_engine(preferences.engine_path())
            self.note(f"Starting the engine {' '.join(location.command[:1])} (from {location.origin})")
            self.engine = Engine(location.command)
            self.engine.start()
        self.task = task
        self.note(f"{task.title}")
        try:
            self._next()
        except EngineError:
            self.task = None
            raise
        if not bpy.app.background and not bpy.app.timers.is_registered(_timer):
            bpy.app.timers.register(_timer, first_interval=_TICK, persistent=True)

    def cancel(self) -> bool:
        """Ask the running task to stop; returns whether one ran."""
        if self.task is None or self.task.job is None or self.engine is None:
            return False
        self.task.steps.clear()
        self.task.job.mark_cancelling()
        if self.engine.alive:
            self.engine.cancel(self.task.job.id)
        return True

    def tick(self) -> None:
        """Take in what the engine said since the last tick. Never waits."""
        engine, task = self.engine, self.task
        if engine is None:
            return
        for event in engine.poll():
            if event.kind == "warning":
                self.note(f"warning: {event.message}")
            if event.kind == "planned":
                for what, how in event.fields["lines"]:
                    self.note(f"{what}: {how}")
            if task is not None and task.job is not None:
                task.job.feed(event)
            if task is not None and task.job is not None and task.job.over and self.task is task:
                self._ended(task)
        if task is not None and self.task is task and _overdue(task):
            self._kill(task)
        while engine.log:
            self.note(engine.log.popleft())
        self._write_log()

    def wait(self, timeout: float | None = None) -> bool:
        """Tick until the task is over; returns False when `timeout` seconds went by before."""
        end = None if timeout is None else time.monotonic() + timeout
        while self.busy:
            self.tick()
            if end is not None and time.monotonic() > end:
                return not self.busy
            time.sleep(0.02)
        self.tick()
        return True

    def say(self, message: str, *, failed: bool = False) -> None:
        """Tell the artist one sentence."""
        self.message, self.failed = message, failed
        self.note(message)

    def note(self, line: str) -> None:
        """Keep a line for the log's text block."""
        self._log.append(line)

    def close(self) -> None:
        """End the engine and forget everything."""
        if bpy.app.timers.is_registered(_timer):
            bpy.app.timers.unregister(_timer)
        task, self.task = self.task, None
        if self.engine is not None:
            self.engine.stop()
            if task is not None and task.folder is not None:
                self.engine.remove_unfinished(task.folder)
            self.engine = None

    def _next(self) -> None:
        task = self.task
        assert task is not None
        assert self.engine is not None
        task.step = task.steps.popleft()
        task.job = Job(id=self.engine.request(task.step.kind, **task.step.fields), title=task.step.title)

    def _ended(self, task: Task) -> None:
        job, step = task.job, task.step
        assert job is not None
        assert step is not None
        task.warnings += [in_the_panel(w) for w in job.warnings if in_the_panel(w) not in task.warnings]
        try:
            if job.state == "done":
                if step.then is not None:
                    step.then(job)
                if task.steps:
                    self._next()
                    return
                self.message = self.message or f"{task.title}: done."
            elif job.state == "cancelled":
                self.say("Cancelled; every frame that was written is whole, and Matte goes on from there.")
            else:
                self.say(in_the_panel(job.message), failed=True)
                if task.folder is not None and self.engine is not None and not self.engine.alive:
                    self.engine.remove_unfinished(task.folder)
        except (UserError, EngineError) as error:
            self.say(str(error), failed=True)
        except Exception as error:
            # A fault of the add-on: the text in the console, and Blender goes on.
            self.task = None
            self.say(f"Something unforeseen went wrong ({type(error).__name__}: {error}).", failed=True)
            raise
        self.task = None

    def _kill(self, task: Task) -> None:
        assert self.engine is not None
        assert task.job is not None
        self.note("The engine did not stop in time and is ended.")
        self.engine.kill()
        if task.folder is not None:
            self.engine.remove_unfinished(task.folder)
        task.job.state = "cancelled"
        self._ended(task)

    def _write_log(self) -> None:
        if not self._log:
            return
        text = bpy.data.texts.get(LOG) or bpy.data.texts.new(LOG)
        text.cursor_set(max(0, len(text.lines) - 1), character=len(text.lines[-1].body))
        text.write("\n".join(self._log) + "\n")
        self._log.clear()


def _overdue(task: Task) -> bool:
    since = task.job.cancelled_at if task.job is not None else None
    return since is not None and time.monotonic() - since > _GRACE


current = Session()


def _timer() -> float | None:
    if bpy.app.is_job_running("RENDER"):
        # A render reads the node group on another thread: what the engine says waits until it is over.
        return _TICK
    current.tick()
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("NODE_EDITOR", "PREFERENCES"):
                area.tag_redraw()
    return _TICK if current.busy else None


@bpy.app.handlers.persistent  # type: ignore[untyped-decorator]
def _before_load(*_: object) -> None:
    """Another file is opened: what runs belongs to this one."""
    current.close()


def register() -> None:
    """Watch for other files being opened."""
    bpy.app.handlers.load_pre.append(_before_load)


def unregister() -> None:
    """End the engine."""
    bpy.app.handlers.load_pre.remove(_before_load)
    current.close()
