"""Boxes and clicks as text: `anna@1001:120,40,380,700 anna@1001:!90,60 bruno@1012:512,300`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vimatte.engine.errors import ConfigError
from vimatte.ocio.layer_name import layer_name_rule, safe_name

__all__ = ["Pointers", "read_pointers"]

_ITEM = re.compile(r"(?P<name>[^@\s]+)@(?P<frame>-?\d+):(?P<no>!?)(?P<numbers>-?[\d.]+(?:,-?[\d.]+)*)")
_HELP = (
    "write NAME@FRAME:X,Y for a click on the person, NAME@FRAME:!X,Y for a click beside, NAME@FRAME:X0,Y0,X1,Y1 for a "
    "box, several of them with spaces between"
)


@dataclass(frozen=True, slots=True)
class Pointers:
    """A box and clicks on one person on one frame."""

    points: tuple[tuple[float, float], ...]
    """Pixels of the shot, (x, y) from the upper left corner; a box is its two corners and comes first."""
    labels: tuple[int, ...]
    """1 on the person, 0 beside, 2 and 3 the corners of a box."""


def read_pointers(text: str, *, frames: Iterable[int], width: int, height: int) -> dict[str, dict[int, Pointers]]:
    """Name -> frame -> what is pointed at, in order of writing. Raises ConfigError saying how to write it."""
    known = set(frames)
    found: dict[str, dict[int, Pointers]] = {}
    for item in text.replace(";", " ").split():
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ConfigError(f"--prompt '{item}' is neither a box nor a click; {_HELP}.")
        name, frame = match["name"], int(match["frame"])
        if safe_name(name) != name:
            raise ConfigError(layer_name_rule(name))
        if frame not in known:
            raise ConfigError(
                f"--prompt '{item}' is on frame {frame}, the job's frames are {min(known)} to {max(known)}."
            )
        try:
            numbers = [float(n) for n in match["numbers"].split(",")]
        except ValueError:
            numbers = []
        pairs = [(numbers[i], numbers[i + 1]) for i in range(0, len(numbers) - 1, 2)]
        if len(numbers) not in (2, 4) or (len(numbers) == 4 and match["no"]):
            raise ConfigError(f"--prompt '{item}' has {len(numbers)} numbers; {_HELP}.")
        for x, y in pairs:
            if not (0 <= x <= width and 0 <= y <= height):
                raise ConfigError(f"--prompt '{item}' lies outside the picture, which is {width}x{height}.")
        before = found.setdefault(name, {}).get(frame, Pointers((), ()))
        if len(pairs) == 2:
            if 2 in before.labels:
                raise ConfigError(f"--prompt gives {name} two boxes on frame {frame}; give one box and clicks.")
            (x0, y0), (x1, y1) = pairs
            box = ((min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1)))
            found[name][frame] = Pointers((*box, *before.points), (2, 3, *before.labels))
        else:
            found[name][frame] = Pointers((*before.points, *pairs), (*before.labels, 0 if match["no"] else 1))
    if not found:
        raise ConfigError(f"--prompt says nothing; {_HELP}.")
    return found
