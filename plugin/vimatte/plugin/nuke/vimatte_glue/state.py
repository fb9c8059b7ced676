"""What a Video Instance Matte remembers in a hidden knob, saved with the script: JSON without backslashes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["State"]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Who was found where, and which nodes show it."""

    shot: str = ""
    """File of the plate in which people were found."""
    ids: tuple[int, ...] = ()
    """Theirs."""
    owner: str = ""
    """Name that the node had when its nodes were made."""
    made: Mapping[str, str] = field(default_factory=dict)
    """Role -> name of the node."""

    @classmethod
    def parse(cls, text: str) -> State:
        """Read it; text that is none is the empty state."""
        try:
            values: Any = json.loads(text)
            return cls(
                shot=str(values["shot"]),
                ids=tuple(int(i) for i in values["ids"]),
                owner=str(values["owner"]),
                made={str(k): str(v) for k, v in values["made"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def text(self) -> str:
        """Write it."""
        values = {"shot": self.shot, "ids": self.ids, "owner": self.owner, "made": dict(self.made)}
        # Nuke drops backslashes from text knobs: none may be written.
        return json.dumps(values, ensure_ascii=False)

    def nodes_of(self, name: str, *, there: Collection[str]) -> dict[str, str]:
        """Say which nodes belong to the node that is now called `name`; `there` are the names of all nodes beside it.

        A copy remembers what its original made, which stays the original's.
        """
        if self.owner != name and self.owner in there:
            return {}
        return dict(self.made)
