"""V-HIM60: 60 clips of 30 frames in three levels of occlusion (Huynh et al., MaGGIe, CVPR 2024, section 9.1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vimatte.engine.errors import MediaError
from vimatte.engine.metrics.benchmarks.scene import Planes, Scene, folders_in, pictures_in

__all__ = ["LEVELS", "PUBLISHED", "v_him60"]

LEVELS = ("easy", "medium", "hard")

PUBLISHED = {
    "easy": (
        ("OTVM, retrained", (36.56, 6.62, 14.01, 24.86, 69.26)),
        ("FTP-VM, retrained", (13.69, 6.69, 4.78, 20.51, 22.54)),
        ("MGM-TCVOM", (11.36, 4.57, 3.83, 17.02, 19.69)),
        ("MGM*-TCVOM", (10.97, 4.19, 3.70, 16.86, 15.63)),
        ("InstMatt", (13.77, 4.95, 3.98, 17.86, 18.22)),
        ("SparseMat", (12.02, 4.49, 4.11, 19.86, 24.75)),
        ("MaGGIe", (10.12, 4.08, 3.43, 16.40, 16.41)),
    ),
    "medium": (
        ("OTVM, retrained", (48.59, 10.19, 17.03, 36.06, 80.38)),
        ("FTP-VM, retrained", (26.86, 12.39, 9.95, 32.64, 126.14)),
        ("MGM-TCVOM", (14.76, 7.17, 5.41, 23.39, 39.22)),
        ("MGM*-TCVOM", (13.76, 6.47, 5.02, 23.99, 42.71)),
        ("InstMatt", (19.34, 7.21, 6.02, 24.98, 54.27)),
        ("SparseMat", (18.20, 8.03, 6.87, 30.19, 85.79)),
        ("MaGGIe", (13.85, 6.31, 5.11, 23.63, 38.12)),
    ),
    "hard": (
        ("OTVM, retrained", (140.96, 17.60, 47.84, 59.66, 298.46)),
        ("FTP-VM, retrained", (48.11, 14.87, 16.12, 45.29, 78.66)),
        ("MGM-TCVOM", (22.16, 7.91, 7.27, 31.00, 47.82)),
        ("MGM*-TCVOM", (22.59, 7.86, 7.32, 32.75, 37.83)),
        ("InstMatt", (27.24, 7.88, 8.02, 31.89, 47.19)),
        ("SparseMat", (24.83, 8.47, 8.19, 36.92, 55.98)),
        ("MaGGIe", (21.23, 7.08, 6.89, 29.90, 42.98)),
    ),
}
"""Table 7: MAD, Grad, Conn, dtSSD, MESSDdt, in the scales of the release."""


def v_him60(root: Path, *, level: str, masks: Path | None) -> Iterator[Scene]:
    """Yield the clips of a level in order: `root/comp_<level>/fgr/<clip>/<frame>.jpg`, with the alphas beside `fgr`.

    Alphas are `pha/<clip>/<frame>/<person>.png`; `masks` is a folder of `comp_<level>/<clip>/<frame>/<person>.png`. The
    release names the splits and documents no folders below them, and the data were not at hand: rename to this.
    Raises MediaError.
    """
    split = root / f"comp_{level}"
    clips = folders_in(split / "fgr")
    if not clips:
        raise MediaError(f"There is no V-HIM60 at {root}: it must hold comp_{level}/fgr/<clip>/<frame>.jpg.")
    for clip in clips:
        frames = [path.stem for path in pictures_in(clip)]
        yield Scene(
            name=clip.name,
            plate=clip,
            truth=_planes(split / "pha" / clip.name, frames),
            masks=None if masks is None else _planes(masks / split.name / clip.name, frames),
        )


def _planes(folder: Path, frames: list[str]) -> Planes:
    return {int(frame): {path.stem: path for path in pictures_in(folder / frame)} for frame in frames}
