"""Frame numbers in the names of mask files, and whether they are those of the shot."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vimatte.engine.errors import ConfigError
from vimatte.ocio.clip import ClipInfo
from vimatte.ocio.frame_range import FrameRange

__all__ = ["MaskName", "check_numbers", "natural"]

_LAST_NUMBER = re.compile(r"^(?P<base>.*?)(?P<dot>[._\- ]?)(?P<digits>\d+)$")


@dataclass(frozen=True, slots=True)
class MaskName:
    """A file name taken apart: `anna.1001.png` is ('anna', 1001), clearly a frame; `person_2.png` perhaps not."""

    stem: str
    """The name without its suffix."""
    base: str
    """What stands before the number; the whole stem when there is none."""
    number: int | None
    """The number at the end."""
    clearly_frame: bool
    """After a dot, alone, or of four digits and more: nobody writes a person's name so."""

    @classmethod
    def of(cls, path: Path) -> MaskName:
        """Take a path's name apart."""
        stem = path.stem
        found = _LAST_NUMBER.match(stem)
        if not found:
            return cls(stem, stem, None, False)
        base, digits = found["base"], found["digits"]
        return cls(stem, base, int(digits), not base or found["dot"] == "." or len(digits) >= 4)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key: case apart, numbers by value (person_2 before person_10)."""
    pieces = re.split(r"(\d+)", text.casefold())
    return tuple((1, int(p), p) if p.isdigit() else (0, 0, p) for p in pieces)


def check_numbers(numbers: Iterable[int], *, info: ClipInfo, example: Path) -> None:
    """Raise ConfigError when masks carry numbers that are not frames of the shot, with the likely offset."""
    have = FrameRange.of(numbers)
    outside = have.missing_from(info.frames)
    if not outside:
        return
    shot = f"the shot's frames are {info.frames}"
    if len(outside) < len(have):
        raise ConfigError(
            f"Masks are numbered {outside}, which is not in the shot ({shot}; for instance {example}); "
            f"rename or remove those."
        )
    offset = info.frames.first - have.first
    if have.first in (0, 1) and (len(have) == 1 or have.last + offset <= info.frames.last):
        other = (
            f"or open the movie with --start-frame {have.first}"
            if info.kind == "movie"
            else "so that they carry the plate's own numbers"
        )
        raise ConfigError(
            f"The masks are numbered {have} but {shot}: they seem to count from {have.first}, "
            f"so add {offset} to the number in each name ({example.name} is frame {have.first + offset}), {other}."
        )
    raise ConfigError(
        f"The masks are numbered {have} but {shot} (for instance {example}); name each file with its frame number."
    )
