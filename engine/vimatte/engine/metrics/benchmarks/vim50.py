"""VIM50: 50 clips of 50 frames, 1920x1080, two to four people (Li et al., WACV 2024, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vimatte.engine.errors import MediaError
from vimatte.engine.metrics.benchmarks.scene import Planes, Scene, folders_in, pictures_in

__all__ = ["PUBLISHED", "vim50"]

_PARTS = frozenset({"bgr", "fgr", "pha"})

PUBLISHED: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("MTRCNN", (37.43, 78.00, 15.49, 4.52, 8.45, 2.47, 2.21, 0.65)),
    ("SeqFormer", (79.83, 98.01, 36.01, 28.18, 23.69, 18.53, 4.13, 3.23)),
    ("MODNet", (32.67, 65.52, 18.72, 4.01, 13.02, 2.79, 7.85, 1.68)),
    ("RVM", (37.29, 74.44, 20.87, 5.79, 14.43, 4.00, 5.00, 1.39)),
    ("MGMatting, MTRCNN masks", (56.08, 87.39, 26.88, 13.17, 17.74, 8.69, 14.16, 6.94)),
    ("MGMatting, SeqFormer masks", (70.83, 96.49, 43.13, 29.48, 27.84, 19.03, 25.33, 17.31)),
    ("InstMatt, MTRCNN masks", (65.63, 92.63, 42.26, 25.69, 30.45, 18.51, 21.19, 12.88)),
    ("InstMatt, SeqFormer masks", (82.57, 97.88, 64.39, 52.04, 47.94, 38.74, 33.32, 26.93)),
    ("MSG-VIM, MTRCNN masks", (72.72, 93.17, 56.52, 38.29, 40.49, 27.43, 28.51, 19.32)),
    ("MSG-VIM, SeqFormer masks", (91.21, 98.34, 78.87, 70.74, 59.60, 53.46, 46.40, 41.62)),
)
"""Table 5: RQ, TQ, then MQ and VIMQ by MSE, MAD and dtSSD, in percent."""


def vim50(root: Path, *, masks: Path | None) -> Iterator[Scene]:
    """Yield the clips `root/<clip>` in order: `pha/<person>/<frame>.png`, and the frames in one folder beside `pha`.

    The frames' folder is the one that holds pictures and is none of `pha`, `fgr` and `bgr`. `masks` holds
    `<clip>/<person>/<frame>.png`, as many people as the tracker found, called as it likes. Raises MediaError.
    """
    clips = [clip for clip in folders_in(root) if (clip / "pha").is_dir()]
    if not clips:
        raise MediaError(f"There is no VIM50 at {root}: it must hold <clip>/pha/<person>/<frame>.png.")
    for clip in clips:
        plates = [p for p in folders_in(clip) if p.name not in _PARTS and pictures_in(p)]
        if len(plates) != 1:
            found = ", ".join(p.name for p in plates) or "none"
            raise MediaError(f"The clip {clip} must hold its frames in one folder beside pha, found {found}.")
        frames = [int(path.stem) for path in pictures_in(plates[0])]
        yield Scene(
            name=clip.name,
            plate=plates[0],
            truth=_planes(clip / "pha", frames),
            masks=None if masks is None else _planes(masks / clip.name, frames),
            paired=False,
        )


def _planes(folder: Path, frames: list[int]) -> Planes:
    """Frame -> person -> file; the k-th file, sorted by name, is the k-th frame, as the authors' script has it."""
    found: dict[int, dict[str, Path]] = {frame: {} for frame in frames}
    for person in folders_in(folder):
        files = pictures_in(person)
        if len(files) != len(frames):
            raise MediaError(f"{person} has {len(files)} frames, the clip {len(frames)}; bring the missing ones.")
        for frame, path in zip(frames, files, strict=True):
            found[frame][person.name] = path
    return found
