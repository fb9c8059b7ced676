"""Small folders of made-up people with alpha, and of backgrounds, as training reads them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def person(frames: int, *, height: int = 96, width: int = 48, hue: int = 0, cut: bool = False) -> np.ndarray:
    """(t, h, w, 4) uint8 RGBA, straight: a head and a body with soft rims; `cut` runs out at the bottom."""
    out = np.zeros((frames, height, width, 4), np.uint8)
    out[..., :3] = np.roll([200, 120, 60], hue)
    for t in range(frames):
        plane = np.zeros((height, width), np.uint8)
        cv2.circle(plane, (width // 2 + t % 3, height // 5), height // 9, 255, -1)
        cv2.rectangle(plane, (width // 4, height // 3), (3 * width // 4, height if cut else height - 8), 255, -1)
        # Softened as if it went on beyond the picture's edge.
        out[t, ..., 3] = cv2.GaussianBlur(plane, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
    return out


def write_people(folder: Path, *, clips: int = 4, frames: int = 3) -> Path:
    """Write `clips` folders of PNG; every second person is cut at the bottom."""
    for k in range(clips):
        place = folder / f"person{k}"
        place.mkdir(parents=True)
        for t, rgba in enumerate(person(frames, hue=k, cut=k % 2 == 1)):
            cv2.imwrite(str(place / f"{t:03d}.png"), cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))
    return folder


def write_backgrounds(folder: Path, *, count: int = 2) -> Path:
    """Write stills of smooth noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    for k in range(count):
        coarse = rng.integers(0, 255, (6, 8, 3), np.uint8)
        cv2.imwrite(str(folder / f"wall{k}.png"), cv2.resize(coarse, (120, 90), interpolation=cv2.INTER_CUBIC))
    return folder
