"""Who is where, by the network: its memory of a sweep, and its word on each picture."""

# ruff: noqa: N803, N806 - names carry shapes: N people, H height, W width

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vimatte.engine.device import inference
from vimatte.engine.lite.propagate.network import Decoded, Features, Memory, Prior, PropagateNet, odds
from vimatte.engine.vis.flow import WorkingImage
from vimatte.engine.vis.propagation.soft import Probability
from vimatte.engine.vis.propagation.sweep import Claims, Planes

__all__ = ["SETTINGS", "Judge", "View", "ask", "of_the_known", "shares"]

SETTINGS: Mapping[str, str | int | float] = {
    "lite_given": 4,
    "lite_recent": 4,
    "lite_every": 5,
}
"""Frames with given masks, and others, that are remembered; how far apart the others lie."""

_GRID = 16
"""Sides of pictures are multiples of it."""
_AROUND = 1 / 15
"""Share of the picture's long side that the network looks at around people: 64 pixels of 960."""
_THERE = 0.05
"""Share of a pixel from which somebody is there."""
_PART = 0.2
"""Size of a part of somebody, of their largest, from which it may be somebody else."""
_SURE = 12.0
"""No logit says more."""
_NOBODY = -30.0
"""Logit of those who have not been met."""
_LEAST = 1e-3
"""Doubt of claims when they are taken as log odds."""


