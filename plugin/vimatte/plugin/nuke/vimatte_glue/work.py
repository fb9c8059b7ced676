"""One press of a button followed to its end, on whatever thread: requests to the engine, one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ...bridge import Engine, Job  # noqa: TID252 - the package has another name inside Nuke

__all__ = ["Outcome", "Progress", "Step", "Work", "follow"]

_GRACE = 5.0
"""Seconds that a cancelled step may take before the engine is killed."""


class Progress(Protocol):
    """What shows how far it is."""

    def show(self, line: str, fraction: float) -> None:
        """Say it: one short line, and 0 to 1."""

    def cancelled(self) -> bool:
        """Whether the artist has had enough."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request."""

    kind: str
    title: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended."""

    state: Literal["done", "cancelled", "failed"]
    message: str = ""
    """The engine's sentence when it failed."""
    people: tuple[Mapping[str, Any], ...] | None = None
    """The people as the last step that spoke of them had them; None: none did."""
    numbers: tuple[int, ...] = ()
    """Frames whose layers are whole."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What to do, and what to do then."""

    title: str
    steps: Sequence[Step]
    folder: Path
    """Where its files go."""
    engine: str = ""
    """Place of the engine, as the artist gave it."""
    finish: Callable[[Outcome], None] = field(repr=False)
    """Called on the main thread."""


def follow(
    engine: Engine,
    work: Work,
    *,
    progress: Progress,
    stop: threading.Event,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Ask for one step after the other until one does not end well. It waits: never call it where a window must live.

    Cancels when `progress` says so or `stop` is set; an engine that is deaf to that is killed. Raises EngineError when
    the engine is gone before a step is asked for.
    """
    people: tuple[Mapping[str, Any], ...] | None = None
    warnings: list[str] = []
    job = Job(id="", title=work.title)
    for step in work.steps:
        job = Job(id=engine.request(step.kind, **step.fields), title=step.title, clock=clock)
        while not job.over:
            event = engine.wait(0.1)
            if event is not None:
                job.feed(event)
            if job.cancelled_at is None and not job.over and (stop.is_set() or progress.cancelled()):
                job.mark_cancelling()
                engine.cancel(job.id)
            if job.cancelled_at is not None and not job.over and clock() - job.cancelled_at > _GRACE:
                engine.kill()
                job.state = "cancelled"
            progress.show(f"{step.title}: {job.line()}", job.fraction)
        warnings += [w for w in job.warnings if w not in warnings]
        if job.state != "done":
            engine.remove_unfinished(work.folder)
            break
        if "people" in job.result:
            people = tuple(job.result["people"])
    return Outcome(
        state="done" if job.state == "done" else "cancelled" if job.state == "cancelled" else "failed",
        message=job.message,
        people=people,
        numbers=tuple(job.written),
        warnings=tuple(warnings),
    )
