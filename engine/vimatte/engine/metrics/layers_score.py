"""Score layers against a folder of true alphas, with every metric, person by person and all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from vimatte.engine.errors import ConfigError
from vimatte.engine.metrics.alphas import Definition
from vimatte.engine.metrics.common_frames import common_frames, frame_notes
from vimatte.engine.metrics.instance_quality import ImqMeter, ImqScore
from vimatte.engine.metrics.layer_files import LayerFiles
from vimatte.engine.metrics.mask_overlap import FOUND_IOU, OverlapMeter, match_people
from vimatte.engine.metrics.matte_errors import MatteErrorMeter, MatteErrors, mean_errors
from vimatte.engine.metrics.released_errors import ReleasedErrorMeter, Tally
from vimatte.engine.metrics.text_table import number, text_table
from vimatte.engine.metrics.truth_files import TruthFolder
from vimatte.engine.metrics.video_quality import VimqMeter, VimqScore
from vimatte.ocio.frame_range import FrameRange

__all__ = ["DEFINITIONS", "LayersScore", "Matching", "PersonMatte", "evaluate_layers", "quality_table"]

Matching: TypeAlias = Literal["auto", "name", "overlap"]
Floats: TypeAlias = NDArray[np.float32]

DEFINITIONS: tuple[Definition, ...] = ("as_paper", "as_published_code")

_COLUMNS: tuple[tuple[str, str, float, int], ...] = (
    ("MAD", "mad", 1e3, 2),
    ("MSE", "mse", 1e3, 2),
    ("SAD", "sad", 1, 3),
    ("Grad", "grad", 1, 3),
    ("Conn", "conn", 1, 3),
    ("dtSSD", "dtssd", 1e2, 2),
    ("MESSDdt", "messddt", 1e3, 2),
    ("MAD_f", "mad_f", 1e3, 1),
    ("MAD_u", "mad_u", 1e3, 0),
    ("edge MAD", "edge_mad", 1e3, 0),
)
"""Head, field of `MatteErrors`, what it is multiplied by, digits."""
_SCALES = "MAD, MSE, MESSDdt, MAD_f, MAD_u, edge MAD x 1e-3; dtSSD x 1e-2; SAD, Grad, Conn in thousands"
_RELEASED = ("MAD", "MAD_fg", "MAD_unk", "MSE", "SAD", "Grad", "Conn", "dtSSD", "MESSDdt")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonMatte:
    """One true person's matte."""

    layer: str | None
    """The layer that was judged; None when there is none, then an empty matte is."""
    iou: float
    """Of alphas above half, summed over the shot."""
    errors: MatteErrors
    """As the papers have them."""
    worst: tuple[int, ...]
    """Frames by their MAD, the worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersScore:
    """How far layers are from the true alphas."""

    frames: FrameRange
    """Frames that were compared."""
    matched_by: Literal["name", "overlap"]
    """How people and layers were brought together."""
    people: Mapping[str, PersonMatte]
    """True person -> their matte's errors."""
    false_layers: tuple[str, ...]
    """Layers that are nobody."""
    released: Mapping[str, Tally]
    """Everybody's errors as MaGGIe's released code has them; empty where that definition was not asked for."""
    vimq: tuple[VimqScore, ...]
    """One for each definition asked for."""
    imq: tuple[ImqScore, ...]
    """One for each definition asked for; every frame is a picture, and who is not on it is left out."""
    notes: tuple[str, ...] = ()
    """What was not scored and who is too many, a sentence each."""

    @property
    def mean(self) -> MatteErrors:
        """Mean over the true people, the missed ones (as empty mattes) included."""
        return mean_errors([p.errors for p in self.people.values()])

    @property
    def iou(self) -> float:
        """Mean over the true people."""
        return sum(p.iou for p in self.people.values()) / len(self.people)

    def to_dict(self) -> dict[str, object]:
        """JSON values, unscaled."""
        people = {
            name: {"layer": p.layer, "iou": p.iou, "worst_frames": list(p.worst[:3]), **p.errors.to_dict()}
            for name, p in self.people.items()
        }
        return {
            "frames": str(self.frames),
            "matched_by": self.matched_by,
            "definition": "as_paper",
            "people": people,
            "mean": {"iou": self.iou, **self.mean.to_dict()},
            "as_published_code": {
                name: None if tally.count == 0 else tally.average for name, tally in self.released.items()
            },
            "vimq": [score.to_dict() for score in self.vimq],
            "imq": [score.to_dict() for score in self.imq],
            "false_layers": list(self.false_layers),
            "notes": list(self.notes),
        }

    def table(self) -> str:
        """Plain text: errors of each person, errors by released code, VIMQ and IMQ; each with scale and definition."""
        rows = [[name, p.layer or "-", number(p.iou, digits=3), *_figures(p.errors)] for name, p in self.people.items()]
        rows.append(["mean", "", number(self.iou, digits=3), *_figures(self.mean)])
        parts = [
            f"Errors, as_paper, means over the frames {self.frames}; people matched by {self.matched_by}; {_SCALES}",
            text_table(["person", "layer", "IoU", *(head for head, *_ in _COLUMNS)], rows),
        ]
        if self.released:
            names = [n for n in _RELEASED if n in self.released]
            parts += [
                "",
                "Errors, as_published_code: MaGGIe's release in its own scales, everybody together "
                "(compare with its tables only)",
                text_table(names, [[number(self.released[n].average, digits=3) for n in names]], left=0),
            ]
        parts += ["", quality_table(self.vimq, self.imq)] if self.vimq else []
        return "\n".join([*parts, *(["", *self.notes] if self.notes else [])])


