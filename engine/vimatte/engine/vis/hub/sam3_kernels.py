"""Two small operations that SAM 3's code otherwise fetches from the network as compiled kernels.

transformers asks a hub repository for them on first use and goes without where it cannot have them, which doubles
people and leaves holes. Here they run with numpy and OpenCV: nothing is fetched, and results are the same everywhere.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

__all__ = ["LocalKernels"]


class LocalKernels:
    """Stands in for the module `cv_utils_kernel` of transformers' SAM 3."""

    @staticmethod
    def generic_nms(
        ious: torch.Tensor, scores: torch.Tensor, threshold: float, use_iou_matrix: bool = True
    ) -> torch.Tensor:
        """Greedy non-maximum suppression by an (n, n) matrix of overlaps: indices that stay, best first."""
        overlap = ious.cpu().numpy()
        values = scores.float().cpu().numpy()
        order = np.lexsort((np.arange(len(values)), -values)).tolist()
        kept: list[int] = []
        for one in order:
            if all(overlap[one, other] <= threshold for other in kept):
                kept.append(one)
        return torch.tensor(kept, dtype=torch.long, device=scores.device)

    @staticmethod
    def cc_2d(mask: torch.Tensor, get_counts: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Label the connected parts (8 neighbours) of (n, 1, h, w); parts' labels and sizes, pixel by pixel."""
        labels: list[np.ndarray] = []
        counts: list[np.ndarray] = []
        for one in mask[:, 0].cpu().numpy():
            _, label, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(one, np.uint8), connectivity=8)
            sizes = np.asarray(stats)[:, cv2.CC_STAT_AREA].copy()
            sizes[0] = 0
            labels.append(np.asarray(label, np.int32))
            counts.append(np.asarray(sizes[label], np.int32))
        shape = mask.shape
        stacked = (np.array(x, np.int32).reshape(tuple(shape)) for x in (labels, counts))
        one, two = (torch.from_numpy(x).to(mask.device) for x in stacked)
        return one, two
