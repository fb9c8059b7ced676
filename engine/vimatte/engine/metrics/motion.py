"""MESSDdt: errors that do not move along with the person (Erofeev et al., BMVC 2015)."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.metrics.alphas import Alpha, box_of, exact, total

__all__ = ["flow", "messddt"]

_MARGIN = 64
"""Pixels around what moves that the flow is found on: beyond them the truth stands still."""


def messddt(matte: Alpha, *, truth: Alpha, matte_before: Alpha, truth_before: Alpha) -> float:
    """Mean over all pixels x of |(p - g)^2 (x, before) - (p - g)^2 (x + v, now)|, v the motion of x to the next frame.

    The paper's is a sum and leaves the flow open; here it is Farneback's on the true alphas, to the nearest pixel, and
    what leaves the picture stops at its edge.
    """
    before, now = exact(matte_before) - exact(truth_before), exact(matte) - exact(truth)
    before, now = before.square_(), now.square_()
    old, new = exact(truth_before), exact(truth)
    differences = (before - now).abs_()
    box = box_of(old != new, margin=_MARGIN)
    if box[0].stop:
        moved = torch.from_numpy(np.rint(flow(old[box], new[box]))).to(now.device, torch.int64)
        rows, columns = (torch.arange(s.start, s.stop, device=now.device) for s in box)
        across = (columns[None, :] + moved[..., 0]).clamp(0, now.shape[1] - 1)
        down = (rows[:, None] + moved[..., 1]).clamp(0, now.shape[0] - 1)
        differences[box] = (before[box] - now[down, across]).abs()
    return total(differences) / now.numel()


def flow(before: Tensor, now: Tensor) -> NDArray[np.float32]:
    """(h, w, 2) motion of each pixel in x and y from one true alpha to the next, as MaGGIe's evaluation finds it.

    Farneback's method on 8-bit planes, on the CPU: pyramid 0.5 of 5 levels, window 10, 2 iterations, neighbourhood 7
    of sigma 1.5, Gaussian windows.
    """
    # Cut off, not rounded, and in float32: what the released code does.
    old, new = ((a.cpu().to(torch.float32) * 255).to(torch.uint8).numpy() for a in (before, now))
    start = np.zeros((*old.shape, 2), np.float32)
    return np.asarray(
        cv2.calcOpticalFlowFarneback(old, new, start, 0.5, 5, 10, 2, 7, 1.5, cv2.OPTFLOW_FARNEBACK_GAUSSIAN), np.float32
    )
