"""What finds and follows people: the protocol every backend keeps, and the values it takes."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from vimatte.engine.events import Progress, Warned
from vimatte.engine.masks import Rle
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.vis.carriers import CARRIER, Carrier

__all__ = ["MIN_AREA", "MIN_DURATION", "KeyMasks", "Tracking", "UsesCheckpoint", "VisBackend", "VisOptions", "Weights"]

MIN_AREA = 0.0005
"""Smallest mask worth keeping, as a share of the picture, where nobody says otherwise."""
MIN_DURATION = 3
"""Shortest stay in frames that is not a flicker, where nobody says otherwise."""

Tracking = Generator[Progress | Warned, None, TrackSet]
"""Yields progress and warnings, returns the tracks: `tracks = yield from backend.track(...)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMasks:
    """Masks that are known on some frames: an artist's, or a finder's."""

    names: tuple[str, ...]
    """One layer name for each person, in the order of their ids."""
    masks: Mapping[int, Mapping[str, Rle]]
    """Frame number -> name -> mask at the shot's size. A key frame that lacks a name says: absent there."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """How sure the finder was; 1 where a name is missing here."""
    unsaid: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Frame number -> names of whom nothing is said there: on that key frame they go on being tracked, not absent."""

    @property
    def frames(self) -> tuple[int, ...]:
        """Frames with masks, ascending."""
        return tuple(sorted(self.masks))

    def of(self, name: str) -> dict[int, Rle | None]:
        """Frame -> mask of one person, None for known to be absent; frames on which nothing is said have no entry."""
        return {n: self.masks[n].get(name) for n in self.frames if name not in self.unsaid.get(n, ())}


@dataclass(frozen=True, slots=True, kw_only=True)
class VisOptions:
    """What a user can ask of any backend."""

    device: str = "cpu"
    """Torch device string."""
    max_instances: int | None = None
    """Keep the longest-lasting, largest ones when more are found."""
    min_area: float = MIN_AREA
    """Smallest mask worth keeping, as a share of the picture."""
    min_duration: int = MIN_DURATION
    """Shortest stay, in frames, that is not a flicker (shots shorter than this keep everybody)."""
    detect_every: int | None = None
    """Look for people on every n-th frame; None lets the backend choose."""
    weights: str | None = None
    """Folder of the weights, for backends that `UsesCheckpoint`; None for those in the cache."""
    prompt: str | None = None
    """What to find or where, for backends that `UsesCheckpoint`: 'red car'; None for people."""
    propagation: Carrier = CARRIER
    """Who carries masks to the frames between (`masks` and `blazepose` only)."""
    clean_edges: bool = False
    """Outline found people again, with MobileSAM, on the frames they are followed from (`blazepose` only)."""


class VisBackend(Protocol):
    """Finds and follows people over a whole shot. The same shot and options always give the same tracks.

    Constructors take no arguments, are cheap, and raise BackendError when weights or packages are missing.
    """

    name: str

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a track: versions, weight hashes, parameters."""
        ...

    def track(self, shot: Shot, *, keys: KeyMasks | None, options: VisOptions) -> Tracking:
        """Track `shot.frames`; `keys` are the artist's masks, where there are some.

        The caller closes the generator to cancel.
        """
        ...


class Weights(Protocol):
    """Weights that were found."""

    @property
    def folder(self) -> Path:
        """Where they lie."""
        ...

    @property
    def digest(self) -> str:
        """Sha256 of everything in them that decides a result."""
        ...


@runtime_checkable
class UsesCheckpoint(Protocol):
    """A backend that also heeds `VisOptions.weights` and `VisOptions.prompt`."""

    def checkpoint(self, options: VisOptions) -> Weights:
        """The weights these options choose. Raises BackendError, saying what to type, when they are not there."""
        ...
