"""Dense optical flow between working copies of two pictures, how far it can be trusted, and the camera's own motion.

Flow by Dense Inverse Search (Kroeger et al., ECCV 2016) as OpenCV has it. All fields look backwards as a warp needs it:
`flow` of shape (h, w, 2) at a pixel (x, y) of the picture we are on says where that point was, `(x, y) + flow`, in the
picture we came from.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Field",
    "FlowPair",
    "WorkingImage",
    "camera_field",
    "camera_homography",
    "consistency",
    "flow_back",
    "flow_between",
    "sample_grid",
    "warp",
    "working_size",
]

Field = NDArray[np.float32]
"""(h, w, 2), pixels."""
WorkingImage = NDArray[np.uint8]
"""(h, w, 3), sRGB codes 0 to 255, at working size."""
FlowPair = tuple[Field, Field]
"""(now -> before, before -> now)."""


def working_size(width: int, height: int, *, long_side: int = 960) -> tuple[int, int]:
    """(width, height) of the working copy: the long side at most `long_side`, never enlarged, at least 16 a side."""
    scale = min(1.0, long_side / max(width, height))
    return max(16, round(width * scale)), max(16, round(height * scale))


def flow_between(now: WorkingImage, before: WorkingImage) -> FlowPair:
    """Flow (now -> before, before -> now) of two working copies of one size."""
    one, two, engine = _grey(now), _grey(before), _dense_inverse_search()
    return _calculated(engine, one, two), _calculated(engine, two, one)


def flow_back(now: WorkingImage, before: WorkingImage) -> Field:
    """Flow now -> before of two working copies of one size."""
    return _calculated(_dense_inverse_search(), _grey(now), _grey(before))


def _dense_inverse_search() -> cv2.DISOpticalFlow:
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    engine.setUseSpatialPropagation(True)
    engine.setFinestScale(1)
    return engine


def _grey(image: WorkingImage) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _calculated(engine: cv2.DISOpticalFlow, now: NDArray[np.uint8], before: NDArray[np.uint8]) -> Field:
    return np.asarray(engine.calc(now, before, np.zeros((*now.shape, 2), np.float32)), np.float32)


def sample_grid(window: tuple[slice, slice]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(x, y) of the pixels of a window, each (h, w) float32."""
    rows, cols = window
    x = np.arange(cols.start, cols.stop, dtype=np.float32)
    y = np.arange(rows.start, rows.stop, dtype=np.float32)
    return np.tile(x, (len(y), 1)), np.repeat(y[:, None], len(x), axis=1)


def warp(
    image: NDArray[np.float32], flow: Field, *, window: tuple[slice, slice] | None = None, border: float | None = 0.0
) -> NDArray[np.float32]:
    """Fetch `image` (h, w) or (h, w, c) of the picture before along `flow`, linearly.

    With a `window` only that part of the picture now is made, and `flow` has its size. `border` stands in outside the
    picture; None repeats its edge.
    """
    height, width = flow.shape[:2]
    x, y = sample_grid(window if window is not None else (slice(0, height), slice(0, width)))
    if border is None:
        found = cv2.remap(image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    else:
        found = cv2.remap(
            image,
            x + flow[..., 0],
            y + flow[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(border, border, border, border),
        )
    return np.asarray(found, np.float32)


def consistency(pair: FlowPair, *, slack: float = 1.0, growth: float = 0.1) -> NDArray[np.float32]:
    """(h, w) float32 in [0, 1]: how well there-and-back returns to its start; 0 where it leaves the picture.

    The squared round-trip error is weighed against `slack` pixels plus `growth` of the way (after Sundaram, Brox and
    Keutzer, ECCV 2010).
    """
    back, forth = pair
    height, width = back.shape[:2]
    round_trip = back + warp(forth, back)
    error = round_trip[..., 0] ** 2 + round_trip[..., 1] ** 2
    way = cv2.magnitude(back[..., 0], back[..., 1])
    score = np.exp(-error / (slack + growth * way) ** 2)
    grid_x, grid_y = sample_grid((slice(0, height), slice(0, width)))
    x, y = grid_x + back[..., 0], grid_y + back[..., 1]
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    return np.where(inside, score, 0.0).astype(np.float32)


def camera_homography(flow: Field, weight: NDArray[np.float32], *, step: int = 8) -> NDArray[np.float64]:
    """3x3 homography that explains `flow` where `weight` (h, w; 0 to 1) says still background, robustly.

    Linear least squares on every `step`-th pixel, reweighted eight times with a Cauchy weight; the identity where there
    is too little background to tell.
    """
    height, width = flow.shape[:2]
    y, x = (g.ravel().astype(np.float64) for g in np.mgrid[step // 2 : height : step, step // 2 : width : step])
    trust = weight[step // 2 :: step, step // 2 :: step].ravel().astype(np.float64)
    if trust.sum() < 30:
        return np.eye(3)
    move = flow[step // 2 :: step, step // 2 :: step].reshape(-1, 2).astype(np.float64)
    unit = 2.0 / max(width, height)
    x, y, dx, dy = (x - width / 2) * unit, (y - height / 2) * unit, move[:, 0] * unit, move[:, 1] * unit
    u, v = x + dx, y + dy
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows_u = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=1)
    rows_v = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=1)
    rows, target = np.concatenate([rows_u, rows_v]), np.concatenate([u, v])
    robust = np.ones_like(x)
    solution = np.array([1.0, 0, 0, 0, 1, 0, 0, 0])
    ridge = np.diag([1e-9] * 6 + [1e-4] * 2)
    for _ in range(8):
        w = np.tile(trust * robust, 2)[:, None]
        solution = np.linalg.solve(rows.T @ (w * rows) + ridge, rows.T @ (w[:, 0] * target))
        left = ((target - rows @ solution) / unit).reshape(2, -1)
        error = (left**2).sum(axis=0)
        scale = max(0.05, float(np.median(error[trust > 0])))
        robust = 1.0 / (1.0 + error / scale)
    normal = np.array([[unit, 0, -width / 2 * unit], [0, unit, -height / 2 * unit], [0, 0, 1]])
    homography = np.linalg.inv(normal) @ np.append(solution, 1.0).reshape(3, 3) @ normal
    return np.asarray(homography / homography[2, 2])


def camera_field(homography: NDArray[np.float64], height: int, width: int) -> Field:
    """(h, w, 2) flow of a homography: where each pixel of the background was."""
    y, x = np.arange(height, dtype=np.float64)[:, None], np.arange(width, dtype=np.float64)[None]
    h = homography
    z = h[2, 0] * x + h[2, 1] * y + h[2, 2]
    u, v = (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / z, (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / z
    return np.stack([u - x, v - y], axis=2).astype(np.float32)
