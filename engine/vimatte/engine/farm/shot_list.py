"""Many shots at once: a TOML list, or a pattern of paths that each are one shot."""

from __future__ import annotations

import dataclasses
import glob
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vimatte.engine.errors import ConfigError, VimatteError
from vimatte.engine.job import MatteJob
from vimatte.engine.job_file import PATH_KEYS, job_from_mapping

__all__ = ["ListedShot", "read_shots"]

_TOKEN = "{shot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedShot:
    """One shot of a list: a job, or why there is none."""

    name: str
    """What logs and summaries call it; unique in the list."""
    job: MatteJob | None = None
    error: VimatteError | None = None
    """What is wrong with the entry, when `job` is None."""


def read_shots(source: str, *, options: Mapping[str, Any]) -> tuple[ListedShot, ...]:
    """Read a `.toml` list, or expand a pattern such as `plates/*.mov` or `plates/*/`.

    A list has `[[shots]]` tables, each with the keys of a job and a `name`, and `[defaults]` for all of them; relative
    paths are relative to its folder. Of a pattern every match is one shot, and `out` in `options` says with `{shot}`
    where each goes. `options` are job values that stand above the list's. A wrong entry becomes a `ListedShot` with an
    error; a list that cannot be read at all raises ConfigError.
    """
    path = Path(source)
    entries = _listed(path) if path.suffix.lower() == ".toml" else _matched(source, options)
    shots = [_shot(name, {**values, **_placed(options, name)}) for name, values in entries]
    return _distinct(shots)


def _listed(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The list of shots {path} cannot be read: {error.strerror}.") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise ConfigError(f"The list of shots {path} is not valid TOML: {error}.") from error
    defaults, rows = table.get("defaults", {}), table.get("shots")
    unknown = sorted(set(table) - {"defaults", "shots"})
    right = isinstance(defaults, dict) and isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    if unknown or not right or not rows:
        found = f"found {', '.join(unknown)}" if unknown else "found none" if not rows else "found other things"
        raise ConfigError(
            f"The list of shots {path} needs [[shots]] tables with shot and out each, and may have [defaults]; {found}."
        )
    entries = []
    for index, row in enumerate(rows, start=1):
        values = {**defaults, **row}
        name = values.pop("name", None)
        out = values.get("out")
        if isinstance(out, str) and _TOKEN in out:
            values["out"] = out.replace(_TOKEN, str(name or _stem(values.get("shot"))))
        for key in (*PATH_KEYS, "out"):
            if isinstance(values.get(key), str):
                values[key] = str(path.parent / values[key])
        entries.append((str(name or _stem(values.get("shot")) or f"shot {index}"), values))
    return entries


def _matched(pattern: str, options: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = sorted(glob.glob(pattern))
    if not found:
        raise ConfigError(
            f"--shots {pattern} matches nothing; give a .toml list, or a pattern such as 'plates/*.mov' or 'plates/*/'."
        )
    if _TOKEN not in str(options.get("out", "")):
        raise ConfigError(
            f"--shots with a pattern needs --out with {_TOKEN} in it, the shot's name, for instance "
            f"--out 'mattes/{_TOKEN}/layers.exr'."
        )
    return [(_stem(path), {"shot": path}) for path in found]


def _stem(path: object) -> str:
    """The name of a shot by its path: a movie's name, a folder's name, a sequence's name without the frame token."""
    if not isinstance(path, str) or not path:
        return ""
    name = Path(path)
    stem = name.name if name.is_dir() else name.stem
    return re.split("[#@%]", stem)[0].rstrip("._-") or stem


def _placed(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    placed = dict(options)
    if isinstance(placed.get("out"), str):
        placed["out"] = placed["out"].replace(_TOKEN, name)
    return placed


def _shot(name: str, values: Mapping[str, Any]) -> ListedShot:
    try:
        return ListedShot(name=name, job=job_from_mapping(values))
    except VimatteError as error:
        return ListedShot(name=name, error=error)


def _distinct(shots: list[ListedShot]) -> tuple[ListedShot, ...]:
    """Number repeated names; a shot that would write where an earlier one does becomes an error."""
    names: dict[str, int] = {}
    outs: dict[str, str] = {}
    made = []
    for one in shots:
        names[one.name] = names.get(one.name, 0) + 1
        named = one if names[one.name] == 1 else dataclasses.replace(one, name=f"{one.name}_{names[one.name]}")
        if named.job is not None:
            out = str(Path(named.job.out).absolute())
            if out in outs:
                sentence = (
                    f"'{named.name}' would write to {named.job.out} as '{outs[out]}' does; give each its own out."
                )
                named = ListedShot(name=named.name, error=ConfigError(sentence))
            outs.setdefault(out, named.name)
        made.append(named)
    return tuple(made)
