"""A sweep of `lite.propagate` through time: soft masks carried from frame to frame in bounded memory."""

# ruff: noqa: N803, N806 - names carry shapes: N people, H height, W width

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vimatte.engine.device import inference
from vimatte.engine.lite.propagate.motion import motion_between, stillness
from vimatte.engine.lite.propagate.network import Decoded, Features, Memory, PropagateNet
from vimatte.engine.lite.propagate.step import People, decode, settle, shares
from vimatte.engine.vis.cuts import is_cut
from vimatte.engine.vis.flow import WorkingImage
from vimatte.engine.vis.propagation.frames import WorkingFrames
from vimatte.engine.vis.propagation.soft import Probability, SoftMask
from vimatte.engine.vis.propagation.wholes import make_whole

__all__ = ["SETTINGS", "sweep"]

SETTINGS: Mapping[str, str | int | float] = {
    "lite_long_side": 640,
    "lite_given": 4,
    "lite_recent": 4,
    "lite_every": 5,
}
"""Working size; frames with given masks, and others, that are remembered; how far apart the others lie."""

_GRID = 16
"""Sides of pictures are multiples of it."""
_FADE = 0.97
"""What trust keeps from frame to frame where everything is clear."""

Known = Mapping[int, Mapping[int, Probability | None]]
"""Frame number -> instance id -> coverage at working size, None for absent."""


def sweep(
    network: PropagateNet,
    frames: WorkingFrames,
    numbers: Sequence[int],
    *,
    known: Known,
    exact: bool,
    device: str = "cpu",
) -> Iterator[tuple[int, dict[int, SoftMask]]]:
    """Carry `known` masks along `numbers` (ascending or descending), yielding (number, id -> soft mask) for each.

    Somebody who has not been met yet has no entry. With `exact` false known masks are mended before they are carried.
    Memory is that of nine frames at a sixteenth, however long the shot.
    """
    people = sorted({one for number in numbers for one in known.get(number, {})})
    carrier = _Carrier(network, people, height=frames.height, width=frames.width, exact=exact, device=device)
    for at, number in enumerate(numbers):
        image = frames.get(number, ahead=numbers[at : at + 48])
        with inference(device, what="lite.propagate", instead="--propagate classical"):
            masks = carrier.step(image, known.get(number, {}))
        yield number, masks


