"""The network of `lite.propagate`: masks of everybody on a frame, from masks of the same people on other frames.

Three sources meet in one decoder, which all people share; its word is carried on, and remembered:

- Memory (space-time memory, Oh et al., ICCV 2019, with the affinity of Cheng et al., 'Rethinking Space-Time Networks',
  NeurIPS 2021, eq. 3): every sixteenth pixel of the frame asks all those of the frames remembered how alike they look,
  and is told the masks that were there, 4 x 4 values to a place, and what was learned about them.
- Claims: what people as layers over a clean plate say (`vis.propagation`): where each is seen, where they are behind
  others, how far the picture there is from what they looked like, and how surely flow followed.
- Objects (the idea of OAVM, Zhang et al., section 3.3): a vector for each person, the mean of the features in their
  masks, says where the frame looks like them and scales the decoder's channels.

People see each other at a sixteenth and as 'the others' further up; a softmax over them and the background (a logit of
0) gives every pixel to somebody once.
"""

# ruff: noqa: N803, N806, N815 - names carry shapes: B pictures, N people, C channels, K key channels, V values, M places
# remembered, P places of a frame at a sixteenth, H height, W width; 2, 4, 8, 16: at a half to a sixteenth

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vimatte.engine.lite.encoder import MobileNetV2

__all__ = ["Decoded", "Features", "Memory", "Prior", "PropagateNet", "odds"]

_KEYS = 64
_LOOKS = 64
_LEARNED = 32
_CELL = 16
"""Mask values remembered at a place: 4 x 4, at a quarter of the picture."""
_WIDE = 96
_LEAST = 1e-3
_FAR = 0.03
"""Chance of somebody being where their layer is not, against being where it is."""
_DOUBT = 0.05
"""Chance that a source is wrong, as the decoder begins; what it adds is learned."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """One frame as the network sees it."""

    f2_1CHW: Tensor
    f4_1CHW: Tensor
    f8_1CHW: Tensor
    f16_1CHW: Tensor
    key_KP: Tensor
    """What memory is asked with."""
    look_1CHW: Tensor
    """What objects are made of and compared with, at a sixteenth."""


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """What is claimed of one frame; at a half of the picture."""

    seen_NHW: Tensor
    """Where everybody is seen."""
    whole_NHW: Tensor
    """Where they are, behind others too."""
    strange_NHW: Tensor
    """How far the picture there is from what they looked like, 0 to 1."""
    unsure_1HW: Tensor
    """Where flow did not follow, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """One frame remembered, with the masks people had there."""

    key_KM: Tensor
    value_NVM: Tensor
    """16 mask values, then what was learned; of people not known there 0."""
    known_N: Tensor
    """1 where the masks say of somebody where they are, or that they are not there; 0 where nothing is known."""
    look_NC: Tensor
    """Sum of the features in each mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What the network says of one frame."""

    logits_NHW: Tensor
    """At a half of the picture, against 0 for the background."""
    matched_NHW: Tensor
    """At a quarter: the masks as memory alone has them, 0 to 1."""


