"""The log of a training run: JSON lines, one for every step, that a resumed run carries on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

__all__ = ["Log", "read_log"]


class Log:
    """Appends to `path`; lines of steps that a resumed run takes again are dropped first."""

    def __init__(self, path: Path, *, step: int) -> None:
        """Open for a run that has taken `step` steps; 0 begins anew."""
        kept = [line for line in read_log(path) if line["step"] <= step] if step else []
        self._file: IO[str] = path.open("w", encoding="utf-8")
        for line in kept:
            self.write(line)

    def write(self, line: Mapping[str, object]) -> None:
        """Add one line; it is in the file when this returns."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_log(path: Path) -> list[dict[str, float]]:
    """Return all whole lines; none where there is no log."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            # The last line of a run that lost its machine.
            break
    return lines
