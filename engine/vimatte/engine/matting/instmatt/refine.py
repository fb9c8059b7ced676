"""Drives the refiner over windows and passes: how training, validation and inference use it."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType

import torch
from torch import Tensor

from vimatte.engine.matting.instmatt.boxes import TRAINING_WINDOW, Box, disagreement, find_boxes, window_side
from vimatte.engine.matting.instmatt.duplicates import duplicates
from vimatte.engine.matting.instmatt.refiner import Refiner

__all__ = ["refine", "refine_passes", "refine_training"]

_RIM = 10
"""Pixels inside every edge of a window that are never written, also where the window ends with the frame."""
_SEEN = 4
"""How far the refiner looks: four convolutions of 3x3."""
_CONVERGED = 0.01


def refine_training(refiner: Refiner, *, picture: Tensor, mattes: Tensor, features: Tensor, passes: int) -> Tensor:
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


def refine_passes(refiner: Refiner, *, picture: Tensor, mattes: Tensor, features: Tensor, passes: int = 3) -> Tensor:
    """Refine tri-mattes in every window, `passes` times over, duplicates left out: the trainers' validation."""
    good = ~duplicates(mattes[:, 0])
    out = mattes.clone()
    if bool(good.any()):
        boxes = find_boxes(disagreement(mattes), side=_side(mattes))
        out[good] = _passes(refiner, picture, mattes[good], features[good], boxes, passes)
    return out


def refine(refiner: Refiner, *, picture: Tensor, mattes: Tensor, features: Tensor) -> Tensor:
    """Refine tri-mattes (n, 3, h, w) as the published inference does; those of duplicates come back as they were.

    One pass over every window; then a second one, written for the people alone whose target matte moved by more than
    0.01 somewhere, while all others still take part. The authors' loop goes on until nobody moves, but what it compares
    the second pass with is the tensor that pass wrote to, so nobody ever moves in it: there are never more than two
    passes, and the goldens hold only so.
    """
    good = ~duplicates(mattes[:, 0])
    if not bool(good.any()):
        return mattes
    boxes = find_boxes(disagreement(mattes), side=_side(mattes))
    before, seen = mattes[good], features[good]
    after = _one_pass(refiner, picture, before.clone(), seen, boxes)
    moving = (after[:, 0] - before[:, 0]).abs().flatten(1).amax(dim=1) > _CONVERGED
    if bool(moving.any()):
        after = _one_pass(refiner, picture, after, seen, boxes, written=moving)
    out = mattes.clone()
    out[good] = after
    return out


def _side(mattes: Tensor) -> int:
    people, _, height, width = mattes.shape
    return window_side(people, height=height, width=width)


def _passes(
    refiner: Refiner, picture: Tensor, mattes: Tensor, features: Tensor, boxes: Sequence[Box], passes: int
) -> Tensor:
    out = mattes.clone()
    for _ in range(passes):
        out = _one_pass(refiner, picture, out, features, boxes)
    return out


def _one_pass(
    refiner: Refiner,
    picture: Tensor,
    mattes: Tensor,
    features: Tensor,
    boxes: Sequence[Box],
    *,
    written: Tensor | None = None,
) -> Tensor:
    """Refine window after window, each seeing those before it; overwrites `mattes` and returns it.

    `written` (n) bool: whose result is kept; everybody's without.
    """
    # Of the rim no more is computed than what the pixels inside it can see; the result is the same.
    skipped = _RIM - _SEEN
    for box in boxes:
        seen, inner = _part(box, skipped), _part(box, _RIM)
        if mattes[inner].numel() == 0:
            continue
        # A copy: gradients need what was read here after the lines below have written over it.
        fresh = refiner(picture[seen], mattes[seen].clone(), features[seen])[..., _SEEN:-_SEEN, _SEEN:-_SEEN]
        mattes[inner] = fresh if written is None else torch.where(written[:, None, None, None], fresh, mattes[inner])
    return mattes


def _part(box: Box, margin: int) -> tuple[EllipsisType, slice, slice]:
    return ..., slice(box.top + margin, box.bottom - margin), slice(box.left + margin, box.right - margin)
