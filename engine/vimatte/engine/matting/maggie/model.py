"""`MaggieMatting`: all people of a frame at once, over windows of three frames that hand their mattes on."""

# ruff: noqa: N803, N806, N815 - names carry shapes: N people, T frames, H height, W width at the network's size
from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.device import inference
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.maggie.encoder import PEOPLE
from vimatte.engine.matting.maggie.network import Encoded, Maggie
from vimatte.engine.matting.maggie.pipeline import (
    SHORT_SIDE,
    ends,
    fitted,
    network_masks,
    network_picture,
    restored,
)
from vimatte.engine.matting.maggie.weights import open_networks
from vimatte.engine.matting.sizes import check_sizes
from vimatte.engine.refine.couple import couple
from vimatte.engine.shot import Picture, Shot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.windows import Stretch, stretches

__all__ = ["MaggieMatting"]

_INSTEAD = "--proxy 2 for mattes at half the size"
"""What else to type where memory is short."""
_LENGTH = 10
"""Frames from one fresh start to the next. What is handed on acts where two frames agree exactly: it fades at once."""
_WARM_UP = 2
_LONGEST = 4
"""Pictures longer than this many times their shorter side are made smaller, so that slivers stay affordable."""

Group = tuple[int, ...]
"""Ids of the people that go through the network together, in their slots' order."""


@dataclass(slots=True)
class _Frame:
    """A frame on its way through the windows."""

    number: int
    picture_3HW: Tensor
    encoded: dict[Group, Encoded] = field(default_factory=dict)


