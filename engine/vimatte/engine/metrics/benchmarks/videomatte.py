"""The two composited test sets of one matte a clip, each in 512x288 and 1920x1080: RVM's and VMFormer's.

Lin et al., 'Robust High-Resolution Video Matting with Temporal Guidance', WACV 2022 (VideoMatte, 'VM'), and Li et al.,
'VMFormer: End-to-End Video Matting with Transformer', WACV 2024, whose set was made in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from vimatte.engine.errors import MediaError
from vimatte.engine.metrics.benchmarks.scene import folders_in
from vimatte.engine.metrics.benchmarks.single import SingleScene, frames_in, masks_for
from vimatte.ocio.frame_range import FrameRange

__all__ = ["HEADS_HD", "HEADS_SD", "RVM_HD", "RVM_SD", "VMFORMER_HD", "VMFORMER_SD", "videomatte"]

Rows: TypeAlias = tuple[tuple[str, tuple[float, ...]], ...]

HEADS_SD = ("MAD", "MSE", "Grad", "Conn", "dtSSD")
HEADS_HD = ("MAD", "MSE", "Grad", "dtSSD")

_NONE = math.nan

RVM_SD: Rows = (
    ("MODNet", (9.41, 4.30, 1.89, 0.81, 2.23)),
    ("RVM", (6.08, 1.47, 0.88, 0.41, 1.36)),
    ("VMFormer", (6.02, 1.00, 0.75, 0.37, _NONE)),
    ("BGMv2", (25.19, 19.63, 2.28, 3.26, 2.74)),
    ("FBA", (8.36, 3.37, 2.09, 0.75, 2.09)),
    ("FTP-VM", (6.09, 1.28, 1.13, 0.39, 1.57)),
    ("AdaM", (5.30, 0.78, 0.72, 0.30, 1.33)),
    ("MaGGIe", (5.57, 0.68, 0.63, 0.35, 1.34)),
    ("OAVM", (4.92, 0.62, 0.57, 0.23, 1.22)),
)
RVM_HD: Rows = (
    ("MODNet", (11.13, 5.54, 15.3, 3.08)),
    ("RVM", (6.57, 1.93, 10.55, 1.90)),
    ("VMFormer", (6.20, 1.53, 6.30, _NONE)),
    ("FTP-VM", (7.83, 3.16, 21.37, 2.11)),
    ("AdaM", (4.42, 0.39, 5.12, 1.39)),
    ("MaGGIe", (4.55, 0.46, 4.67, 1.38)),
    ("OAVM", (4.23, 0.31, 3.87, 1.31)),
)
"""Table 1 of Zhang et al., 'Object-Aware Video Matting with Cross-Frame Guidance' (OAVM)."""

VMFORMER_SD: Rows = (
    ("MODNet", (10.39, 5.65, 2.02, 1.04, _NONE)),
    ("RVM", (5.99, 1.17, 1.10, 0.34, _NONE)),
    ("VMFormer", (4.91, 0.55, 0.40, 0.25, _NONE)),
    ("BGMv2", (6.63, 1.79, 1.54, 0.50, _NONE)),
    ("FTP-VM", (4.98, 0.76, 0.43, 0.31, 1.47)),
    ("AdaM", (5.12, 0.87, 0.63, 0.32, 1.78)),
    ("MaGGIe", (4.97, 0.59, 0.42, 0.28, 1.32)),
    ("OAVM", (4.50, 0.46, 0.34, 0.18, 1.01)),
)
VMFORMER_HD: Rows = (
    ("MODNet", (11.56, 6.47, 15.23, _NONE)),
    ("RVM", (6.45, 1.63, 11.59, _NONE)),
    # OAVM prints 3.34 as its dtSSD; the model's own release gives that figure as its Conn.
    ("VMFormer", (4.81, 0.78, 4.90, _NONE)),
    ("BGMv2", (27.01, 21.31, 20.34, _NONE)),
    ("FTP-VM", (4.86, 0.83, 4.92, 2.78)),
    ("AdaM", (5.22, 0.97, 5.21, 3.75)),
    ("MaGGIe", (4.77, 0.51, 4.36, 2.35)),
    ("OAVM", (4.01, 0.22, 3.39, 1.18)),
)
"""Table 2 there."""


def videomatte(root: Path, *, masks: Path | None) -> Iterator[SingleScene]:
    """Yield the clips of every split in order: `root/<split>/<clip>/com/<frame>` beside `pha/<frame>`, PNG or JPEG.

    RVM's splits are `videomatte_motion` and `videomatte_static`. The comment atop its evaluation script draws
    `<split>/pha/<clip>/<frame>` instead; what the script itself reads, and VMFormer's of both sets, is the above.
    `masks` holds `<split>/<clip>.png` for the first frame, or folders `<split>/<clip>`. Raises MediaError.
    """
    clips = [clip for split in folders_in(root) for clip in folders_in(split) if (clip / "com").is_dir()]
    if not clips:
        raise MediaError(
            f"There are no clips at {root}: it must hold <split>/<clip>/com/<frame>.png with the alphas in "
            f"<split>/<clip>/pha/<frame>.png, the splits being for instance videomatte_motion and videomatte_static."
        )
    for clip in clips:
        frames, truth = frames_in(clip / "com"), frames_in(clip / "pha")
        if not frames or set(frames) != set(truth):
            raise MediaError(
                f"The clip {clip} must hold the same frames in com and pha, found {FrameRange.of(frames) or 'none'} "
                f"and {FrameRange.of(truth) or 'none'}; bring the missing ones."
            )
        place = f"{clip.parent.name}/{clip.name}"
        yield SingleScene(name=place, plate=clip / "com", truth=truth, masks=masks_for(place, masks=masks))
