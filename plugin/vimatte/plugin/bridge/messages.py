"""Requests and events of `vimatte serve` as frozen values; one JSON object a line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ENDINGS", "PROTOCOL", "Event", "Request"]

PROTOCOL = 1
"""What `vimatte serve` must say that it speaks."""

ENDINGS = frozenset({"done", "answer", "cancelled", "error", "exit"})
"""Kinds of events after which a request says no more; `exit` is the bridge's own word for an engine that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Something asked of the engine."""

    id: str
    kind: str
    """run, track, tracks-edit, people, doctor, cancel or quit."""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> bytes:
        """One line of UTF-8 with its end."""
        return (json.dumps({"id": self.id, "request": self.kind, **self.fields}) + "\n").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something the engine said."""

    id: str | None
    """Of the request it belongs to; None for the engine as a whole."""
    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, line: bytes) -> Event:
        """Read one line. Raises ValueError for anything else than an event."""
        values = json.loads(line)
        if not isinstance(values, dict) or not isinstance(values.get("event"), str):
            raise ValueError("not an event")
        rest = {k: v for k, v in values.items() if k not in ("id", "event")}
        return cls(id=values.get("id"), kind=values["event"], fields=rest)

    @property
    def ends(self) -> bool:
        """Whether its request is over."""
        return self.kind in ENDINGS

    @property
    def message(self) -> str:
        """The sentence it carries, or nothing."""
        return str(self.fields.get("message", ""))