class Judge:
    """The network in a sweep. It looks around people only; memory is that of nine frames, however long the shot."""

    def __init__(self, network: PropagateNet, *, height: int, width: int, device: str = "cpu") -> None:
        """`height` and `width` are those of the pictures it will be shown."""
        self._network, self._device = network, device
        self._size = height, width
        self._padded = -(-height // _GRID) * _GRID, -(-width // _GRID) * _GRID
        self._around = round(_AROUND * max(height, width))
        self._people: list[int] = []
        self._given: deque[Memory] = deque()
        self._recent: deque[Memory] = deque(maxlen=int(SETTINGS["lite_recent"]))
        self._last: Memory | None = None
        self._since = 0
        self._frame: tuple[WorkingImage, View, Features] | None = None

    def decide(self, image: WorkingImage, claims: Claims) -> Planes:
        """Say where everybody of `claims` is seen."""
        memory = self._remembered()
        if not memory or not claims.seen:
            return claims.seen
        with self._running():
            around = [] if claims.lost else [*claims.seen.values(), *claims.shape.values()]
            view, frame = self._seen(image, around)
            prior = Prior(
                seen_NHW=self._halves(claims.seen, view),
                whole_NHW=self._halves(claims.shape, view),
                strange_NHW=self._halves(claims.mismatch, view),
                unsure_1HW=1.0 - self._halves({self._people[0]: claims.agree}, view)[:1],
            )
            said = self._said(frame, memory, prior, claims.seen, view)
            if claims.lost and self._given:
                looks = self._network.alike(frame, list(self._given)).cpu().numpy()
                said = self._split(said, claims.lost, looks, view)
            return said

    def mend(self, image: WorkingImage, given: Planes) -> Planes:
        """Improve masks that are evidence only, on their own picture."""
        self._meet(given)
        with self._running():
            view, frame = self._seen(image, given.values())
            mask_NHW = self._halves(given, view)
            prior = Prior(mask_NHW, mask_NHW, torch.zeros_like(mask_NHW), torch.zeros_like(mask_NHW[:1]))
            own = self._network.remember(frame, mask_NHW, known_N=self._flags(given))
            return self._said(frame, [*self._remembered(), own], prior, given, view)

    def remember(self, image: WorkingImage, seen: Planes, *, given: bool) -> None:
        """Learn what everybody looks like."""
        self._meet(seen)
        with self._running():
            view, frame = self._seen(image, seen.values())
            now = self._network.remember(frame, self._halves(seen, view), known_N=self._flags(seen))
        self._frame = None
        self._keep(now, given=given)

    def forget(self) -> None:
        """Nothing of another scene is here."""
        self._given.clear()
        self._recent.clear()
        self._last, self._since = None, 0

    def _running(self) -> AbstractContextManager[None]:
        return inference(self._device, what="lite.propagate", instead="--propagate classical")

    def _keep(self, now: Memory, *, given: bool) -> None:
        """Keep the first and the last frames with given masks; of others the last one, and a few some frames apart."""
        if given:
            self._given.append(now)
            if len(self._given) > int(SETTINGS["lite_given"]):
                del self._given[1]
            self._last, self._since = None, 0
            return
        self._since += 1
        if self._last is not None and self._since % int(SETTINGS["lite_every"]) == 0:
            self._recent.append(self._last)
        self._last = now

    def _remembered(self) -> list[Memory]:
        last = [self._last] if self._last is not None else []
        return [*self._given, *self._recent, *last]

    def _said(self, frame: Features, memory: Sequence[Memory], prior: Prior, claims: Planes, view: View) -> Planes:
        """Ask the network; claims at their own size are changed by as much as it changes them at its size."""
        logits, _, _ = ask(self._network, frame, memory, prior)
        return self._changed(claims, prior, view, logits_NHW=logits)

    def _split(self, said: Planes, lost: frozenset[int], looks_NHW: NDArray[np.float32], view: View) -> Planes:
        """Give a part of somebody that stands apart to who was lost, if it looks more like them.

        Who comes out from behind another is taken for a part of that one until they are apart.
        """
        out = dict(said)
        for one in sorted(set(said) - lost):
            labels, parts = _parts(out[one] > 0.5)
            if len(parts) < 2:
                continue
            scores = {}
            place = self._quarters(labels, view)
            for part in parts:
                here = place == part
                if here.any():
                    scores[part] = {two: float(looks_NHW[self._people.index(two)][here].mean()) for two in said}
            for two in sorted(lost):
                better = {part: score[two] - score[one] for part, score in scores.items()}
                if better and max(better.values()) > 0 > min(better.values()):
                    part = max(better, key=better.__getitem__)
                    own = labels == part
                    out[two] = np.where(own, np.maximum(out[two], out[one]), out[two])
                    out[one] = np.where(own, np.float32(0), out[one])
                    del scores[part]
        return out

    def _meet(self, people: Iterable[int]) -> None:
        """Make room for those who are new; frames before know nothing of them."""
        new = [one for one in sorted(people) if one not in self._people]
        if not new:
            return
        self._people += new
        self._given = deque(_with_room(m, len(new)) for m in self._given)
        self._recent = deque((_with_room(m, len(new)) for m in self._recent), maxlen=self._recent.maxlen)
        self._last = None if self._last is None else _with_room(self._last, len(new))

    def _seen(self, image: WorkingImage, around: Iterable[Probability]) -> tuple[View, Features]:
        """What the network sees of a picture around people; looked at once, though asked for twice."""
        view = self._view(around)
        if self._frame is not None and self._frame[0] is image and self._frame[1].holds(view):
            return self._frame[1:]
        (height, width), (tall, wide) = self._size, self._padded
        whole = cv2.copyMakeBorder(image, 0, tall - height, 0, wide - width, cv2.BORDER_REPLICATE)
        small = np.ascontiguousarray(whole[view.window])
        codes = torch.from_numpy(small).to(self._device).permute(2, 0, 1)[None].float() / 255.0
        (features,) = self._network.encode(codes.contiguous(memory_format=torch.channels_last))
        self._frame = image, view, features
        return view, features

    def _view(self, around: Iterable[Probability]) -> View:
        """What to look at: people and what is around them; everything where there is nobody."""
        union = np.zeros(self._size, bool)
        for plane in around:
            union |= plane > _THERE
        sides = []
        for hit, end in zip((union.any(axis=1), union.any(axis=0)), self._padded, strict=True):
            places = np.flatnonzero(hit)
            first, last = (int(places[0]), int(places[-1]) + 1) if places.size else (0, end)
            low, high = max(0, first - self._around) // _GRID, -(-(last + self._around) // _GRID)
            sides.append((low * _GRID, min(end, high * _GRID)))
        return View(*sides[0], *sides[1])

    def _halves(self, planes: Planes, view: View) -> Tensor:
        """(n, h, w) at a half of the picture, in the order of people; zeros for those who are not there."""
        out = np.zeros((len(self._people), view.bottom - view.top, view.right - view.left), np.float32)
        for row, one in enumerate(self._people):
            if one in planes:
                part = planes[one][view.window]
                out[row, : part.shape[0], : part.shape[1]] = part
        return functional.avg_pool2d(torch.from_numpy(out)[:, None], 2)[:, 0].to(self._device)

    def _quarters(self, labels: NDArray[np.int32], view: View) -> NDArray[np.int32]:
        """The labels at a quarter of the picture."""
        out = np.zeros((view.bottom - view.top, view.right - view.left), np.int32)
        part = labels[view.window]
        out[: part.shape[0], : part.shape[1]] = part
        return out[::4, ::4]

    def _flags(self, people: Iterable[int]) -> Tensor:
        """(n,) 1 for those named."""
        named = set(people)
        return torch.tensor([float(one in named) for one in self._people], device=self._device)

    def _changed(self, claims: Planes, prior: Prior, view: View, *, logits_NHW: Tensor) -> Planes:
        ids = sorted(claims)
        rows = [self._people.index(one) for one in ids]
        change = (logits_NHW.clamp(-_SURE, _SURE) - odds(prior.seen_NHW, doubt=_LEAST))[rows]
        large = functional.interpolate(change[:, None], scale_factor=2.0, mode="bilinear")[:, 0]
        own = torch.from_numpy(np.stack([claims[one][view.window] for one in ids])).to(self._device)
        _, height, width = own.shape
        masks = shares(odds(own, doubt=_LEAST) + large[:, :height, :width])[1:].exp().cpu().numpy()
        out = {one: claims[one].copy() for one in ids}
        for one, mask in zip(ids, masks, strict=True):
            out[one][view.window] = mask
        return out


def _parts(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], list[int]]:
    """Label the connected parts of a mask, and say which are no crumbs."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    least = _PART * areas[1:].max(initial=0)
    return labels, [part for part in range(1, count) if areas[part] >= least]


@dataclass(frozen=True, slots=True)
class View:
    """A part of the picture, which is filled up to whole places of a sixteenth; its sides are such, too."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def holds(self, other: View) -> bool:
        """Whether all of another part lies in it."""
        rows = self.top <= other.top and other.bottom <= self.bottom
        return rows and self.left <= other.left and other.right <= self.right


