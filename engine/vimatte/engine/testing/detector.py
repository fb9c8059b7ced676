"""A detector that is as bad as one likes: the truth of a made-up shot, with misses, ghosts, merged pairs and jitter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vimatte.engine.masks import BoolMask, Rle

__all__ = ["SimulatedDetection", "SimulatedDetector"]


@dataclass(frozen=True, slots=True)
class SimulatedDetection:
    """One mask, and whom it really shows."""

    mask: Rle
    score: float
    """0 to 1."""
    truth: str | None
    """Name of the person; of a merged pair, of the larger one; None for a ghost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDetector:
    """Degrades truth; the same seed degrades the same way."""

    misses: float = 0.2
    """Chance that somebody is not seen on a frame."""
    ghosts: float = 0.4
    """Mean number of masks a frame that show nobody; each stays for one to three frames."""
    merges: float = 0.3
    """Chance that two people who touch come back as one mask."""
    jitter: float = 0.02
    """Standard deviation of a mask's shift, as a share of its height."""
    seed: int = 0

    def detect(self, truth: Sequence[Mapping[str, Rle]]) -> list[list[SimulatedDetection]]:
        """Detections of each frame, in shuffled order."""
        rng = np.random.default_rng(self.seed)
        ghosts: list[tuple[int, BoolMask]] = []
        out: list[list[SimulatedDetection]] = []
        shape = next(((m.height, m.width) for frame in truth for m in frame.values()), (0, 0))
        for frame in truth:
            seen = {n: frame[n].decode() for n in sorted(frame) if rng.random() >= self.misses}
            found: list[SimulatedDetection] = []
            for name, mask in self._merged(seen, rng).items():
                rough = self._rough(mask, rng)
                if rough.any():
                    found.append(SimulatedDetection(Rle.encode(rough), float(rng.uniform(0.6, 0.98)), name))
            ghosts = [(left - 1, mask) for left, mask in ghosts if left > 1]
            ghosts += [(int(rng.integers(1, 4)), _blob(shape, rng)) for _ in range(int(rng.poisson(self.ghosts / 2)))]
            found += [
                SimulatedDetection(Rle.encode(m), float(rng.uniform(0.3, 0.85)), None) for _, m in ghosts if m.any()
            ]
            out.append([found[int(k)] for k in rng.permutation(len(found))])
        return out

    def _merged(self, seen: Mapping[str, BoolMask], rng: np.random.Generator) -> dict[str, BoolMask]:
        left = dict(seen)
        for one in sorted(seen):
            wide = cv2.dilate(seen[one].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            for other in sorted(seen):
                if (
                    one < other
                    and one in left
                    and other in left
                    and (wide & left[other]).any()
                    and rng.random() < self.merges
                ):
                    large = max((one, other), key=lambda n: (np.count_nonzero(left[n]), n))
                    both = left.pop(one) | left.pop(other)
                    left[large] = both
                    break
        return left

    def _rough(self, mask: BoolMask, rng: np.random.Generator) -> BoolMask:
        rows = np.flatnonzero(mask.any(axis=1))
        tall = float(np.ptp(rows)) + 1.0
        dx, dy = rng.normal(0.0, self.jitter * tall, 2) if self.jitter else (0.0, 0.0)
        move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        soft = cv2.warpAffine(mask.astype(np.float32), move, mask.shape[::-1])
        if self.jitter:
            wave = cv2.resize(rng.normal(0, 0.12, (mask.shape[0] // 8 + 2, mask.shape[1] // 8 + 2)), mask.shape[::-1])
            soft = cv2.GaussianBlur(soft, (0, 0), max(0.5, 0.02 * tall)) + wave * (soft > 0.02)
        return np.asarray(soft > 0.5)


def _blob(shape: tuple[int, int], rng: np.random.Generator) -> BoolMask:
    height, width = shape
    image = np.zeros(shape, np.uint8)
    tall = rng.uniform(0.08, 0.25) * height
    centre = (round(rng.uniform(0, width)), round(rng.uniform(0.3, 1.0) * height))
    cv2.ellipse(image, centre, (max(2, round(0.4 * tall)), max(3, round(tall))), 0, 0, 360, 1, -1)
    return image > 0
