"""How many people stand together and how much of them is hidden, as the published training sets and benchmarks have it.

A level's `low` and `high` bound the person hidden most in a frame, as a share of their own area (`hidden`), or the
largest intersection over union of two people (`overlap`), on every frame of a clip. Where a paper gives a mean number
of people and no distribution, the weights here have that mean (ours).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

__all__ = [
    "CROSSINGS",
    "HARDEST",
    "INSTMATT",
    "I_HIM50K",
    "LITE",
    "OAVM",
    "PROTOCOLS",
    "VIM50",
    "V_HIM2K5",
    "Level",
    "Protocol",
    "weighted",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One difficulty of a protocol."""

    name: str
    """As the paper names it."""
    share: float
    """How often it is drawn, against the other levels."""
    people: tuple[tuple[int, float], ...]
    """Numbers of people and how often each is drawn."""
    low: float = 0.0
    """The least that is hidden."""
    high: float = 0.0
    """The most that is hidden; 0 stands people apart."""
    measure: Literal["hidden", "overlap"] = "hidden"
    """What `low` and `high` bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A way to compose people, by its levels."""

    name: str
    """What it is chosen by."""
    levels: tuple[Level, ...]
    """At least one."""
    merged: bool = False
    """OAVM's Sequential Foreground Merging: one person's alpha, or that of two together, is the truth."""
    crossing: bool = False
    """Clips of `crossings`, where people walk past each other; one level says how many there are, no more."""

    def pick(self, rng: Generator) -> tuple[Level, int]:
        """Draw a level and a number of people."""
        level = self.levels[weighted(rng, [one.share for one in self.levels])]
        return level, level.people[weighted(rng, [share for _, share in level.people])][0]


def weighted(rng: Generator, shares: list[float]) -> int:
    """Draw an index as often as its share says."""
    edges = np.cumsum(shares)
    return int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))


_CROWD = ((2, 0.70), (3, 0.20), (4, 0.10))
VIM50 = Protocol(
    name="vim50",
    levels=(
        Level(name="apart", share=15, people=_CROWD),
        Level(name="partial", share=35, people=_CROWD, low=0.05, high=0.6),
    ),
)
"""MSG-VIM (WACV 2024), section 3.2: 35, 10 and 5 clips of two, three and four people, 35 of 50 with partial occlusion.

Section 5.1 trains with two to four people 'iteratively', by the same practice. The bounds of 'partial' are ours.
"""

I_HIM50K = Protocol(
    name="i-him50k",
    levels=(
        Level(
            name="image",
            share=1,
            people=((2, 0.80), (3, 0.14), (4, 0.04), (5, 0.02)),
            high=0.30,
            measure="overlap",
        ),
    ),
)
"""MaGGIe (CVPR 2024), supplement 8.1: 2 to 5 people, 2.28 on average, intersection over union at most 30 %."""

V_HIM2K5 = Protocol(
    name="v-him2k5",
    levels=(
        Level(name="easy", share=500, people=((2, 0.33), (3, 0.67))),
        Level(name="medium", share=1294, people=((2, 0.58), (3, 0.25), (4, 0.11), (5, 0.06)), low=0.05, high=0.50),
        Level(name="hard", share=667, people=((2, 0.30), (3, 0.34), (4, 0.21), (5, 0.15)), low=0.50, high=0.85),
    ),
)
"""MaGGIe, Table 2 and supplement 9.1: 2.67, 2.65 and 3.21 people; no overlap, 5 to 50 %, 50 to 85 % hidden a frame.

The paper does not say whose occlusion is meant: here that of the person hidden most (ours).
"""

HARDEST = Protocol(name="v-him2k5-hard", levels=V_HIM2K5.levels[2:])
"""The hard level alone."""

INSTMATT = Protocol(
    name="instmatt",
    levels=(Level(name="gap or overlap", share=1, people=((2, 1), (3, 1), (4, 1), (5, 1)), high=0.70),),
)
"""InstMatt (CVPR 2022), section 6.1: 2 to 5 people, 'random gap or overlap within some reasonable range' (70 %, ours).
"""

OAVM = Protocol(name="oavm", levels=(Level(name="merged", share=1, people=((2, 1),), high=0.85),), merged=True)
"""OAVM, section 3.5: a second clip behind the first with probability 0.4."""

LITE = Protocol(
    name="lite",
    levels=(
        Level(name="alone", share=15, people=((1, 1),)),
        Level(name="apart", share=20, people=((2, 0.7), (3, 0.3))),
        Level(name="crossing", share=65, people=((2, 0.60), (3, 0.40)), low=0.03, high=0.70),
    ),
)
"""Ours, for the networks that ship: mostly people one before the other, some alone, since most shots have one."""

CROSSINGS = Protocol(
    name="crossings",
    levels=(Level(name="walking", share=1, people=((1, 0.12), (2, 0.45), (3, 0.30), (4, 0.13))),),
    crossing=True,
)
"""Ours, for carrying masks from frame to frame."""

PROTOCOLS = {p.name: p for p in (VIM50, I_HIM50K, V_HIM2K5, HARDEST, INSTMATT, OAVM, LITE, CROSSINGS)}
"""Every protocol by its name."""