class PropagateNet(nn.Module):
    """Pictures are (b, 3, h, w), sRGB-coded, 0 to 1, sides multiples of 16; masks are soft, at half of that."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MobileNetV2()
        c2, c4, c8, c16 = MobileNetV2.channels
        self.key = nn.Conv2d(c16, _KEYS, 1)
        self.look = nn.Conv2d(c16, _LOOKS, 1)
        self.sharp = nn.Parameter(torch.zeros(()))
        self.value = nn.Sequential(
            nn.Conv2d(_LOOKS + 2 * _CELL, 64, 1), nn.ReLU(), _spread(64), nn.ReLU(), nn.Conv2d(64, _LEARNED, 1)
        )
        self.enter = nn.Conv2d(_LOOKS + 4 * _CELL + _LEARNED + 3, _WIDE, 1)
        self.blocks = nn.ModuleList(_Together() for _ in range(2))
        self.skip8, self.skip4, self.skip2 = nn.Conv2d(c8, 48, 1), nn.Conv2d(c4, 32, 1), nn.Conv2d(c2, 16, 1)
        self.down8, self.down4, self.down2 = nn.Conv2d(_WIDE, 48, 1), nn.Conv2d(48, 32, 1), nn.Conv2d(32, 16, 1)
        self.mix8 = nn.Conv2d(48 + 7, 48, 3, padding=1)
        self.mix4 = nn.Sequential(
            nn.Conv2d(32 + 7, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()
        )
        self.mix2 = nn.Sequential(nn.Conv2d(16 + 3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1))
        self.believe = nn.Parameter(torch.tensor([0.7, 0.3]))
        """Claims, and memory."""

    def encode(self, picture_BCHW: Tensor) -> list[Features]:
        """Look at pictures; one value each."""
        f2, f4, f8, f16 = self.encoder(picture_BCHW)
        key, look = self.key(f16), self.look(f16).float()
        return [
            Features(
                f2_1CHW=f2[b : b + 1],
                f4_1CHW=f4[b : b + 1],
                f8_1CHW=f8[b : b + 1],
                f16_1CHW=f16[b : b + 1],
                key_KP=key[b].flatten(1),
                look_1CHW=look[b : b + 1],
            )
            for b in range(len(f16))
        ]

    def remember(self, frame: Features, mask_NHW: Tensor, *, known_N: Tensor) -> Memory:
        """Keep a frame with its masks (n, h / 2, w / 2); `known_N` is 1 for those of whom the masks tell."""
        N = len(mask_NHW)
        mask4 = functional.avg_pool2d(mask_NHW[:, None] * known_N[:, None, None, None], 2)
        own = functional.pixel_unshuffle(mask4, 4)
        others = own.sum(dim=0, keepdim=True) - own
        look = frame.look_1CHW
        learned = self.value(torch.cat([look.expand(N, -1, -1, -1), own, others], dim=1))
        value = torch.cat([own, learned * known_N[:, None, None, None]], dim=1)
        cover = own.mean(dim=1)
        return Memory(
            key_KM=frame.key_KP,
            value_NVM=value.flatten(2),
            known_N=known_N,
            look_NC=torch.einsum("nhw,chw->nc", cover, look[0]),
        )

    def forward(self, frame: Features, memory: Sequence[Memory], prior: Prior) -> Decoded:
        """Find everybody on a frame."""
        N = len(prior.seen_NHW)
        _, _, h, w = frame.f16_1CHW.shape
        read = self._read(frame, memory).view(N, -1, h, w)
        seen2, unsure2 = prior.seen_NHW[:, None], prior.unsure_1HW[None].expand(N, -1, -1, -1)
        seen4, whole4, strange4, unsure4 = (
            functional.avg_pool2d(x, 2) for x in (seen2, prior.whole_NHW[:, None], prior.strange_NHW[:, None], unsure2)
        )
        matched4 = _told_apart(functional.pixel_shuffle(read[:, :_CELL], 4), torch.maximum(seen4, whole4))
        own, learned = functional.pixel_unshuffle(matched4, 4), read[:, _CELL:]
        claimed = functional.pixel_unshuffle(seen4, 4)
        likeness = _likeness(frame, memory)
        look = frame.look_1CHW.expand(N, -1, -1, -1)
        unsure16 = functional.avg_pool2d(unsure4, 4)
        entering = [look, own, _others(own), claimed, _others(claimed), learned, likeness, unsure16]
        x = torch.relu(self.enter(torch.cat(entering, dim=1)))
        vector = _vectors(memory)
        for block in self.blocks:
            x = block(x, vector)

        hints = torch.cat([matched4, _others(matched4), seen4, _others(seen4), unsure4, whole4, strange4], dim=1)
        hints = hints.to(x.dtype)
        x = _twice(self.down8(x)) + self.skip8(frame.f8_1CHW)
        x = torch.relu(self.mix8(torch.cat([torch.relu(x), functional.avg_pool2d(hints, 2)], dim=1)))
        x = _twice(self.down4(x)) + self.skip4(frame.f4_1CHW)
        x = self.mix4(torch.cat([torch.relu(x), hints], dim=1))
        x = _twice(self.down2(x)) + self.skip2(frame.f2_1CHW)
        claims2 = torch.cat([seen2, _others(seen2), unsure2], dim=1).to(x.dtype)
        x = self.mix2(torch.cat([torch.relu(x), claims2], dim=1))
        remembered = odds(_twice(matched4)[:, 0], doubt=_DOUBT)
        known = self.believe[0] * odds(prior.seen_NHW, doubt=_DOUBT) + self.believe[1] * remembered
        return Decoded(x[:, 0] + known, matched4[:, 0])

    def alike(self, frame: Features, memory: Sequence[Memory]) -> Tensor:
        """(n, h / 4, w / 4): the masks of the picture by looks alone, wherever anybody was."""
        _, _, h, w = frame.f16_1CHW.shape
        read = self._read(frame, memory)[:, :_CELL]
        return functional.pixel_shuffle(read.view(len(read), _CELL, h, w), 4)[:, 0]

    def _read(self, frame: Features, memory: Sequence[Memory]) -> Tensor:
        """(n, v, p): for each place the mean of what is remembered, weighed by likeness, over frames that know."""
        key_KM = torch.cat([m.key_KM for m in memory], dim=1)
        value_NVM = torch.cat([m.value_NVM for m in memory], dim=2)
        known_NM = torch.cat([m.known_N[:, None].expand(-1, m.key_KM.shape[1]) for m in memory], dim=1)
        scale = self.sharp.exp() / _KEYS**0.5
        # -|k - q|^2 without |q|^2, which is the same for all places remembered.
        likeness_PM = (2.0 * frame.key_KP.T @ key_KM - key_KM.float().square().sum(dim=0)) * scale
        weight_PM = likeness_PM.softmax(dim=1).to(key_KM.dtype)
        # One product for everybody: everything that is read has its own row.
        N, V, M = value_NVM.shape
        rows = torch.cat([value_NVM.reshape(N * V, M), known_NM]).to(key_KM.dtype)
        read: Tensor = (rows @ weight_PM.T).float()
        sure_NP = read[N * V :].clamp_min(_LEAST)
        return read[: N * V].view(N, V, -1) / sure_NP[:, None]


class _Together(nn.Module):
    """Look around, see what the others have, be scaled by who it is."""

    def __init__(self) -> None:
        super().__init__()
        self.around = _spread(_WIDE)
        self.join = nn.Conv2d(2 * _WIDE, _WIDE, 1)
        self.scale = nn.Linear(_LOOKS, _WIDE)

    def forward(self, x_NCHW: Tensor, vector_NC: Tensor) -> Tensor:
        x = torch.relu(self.around(x_NCHW))
        others = (x.sum(dim=0, keepdim=True) - x) / max(1, len(x) - 1)
        x = self.join(torch.cat([x, others], dim=1))
        scale = (1.0 + self.scale(vector_NC)[:, :, None, None].tanh()).to(x.dtype)
        scaled: Tensor = x_NCHW + x * scale
        return scaled.relu()


def _spread(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 5, padding=2, groups=channels), nn.Conv2d(channels, channels, 1))


def _others(mask_N1HW: Tensor) -> Tensor:
    """The sum of the others' masks for each person."""
    return mask_N1HW.sum(dim=0, keepdim=True) - mask_N1HW


