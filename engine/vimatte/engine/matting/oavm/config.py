"""What can be varied in OAVM: its sizes, and the parts its ablations take out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vimatte.engine.errors import ConfigError

__all__ = ["OavmConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OavmConfig:
    """The network's shape. The defaults are the paper's full system where it says, our choices where it does not.

    Table 4 takes parts out: rows 1 and 2 are `object_queries=False, correction=False` and `correction=False`; its third
    part (merging of foregrounds) is training data and lies in `merging`. Table 5 varies `dilation`, Table 6 `backbone`,
    figure 5 `guidance`.
    """

    backbone: Literal["mobilenet_v3_large", "resnet50"] = "mobilenet_v3_large"
    """Which network sees the picture first (section 4.1, Table 6)."""
    object_queries: bool = True
    """Whether objects are sought at all (section 3.2, "OQG")."""
    correction: bool = True
    """Whether what was found corrects and refines the pixels (section 3.3, "OGCR"); needs `object_queries`."""
    guidance: bool = True
    """Whether the last frame's mask limits where the corrected queries look (equation 7)."""
    dilation: int = 3
    """Side of the square by which that mask is dilated, cells of a sixteenth (Table 5); odd."""
    window: int = 15
    """Side of the neighbourhood of the short-term attention, cells of a sixteenth (section 4.1); odd."""
    width: int = 128
    """Channels of pixel features and queries. The paper says 128 for the queries; one width for both is our choice."""
    queries: int = 20
    """How many object queries; our choice, the paper says 'predefined'."""
    heads: int = 8
    """Heads of the attentions of queries and of the refinement; our choice. Equations 2 and 6 are written with one."""

    def __post_init__(self) -> None:
        if self.correction and not self.object_queries:
            raise ConfigError(
                "OAVM's correction was asked for without object queries, which it corrects with; "
                "set object_queries=True, or correction=False as well."
            )
        for name in ("dilation", "window"):
            value = getattr(self, name)
            if value < 1 or value % 2 == 0:
                raise ConfigError(f"OAVM's {name} must be odd and at least 1, found {value}; the paper uses 3 and 15.")
        if self.width < 4 or self.width % 4 or self.width % self.heads:
            raise ConfigError(
                f"OAVM's width must be a multiple of 4 and of its heads, found {self.width} with {self.heads} heads; "
                f"the paper uses 128."
            )
        if self.queries < 1:
            raise ConfigError(f"OAVM needs at least 1 object query, found {self.queries}; 20 is usual.")
