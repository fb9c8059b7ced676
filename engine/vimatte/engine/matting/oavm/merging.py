"""Sequential Foreground Merging: somebody else's clip behind the one to be matted, frame by frame.

Section 3.5 of the paper, equations 8 to 10; Table 4's third part. Arrays are straight colour, float in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Clip", "Merged", "merge", "random_merge"]

_SOMEBODY_ELSE, _FIRST_ALONE = 0.4, 0.5
"""p1 and p2 of section 4.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A foreground sequence."""

    colour: NDArray[np.float32]
    """(t, h, w, 3), straight."""
    alpha: NDArray[np.float32]
    """(t, h, w)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A training clip."""

    pictures: NDArray[np.float32]
    """(t, h, w, 3)."""
    alpha: NDArray[np.float32]
    """(t, h, w): what shall be found."""
    masks: NDArray[np.bool_]
    """(m, t, h, w): every foreground by itself, alpha above a half; supervises the object queries.

    As the paper has it, the one behind is not cut where the one in front covers it.
    """


def merge(first: Clip, second: Clip | None, background: NDArray[np.float32], *, together: bool = False) -> Merged:
    """Put `first` before `second` before `background`, (t, h, w, 3); `together` asks for the alpha of both.

    Equation 10's union is of alphas seen one through the other: 1 - (1 - a1)(1 - a2).
    """
    if second is None:
        return Merged(pictures=_over(first, background), alpha=first.alpha, masks=np.asarray((first.alpha > 0.5)[None]))
    alpha = 1.0 - (1.0 - first.alpha) * (1.0 - second.alpha) if together else first.alpha
    return Merged(
        pictures=_over(first, _over(second, background)),
        alpha=np.asarray(alpha, np.float32),
        masks=np.stack([first.alpha > 0.5, second.alpha > 0.5]),
    )


def random_merge(first: Clip, second: Clip, background: NDArray[np.float32], *, chance: np.random.Generator) -> Merged:
    """Merge as often as the paper does: `second` with probability 0.4, and then the first's alpha alone with 0.5."""
    if chance.random() >= _SOMEBODY_ELSE:
        return merge(first, None, background)
    return merge(first, second, background, together=chance.random() >= _FIRST_ALONE)


def _over(clip: Clip, background: NDArray[np.float32]) -> NDArray[np.float32]:
    alpha = clip.alpha[..., None]
    return np.asarray(alpha * clip.colour + (1.0 - alpha) * background, np.float32)
