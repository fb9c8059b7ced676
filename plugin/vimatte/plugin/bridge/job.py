"""One request followed to its end: how far it is, how long it will take, what it said."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .messages import Event

__all__ = ["Job", "State"]

State = Literal["waiting", "running", "cancelling", "done", "cancelled", "failed"]

_PHASES = {
    "find": "Finding people",
    "propagate": "Following people",
    "track": "Tracking",
    "matte": "Matting",
    "preview": "Preview",
}


@dataclass(slots=True, kw_only=True)
class Job:
    """Feeds on the events of one request; everything else of it is for reading."""

    id: str
    """Of the request."""
    title: str
    """What is being done, for people: 'Finding people in shot.mov'."""
    clock: Callable[[], float] = time.monotonic
    state: State = "waiting"
    phase: str = ""
    """What is going on, for people."""
    done: int = 0
    total: int = 0
    warnings: list[str] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    """Frames whose layers are whole on disk, in the order they were told."""
    message: str = ""
    """The sentence to show when it failed."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the last event."""
    cancelled_at: float | None = None
    _phase_began: float = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("done", "cancelled", "failed")

    @property
    def fraction(self) -> float:
        """How much of the phase is done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds until the phase ends at the speed so far; None before the first step."""
        if not self.done or not self.total or self.over:
            return None
        return (self.clock() - self._phase_began) / self.done * (self.total - self.done)

    def feed(self, event: Event) -> None:
        """Take in one event; those of other requests are passed over, the end of the engine concerns every job."""
        if self.over or (event.id != self.id and event.kind != "exit"):
            return
        if self.state == "waiting":
            self.state = "running"
        match event.kind:
            case "phase":
                self.phase = _PHASES.get(str(event.fields["phase"]), str(event.fields["phase"]))
                self.done, self.total = 0, int(event.fields["total"])
                self._phase_began = self.clock()
            case "progress":
                self.done, self.total = int(event.fields["done"]), int(event.fields["total"])
            case "frame":
                self.written.append(int(event.fields["frame"]))
            case "warning":
                self.warnings.append(event.message)
            case "done" | "answer":
                self.state, self.result = "done", event.fields
            case "cancelled":
                self.state = "cancelled"
            case "error":
                self.state, self.message, self.result = "failed", event.message, event.fields
            case "exit" if self.state == "cancelling":
                self.state = "cancelled"
            case "exit":
                self.state, self.message, self.result = "failed", event.message, event.fields

    def mark_cancelling(self) -> None:
        """Note that it was asked to stop."""
        if not self.over and self.state != "cancelling":
            self.state, self.cancelled_at = "cancelling", self.clock()

    def line(self) -> str:
        """One short line for a progress bar: 'Matting 12/40, 1 min 03 s left'."""
        if self.state == "cancelling":
            return "Cancelling …"
        if not self.total:
            return f"{self.phase or 'Starting'} …"
        text = f"{self.phase} {self.done}/{self.total}"
        return text if self.eta is None else f"{text}, {_spell(self.eta)} left"


def _spell(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
