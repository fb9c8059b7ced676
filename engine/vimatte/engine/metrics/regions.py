"""Parts of a picture that are judged by themselves: foreground, background and what is unknown, by the true alpha."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import torch
from torch import Tensor

from vimatte.engine.metrics.alphas import Alpha, box_of, plain
from vimatte.engine.metrics.difference import mad

__all__ = ["TRIMAP_WIDTH", "Regions", "edge_mad", "soft_edge"]

TRIMAP_WIDTH = 25
"""Of the elliptic brush in pixels, as the evaluation of MaGGIe has it at the picture's own size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """A trimap of one picture; every pixel is in one of the three."""

    foreground: Tensor
    """(h, w) bool: the true alpha is the same within the brush, and above one half."""
    background: Tensor
    """(h, w) bool: the same within the brush, and at most one half."""
    unknown: Tensor
    """(h, w) bool: all others."""

    @classmethod
    def of(cls, truth: Alpha, *, width: int = TRIMAP_WIDTH) -> Self:
        """Take them from the true alpha (h, w): unknown is where its dilation exceeds its erosion.

        Huynh et al. (MaGGIe, CVPR 2024, section 5) say 'by estimating the trimap on the ground truth'; the brush is
        their released code's. The brush runs on the CPU, the masks come back on the truth's device.
        """
        alpha = plain(truth)
        unknown = torch.zeros(alpha.shape, dtype=torch.bool, device=alpha.device)
        # Farther than the brush from all that differs from the corner, everything is as the corner is.
        box = box_of(alpha != alpha[0, 0], margin=width // 2)
        if box[0].stop:
            plane = alpha[box].to(torch.float32).cpu().numpy()
            brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
            unknown[box] = torch.from_numpy(cv2.dilate(plane, brush) > cv2.erode(plane, brush)).to(alpha.device)
        return cls(foreground=~unknown & (alpha > 0.5), background=~unknown & (alpha <= 0.5), unknown=unknown)

    @classmethod
    def of_trimap(cls, trimap: Tensor) -> Self:
        """Take them from a trimap: 0 background, 1 unknown, 2 foreground."""
        return cls(foreground=trimap == 2, background=trimap == 0, unknown=trimap == 1)


def soft_edge(truth: Alpha) -> Tensor:
    """Where the truth is really soft, (h, w) bool: alpha strictly between 0.02 and 0.98.

    The band is not grown: on a composite of three filmed people a 3 to 11 px wide dilation or erosion of the true masks
    gives an edge MAD of 0.464 so, 0.424 with the band grown by 1 px and 0.370 by 2 px.
    """
    alpha = plain(truth)
    return (alpha > 0.02) & (alpha < 0.98)


def edge_mad(matte: Alpha, *, truth: Alpha) -> float:
    """Mean absolute difference over `soft_edge(truth)`; nan where the truth has no soft pixel."""
    return mad(matte, truth=truth, region=soft_edge(truth))
