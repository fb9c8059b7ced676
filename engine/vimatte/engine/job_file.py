"""Jobs as files: TOML for people, JSON for machines. Unknown keys are errors, never ignored."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from vimatte.engine.errors import ConfigError
from vimatte.engine.job import MatteJob

__all__ = ["PATH_KEYS", "job_from_mapping", "job_values", "load_job", "save_job"]

PATH_KEYS = ("shot", "masks", "tracks", "weights")
"""Keys of a job that are paths; `out` is a name with a frame token."""


def load_job(path: Path) -> MatteJob:
    """Read a `.toml` or `.json` job; relative paths in it are relative to its folder. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"The job file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise ConfigError(f"The job file {path} is not valid {path.suffix[1:] or 'TOML'}: {error}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"The job file {path} holds a {type(values).__name__}, expected a table of options.")
    for key in (*PATH_KEYS, "out"):
        if isinstance(values.get(key), str):
            values[key] = str(path.parent / values[key])
    return job_from_mapping(values)


def job_from_mapping(values: Mapping[str, Any]) -> MatteJob:
    """Make a job of plain values. Raises ConfigError for unknown keys, missing keys and values of the wrong kind."""
    known = MatteJob.keys()
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"possible: {', '.join(known)}."
            raise ConfigError(f"A job has no key '{key}'; {hint}")
    for key in ("shot", "out"):
        if not values.get(key):
            raise ConfigError(f"The job does not say '{key}'; a job needs at least shot and out.")
    hints = get_type_hints(MatteJob)
    plain: dict[str, Any] = {}
    for key, value in values.items():
        if key in PATH_KEYS and isinstance(value, str):
            value = Path(value)
        if not _fits(value, hints[key]):
            raise ConfigError(f"The job's '{key}' is {value!r}, expected {_say(hints[key])}.")
        plain[key] = value
    return MatteJob(**plain)


def save_job(job: MatteJob, path: Path) -> None:
    """Write a job as JSON, every field spelled out."""
    path.write_text(json.dumps(job_values(job), indent=1) + "\n", encoding="utf-8")


def job_values(job: MatteJob) -> dict[str, Any]:
    """Give a job as plain values that JSON can hold; `job_from_mapping` reads them."""
    values = dataclasses.asdict(job)
    return {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}


def _fits(value: object, hint: Any) -> bool:
    options = getattr(hint, "__args__", None)
    if getattr(hint, "__origin__", None) is not None and issubclass(_origin(hint), Mapping):
        return isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values())
    if options and str(getattr(hint, "__origin__", "")) == "typing.Literal":
        return isinstance(value, str)
    if options:
        return any(_fits(value, option) for option in options)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _origin(hint: Any) -> type:
    origin = hint.__origin__
    return origin if isinstance(origin, type) else object


def _say(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)).replace("NoneType", "nothing")