class _Carrier:
    """What a sweep knows: the picture and the masks before, the frames remembered, and who has been met."""

    def __init__(
        self, network: PropagateNet, people: Sequence[int], *, height: int, width: int, exact: bool, device: str
    ) -> None:
        self._network, self._people, self._exact, self._device = network, tuple(people), exact, device
        self._size = height, width
        self._padded = -(-height // _GRID) * _GRID, -(-width // _GRID) * _GRID
        self._given: deque[Memory] = deque()
        self._recent: deque[Memory] = deque(maxlen=int(SETTINGS["lite_recent"]))
        self._last: Memory | None = None
        self._since = 0
        self._image: WorkingImage | None = None
        self._now = People.first(self._nobody())
        self._met_N = torch.zeros(len(people), device=device)
        self._trust = np.ones(len(people))
        self._areas = np.zeros(len(people))

    def step(self, image: WorkingImage, known: Mapping[int, Probability | None]) -> dict[int, SoftMask]:
        """Move to the next picture."""
        now = self._fitted(image)
        before, self._image = self._image, now
        if before is not None and self._cut(now, before):
            self._forget()
        memory = self._remembered()
        if not known and not memory:
            return self._said()
        frame = self._encode(now)
        given_N = self._flags(known)
        self._met_N = torch.maximum(self._met_N, given_N)
        mask = self._nobody()
        if memory and before is not None:
            motion = motion_between(now, before).to(self._device)
            self._now = self._now.moved(motion)
            mask = self._judged(decode(self._network, frame, memory, people=self._now, motion=motion))
            mask = self._whole(mask)
        if known:
            mask = settle(mask, self._planes(known), given_N=given_N)
            self._trust[given_N.cpu().numpy() > 0] = 1.0
            self._areas = np.maximum(self._areas, _areas(mask))
            if not self._exact:
                mask = self._mended(mask, frame, known)
        self._keep(self._network.remember(frame, mask, known_N=self._met_N), given=bool(known))
        self._now = self._now.seen(mask)
        return self._said()

    def _mended(self, mask_NHW: Tensor, frame: Features, known: Mapping[int, Probability | None]) -> Tensor:
        """Masks that are evidence only as the network has them; who is known to be absent has none."""
        seen = self._network.remember(frame, mask_NHW, known_N=self._met_N)
        still = stillness(mask_NHW).to(self._device)
        people = People.first(mask_NHW)
        found = decode(self._network, frame, [*self._remembered(), seen], people=people, motion=still)
        absent_N = self._flags(one for one, mask in known.items() if mask is None)
        return settle(shares(found.logits_NHW)[1:].exp(), self._nobody(), given_N=absent_N)

    def _judged(self, found: Decoded) -> Tensor:
        """Masks; trust fades, sooner for those whose masks are unclear."""
        mask = shares(found.logits_NHW)[1:].exp()
        clear = (2.0 * mask - 1.0).clamp_min(0.0).sum(dim=(1, 2)) / mask.sum(dim=(1, 2)).clamp_min(1.0)
        self._trust *= _FADE * (0.8 + 0.2 * clear.double().cpu().numpy())
        return mask

    def _remembered(self) -> list[Memory]:
        last = [self._last] if self._last is not None else []
        return [*self._given, *self._recent, *last]

    def _keep(self, now: Memory, *, given: bool) -> None:
        """Remember the first frames with given masks and the last ones; of others a few, some frames apart."""
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

    def _whole(self, mask_NHW: Tensor) -> Tensor:
        """People are in one piece: a head that looks like somebody else's, on this body, is this body's."""
        whole = make_whole(mask_NHW.cpu().numpy(), np.maximum(self._areas, 1.0))
        mask = torch.from_numpy(whole).to(self._device)
        self._areas = np.maximum(0.9 * self._areas, _areas(mask))
        return mask

    def _forget(self) -> None:
        """Nothing of another scene is here."""
        self._given.clear()
        self._recent.clear()
        self._last, self._since = None, 0
        self._now = People.first(self._nobody())

    def _cut(self, now: WorkingImage, before: WorkingImage) -> bool:
        """Whether another scene begins: little looks as it did after motion, and the colours are others."""
        small = [cv2.resize(picture, (160, 96), interpolation=cv2.INTER_AREA) for picture in (now, before)]
        agree = 1.0 - float(motion_between(small[0], small[1]).disagreement_1HW.mean())
        return is_cut(max(0.0, 4.0 * agree - 3.0), before=_colours(small[1]), now=_colours(small[0]))

    def _encode(self, image: WorkingImage) -> Features:
        codes = torch.from_numpy(image).to(self._device).permute(2, 0, 1)[None].float() / 255.0
        (frame,) = self._network.encode(codes.contiguous(memory_format=torch.channels_last))
        return frame

    def _fitted(self, image: WorkingImage) -> WorkingImage:
        """The picture with its edge repeated until sides are multiples of the grid."""
        (height, width), (tall, wide) = self._size, self._padded
        if (height, width) == (tall, wide):
            return image
        return np.asarray(cv2.copyMakeBorder(image, 0, tall - height, 0, wide - width, cv2.BORDER_REPLICATE), np.uint8)

    def _planes(self, known: Mapping[int, Probability | None]) -> Tensor:
        """(n, h / 2, w / 2) known masks, 0 where there is none."""
        (height, width), (tall, wide) = self._size, self._padded
        planes = torch.zeros(len(self._people), tall, wide)
        for row, one in enumerate(self._people):
            mask = known.get(one)
            if mask is not None:
                planes[row, :height, :width] = torch.from_numpy(mask)
        # What two claim is halved: together nobody has more than all of a pixel.
        planes /= planes.sum(dim=0).clamp_min(1.0)
        return functional.avg_pool2d(planes[:, None], 2)[:, 0].to(self._device)

    def _flags(self, people: Iterable[int]) -> Tensor:
        """(n,) 1 for those named."""
        named = set(people)
        return torch.tensor([float(one in named) for one in self._people], device=self._device)

    def _nobody(self) -> Tensor:
        tall, wide = self._padded
        return torch.zeros(len(self._people), tall // 2, wide // 2, device=self._device)

    def _said(self) -> dict[int, SoftMask]:
        """Soft masks at working size of those met so far."""
        height, width = self._size
        big = functional.interpolate(self._now.mask_NHW[:, None], scale_factor=2.0, mode="bilinear")
        planes: NDArray[np.float32] = big[:, 0, :height, :width].cpu().numpy()
        met = self._met_N.cpu().numpy() > 0
        return {
            one: SoftMask.pack(planes[row], trust=float(self._trust[row]))
            for row, one in enumerate(self._people)
            if met[row]
        }


def _areas(mask_NHW: Tensor) -> NDArray[np.float64]:
    """How many pixels each has."""
    return np.asarray(mask_NHW.sum(dim=(1, 2)).double().cpu().numpy())


def _colours(image: WorkingImage) -> NDArray[np.float64]:
    """How often each of 512 colours occurs."""
    codes = (image >> 5).astype(np.int64) @ np.array([64, 8, 1])
    return np.bincount(codes.ravel(), minlength=512).astype(np.float64)
