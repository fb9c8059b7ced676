"""Errors of one person's or many people's mattes as the release of MaGGIe computes them: `as_published_code`.

Huynh et al., CVPR 2024. The paper names the errors and gives no formula; figures in its tables come from code that
differs from what the names usually mean: MAD and MSE are divided by the number of pixels twice, Grad stretches all maps
of a call to [0, 1] together, and MESSDdt swaps x and y and always reads the second frame. A score here compares with
those tables and with nothing else.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from vimatte.engine.metrics.alphas import Alpha, exact, plain, total
from vimatte.engine.metrics.connectivity import connectivity_differences
from vimatte.engine.metrics.gradient import unit_norm_gradient
from vimatte.engine.metrics.motion import flow
from vimatte.engine.metrics.regions import Regions

__all__ = ["ReleasedErrorMeter", "Tally", "change_errors", "frame_errors"]

_TINY = 1e-6
_WINDOW = 3
"""Frames that MaGGIe's video network sees at once: its evaluation treats a clip's last window as one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One error, summed."""

    score: float = 0.0
    count: int = 0
    """People times frames, or people for the errors of change."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(score=self.score + other.score, count=self.count + other.count)

    @property
    def average(self) -> float:
        """What is printed; nan where nothing was counted."""
        return self.score / (self.count + _TINY) if self.count else math.nan


Tallies: TypeAlias = dict[str, Tally]
"""Name as the release has it ('MAD', 'MAD_fg', 'MAD_unk' …) -> sum."""


def frame_errors(mattes: Tensor, *, truth: Tensor, trimap: Tensor) -> Tallies:
    """SAD, MSE, MAD, Grad and Conn of one call, each over everything and over `_fg`, `_bg` and `_unk`.

    All three are (n, h, w), n people times frames of the call; the trimap is 0 background, 1 unknown, 2 foreground.
    """
    p, g = exact(mattes), exact(truth)
    count, area = len(p), p.shape[-2] * p.shape[-1]
    absolute = (p - g).abs()
    gradient = (_stretched_gradient(p) - _stretched_gradient(g)).square()
    connectivity = torch.stack([connectivity_differences(a, truth=b) for a, b in zip(p, g, strict=True)])
    found: Tallies = {}
    for suffix, region in _regions(trimap.to(p.device)):
        inside = torch.ones_like(p) if region is None else region.to(p.dtype)
        sizes = [total(one) + _TINY for one in inside]
        found[f"SAD{suffix}"] = Tally(score=1e-3 * total(absolute * inside), count=count)
        for name, errors in (("MSE", absolute.square()), ("MAD", absolute)):
            means = (total(e * i) / area / size for e, i, size in zip(errors, inside, sizes, strict=True))
            found[f"{name}{suffix}"] = Tally(score=1e10 * math.fsum(means), count=count)
        found[f"Grad{suffix}"] = Tally(score=1e-3 * total(gradient * inside), count=count)
        found[f"Conn{suffix}"] = Tally(score=1e-3 * total(connectivity * inside), count=count)
    return found


def change_errors(mattes: Tensor, *, truth: Tensor, trimap: Tensor) -> Tallies:
    """DtSSD and MESSDdt of a sequence, over everything and over `_unk`; (t, n, h, w) each, t at least 2."""
    p, g = exact(mattes), exact(truth)
    people = p.shape[1]
    change = ((p[1:] - p[:-1]) - (g[1:] - g[:-1])).square()
    moves = [[_moves(g[t, i], g[t + 1, i]) for t in range(len(g) - 1)] for i in range(people)]
    found: Tallies = {}
    for suffix, region in _regions(trimap.to(p.device)):
        if suffix not in ("", "_unk"):
            continue
        inside = torch.ones_like(p) if region is None else region.to(p.dtype)
        roots = (math.sqrt(total(change[:, i] * inside[:-1, i])) for i in range(people))
        found[f"dtSSD{suffix}"] = Tally(score=0.1 * math.fsum(roots), count=people)
        moved = (_messddt(p[:, i], g[:, i], inside[:, i], moves[i]) for i in range(people))
        found[f"MESSDdt{suffix}"] = Tally(score=1e4 * math.fsum(moved), count=people)
    return found


