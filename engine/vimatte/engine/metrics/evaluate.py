"""Score tracks or layers against a folder of true alphas, person by person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vimatte.engine.errors import ConfigError, MediaError
from vimatte.engine.metrics.mask_overlap import OverlapMeter, PersonOverlap, match_people
from vimatte.engine.metrics.matte_errors import Alpha, MatteErrorMeter, MatteErrors
from vimatte.engine.metrics.truth_files import TruthFolder
from vimatte.engine.tracks import TrackSet
from vimatte.ocio.frame_range import FrameRange
from vimatte.ocio.read_layers import read_layers
from vimatte.ocio.sequence import find_sequence, list_sequences

__all__ = ["LayersScore", "PersonMatte", "TracksScore", "evaluate_layers", "evaluate_tracks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracksScore:
    """How well tracks follow the true people."""

    frames: FrameRange
    """Frames that were compared."""
    people: Mapping[str, PersonOverlap]
    """True person -> how well they were followed."""
    false_people: tuple[str, ...]
    """Tracks that are nobody."""

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

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "frames": str(self.frames),
            "people": {name: asdict(p) for name, p in self.people.items()},
            "mean": {"iou": self.iou, "j": self.j},
            "found": self.found,
            "switches": self.switches,
            "false_people": list(self.false_people),
        }

    def table(self) -> str:
        """Plain text, one person a line."""
        rows = [
            [name, p.matched or "-", f"{p.iou:.3f}", f"{p.j:.3f}", "yes" if p.found else "no", str(p.switches)]
            for name, p in self.people.items()
        ]
        mean = ["mean", "", f"{self.iou:.3f}", f"{self.j:.3f}", f"{self.found}/{len(self.people)}", str(self.switches)]
        false = f"{len(self.false_people)} ({', '.join(self.false_people)})" if self.false_people else "none"
        return (
            _table(["person", "track", "IoU", "J", "found", "switches"], [*rows, mean])
            + f"\nframes {self.frames}; tracks that are nobody: {false}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonMatte:
    """One true person's matte."""

    layer: str | None
    """The layer that overlaps most over the whole shot; None when there is none, then an empty matte is judged."""
    iou: float
    """Of alphas above half, summed over the shot."""
    errors: MatteErrors


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersScore:
    """How far layers are from the true alphas."""

    frames: FrameRange
    """Frames that were compared."""
    people: Mapping[str, PersonMatte]
    """True person -> their matte's errors."""
    false_layers: tuple[str, ...]
    """Layers that are nobody."""

    @property
    def mean(self) -> MatteErrors:
        """Mean over the true people, the missed ones (as empty mattes) included."""
        each = [p.errors for p in self.people.values()]
        return MatteErrors(
            mad=_mean([e.mad for e in each]),
            mse=_mean([e.mse for e in each]),
            sad=_mean([e.sad for e in each]),
            grad=_mean([e.grad for e in each]),
            dtssd=_mean([e.dtssd for e in each]),
            edge_mad=_mean([e.edge_mad for e in each]),
        )

    def to_dict(self) -> dict[str, object]:
        """JSON values, unscaled."""
        return {
            "frames": str(self.frames),
            "people": {name: {"layer": p.layer, "iou": p.iou, **p.errors.to_dict()} for name, p in self.people.items()},
            "mean": {"iou": _mean([p.iou for p in self.people.values()]), **self.mean.to_dict()},
            "false_layers": list(self.false_layers),
        }

    def table(self) -> str:
        """Plain text, one person a line; MAD, MSE and edge MAD times 1000, dtSSD times 100."""
        head = ["person", "layer", "IoU", "MAD", "MSE", "SAD", "Grad", "dtSSD", "edge MAD"]
        rows = [[name, p.layer or "-", f"{p.iou:.3f}", *_scaled(p.errors)] for name, p in self.people.items()]
        mean = ["mean", "", f"{_mean([p.iou for p in self.people.values()]):.3f}", *_scaled(self.mean)]
        false = f"{len(self.false_layers)} ({', '.join(self.false_layers)})" if self.false_layers else "none"
        return (
            _table(head, [*rows, mean])
            + f"\nframes {self.frames}; layers that are nobody: {false}; MAD, MSE, edge MAD x 1e-3, dtSSD x 1e-2"
        )


