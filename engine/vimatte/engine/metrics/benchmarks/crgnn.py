"""CRGNN's real videos of people, with a true alpha on every tenth frame (Wang et al., CRGNN, ICCV 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from vimatte.engine.errors import MediaError
from vimatte.engine.metrics.benchmarks.scene import folders_in
from vimatte.engine.metrics.benchmarks.single import SingleScene, frames_in, masks_for

__all__ = ["HEADS", "PUBLISHED", "crgnn"]

HEADS = ("MAD", "MSE", "Grad", "dtSSD")

PUBLISHED: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("MODNet", (9.50, 4.33, 16.94, 6.22)),
    ("RVM", (15.42, 9.22, 18.34, 6.95)),
    ("VMFormer", (18.39, 13.12, 21.57, 9.10)),
    ("AdaM", (5.94, 2.79, 16.71, 5.45)),
    ("MaGGIe", (5.78, 2.66, 16.18, 5.24)),
    ("OAVM", (5.44, 2.48, 14.89, 5.26)),
)
"""Table 3 of Zhang et al., 'Object-Aware Video Matting with Cross-Frame Guidance' (OAVM)."""

_APART = 10
"""Frames from one true alpha to the next."""


def crgnn(root: Path, *, masks: Path | None) -> Iterator[SingleScene]:
    """Yield the clips in order: `root/image_allframe/<clip>/<frame>` with `root/alpha/<clip>/<frame>` of some frames.

    The authors describe no folders; these names are those of MatAnyone's evaluation of the set, and the clips were not
    at hand. Where there are as many alphas as every tenth frame asks for, the k-th, counted from 0, belongs to frame
    10 k of the clip, however both are numbered, as that evaluation has it; else alphas belong to the frames of their
    numbers. `masks` holds `<clip>.png` for the first frame, or folders `<clip>`. Raises MediaError.
    """
    plates = root / "image_allframe"
    clips = folders_in(plates) if plates.is_dir() else []
    if not clips:
        raise MediaError(
            f"There are no clips of CRGNN at {root}: it must hold image_allframe/<clip>/<frame>.png, every frame, and "
            f"alpha/<clip>/<frame>.png, every tenth; rename the folders to this."
        )
    for clip in clips:
        truth = _paired(frames_in(clip), frames_in(root / "alpha" / clip.name), clip=clip)
        yield SingleScene(name=clip.name, plate=clip, truth=truth, masks=masks_for(clip.name, masks=masks))


def _paired(frames: Mapping[int, Path], alphas: Mapping[int, Path], *, clip: Path) -> Mapping[int, Path]:
    tenth = sorted(frames)[::_APART]
    if alphas and len(alphas) == len(tenth):
        return dict(zip(tenth, alphas.values(), strict=True))
    if alphas and set(alphas) <= set(frames):
        return alphas
    raise MediaError(
        f"The clip {clip} has {len(frames)} frames and {len(alphas)} alphas in alpha/{clip.name}; there must be one of "
        f"every tenth frame, {len(tenth)}, or fewer that are numbered like their frames."
    )
