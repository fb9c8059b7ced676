"""Drives the refiner over windows and passes: how training, validation and inference use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.matting.instmatt.boxes import TRAINING_WINDOW, Box, disagreement, find_boxes, window_side
from vimatte.engine.matting.instmatt.demand import LOOKS, Part, demand
from vimatte.engine.matting.instmatt.duplicates import duplicates

__all__ = ["Step", "refine", "refine_passes", "refine_training"]

Step = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A `Refiner` or a `FoldedRefiner`: picture (1, 3, h, w), tri-mattes (n, 3, h, w), features (n, 32, h, w)."""
_CONVERGED = 0.01


def refine_training(refiner: Step, *, picture: Tensor, mattes: Tensor, features: Tensor, passes: int) -> Tensor:
    """Refine tri-mattes (n, 3, h, w) in the worst window of 128 pixels, `passes` times over; all is differentiable.

    The authors draw `passes` from 1, 2, 3 for each step. They keep a list of the result of every pass and weigh a loss
    over it, but the list holds the same tensor each time: the last result is all there is to learn from.

    Args:
        refiner: The network.
        picture: (1, 3, h, w), normalised; what all the people are seen in.
        mattes: (n, 3, h, w), in [0, 1]; left alone.
        features: (n, 32, h, w), of the matting branch.
        passes: 1 or more.
    """
    side = min(TRAINING_WINDOW, *mattes.shape[-2:])
    boxes = find_boxes(disagreement(mattes), side=side)[:1]
    return _passes(refiner, picture, mattes, features, boxes, passes)


def refine_passes(refiner: Step, *, picture: Tensor, mattes: Tensor, features: Tensor, passes: int = 3) -> Tensor:
    """Refine tri-mattes in every window, `passes` times over, duplicates left out: the trainers' validation."""
    good = ~duplicates(mattes[:, 0])
    out = mattes.clone()
    if bool(good.any()):
        boxes = find_boxes(disagreement(mattes), side=_side(mattes))
        out[good] = _passes(refiner, picture, mattes[good], features[good], boxes, passes)
    return out


def refine(refiner: Step, *, picture: Tensor, mattes: Tensor, features: Tensor, needed: Tensor | None = None) -> Tensor:
    """Refine tri-mattes (n, 3, h, w) as the published inference does; those of duplicates come back as they were.

    One pass over every window; then a second one, written for the people alone whose target matte moved by more than
    0.01 somewhere, while all others still take part. The authors' loop goes on until nobody moves, but what it compares
    the second pass with is the tensor that pass wrote to, so nobody ever moves in it: there are never more than two
    passes, and the goldens hold only so.

    Args:
        refiner: The network, for evaluation.
        picture: (1, 3, h, w), normalised.
        mattes: (n, 3, h, w), in [0, 1]; left alone.
        features: (n, 32, h, w), of the matting branch.
        needed: (h, w) bool, the pixels of the result that will be looked at; elsewhere it may be anything between
            `mattes` and refined, which saves most of the work. None: all.
    """
    good = ~duplicates(mattes[:, 0])
    if not bool(good.any()):
        return mattes
    boxes = find_boxes(disagreement(mattes), side=_side(mattes))
    before = mattes[good]
    seen = features if bool(good.all()) else features[good]
    everywhere = np.ones(mattes.shape[-2:], bool)
    last, between = demand(boxes, everywhere if needed is None else needed.cpu().numpy())

    def first_pass(wanted: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        after = _one_pass(refiner, picture, before.clone(), seen, demand(boxes, wanted)[0])
        change = (after[:, 0] - before[:, 0]).abs() * torch.from_numpy(wanted).to(after.device)
        return after, change.flatten(1).amax(dim=1) > _CONVERGED

    after, moving = first_pass(between)
    if any(last) and not (between.all() or bool(moving.all())):
        # Who did not move where the second pass will look may have moved elsewhere, and that counts too.
        after, moving = first_pass(everywhere)
    if bool(moving.any()):
        after = _one_pass(refiner, picture, after, seen, last, written=moving)
    out = mattes.clone()
    out[good] = after
    return out


def _side(mattes: Tensor) -> int:
    people, _, height, width = mattes.shape
    return window_side(people, height=height, width=width)


def _passes(
    refiner: Step, picture: Tensor, mattes: Tensor, features: Tensor, boxes: Sequence[Box], passes: int
) -> Tensor:
    plan, _ = demand(boxes, np.ones(mattes.shape[-2:], bool))
    out = mattes.clone()
    for _ in range(passes):
        out = _one_pass(refiner, picture, out, features, plan)
    return out


def _one_pass(
    refiner: Step,
    picture: Tensor,
    mattes: Tensor,
    features: Tensor,
    plan: Sequence[Sequence[Part]],
    *,
    written: Tensor | None = None,
) -> Tensor:
    """Refine window after window, each seeing those before it; overwrites `mattes` and returns it.

    `written` (n) bool: whose result is kept; everybody's without.
    """
    for parts in plan:
        # All of a window is computed from what was there before, so nothing is written until all of it is.
        fresh = [_refined(refiner, picture, mattes, features, part) for part in parts]
        for part, values in zip(parts, fresh, strict=True):
            here = (..., *part.grown(0))
            mattes[here] = (
                values if written is None else torch.where(written[:, None, None, None], values, mattes[here])
            )
    return mattes


def _refined(refiner: Step, picture: Tensor, mattes: Tensor, features: Tensor, part: Part) -> Tensor:
    """New tri-mattes of a part; of what is around it no more is used than the network can see."""
    around = (..., *part.grown(LOOKS))
    # A copy: gradients need what was read here after it has been written over.
    return refiner(picture[around], mattes[around].clone(), features[around])[..., LOOKS:-LOOKS, LOOKS:-LOOKS]