def evaluate_tracks(tracks: TrackSet, truth_folder: Path) -> TracksScore:
    """Compare masks with `truth_folder/<name>/<frame>.png`, there at alpha above half, on the frames both have.

    Raises MediaError for an unreadable truth, ConfigError when no frame is common.
    """
    truth = TruthFolder.open(Path(truth_folder))
    frames = _common(FrameRange.of(tracks.frames), truth)
    size = tracks.width, tracks.height
    meter = OverlapMeter(truth.names, tracks=tracks.names)
    by_id = {i.id: i.name for i in tracks.instances}
    for frame in frames:
        true_masks = {name: truth.alpha(name, frame, size=size) > 0.5 for name in truth.names}
        meter.add(true_masks, tracks={by_id[i]: mask for i, mask in tracks.masks_on(frame).items()})
    return TracksScore(frames=frames, people=meter.result(), false_people=meter.false_people())


def evaluate_layers(layers_pattern: str, truth_folder: Path) -> LayersScore:
    """Compare layers EXRs (channels `name.A`) with `truth_folder/<name>/<frame>.png`, on the frames both have.

    `layers_pattern` is `layers.####.exr`, one of the files, or `layers.exr` for all `layers.<frame>.exr`. People are
    matched by overlap over the whole shot, whatever they are called; a person without a layer is judged with an empty
    matte. The layers are read twice, once to match and once to judge; one frame is held at a time.
    Raises MediaError for unreadable files, ConfigError when no frame is common.
    """
    truth = TruthFolder.open(Path(truth_folder))
    files = _layer_files(Path(layers_pattern), truth)
    frames = _common(FrameRange.of(files), truth)
    names = tuple(read_layers(files[frames.first]).alphas)
    meter = OverlapMeter(truth.names, tracks=names)
    for frame in frames:
        alphas, size = _layers_on(files[frame], names)
        true_masks = {name: truth.alpha(name, frame, size=size) > 0.5 for name in truth.names}
        meter.add(true_masks, tracks={name: alpha > 0.5 for name, alpha in alphas.items()})
    overlap = meter.iou
    pairs = {truth.names[i]: names[k] for i, k in match_people(overlap)}
    meters = {name: MatteErrorMeter() for name in truth.names}
    for frame in frames:
        alphas, size = _layers_on(files[frame], names)
        for name in truth.names:
            true = truth.alpha(name, frame, size=size)
            meters[name].add(alphas[pairs[name]] if name in pairs else np.zeros_like(true), truth=true)
    return LayersScore(
        frames=frames,
        people={
            name: PersonMatte(
                layer=pairs.get(name),
                iou=float(overlap[i, names.index(pairs[name])]) if name in pairs else 0.0,
                errors=meters[name].result(),
            )
            for i, name in enumerate(truth.names)
        },
        false_layers=meter.false_people(),
    )


def _layer_files(pattern: Path, truth: TruthFolder) -> dict[int, Path]:
    """Frame -> file for a pattern, for one of its files, for the name `--out` was given, or for a still."""
    found = find_sequence(pattern)
    if found is None and pattern.is_file() and len(truth.frames) == 1:
        return {truth.frames.first: pattern}
    if found is None:
        head = f"{pattern.stem}."
        for sequence in list_sequences(pattern.parent, suffixes=frozenset({".exr"})):
            if sequence.pattern.name.startswith(head) and sequence.pattern.name[len(head) :].startswith("#"):
                found = sequence
    if found is None or not found.files:
        raise MediaError(f"No layers at {pattern}; type for instance {pattern.with_suffix('')}.####.exr.")
    return found.files


def _layers_on(path: Path, names: Sequence[str]) -> tuple[dict[str, Alpha], tuple[int, int]]:
    alphas = dict(read_layers(path).alphas)
    if set(alphas) != set(names):
        raise MediaError(
            f"{path} has the layers {', '.join(alphas)}, the first file {', '.join(names)}; all must have the same."
        )
    height, width = next(iter(alphas.values())).shape
    return alphas, (width, height)


def _common(frames: FrameRange, truth: TruthFolder) -> FrameRange:
    common = FrameRange.of(set(frames) & set(truth.frames))
    if not common:
        raise ConfigError(
            f"There is no common frame: the result is on {frames}, the truth {truth.folder} on {truth.frames}; "
            f"number both alike."
        )
    return common


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return math.fsum(known) / len(known) if known else math.nan


def _scaled(errors: MatteErrors) -> list[str]:
    return [
        f"{errors.mad * 1e3:.2f}",
        f"{errors.mse * 1e3:.2f}",
        f"{errors.sad:.3f}",
        f"{errors.grad:.3f}",
        "-" if math.isnan(errors.dtssd) else f"{errors.dtssd * 1e2:.2f}",
        "-" if math.isnan(errors.edge_mad) else f"{errors.edge_mad * 1e3:.0f}",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