def _vectors(memory: Sequence[Memory]) -> Tensor:
    """(n, c): the mean feature of each person, scaled to length 1; 0 for those never seen."""
    look = torch.stack([m.look_NC for m in memory]).sum(dim=0)
    return functional.normalize(look, dim=1, eps=_LEAST)


def _likeness(frame: Features, memory: Sequence[Memory]) -> Tensor:
    """(n, 2, h, w): cosine of the frame with each person, and with whom of the others it is most alike, or -1."""
    look = functional.normalize(frame.look_1CHW[0], dim=0, eps=_LEAST)
    alike = torch.einsum("chw,nc->nhw", look, _vectors(memory))
    N = len(alike)
    if N == 1:
        return torch.stack([alike, torch.full_like(alike, -1.0)], dim=1)
    rows = alike[None].expand(N, -1, -1, -1).masked_fill(torch.eye(N, dtype=torch.bool)[:, :, None, None], -1.0)
    return torch.stack([alike, rows.amax(dim=1)], dim=1)


def _told_apart(matched_N1HW: Tensor, place_N1HW: Tensor) -> Tensor:
    """Give what memory finds alike to those who are near.

    At a place that could be several people's, the share of each is multiplied by whether their layer is there or close
    by. What is one's alone stays, wherever it is.
    """
    near = (place_N1HW + _largest(place_N1HW, 2) + _largest(place_N1HW, 6)) / 3
    weighed = matched_N1HW * (_FAR + (1.0 - _FAR) * near)
    return weighed * (matched_N1HW.sum(dim=0) / weighed.sum(dim=0).clamp_min(1e-4)).clamp_max(1.0 / _FAR)


def _largest(x_NCHW: Tensor, reach: int) -> Tensor:
    """The largest value no more than `reach` away, along one side and then the other."""
    rows = functional.max_pool2d(x_NCHW, (2 * reach + 1, 1), 1, (reach, 0))
    return functional.max_pool2d(rows, (1, 2 * reach + 1), 1, (0, reach))


def odds(share_NHW: Tensor, *, doubt: float) -> Tensor:
    """(n, h, w) log odds of everybody against the background, never surer than 1 to `doubt`."""
    share = share_NHW.clamp(0.0, 1.0)
    rest = (1.0 - share.sum(dim=0, keepdim=True)).clamp(0.0, 1.0)
    return (share + doubt).log() - (rest + doubt).log()


def _twice(x_NCHW: Tensor) -> Tensor:
    return functional.interpolate(x_NCHW, scale_factor=2.0, mode="bilinear")
