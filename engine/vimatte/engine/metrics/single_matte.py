"""Errors of one matte over a clip as the releases of RVM and VMFormer compute them: `as_published_code`.

Lin et al., RVM, WACV 2022, and Li et al., VMFormer, WACV 2024: sets whose truth is one matte of everybody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from torch import Tensor

from vimatte.engine.metrics.alphas import Alpha, exact, plain, total
from vimatte.engine.metrics.connectivity import connectivity_error
from vimatte.engine.metrics.difference import mad, mse
from vimatte.engine.metrics.flicker import dtssd
from vimatte.engine.metrics.gradient import unit_norm_gradient

__all__ = ["SINGLE_ERRORS", "SingleMatteMeter", "gradient_error_of_one"]

SINGLE_ERRORS = ("MAD", "MSE", "Grad", "Conn", "dtSSD")
"""What can be asked for: MAD and MSE x 1e-3, Grad and Conn in thousands, dtSSD x 1e-2."""


def gradient_error_of_one(matte: Alpha, *, truth: Alpha, stretched: bool) -> float:
    """Sum of (|grad matte| - |grad truth|)^2 over (h, w), in thousands; 9x9 kernels of unit L2 norm, edges repeated.

    `stretched`: each map is first stretched to [0, 1] by its own lowest and highest value; one of a single value
    becomes zeros.
    """
    p, g = exact(matte), exact(truth)
    if stretched:
        p, g = _stretched(p), _stretched(g)
    difference = unit_norm_gradient(p[None])[0] - unit_norm_gradient(g[None])[0]
    return total(difference.square()) / 1000


class SingleMatteMeter:
    """Adds up a clip frame by frame; holds one frame back, nothing more."""

    def __init__(self, names: Sequence[str] = SINGLE_ERRORS, *, stretched: bool) -> None:
        """`names` are those of `SINGLE_ERRORS` to compute; `stretched` is that of `gradient_error_of_one`."""
        self._sums: dict[str, list[float]] = {name: [] for name in names}
        self._stretched = stretched
        self._before: tuple[Tensor, Tensor] | None = None

    def add(self, matte: Alpha, *, truth: Alpha) -> None:
        """Take in the next frame that has a truth, (h, w) each. Raises ValueError when sizes differ."""
        p, g = plain(matte), plain(truth)
        if p.shape != g.shape:
            raise ValueError(f"the matte is {tuple(p.shape)}, the truth {tuple(g.shape)}")
        before = self._before
        found: Mapping[str, Callable[[], float]] = {
            "MAD": lambda: 1e3 * mad(p, truth=g),
            "MSE": lambda: 1e3 * mse(p, truth=g),
            "Grad": lambda: gradient_error_of_one(p, truth=g, stretched=self._stretched),
            "Conn": lambda: connectivity_error(p, truth=g),
            # The first frame counts as 0 in these releases, not as nothing: means are taken over all frames.
            "dtSSD": lambda: (
                0.0 if before is None else 1e2 * dtssd(p, truth=g, matte_before=before[0], truth_before=before[1])
            ),
        }
        for name, values in self._sums.items():
            values.append(found[name]())
        self._before = p, g

    def result(self) -> Mapping[str, float]:
        """Means over the frames so far, by name; nan where there was none."""
        return MappingProxyType(
            {name: math.fsum(values) / len(values) if values else math.nan for name, values in self._sums.items()}
        )


def _stretched(alpha: Tensor) -> Tensor:
    low, high = alpha.min(), alpha.max()
    return (alpha - low) / (high - low) if bool(high > low) else alpha.new_zeros(alpha.shape)
