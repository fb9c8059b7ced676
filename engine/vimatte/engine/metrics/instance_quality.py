"""IMQ: are all people of a picture found and matted well (Sun et al., InstMatt, CVPR 2022, section 5).

Paper and released code differ, and `Definition` says which is meant:

| | as_paper | as_published_code |
|---|---|---|
| a true positive's IoU is | above the threshold | at least the threshold |
| errors are | means over the picture | sums over U divided by |U| + 1, U = {matte > 0 or truth > 0} |
| guards | none | 1e-8 in the IoU, 1e-6 in the denominator |

The paper writes 'an error function, e.g. MSE' and leaves its domain open; the plain reading is a mean over the picture,
for all four alike. Sums in thousands, as Grad and Conn often are, make nearly every similarity 0 with w = 10. The
paper's tables were made with the code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vimatte.engine.metrics.alphas import Alpha, Definition, exact, total
from vimatte.engine.metrics.connectivity import connectivity_error, connectivity_error_over_union
from vimatte.engine.metrics.difference import mad, mse
from vimatte.engine.metrics.gradient import gradient_error, gradient_error_over_union

__all__ = ["ERRORS", "ImqMeter", "ImqScore"]

ERRORS = ("mad", "mse", "grad", "conn")
WEIGHT = 10.0
"""w of eq. 17, the same for all four (Table 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImqScore:
    """All pictures so far: people of all of them are counted together."""

    definition: Definition
    threshold: float
    """Of the IoU."""
    hits: int
    """True positives."""
    false: int
    """False positives: mattes that are nobody."""
    missed: int
    """False negatives: people without a matte."""
    imq: Mapping[str, float]
    """'mad', 'mse', 'grad', 'conn' -> eq. 16, 0 to 1."""
    mq: Mapping[str, float]
    """The same over true positives only, eq. 18; nan without any."""
    rq: float
    """Recognition quality, eq. 18, 0 to 1; nan where nobody was to be found and nobody was."""

    def to_dict(self) -> dict[str, object]:
        """JSON values; None for nan."""
        known = {
            "rq": self.rq,
            **{f"mq_{n}": v for n, v in self.mq.items()},
            **{f"imq_{n}": v for n, v in self.imq.items()},
        }
        return {
            "definition": self.definition,
            "threshold": self.threshold,
            "hits": self.hits,
            "false": self.false,
            "missed": self.missed,
            **{name: None if math.isnan(value) else value for name, value in known.items()},
        }


class ImqMeter:
    """Adds up pictures (or frames, each by itself); holds sums."""

    def __init__(self, definition: Definition, *, threshold: float = 0.5) -> None:
        """`threshold` of the IoU: 0.5 in the paper; the released code prints 0.75 as well."""
        self.definition: Definition = definition
        self.threshold = threshold
        self._hits = self._false = self._missed = 0
        self._similarity = dict.fromkeys(ERRORS, 0.0)

    def add(self, mattes: Alpha, *, truth: Alpha) -> None:
        """Take in a picture: (n, h, w) mattes and (m, h, w) truths; either may be nobody, n or m 0.

        An all-zero row is a person: leave out who is not on a frame. Raises ValueError when sizes differ.
        """
        p, g = exact(mattes), exact(truth)
        if p.ndim != 3 or g.ndim != 3 or p.shape[1:] != g.shape[1:]:
            raise ValueError(f"the mattes are {tuple(p.shape)}, the truth {tuple(g.shape)}; give (n, h, w) of one size")
        iou = self._iou(p, g)
        rows, columns = linear_sum_assignment(1 - iou)
        pairs = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if self._is_hit(float(iou[i, j]))]
        self._hits += len(pairs)
        self._false += len(p) - len(pairs)
        self._missed += len(g) - len(pairs)
        for i, j in pairs:
            for name, error in self.errors(p[i], truth=g[j]).items():
                self._similarity[name] += 1 - min(WEIGHT * error, 1.0)

    def errors(self, matte: Alpha, *, truth: Alpha) -> dict[str, float]:
        """'mad', 'mse', 'grad', 'conn' of one pair (h, w), before any scaling."""
        if self.definition == "as_paper":
            pixels = matte.shape[0] * matte.shape[1]
            return {
                "mad": mad(matte, truth=truth),
                "mse": mse(matte, truth=truth),
                "grad": 1000 * gradient_error(matte, truth=truth) / pixels,
                "conn": 1000 * connectivity_error(matte, truth=truth) / pixels,
            }
        p, g = exact(matte), exact(truth)
        # Beyond the union both are zero, so a sum over all pixels is one over it.
        area = int(((p > 0) | (g > 0)).sum()) + 1
        return {
            "mad": total((p - g).abs()) / area,
            "mse": total((p - g).square()) / area,
            "grad": gradient_error_over_union(p, truth=g),
            "conn": connectivity_error_over_union(p, truth=g),
        }

    def result(self) -> ImqScore:
        """Score the pictures so far."""
        guard = 0.0 if self.definition == "as_paper" else 1e-6
        people = self._hits + self._false / 2 + self._missed / 2 + guard
        return ImqScore(
            definition=self.definition,
            threshold=self.threshold,
            hits=self._hits,
            false=self._false,
            missed=self._missed,
            imq={name: s / people if people else math.nan for name, s in self._similarity.items()},
            mq={name: s / self._hits if self._hits else math.nan for name, s in self._similarity.items()},
            rq=self._hits / people if people else math.nan,
        )

    def _iou(self, p: Tensor, g: Tensor) -> NDArray[np.float64]:
        guard = 0.0 if self.definition == "as_paper" else 1e-8
        out = np.zeros((len(p), len(g)))
        for i, one in enumerate(p > 0):
            for j, two in enumerate(g > 0):
                union = int((one | two).sum())
                out[i, j] = int((one & two).sum()) / (union + guard) if union else 0.0
        return out

    def _is_hit(self, iou: float) -> bool:
        return iou > self.threshold if self.definition == "as_paper" else iou >= self.threshold