def quality_table(vimq: Sequence[VimqScore], imq: Sequence[ImqScore] = ()) -> str:
    """Lay out VIMQ and IMQ in percent, a definition a line."""
    rows = [
        ["VIMQ", s.definition, *(number(v, digits=2, scale=100) for n in s.mq for v in (s.mq[n], s.vimq[n]))]
        for s in vimq
    ]
    for row, score in zip(rows, vimq, strict=True):
        row[2:2] = [number(score.rq, digits=2, scale=100), number(score.tq, digits=2, scale=100)]
    parts = [
        "In percent, higher is better",
        text_table(
            ["", "definition", "RQ", "TQ", "MQ_mse", "VIMQ_mse", "MQ_mad", "VIMQ_mad", "MQ_dtssd", "VIMQ_dtssd"], rows
        ),
    ]
    if imq:
        found = [
            ["IMQ", s.definition, number(s.rq, digits=2, scale=100)]
            + [number(v, digits=2, scale=100) for v in s.imq.values()]
            for s in imq
        ]
        parts.append(text_table(["", "definition", "RQ", "IMQ_mad", "IMQ_mse", "IMQ_grad", "IMQ_conn"], found))
    return "\n".join(parts)


def evaluate_layers(
    layers_pattern: str,
    truth_folder: Path,
    *,
    match: Matching = "auto",
    definitions: Sequence[Definition] = DEFINITIONS,
) -> LayersScore:
    """Compare layers EXRs (channels `name.A`) with `truth_folder/<name>/<frame>.png`, on the frames both have.

    `layers_pattern` is `layers.####.exr`, one of the files, or `layers.exr` for all `layers.<frame>.exr`. People are
    matched by name where all layers, or all true people, are called like one of the others ('auto'), else by overlap
    over the whole shot; a person without a layer is judged with an empty matte. `definitions` are those of VIMQ, IMQ
    and the errors of everybody. The layers are read twice, once to match and once to judge; the last four frames are
    held at a time. Raises MediaError for unreadable files and other sizes, ConfigError when no frame or no name is
    common.
    """
    truth = TruthFolder.open(Path(truth_folder))
    layers = LayerFiles.open(Path(layers_pattern), still=truth.frames.first)
    frames = common_frames(layers.frames, truth)
    overlap = OverlapMeter(truth.names, tracks=layers.names)
    for frame in frames:
        alphas, size = layers.alphas(frame)
        true_masks = {name: truth.alpha(name, frame, size=size) > 0.5 for name in truth.names}
        overlap.add(true_masks, tracks={name: alpha > 0.5 for name, alpha in alphas.items()})
    iou = overlap.iou
    matched_by = _matched_by(match, truth.names, layers)
    pairs = (
        {name: name for name in truth.names if name in layers.names}
        if matched_by == "name"
        else {truth.names[i]: layers.names[k] for i, k in match_people(iou)}
    )
    meters = _Meters(truth.names, definitions)
    for frame in frames:
        alphas, size = layers.alphas(frame)
        true = {name: truth.alpha(name, frame, size=size) for name in truth.names}
        meters.add(alphas, truth=true, pairs=pairs)
    each = {
        name: float(iou[i, layers.names.index(pairs[name])]) if name in pairs else 0.0
        for i, name in enumerate(truth.names)
    }
    people = {
        name: PersonMatte(
            layer=pairs.get(name), iou=each[name], errors=meter.result(), worst=_worst(meter.mads, frames.numbers)
        )
        for name, meter in meters.people.items()
    }
    right = {layer for name, layer in pairs.items() if matched_by == "name" or each[name] >= FOUND_IOU}
    false = tuple(name for name in layers.names if name not in right)
    return LayersScore(
        frames=frames,
        matched_by=matched_by,
        people=people,
        false_layers=false,
        released=meters.released.result() if meters.released else {},
        vimq=tuple(m.result() for m in meters.vimq),
        imq=tuple(m.result() for m in meters.imq),
        notes=(*frame_notes(layers.frames, truth), *_people_notes(people, false)),
    )