class MaggieMatting:
    """MaGGIe (Huynh et al., CVPR 2024): the video network on clips, the image network on shots of one or two frames.

    Every frame is encoded once and decoded in three windows. Where only one of the two sets of weights is there, the
    video network mattes a still as three equal frames, and the image network mattes clips frame by frame.
    """

    name = "maggie"
    # A stretch starts one frame before its warm-up. The frames after it count too: they say who shares the network.
    reach = _LENGTH + _WARM_UP

    def __init__(
        self, *, device: str = "cpu", state: Mapping[str, Tensor] | None = None, short_side: int = SHORT_SIDE
    ) -> None:
        """Take weights in memory (of either network), or the user's own from the cache. Raises BackendError.

        Larger pictures are matted with a shorter side of `short_side` pixels, as the networks were trained at, and
        the mattes resized to the plate.
        """
        self._device = device
        self._short = short_side
        self._networks = open_networks(state, device=device)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel."""
        return {
            "matting": self.name,
            "matting_version": 1,
            "short_side": self._short,
            "stretch": _LENGTH,
            "warm_up": _WARM_UP,
            **{f"weights.{name}": digest for name, digest in self._networks.digests.items()},
        }

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Yield the mattes of `frames` (ascending), one row for every id of `tracks.ids`, zeros where absent."""
        check_sizes(shot, tracks)
        available = shot.frames.numbers
        video = self._networks.video
        if video is None or len(available) < 3:
            yield from self._stills(shot, tracks, frames)
            return
        for stretch in stretches(available, frames, length=_LENGTH, warm_up=_WARM_UP):
            yield from self._clip(video, shot, tracks, stretch)

    # -- stills ----------------------------------------------------------------------------------------------------

    def _stills(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        with closing(shot.pictures(frames)) as pictures:
            for number, picture in pictures:
                canvas = _Canvas(tracks, number)
                with inference(self._device, what="MaGGIe", instead=_INSTEAD):
                    for group in _groups(tracks.masks_on(number)):
                        self._still(canvas, picture, group)
                yield canvas.frame()

    def _still(self, canvas: _Canvas, picture: Picture, group: Group) -> None:
        size = self._size(canvas.size)
        planes = network_picture(picture, size, device=self._device)[None, None]
        masks_NHW = network_masks(canvas.masks(group), size, device=self._device)
        if not masks_NHW.any():
            return
        network = self._networks.image
        if network is not None:
            # What the image network was trained and is evaluated with: every eighth pixel, enlarged again.
            sparse = masks_NHW[:, ::8, ::8]
            lost = (masks_NHW.any(2).any(1) & ~sparse.any(2).any(1)).any()
            alphas_NHW = network(planes, (masks_NHW if lost else sparse)[None, None]).refined[0, 0]
        else:
            network = self._networks.video
            assert network is not None
            masks = masks_NHW.expand(1, 3, -1, -1, -1)
            alphas_NHW = network(planes.expand(-1, 3, -1, -1, -1), masks).refined[0, 1]
        canvas.put(group, alphas_NHW, seen=masks_NHW, size=size)

    # -- clips -----------------------------------------------------------------------------------------------------

    def _clip(self, network: Maggie, shot: Shot, tracks: TrackSet, stretch: Stretch) -> Generator[MatteFrame]:
        """Mattes of one stretch. A frame's are the middle ones of its window, those of the shot's ends their own."""
        available = shot.frames.numbers
        last = len(available) - 2
        first = max(1, available.index((*stretch.warm_up, *stretch.frames)[0]))
        until = max(first, min(last, available.index(stretch.wanted[-1])))
        # Who goes through the network together must not hang on which of the stretch's frames were asked for.
        whole = available[first - 1 : min(last, available.index(stretch.frames[-1])) + 2]
        here = [one for one in tracks.ids if any(n in tracks.masks[one] for n in whole)]
        groups = _groups(here)
        wanted = set(stretch.wanted)
        previous: dict[Group, Tensor] = {}
        held: list[_Frame] = []
        with closing(shot.pictures(available[first - 1 : until + 2])) as pictures:
            for number, picture in pictures:
                size = self._size(picture.shape[:2])
                held = [*held[-2:], _Frame(number, network_picture(picture, size, device=self._device))]
                if len(held) < 3:
                    continue
                centre = held[1].number
                edges = [available[0]] * (centre == available[1]), [available[-1]] * (centre == available[last])
                canvases = {n: _Canvas(tracks, n) for n in (*edges[0], centre, *edges[1]) if n in wanted}
                with inference(self._device, what="MaGGIe", instead=_INSTEAD):
                    for group in groups:
                        self._window(network, tracks, held, group, previous=previous, canvases=canvases)
                yield from (canvas.frame() for canvas in canvases.values())

    def _window(
        self,
        network: Maggie,
        tracks: TrackSet,
        held: Sequence[_Frame],
        group: Group,
        *,
        previous: dict[Group, Tensor],
        canvases: Mapping[int, _Canvas],
    ) -> None:
        """Matte a group in one window onto the canvases, and leave its middle frame in `previous`."""
        size = self._size((tracks.height, tracks.width))
        before = previous.pop(group, None)
        if not any(frame.number in tracks.masks[one] for frame in held for one in group):
            return
        for frame in held:
            if group not in frame.encoded:
                masks = network_masks(_Canvas(tracks, frame.number).masks(group), size, device=self._device)
                frame.encoded[group] = network.encode(frame.picture_3HW[None], masks[None])
        encoded = Encoded.joined([frame.encoded[group] for frame in held])
        if not encoded.masks_FN88.any():
            return
        # The first frame is refined only for the start of a stretch: later it was the middle one before.
        out = network.decode(encoded, previous_BNHW=before, skip=0 if before is None else 1)
        previous[group] = out.refined[:, 1]
        for index, frame in enumerate(held):
            if frame.number in canvases:
                seen = frame.encoded[group].masks_FN88[0]
                canvases[frame.number].put(group, out.refined[0, index], seen=seen, size=size)

    def _size(self, plate: tuple[int, ...]) -> tuple[int, int]:
        height, width = plate
        longest = max(1, _LONGEST * self._short * min(plate) // max(plate))
        # The authors enlarge smaller pictures; here that would make proxies as slow as plates.
        return fitted(height, width, short=min(self._short, min(plate), longest))


class _Canvas:
    """A frame's mattes in the making: the masks themselves, until a group's mattes are put there.

    So whoever is too small for the network to see has the mask for a matte.
    """

    def __init__(self, tracks: TrackSet, number: int) -> None:
        self._tracks, self._number = tracks, number
        self.size = (tracks.height, tracks.width)
        self._alphas = {one: mask.astype(np.float32) for one, mask in tracks.masks_on(number).items()}

    def masks(self, group: Group) -> NDArray[np.bool_]:
        return np.stack([self._tracks.mask(one, self._number) for one in group])

    def put(self, group: Group, alphas_NHW: Tensor, *, seen: Tensor, size: tuple[int, int]) -> None:
        """Take a group's mattes where the network had a mask, `seen` (n, …): it gives something for the absent too."""
        plates = ends(restored(alphas_NHW, size, plate=self.size)).cpu().numpy()
        for one, alpha, known in zip(group, plates, seen.flatten(1).any(1).tolist(), strict=True):
            if known:
                self._alphas[one] = alpha

    def frame(self) -> MatteFrame:
        alphas = np.zeros((len(self._tracks.ids), *self.size), np.float32)
        for row, one in enumerate(self._tracks.ids):
            if one in self._alphas:
                alphas[row] = self._alphas[one]
        return MatteFrame(number=self._number, ids=self._tracks.ids, alphas=couple(alphas))


def _groups(ids: Iterable[int]) -> list[Group]:
    """As many together as the network tells apart, in order."""
    people = list(ids)
    return [tuple(people[start : start + PEOPLE]) for start in range(0, len(people), PEOPLE)]
