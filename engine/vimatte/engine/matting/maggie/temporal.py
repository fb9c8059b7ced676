"""What the video network adds: a recurrence at 1/8, where frames differ, and how the mattes of a window agree."""

# ruff: noqa: N803, N806 - names carry shapes: B clips, T frames, N people, C channels, H height, W width
from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.matting.common.spectral import SpectralConv

__all__ = ["DifferenceHead", "TemporalGru", "agree", "steadied"]

_WIDTH = 128


class TemporalGru(nn.Module):
    """A convolutional GRU (Ballas et al., ICLR 2016), run forward and then, with the same cell, backward."""

    def __init__(self) -> None:
        super().__init__()
        self.ih = nn.Sequential(nn.Conv2d(2 * _WIDTH, 2 * _WIDTH, 3, padding=1), nn.Sigmoid())
        self.hh = nn.Sequential(nn.Conv2d(2 * _WIDTH, _WIDTH, 3, padding=1), nn.Tanh())

    def forward(self, x_BTCHW: Tensor, state_BCHW: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return features that know of other frames and the forward states, both (b, t, 128, h, w).

        h' = (1 - z) h + z c with [r, z] = sigmoid(ih [x, h]) and c = tanh(hh [x, r h]); the feature of a frame is the
        mean of its forward and backward states, that of the last frame its forward state.
        """
        frames = x_BTCHW.shape[1]
        # What the cell makes of x is the same in both directions, and known for all frames at once.
        gates_BTCHW, new_BTCHW = (
            F.conv2d(x_BTCHW.flatten(0, 1), conv.weight[:, :_WIDTH], conv.bias, padding=1).view(
                *x_BTCHW.shape[:2], -1, *x_BTCHW.shape[3:]
            )
            for conv in self._convolutions()
        )
        state = state_BCHW
        forward = []
        for t in range(frames):
            # A state of zeros adds nothing to what is made of x.
            state = (
                _first(gates_BTCHW[:, t], new_BTCHW[:, t])
                if state is None
                else self._step(gates_BTCHW[:, t], new_BTCHW[:, t], state)
            )
            forward.append(state)
        state = forward[-1]
        features = list(forward)
        for t in reversed(range(frames - 1)):
            state = self._step(gates_BTCHW[:, t], new_BTCHW[:, t], state)
            features[t] = (forward[t] + state) / 2
        return torch.stack(features, dim=1), torch.stack(forward, dim=1)

    def _step(self, gates_BCHW: Tensor, new_BCHW: Tensor, h_BCHW: Tensor) -> Tensor:
        gate, new = self._convolutions()
        heard = F.conv2d(h_BCHW, gate.weight[:, _WIDTH:], padding=1)
        r_BCHW, z_BCHW = (gates_BCHW + heard).sigmoid().chunk(2, dim=1)
        c_BCHW = (new_BCHW + F.conv2d(r_BCHW * h_BCHW, new.weight[:, _WIDTH:], padding=1)).tanh()
        return (1 - z_BCHW) * h_BCHW + z_BCHW * c_BCHW

    def _convolutions(self) -> tuple[nn.Conv2d, nn.Conv2d]:
        """Of the gates and of the new state; each takes x first, then the state."""
        gate, new = self.ih[0], self.hh[0]
        assert isinstance(gate, nn.Conv2d)
        assert isinstance(new, nn.Conv2d)
        return gate, new


def _first(gates_BCHW: Tensor, new_BCHW: Tensor) -> Tensor:
    """The step from a state of zeros."""
    z_BCHW = gates_BCHW.chunk(2, dim=1)[1].sigmoid()
    return z_BCHW * new_BCHW.tanh()


class DifferenceHead(nn.Sequential):
    """Logits of where one frame differs from the one before (or after)."""

    def __init__(self) -> None:
        super().__init__(
            SpectralConv(_WIDTH, 64, 1, steps="always"),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            SpectralConv(64, 32, 3, padding=1, steps="always"),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 1, 3, padding=1, bias=False),
        )

    def both(self, x_BTCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (b, t, 1, 8h, 8w) of features (b, t, 64, h, w): against the frame before, and the one after.

        The first has nothing before it and the last nothing after: logit 0 there.
        """
        frames = x_BTCHW.shape[1]
        # One call for each pair, forward and then from the end: while vectors have not settled, every call counts.
        before = [self._pair(x_BTCHW[:, t - 1], x_BTCHW[:, t]) for t in range(1, frames)]
        after = [self._pair(x_BTCHW[:, t], x_BTCHW[:, t - 1]) for t in range(frames - 1, 0, -1)][::-1]
        none = torch.zeros_like(before[0])
        return torch.stack([none, *before], dim=1), torch.stack([*after, none], dim=1)

    def _pair(self, one_BCHW: Tensor, other_BCHW: Tensor) -> Tensor:
        logits = self(torch.cat([one_BCHW, other_BCHW], dim=1))
        return F.interpolate(logits, scale_factor=8, mode="bilinear", align_corners=False)


def agree(alphas_BTNHW: Tensor, before_BT1HW: Tensor, after_BT1HW: Tensor, previous_BNHW: Tensor | None) -> Tensor:
    """Bring a window of three frames together: frames 1 and 2 anew from what differs, others as they are.

    `before` and `after` are probabilities of a difference, `previous` the middle frame of the window before. As
    published: equality is exact, so it acts where alphas are 0 or 1; and in windows of more than three frames index
    2 is mixed with the last frame, so only three make sense.
    """
    changed, changing = (before_BT1HW > 0.5).to(alphas_BTNHW.dtype), (after_BT1HW > 0.5).to(alphas_BTNHW.dtype)
    previous = alphas_BTNHW[:, 0] if previous_BNHW is None else previous_BNHW
    following, own = alphas_BTNHW[:, -1], alphas_BTNHW[:, 1]
    one = previous * (1 - changed[:, 1]) + own * changed[:, 1]
    other = following * (1 - changing[:, 1]) + own * changing[:, 1]
    middle = torch.where(one == other, one, own)
    out = alphas_BTNHW.clone()
    out[:, 1] = middle
    out[:, 2] = middle * (1 - changed[:, 2]) + following * changed[:, 2]
    return out


def steadied(alphas_BTNHW: Tensor, before_BT1HW: Tensor, after_BT1HW: Tensor) -> Tensor:
    """Soft averages over time, to look at: a running one from each side, and their mean between the ends."""
    frames = alphas_BTNHW.shape[1]
    forward, backward = [alphas_BTNHW[:, 0]], [alphas_BTNHW[:, -1]]
    for t in range(1, frames):
        p = before_BT1HW[:, t]
        forward.append(forward[-1] * (1 - p) + alphas_BTNHW[:, t] * p)
    for t in reversed(range(frames - 1)):
        p = after_BT1HW[:, t]
        backward.append(backward[-1] * (1 - p) + alphas_BTNHW[:, t] * p)
    backward.reverse()
    middle = [(f + b) / 2 for f, b in zip(forward[1:-1], backward[1:-1], strict=True)]
    return torch.stack([forward[0], *middle, backward[-1]], dim=1)
