"""MSG-VIM: video instance matting guided by mask sequences (Li et al., WACV 2024)."""

# ruff: noqa: N803, N806 - names carry shapes: B clips, T frames, N = B T, C channels, H height, W width

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from vimatte.engine.matting.common.aspp import Aspp
from vimatte.engine.matting.common.decoder import Decoder, Scales
from vimatte.engine.matting.common.encoder import Encoder
from vimatte.engine.matting.msg_vim.recurrence import Recurrence

__all__ = ["INWARD", "Network"]

INWARD = 5
"""Red, green, blue; mask of the person, mask of the others."""
_STEADY, _RECURRENT = 16, 16
"""Channels of the guided feature: the first pass untouched, the others go through the recurrence (paper: the first)."""


class Network(nn.Module):
    """Alphas of one person and of everybody else, for clips of any length; entries are named as in the checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder(INWARD)
        self.aspp = Aspp()
        self.decoder = Decoder(2)
        self.decoder.layer4[0].add_module("tmp_network", Recurrence(_RECURRENT))

    def forward(self, x_BTCHW: Tensor, state_BCHW: Tensor | None = None) -> tuple[Scales, Tensor]:
        """Matte (b, t, 5, h, w), sides multiples of 32: alphas (b t, 2, h, w), and the state (b, 16, h/2, w/2).

        The state is what the recurrence holds after the last frame; given with the frames that follow, the result is
        that of one longer clip. None begins a clip.
        """
        clips, frames = x_BTCHW.shape[:2]
        encoded = self.encoder(x_BTCHW.flatten(0, 1))
        guide = self._guide(clips, frames, state_BCHW)
        scales: Scales = self.decoder(self.aspp(encoded.deep), encoded, guide=guide)
        return scales, guide.state

    def at_half(self, x4: Tensor, f2: Tensor, state_NCHW: Tensor | None) -> tuple[Tensor, Tensor]:
        """Do the decoder's step from 1/4 to 1/2 of the size for one frame of n clips, and give the next state."""
        guide = self._guide(x4.shape[0], 1, state_NCHW)
        return self.decoder.at_half(x4, f2, guide=guide), guide.state

    def _guide(self, clips: int, frames: int, state_BCHW: Tensor | None) -> _Guide:
        recurrence = cast(Recurrence, self.decoder.layer4.get_submodule("0.tmp_network"))
        return _Guide(recurrence, clips, frames, state_BCHW)


class _Guide:
    """Temporal feature guidance of one call: takes the state that was, holds the one that is."""

    state: Tensor

    def __init__(self, recurrence: Recurrence, clips: int, frames: int, state_BCHW: Tensor | None) -> None:
        self._recurrence, self._clips, self._frames, self._before = recurrence, clips, frames, state_BCHW

    def __call__(self, identity_NCHW: Tensor) -> Tensor:
        steady_NCHW, recurrent_NCHW = identity_NCHW[:, :_STEADY], identity_NCHW[:, _STEADY:]
        x_BTCHW = recurrent_NCHW.reshape(self._clips, self._frames, *recurrent_NCHW.shape[1:])
        h_BTCHW: Tensor = self._recurrence(x_BTCHW, self._before)
        self.state = h_BTCHW[:, -1]
        return torch.cat([steady_NCHW, h_BTCHW.flatten(0, 1)], dim=1)