def ask(
    network: PropagateNet, frame: Features, memory: Sequence[Memory], prior: Prior
) -> tuple[Tensor, Decoded, Tensor]:
    """Logits of everybody on a frame, what they come from, and (n,) 1 for those whom some frame remembered knows."""
    found: Decoded = network(frame, memory, prior)
    known_N = torch.stack([m.known_N for m in memory]).amax(dim=0)
    return of_the_known(found.logits_NHW, known_N), found, known_N


def of_the_known(logits_NHW: Tensor, known_N: Tensor) -> Tensor:
    """Logits of those whom some frame remembered knows (1); the others have no pixel."""
    return torch.where(known_N[:, None, None] > 0, logits_NHW, _NOBODY)


def shares(logits_NHW: Tensor) -> Tensor:
    """(n + 1, h, w) log shares of the background, then of everybody: a softmax with a logit of 0 for the background."""
    return torch.cat([torch.zeros_like(logits_NHW[:1]), logits_NHW]).log_softmax(dim=0)


def _with_room(memory: Memory, more: int) -> Memory:
    """Rows for those who were not known then."""

    def longer(values: Tensor) -> Tensor:
        return torch.cat([values, values.new_zeros((more, *values.shape[1:]))])

    return replace(
        memory,
        value_NVM=longer(memory.value_NVM),
        known_N=longer(memory.known_N),
        look_NC=longer(memory.look_NC),
    )