class ReleasedErrorMeter:
    """Adds up a clip frame by frame, by the calls of the release's sliding evaluation; holds four frames.

    Every frame is a call of its own, but for the last three, which are one; dtSSD and MESSDdt go over pairs of frames,
    but for the last four, which are one sequence with one square root. Clips of up to three frames, at which the
    release fails, are one call.
    """

    def __init__(self) -> None:
        self._sums: Tallies = {}
        self._held: deque[tuple[Tensor, Tensor, Tensor]] = deque()
        self._first = True

    def add(self, mattes: Alpha, *, truth: Alpha, trimap: Alpha | None = None) -> None:
        """Take in the clip's next frame: (n, h, w) each, the same people in the same order on every frame.

        Without a trimap it is taken from the truth. Raises ValueError when shapes differ.
        """
        p, g = plain(mattes), plain(truth)
        if p.shape != g.shape or p.ndim != 3:
            raise ValueError(f"the mattes are {tuple(p.shape)}, the truth {tuple(g.shape)}; both must be (n, h, w)")
        self._held.append((p, g, _trimap(g) if trimap is None else plain(trimap)))
        # A frame that three others follow is not in the clip's last window; one before it is kept for its change.
        while len(self._held) > _WINDOW + (0 if self._first else 1):
            self._settle()

    def add_picture(self, mattes: Alpha, *, truth: Alpha, trimap: Alpha | None = None) -> None:
        """Take in a picture that belongs to no clip, (n, h, w): one call."""
        p, g = plain(mattes), plain(truth)
        trimaps = _trimap(g) if trimap is None else plain(trimap)
        self._sums = _added(self._sums, frame_errors(p, truth=g, trimap=trimaps))

    def result(self) -> Mapping[str, Tally]:
        """Sums so far, as if the clip ended here."""
        if not self._held:
            return dict(self._sums)
        frames = [torch.stack(planes) for planes in zip(*self._held, strict=True)]
        last = [f[0 if self._first else 1 :].flatten(0, 1) for f in frames]
        sums = _added(self._sums, frame_errors(last[0], truth=last[1], trimap=last[2]))
        if len(self._held) > 1:
            sums = _added(sums, change_errors(frames[0], truth=frames[1], trimap=frames[2]))
        return sums

    def _settle(self) -> None:
        index = 0 if self._first else 1
        p, g, trimap = self._held[index]
        self._sums = _added(self._sums, frame_errors(p, truth=g, trimap=trimap))
        if not self._first:
            pair = [torch.stack(planes) for planes in zip(self._held[0], self._held[1], strict=True)]
            self._sums = _added(self._sums, change_errors(pair[0], truth=pair[1], trimap=pair[2]))
            self._held.popleft()
        self._first = False


def _regions(trimap: Tensor) -> list[tuple[str, Tensor | None]]:
    regions = Regions.of_trimap(trimap)
    return [("", None), ("_fg", regions.foreground), ("_bg", regions.background), ("_unk", regions.unknown)]


def _trimap(truth: Tensor) -> Tensor:
    planes = []
    for alpha in truth:
        regions = Regions.of(alpha)
        planes.append(regions.unknown.to(torch.uint8) + 2 * regions.foreground.to(torch.uint8))
    return torch.stack(planes)


def _added(sums: Tallies, more: Tallies) -> Tallies:
    return {**sums, **{name: sums.get(name, Tally()) + tally for name, tally in more.items()}}


def _stretched_gradient(alphas: Tensor) -> Tensor:
    """Gradients of maps stretched to [0, 1] by the lowest and highest value of all of them; zeros beyond the edge."""
    low, high = alphas.min(), alphas.max()
    return unit_norm_gradient((alphas - low) / (high - low + _TINY), mode="constant")


def _moves(before: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns at which the release looks for where each pixel (h, w) went.

    x and y are swapped, then held inside the picture; the published figures were made so.
    """
    height, width = now.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    moved = torch.from_numpy(np.rint(flow(before, now))).to(torch.int64)
    return (
        (columns + moved[..., 0]).clamp(0, height - 1).to(now.device),
        (rows + moved[..., 1]).clamp(0, width - 1).to(now.device),
    )


def _messddt(p: Tensor, g: Tensor, inside: Tensor, moves: Sequence[tuple[Tensor, Tensor]]) -> float:
    """One person's sequence (t, h, w); the frame looked at is always frame 1, as the published figures have it."""
    errors = (p - g).square() * inside
    score = math.fsum(total((errors[t] - errors[1][at]).abs()) for t, at in enumerate(moves))
    return score / math.fsum(total(one) + 1 for one in inside[:-1])