class _Meters:
    """All meters of a shot, fed together."""

    def __init__(self, names: Sequence[str], definitions: Sequence[Definition]) -> None:
        self.people = {name: MatteErrorMeter() for name in names}
        self.released = ReleasedErrorMeter() if "as_published_code" in definitions else None
        self.vimq = [VimqMeter(d) for d in definitions]
        self.imq = [ImqMeter(d) for d in definitions]

    def add(self, alphas: Mapping[str, Floats], *, truth: Mapping[str, Floats], pairs: Mapping[str, str]) -> None:
        empty = np.zeros_like(next(iter(truth.values())))
        judged = {name: alphas[pairs[name]] if name in pairs else empty for name in truth}
        for name, meter in self.people.items():
            meter.add(judged[name], truth=truth[name])
        if self.released:
            self.released.add(np.stack(list(judged.values())), truth=np.stack(list(truth.values())))
        mattes, true = (torch.from_numpy(np.stack(list(rows.values()))) for rows in (alphas, truth))
        for vimq in self.vimq:
            vimq.add(mattes, truth=true)
        for imq in self.imq:
            imq.add(mattes[mattes.flatten(1).any(1)], truth=true[true.flatten(1).any(1)])


def _matched_by(match: Matching, names: Sequence[str], layers: LayerFiles) -> Literal["name", "overlap"]:
    shared = set(names) & set(layers.names)
    if match == "name" and not shared:
        raise ConfigError(
            f"No layer is called like a true person: the layers are {', '.join(layers.names)}, the people "
            f"{', '.join(names)}; type --match overlap."
        )
    if match == "auto":
        return "name" if shared and len(shared) == min(len(names), len(layers.names)) else "overlap"
    return match


def _people_notes(people: Mapping[str, PersonMatte], false: Sequence[str]) -> tuple[str, ...]:
    missed = [name for name, p in people.items() if p.layer is None]
    return (
        *([f"No layer is left for {', '.join(missed)}: an empty matte is judged."] if missed else []),
        *([f"Layers that are nobody in the truth: {', '.join(false)}; they lower VIMQ and IMQ only."] if false else []),
    )


def _worst(mads: Sequence[float], frames: Sequence[int]) -> tuple[int, ...]:
    return tuple(frame for _, frame in sorted(zip(mads, frames, strict=True), key=lambda pair: (-pair[0], pair[1])))


def _figures(errors: MatteErrors) -> list[str]:
    return [number(getattr(errors, name), digits=digits, scale=scale) for _, name, scale, digits in _COLUMNS]
