"""`Oavm`: Object-Aware Video Matting of several tracked people.

The paper mattes one foreground from one first mask. Here each person has their own: they begin on the first frame of a
stretch they have a mask on, from that mask, and whoever was away begins anew. Between two beginnings the tracks only
say who is there; where a person is, the network says.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vimatte.engine.checkpoints import digest_of, load_state
from vimatte.engine.device import inference
from vimatte.engine.matte import MatteFrame
from vimatte.engine.matting.common.pictures import normalised, padded
from vimatte.engine.matting.oavm.config import OavmConfig
from vimatte.engine.matting.oavm.network import STRIDE, OavmNetwork
from vimatte.engine.matting.oavm.people import Group, kept, newcomers, present
from vimatte.engine.matting.oavm.weights import load_network
from vimatte.engine.matting.sizes import check_sizes
from vimatte.engine.refine.couple import couple
from vimatte.engine.shot import Shot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.windows import Stretch, stretches

__all__ = ["Oavm"]

_INSTEAD = "--proxy 2 for mattes of half the size"
"""What else to type where memory is short."""
_LENGTH = 48
"""Frames from one beginning to the next; the paper's figure 6 finds no decline over time, tracks may change sooner."""
_WARM_UP = 4
"""Frames computed before a stretch and thrown away: the same figure's mattes get better over the first few."""
_PIXELS_AT_ONCE = 4 * 1920 * 1088
"""People are matted together as long as their pictures have no more pixels than this in sum: about 4 GB."""


class Oavm:
    """Each person from their mask on the first frame of a stretch, everybody of a frame on one pass of the backbone."""

    name = "oavm"
    reach = _LENGTH - 1 + _WARM_UP

    def __init__(
        self, *, device: str = "cpu", state: Mapping[str, Tensor] | None = None, config: OavmConfig | None = None
    ) -> None:
        """Take weights in memory, or the user's own from the cache. Raises BackendError where there are none."""
        if state is None:
            loaded = load_state("oavm")
            state, self._sha256 = loaded.tensors, loaded.sha256
        else:
            self._sha256 = digest_of(state)
        network = OavmNetwork(config)
        load_network(network, state)
        self._device = device
        self._network = network.to(device).eval()

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Everything that changes a pixel."""
        return {
            "matting": self.name,
            "matting_version": 1,
            "stretch": _LENGTH,
            "warm_up": _WARM_UP,
            "weights.oavm": self._sha256,
        }

    def mattes(self, shot: Shot, tracks: TrackSet, frames: Sequence[int]) -> Generator[MatteFrame]:
        """Yield the mattes of `frames` (ascending), one row for every id of `tracks.ids`, zeros where absent."""
        check_sizes(shot, tracks)
        for stretch in stretches(shot.frames.numbers, frames, length=_LENGTH, warm_up=_WARM_UP):
            yield from self._stretch(shot, tracks, stretch)

    def _stretch(self, shot: Shot, tracks: TrackSet, stretch: Stretch) -> Generator[MatteFrame]:
        wanted = set(stretch.wanted)
        numbers = [n for n in (*stretch.warm_up, *stretch.frames) if n <= stretch.wanted[-1]]
        most = max(1, _PIXELS_AT_ONCE // (tracks.width * tracks.height))
        groups: list[Group] = []
        with closing(shot.pictures([n for n in numbers if present(tracks, n)])) as pictures:
            for number in numbers:
                here = present(tracks, number)
                alphas = np.zeros((len(tracks.ids), tracks.height, tracks.width), np.float32)
                groups = kept(groups, here)
                if here:
                    _, picture = next(pictures)
                    with inference(self._device, what="OAVM", instead=_INSTEAD):
                        groups += [self._begin(tracks, ids, number) for ids in newcomers(groups, here, most=most)]
                        planes = padded(normalised(picture, device=self._device), rim=0, multiple=STRIDE)
                        groups = self._step(planes, groups, out=alphas, ids=tracks.ids)
                if number in wanted:
                    yield MatteFrame(number=number, ids=tracks.ids, alphas=couple(alphas))

    def _begin(self, tracks: TrackSet, ids: tuple[int, ...], number: int) -> Group:
        masks = np.stack([tracks.mask(one, number) for one in ids]).astype(np.float32)
        planes = padded(torch.from_numpy(masks).to(self._device), rim=0, multiple=STRIDE)
        return Group(ids, self._network.start(planes[None]))

    def _step(
        self, planes: Tensor, groups: list[Group], *, out: NDArray[np.float32], ids: tuple[int, ...]
    ) -> list[Group]:
        """Matte everybody of one frame into their rows of `out`; the groups with their states for the next one."""
        frame = self._network.encode(planes[None])
        height, width = out.shape[1:]
        after = []
        for group in groups:
            found, state = self._network(frame, group.state)
            rows = [ids.index(one) for one in group.ids]
            out[rows] = found.alpha_BNHW[0, :, :height, :width].cpu().numpy()
            after.append(Group(group.ids, state))
        return after
