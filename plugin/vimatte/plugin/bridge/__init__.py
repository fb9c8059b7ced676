"""Talking to the engine from inside a host application: a process that can die alone, spoken to in JSON lines."""

from __future__ import annotations

from .client import Engine
from .errors import EngineError
from .job import Job
from .locate import EngineLocation, find_engine
from .messages import Event, Request
from .ranges import in_runs

__all__ = ["Engine", "EngineError", "EngineLocation", "Event", "Job", "Request", "find_engine", "in_runs"]
