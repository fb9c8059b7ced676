"""dtSSD: how much a matte flickers (Erofeev et al., Perceptually Motivated Benchmark for Video Matting, BMVC 2015)."""

from __future__ import annotations

import math

from vimatte.engine.metrics.alphas import Alpha, box_of, exact, plain, total

__all__ = ["dtssd"]


def dtssd(matte: Alpha, *, truth: Alpha, matte_before: Alpha, truth_before: Alpha) -> float:
    """Root mean square, over all pixels, of (matte - matte_before) - (truth - truth_before).

    The paper's is a sum of squares; the mean is what video matting has printed since (Lin et al., RVM, WACV 2022), and
    it does not grow with the picture.
    """
    p, g, before, truth_before = (plain(a) for a in (matte, truth, matte_before, truth_before))
    box = box_of((p != g) | (before != truth_before))
    change = (exact(p[box]) - exact(before[box])) - (exact(g[box]) - exact(truth_before[box]))
    return math.sqrt(total(change.square()) / (p.shape[0] * p.shape[1]))
