"""Score tracks against a folder of true alphas, person by person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vimatte.engine.metrics.boundary import boundary_f
from vimatte.engine.metrics.common_frames import common_frames, frame_notes
from vimatte.engine.metrics.idf1 import IdentityScore, Idf1Meter
from vimatte.engine.metrics.mask_overlap import OverlapMeter, PersonOverlap
from vimatte.engine.metrics.text_table import number, text_table
from vimatte.engine.metrics.truth_files import TruthFolder
from vimatte.engine.tracks import TrackSet
from vimatte.ocio.frame_range import FrameRange

__all__ = ["TracksScore", "evaluate_tracks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracksScore:
    """How well tracks follow the true people."""

    frames: FrameRange
    """Frames that were compared."""
    people: Mapping[str, PersonOverlap]
    """True person -> how well they were followed."""
    boundary: Mapping[str, float]
    """True person -> mean F of the contours on the frames on which either is seen (DAVIS 2017); 0 without a track."""
    identity: IdentityScore
    """IDF1 of everybody together."""
    false_people: tuple[str, ...]
    """Tracks that are nobody."""
    notes: tuple[str, ...] = ()
    """What was not scored, a sentence each."""

    @property
    def found(self) -> int:
        """People found."""
        return sum(p.found for p in self.people.values())

    @property
    def switches(self) -> int:
        """Identity switches of everybody together."""
        return sum(p.switches for p in self.people.values())

    @property
    def iou(self) -> float:
        """Mean over the true people; who was not found counts with what overlaps."""
        return _mean([p.iou for p in self.people.values()])

    @property
    def j(self) -> float:
        """Mean over the true people."""
        return _mean([p.j for p in self.people.values()])

    @property
    def f(self) -> float:
        """Mean over the true people."""
        return _mean(list(self.boundary.values()))

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "frames": str(self.frames),
            "people": {name: {**asdict(p), "f": self.boundary[name]} for name, p in self.people.items()},
            "mean": {"iou": self.iou, "j": self.j, "f": self.f, "j_and_f": (self.j + self.f) / 2},
            "idf1": self.identity.idf1,
            "found": self.found,
            "switches": self.switches,
            "false_people": list(self.false_people),
            "notes": list(self.notes),
        }

    def table(self) -> str:
        """Plain text, one person a line."""
        rows = []
        for name, p in self.people.items():
            f = self.boundary[name]
            figures = [number(value, digits=3) for value in (p.iou, p.j, f, (p.j + f) / 2)]
            rows.append([name, p.matched or "-", *figures, "yes" if p.found else "no", str(p.switches)])
        means = [number(value, digits=3) for value in (self.iou, self.j, self.f, (self.j + self.f) / 2)]
        mean = ["mean", "", *means, f"{self.found}/{len(self.people)}", str(self.switches)]
        false = f"{len(self.false_people)} ({', '.join(self.false_people)})" if self.false_people else "none"
        return "\n".join(
            (
                text_table(["person", "track", "IoU", "J", "F", "J&F", "found", "switches"], [*rows, mean]),
                f"IDF1 {self.identity.idf1:.3f}; frames {self.frames}; people matched by overlap; "
                f"tracks that are nobody: {false}",
                *self.notes,
            )
        )


def evaluate_tracks(tracks: TrackSet, truth_folder: Path) -> TracksScore:
    """Compare masks with `truth_folder/<name>/<frame>.png`, there at alpha above half, on the frames both have.

    The truth is read twice, once to match people and once for their contours. Raises MediaError for an unreadable
    truth, ConfigError when no frame is common.
    """
    truth = TruthFolder.open(Path(truth_folder))
    tracked = FrameRange.of(tracks.frames)
    frames = common_frames(tracked, truth)
    size = tracks.width, tracks.height
    overlap = OverlapMeter(truth.names, tracks=tracks.names)
    identity = Idf1Meter(truth.names, tracks=tracks.names)
    by_id = {i.id: i.name for i in tracks.instances}
    for frame in frames:
        true_masks = {name: truth.alpha(name, frame, size=size) > 0.5 for name in truth.names}
        found = {by_id[i]: mask for i, mask in tracks.masks_on(frame).items()}
        overlap.add(true_masks, tracks=found)
        identity.add(true_masks, tracks=found)
    people = overlap.result()
    return TracksScore(
        frames=frames,
        people=people,
        boundary={name: _boundary(name, p.matched, tracks, truth, frames) for name, p in people.items()},
        identity=identity.result(),
        false_people=overlap.false_people(),
        notes=frame_notes(tracked, truth),
    )


def _boundary(name: str, track: str | None, tracks: TrackSet, truth: TruthFolder, frames: FrameRange) -> float:
    if track is None:
        return 0.0
    instance = tracks.instance(track).id
    found = []
    for frame in frames:
        true, mask = truth.alpha(name, frame, size=(tracks.width, tracks.height)) > 0.5, tracks.mask(instance, frame)
        if true.any() or mask.any():
            found.append(boundary_f(mask, truth=true))
    return _mean(found)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
