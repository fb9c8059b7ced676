"""Temporal feature guidance: what the decoder remembers from frame to frame (Li et al., WACV 2024, section 3.3)."""

# ruff: noqa: N803, N806 - names carry shapes: B clips, T frames, N = B T, C channels, H height, W width

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Recurrence"]


class Recurrence(nn.Module):
    """h_0 = tanh(ih(x_0)), h_t = tanh(ih(x_t) + hh(h_{t-1})); frame t gives h_t. The paper's lags by one frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ih = nn.Conv2d(channels, channels, 3, padding=1)
        self.hh = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_BTCHW: Tensor, state_BCHW: Tensor | None = None) -> Tensor:
        """Give h of every frame, (b, t, c, h, w); without a state the first frame is that of a fresh clip."""
        drive_BTCHW = self.ih(x_BTCHW.flatten(0, 1)).reshape(x_BTCHW.shape)
        out = []
        for drive_BCHW in drive_BTCHW.unbind(1):
            # The bias of hh, too, is absent on a clip's first frame.
            total = drive_BCHW if state_BCHW is None else drive_BCHW + self.hh(state_BCHW)
            state_BCHW = total.tanh()
            out.append(state_BCHW)
        return torch.stack(out, dim=1)
