"""One person from a candidate: soft mask, presence and landmarks, by the pose landmark network.

Network: BlazePose GHUM full with its person segmentation head (arXiv:2006.10204, arXiv:2206.11678).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vimatte.engine.vis.blazepose.bodies import Body, square_to_picture
from vimatte.engine.vis.blazepose.lots import lots
from vimatte.engine.vis.blazepose.network import Network
from vimatte.engine.vis.flow import WorkingImage

__all__ = ["Person", "segment"]

_SIZE = 256
_POINTS, _HIP, _TOP = 33, 33, 34


@dataclass(frozen=True, slots=True)
class Person:
    """What the network says of one candidate."""

    body: Body
    """As the network corrects it: where to look on the next frame."""
    presence: float
    """That somebody is there, 0 to 1."""
    points: NDArray[np.float32]
    """(33, 3): x, y in picture pixels, visibility 0 to 1; order of the BlazePose topology."""
    mask: NDArray[np.float32]
    """Probability of this one person, (h, w) of `box`."""
    box: tuple[int, int, int, int]
    """Where `mask` lies: x0, y0, x1, y1, half open, within the picture."""


def segment(
    picture: WorkingImage,
    network: Network,
    *,
    bodies: Sequence[Body],
    least: float,
    device: torch.device,
    crew: Executor,
) -> list[Person | None]:
    """One answer for each body; None where presence is below `least` or the mask is empty within the picture.

    They are looked at in batches; on a CPU each of the crew has its share.
    """

    def answers(part: Sequence[Body]) -> list[Person | None]:
        people: list[Person | None] = []
        maps = [square_to_picture(b, _SIZE) for b in part]
        batch = np.stack([_cut(picture, m) for m in maps]).astype(np.float32) / 255.0
        landmarks, presence, logits = (v.cpu().numpy() for v in network(torch.from_numpy(batch).to(device)))
        for i, mapping in enumerate(maps):
            enough = float(presence[i, 0]) >= least
            people.append(
                _person(picture.shape[:2], mapping, landmarks[i], float(presence[i, 0]), logits[i, :, :, 0])
                if enough
                else None
            )
        return people

    parts = lots(bodies, device=device)
    return [one for people in crew.map(answers, parts) for one in people]


def _centres(mapping: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same map for OpenCV, whose whole numbers are pixel centres."""
    shifted = mapping.copy()
    shifted[:, 2] += mapping[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return shifted


def _cut(picture: WorkingImage, mapping: NDArray[np.float64]) -> NDArray[np.uint8]:
    scale = float(np.hypot(mapping[0, 0], mapping[1, 0]))
    mapping = mapping.copy()
    while scale > 2.0:  # bilinear sampling would skip pixels
        picture = np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        mapping /= 2.0
        scale /= 2.0
    return np.asarray(
        cv2.warpAffine(picture, _centres(mapping), (_SIZE, _SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
        np.uint8,
    )


def _person(
    size: tuple[int, int],
    mapping: NDArray[np.float64],
    landmarks: NDArray[np.float32],
    presence: float,
    logits: NDArray[np.float32],
) -> Person | None:
    height, width = size
    corners = mapping[:, :2] @ np.array([[0, _SIZE, 0, _SIZE], [0, 0, _SIZE, _SIZE]], float) + mapping[:, 2:]
    x0, y0 = np.maximum(np.floor(corners.min(axis=1)).astype(int), 0).tolist()
    x1, y1 = np.minimum(np.ceil(corners.max(axis=1)).astype(int), (width, height)).tolist()
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    soft = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    inverse = _centres(mapping)
    inverse[:, 2] -= (x0, y0)
    mask = np.asarray(
        cv2.warpAffine(soft.astype(np.float32), inverse, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR), np.float32
    )
    if not (mask > 0.5).any():
        return None
    rows = landmarks.reshape(-1, 5)
    places = rows[:, :2] @ mapping[:, :2].T + mapping[:, 2]
    visible = 1.0 / (1.0 + np.exp(-np.clip(rows[:_POINTS, 3], -30.0, 30.0)))
    return Person(
        body=Body(*places[_HIP].tolist(), *places[_TOP].tolist()),
        presence=presence,
        points=np.concatenate([places[:_POINTS], visible[:, None]], axis=1).astype(np.float32),
        mask=mask,
        box=(x0, y0, x1, y1),
    )
