"""What a benchmark comes to: the model's figures beside the published ones; and what is said on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from vimatte.engine.metrics.text_table import number, text_table

__all__ = ["BenchmarkScore", "Part", "Say", "scene_line"]

Say: TypeAlias = Callable[[str], None]
"""Takes a line of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One table: a split of the set, the model's row and the published ones."""

    title: str
    heads: tuple[str, ...]
    figures: tuple[float, ...]
    published: tuple[tuple[str, tuple[float, ...]], ...]
    """nan where the paper prints none."""
    scenes: int
    """Clips or pictures that were scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkScore:
    """A model on a benchmark."""

    benchmark: str
    model: str
    masks: str
    """Whose masks the model was given."""
    parts: tuple[Part, ...]

    def to_dict(self) -> dict[str, object]:
        """JSON values; None for nan."""
        parts = [
            {
                "title": part.title,
                "scenes": part.scenes,
                "figures": _named(part.heads, part.figures),
                "published": {name: _named(part.heads, row) for name, row in part.published},
            }
            for part in self.parts
        ]
        return {
            "benchmark": self.benchmark,
            "definition": "as_published_code",
            "model": self.model,
            "masks": self.masks,
            "parts": parts,
        }

    def table(self) -> str:
        """Plain text: the published rows, then the model's."""
        lines = [f"{self.benchmark}, {self.model}, {self.masks}; as_published_code"]
        for part in self.parts:
            rows = [(name, row) for name, row in part.published] + [(f"> {self.model}", part.figures)]
            cells = [[name, *(number(v, digits=2) for v in row)] for name, row in rows]
            lines += ["", f"{part.title} ({part.scenes} scored)", text_table(["", *part.heads], cells, left=1)]
        return "\n".join(lines)


def scene_line(name: str, *, frames: int, people: int) -> str:
    """Say which clip or picture begins."""
    who = "1 person" if people == 1 else f"{people} people"
    return f"{name}: {who} on {'1 frame' if frames == 1 else f'{frames} frames'}"


def _named(heads: Sequence[str], row: Sequence[float]) -> Mapping[str, float | None]:
    return {head: None if math.isnan(value) else value for head, value in zip(heads, row, strict=True)}
