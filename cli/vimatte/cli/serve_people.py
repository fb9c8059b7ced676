"""What `vimatte serve` says of the people of a shot: who they are, their colours, a small picture of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vimatte.engine.job import MatteJob
from vimatte.engine.pipeline import open_clip
from vimatte.engine.preview import colour_of
from vimatte.engine.tracks import TrackSet
from vimatte.ocio.whole_file import whole_file

__all__ = ["people_of", "write_thumbnails"]

_SIDE = 96


def people_of(tracks: TrackSet, *, thumbnails: Mapping[int, str] | None = None) -> list[dict[str, Any]]:
    """One JSON object a person: id, name, label, score, first and last frame, colour (sRGB 0..1), thumbnail path."""
    files = thumbnails or {}
    found = []
    for one in tracks.instances:
        on = tracks.presence(one.id)
        found.append(
            {
                "id": one.id,
                "name": one.name,
                "label": one.label,
                "score": round(one.score, 4),
                "first": min(on, default=None),
                "last": max(on, default=None),
                "frames": len(on),
                "colour": [round(float(c) / 255, 4) for c in colour_of(one.id)],
                "thumbnail": files.get(one.id, ""),
            }
        )
    return found


def write_thumbnails(tracks: TrackSet, job: MatteJob, folder: Path) -> dict[int, str]:
    """Write `<id>.png` for everybody: the frame where they are largest, cut round them. Raises MediaError."""
    files: dict[int, str] = {}
    largest = {i: max(on, key=lambda f: (m[f].area, -f)) for i, m in tracks.masks.items() if (on := tuple(m))}
    with open_clip(
        job.shot,
        start_frame=job.start_frame,
        missing="skip",
        in_space=job.in_space,
        ocio=job.ocio,
        working_space=job.working_space,
    ) as shot:
        for one, frame in sorted(largest.items(), key=lambda pair: pair[1]):
            if frame not in shot.frames:
                continue
            path = folder / f"{one}.png"
            small = _cut(shot.picture(frame), tracks.mask(one, frame))
            with whole_file(path, what=f"the thumbnail of {tracks.instance(one).name}") as temp:
                small.save(temp, format="PNG")
            files[one] = str(path)
    return files


def _cut(picture: np.ndarray, mask: np.ndarray) -> Image.Image:
    """Square cut round the mask with a little air; the rest of the picture is dimmed."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    middle = ((rows[0] + rows[-1]) // 2, (columns[0] + columns[-1]) // 2)
    reach = max(rows[-1] - rows[0], columns[-1] - columns[0]) * 11 // 20 + 1
    dimmed = np.where(mask[..., None], picture, picture * 0.35)
    padded = np.pad(dimmed, ((reach, reach), (reach, reach), (0, 0)))
    square = padded[middle[0] : middle[0] + 2 * reach, middle[1] : middle[1] + 2 * reach]
    codes = np.rint(np.clip(square, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(codes).resize((_SIDE, _SIDE), Image.Resampling.BOX)
