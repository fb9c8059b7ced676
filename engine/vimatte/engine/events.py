"""What a running job says: frozen values, one for each thing that happens, with a JSON form for machines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

__all__ = [
    "Event",
    "FrameWritten",
    "JobDone",
    "PhaseStarted",
    "Planned",
    "Progress",
    "TracksReady",
    "Warned",
    "event_from",
]

Phase = Literal["find", "propagate", "track", "matte", "preview", "verify"]


@dataclass(frozen=True, slots=True)
class _Event:
    kind: ClassVar[str] = ""

    def to_json(self) -> str:
        """One NDJSON line: {"event": kind, ...fields}."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return json.dumps({"event": self.kind, **fields}, default=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(_Event):
    """What the job will do, said before it is done."""

    kind: ClassVar[str] = "planned"
    lines: tuple[tuple[str, str], ...]
    """(what, how) pairs: frames, colour, people, files…"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted(_Event):
    """A pass over the shot begins."""

    kind: ClassVar[str] = "phase"
    phase: Phase
    total: int
    """Steps of `Progress` to expect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(_Event):
    """`done` of `total` steps of a phase."""

    kind: ClassVar[str] = "progress"
    phase: Phase
    done: int
    total: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracksReady(_Event):
    """Everybody was found and followed, and saved."""

    kind: ClassVar[str] = "tracks"
    path: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameWritten(_Event):
    """A layers file is whole on disk."""

    kind: ClassVar[str] = "frame"
    frame: int
    path: str
    kept: bool = False
    """True when `--resume` found it whole and left it alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(_Event):
    """Something the user should know; the job goes on."""

    kind: ClassVar[str] = "warning"
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone(_Event):
    """Everything is written."""

    kind: ClassVar[str] = "done"
    frames: int
    written: int
    seconds: float
    files: dict[str, str]
    """What lies where: layers, tracks, cryptomatte, preview, contact_sheet."""


Event = Planned | PhaseStarted | Progress | TracksReady | FrameWritten | Warned | JobDone


def event_from(values: Mapping[str, Any]) -> Event:
    """Make the event whose JSON form these values are, from another process. Raises KeyError for one that is none."""
    kinds: dict[str, Any] = {kind.kind: kind for kind in Event.__args__}
    event: Event = kinds[values["event"]](**{k: v for k, v in values.items() if k != "event"})
    return event
