"""The network of `lite`: everybody on a frame together, coarse from wide context over time, fine where it is unsure.

Coarse: an encoder looks at the picture once; for each person a decoder joins its features with two planes of
guidance, the person's own mask and everybody else's. At a sixteenth and an eighth it exchanges what it found with the
frame before and after, and with the other people of the frame. Fine: a small network of a few pixels' reach looks at
the picture itself beside what was found, at whatever multiple of the coarse size the plate has.

Alphas are a softmax over the people and whatever is behind them, so they never sum to more than 1.

Names carry shapes: P (frame, person) pairs, F frames, C channels, h w sides of a feature, H W of the picture.
"""

# ruff: noqa: N803, N806, N815 - names carry shapes

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.lite.encoder import MobileNetV2
from vimatte.engine.packed import ConvReLU2d

__all__ = ["ABSENT", "Fine", "MatteNetwork", "Part", "People", "Seen", "TimeTap", "alphas_of", "shares_of"]

Part = tuple[slice, slice]
"""Rows and columns."""
Within = Sequence[Part] | None
_BORDER = 3
"""Places more on each side where a part of something coarser is worked out: its border is not the picture's."""
ABSENT = -30.0
"""Logit of somebody who is not there."""
_WIDE = 96
_MIDDLE = 64
_NARROW = 40
_DETAIL = 24
_FULL = 16


@dataclass(frozen=True, slots=True)
class People:
    """Who is on which frame: pairs, and the guidance of each."""

    frame_P: Tensor
    """int64: the frame of each pair, as an index into what the encoder saw; ascending."""
    guidance_P2hw: Tensor
    """Own mask and everybody else's, 0 to 1, at a quarter of the coarse size."""

    @classmethod
    def of(cls, frame_P: Tensor, guidance_P2HW: Tensor) -> People:
        """From guidance at the coarse size."""
        return cls(frame_P, F.avg_pool2d(guidance_P2HW, 4))

    def rows_of(self, x_FChw: Tensor) -> Tensor:
        """Each pair's frame."""
        return x_FChw.expand(len(self.frame_P), -1, -1, -1) if len(x_FChw) == 1 else x_FChw[self.frame_P]

    def means_of_others(self, x_PChw: Tensor) -> Tensor:
        """For each pair the mean of the other people of its frame; 0 where somebody is alone."""
        if len(x_PChw) == 1:
            return torch.zeros_like(x_PChw)
        frames = int(self.frame_P.max().item()) + 1
        if frames == 1:
            # One after the other: `sum` forgets how its result is to lie in memory, which all that follows pays for.
            total = x_PChw[0] + x_PChw[1]
            for one in x_PChw[2:]:
                total += one
            return (total - x_PChw) / (len(x_PChw) - 1)
        sums = x_PChw.new_zeros((frames, *x_PChw.shape[1:])).index_add_(0, self.frame_P, x_PChw)
        counts = torch.bincount(self.frame_P, minlength=frames).to(x_PChw.dtype)
        others = (counts - 1).clamp(min=1)[self.frame_P]
        return (sums[self.frame_P] - x_PChw) / others[:, None, None, None]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the encoder found on frames: features at a quarter, an eighth and a sixteenth."""

    f4_FChw: Tensor
    f8_FChw: Tensor
    f16_FChw: Tensor


class MatteNetwork(nn.Module):
    """Guided mattes; see the module's text. The steps are called one by one, since time lies between them."""

    def __init__(self) -> None:
        super().__init__()
        _, quarter, eighth, sixteenth = MobileNetV2.channels
        self.encoder = MobileNetV2()
        self.wide = _Join(None, sixteenth, _WIDE)
        self.wide_time = TimeTap(_WIDE)
        self.wide_after = _Block(_WIDE)
        self.middle = _Join(_WIDE, eighth, _MIDDLE)
        self.middle_time = TimeTap(_MIDDLE)
        self.middle_after = _Block(_MIDDLE)
        self.narrow = _Join(_MIDDLE, quarter, _NARROW, kernel=3)
        self.coarse = nn.Conv2d(_NARROW, 1, 3, padding=1)
        self.fine = Fine()
        # A third quicker on CPUs; what is loaded into these parameters is laid out as they are.
        for parameter in self.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def look(self, pictures_F3HW: Tensor) -> Seen:
        """Encode pictures whose sides are multiples of 16."""
        _, f4, f8, f16 = self.encoder(pictures_F3HW)
        return Seen(f4, f8, f16)

    def first(self, seen: Seen, people: People, *, within: Within = None) -> Tensor:
        """Join context and guidance: (p, 96, h/16, w/16), to be given to `wide_time` with its neighbours in time.

        `within`, here and in the steps after this, says for each pair in which rows and columns of a quarter it can be
        at all: what is costly is worked out only there, and around.
        """
        x = self.wide.joined(None, seen.f16_FChw, people)
        return _there(self.wide.blocks, x, within, scale=4)

    def second(self, wide_PChw: Tensor, seen: Seen, people: People, *, within: Within = None) -> Tensor:
        """Go on from what `wide_time` gave: (p, 64, h/8, w/8), for `middle_time`."""
        wide = _there(self.wide_after, wide_PChw, within, scale=4)
        x = self.middle.joined(wide, seen.f8_FChw, people)
        return _there(self.middle.blocks, x, within, scale=2)

    def third(self, middle_PChw: Tensor, seen: Seen, people: People, *, within: Within = None) -> tuple[Tensor, Tensor]:
        """Go on from what `middle_time` gave: features (p, 40, h/4, w/4) for `fine`, and coarse logits (p, 1, …).

        Not `within`, nobody is.
        """
        middle = _there(self.middle_after, middle_PChw, within, scale=2)
        joined = self.narrow.joined(middle, seen.f4_FChw, people)
        if within is None:
            x = self.narrow.blocks(joined)
            return x, self.coarse(x)
        context = torch.zeros_like(joined)
        logits = torch.full_like(joined[:, :1], ABSENT)
        for row, (rows, columns) in enumerate(within):
            part = self.narrow.blocks(joined[row : row + 1, :, rows, columns])
            context[row, :, rows, columns] = part[0]
            logits[row, :, rows, columns] = self.coarse(part)[0]
        return context, logits


class TimeTap(nn.Module):
    """Somebody's features and theirs on the frame before and after; where there is none, the frame's own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.taps = nn.ModuleList(nn.Conv2d(channels, channels, 5, padding=2, groups=channels) for _ in range(3))
        self.mix = nn.Conv2d(channels, channels, 1)
        _silence(self.mix)

    def forward(self, before_PChw: Tensor, x_PChw: Tensor, after_PChw: Tensor) -> Tensor:
        """Return the features with what the neighbours add."""
        sums = self.taps[0](before_PChw) + self.taps[1](x_PChw) + self.taps[2](after_PChw)
        out: Tensor = x_PChw + self.mix(F.relu(sums, inplace=True))
        return out


class Fine(nn.Module):
    """Detail: corrects coarse logits, enlarged, from the picture."""

    reach = 12
    """No pixel farther than this changes a result; even, so that halves stay aligned."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(5, _DETAIL, 3, stride=2, padding=1)
        self.context = nn.Conv2d(_NARROW, _DETAIL, 1)
        self.near = ConvReLU2d(_DETAIL, _DETAIL, 3, padding=1)
        self.near_again = nn.Conv2d(_DETAIL, _DETAIL, 3, padding=1)
        self.narrow = nn.Conv2d(_DETAIL, _FULL, 1)
        self.full = nn.Conv2d(5, _FULL, 3, padding=1)
        self.full_again = ConvReLU2d(_FULL, _FULL, 3, padding=1)
        self.correction = nn.Conv2d(_FULL, 1, 3, padding=1)
        _silence(self.correction)

    def forward(self, picture_P3HW: Tensor, coarse_P2HW: Tensor, context_PChw: Tensor) -> Tensor:
        """Give what to add to coarse logits, (p, 1, H, W).

        `coarse` are alphas, own and everybody else's, enlarged; `context` are the coarse features, through `context`
        and enlarged to half of H and W, which are even.
        """
        x_P5HW = torch.cat([picture_P3HW, coarse_P2HW], dim=1) * 2 - 1
        half = F.relu(self.stem(x_P5HW) + context_PChw, inplace=True)
        half = F.relu(half + self.near_again(self.near(half)), inplace=True)
        up = F.interpolate(self.narrow(half), scale_factor=2.0, mode="bilinear", align_corners=False)
        full = F.relu(self.full(x_P5HW) + up, inplace=True)
        out: Tensor = self.correction(self.full_again(full))
        return out


class _Join(nn.Module):
    """Features of the picture, guidance, and what a coarser level found, made one; then the other people's."""

    def __init__(self, coarser: int | None, seen: int, channels: int, *, kernel: int = 5) -> None:
        super().__init__()
        self.coarser = None if coarser is None else nn.Conv2d(coarser, channels, 1)
        self.seen = nn.Conv2d(seen, channels, 1)
        self.guidance = nn.Conv2d(2, channels, 3, padding=1)
        self.token = _Token(seen, channels)
        self.others = nn.Conv2d(channels, channels, 1, bias=False)
        self.blocks = nn.Sequential(_Block(channels, kernel=kernel), _Block(channels, kernel=kernel))

    def forward(self, coarser_PChw: Tensor | None, seen_FChw: Tensor, people: People) -> Tensor:
        out: Tensor = self.blocks(self.joined(coarser_PChw, seen_FChw, people))
        return out

    def joined(self, coarser_PChw: Tensor | None, seen_FChw: Tensor, people: People) -> Tensor:
        """All but the blocks."""
        height, width = seen_FChw.shape[-2:]
        guidance = F.avg_pool2d(people.guidance_P2hw, people.guidance_P2hw.shape[-1] // width)
        # The picture's part is worked out once a frame, however many people there are.
        x = people.rows_of(self.seen(seen_FChw)) + self.guidance(guidance * 2 - 1)
        if self.coarser is not None and coarser_PChw is not None:
            x = x + F.interpolate(
                self.coarser(coarser_PChw), size=(height, width), mode="bilinear", align_corners=False
            )
        scale, shift = self.token(people.rows_of(seen_FChw), guidance)
        x = F.relu(torch.addcmul(shift, x, scale), inplace=True)
        out: Tensor = x + self.others(people.means_of_others(x))
        return out


class _Token(nn.Module):
    """What somebody looks like: means of features under their mask and under the others', as a scale and a shift."""

    def __init__(self, seen: int, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(2 * seen, 32)
        self.spread = nn.Linear(32, 2 * channels)
        _silence(self.spread)

    def forward(self, seen_PChw: Tensor, guidance_P2hw: Tensor) -> tuple[Tensor, Tensor]:
        weights = guidance_P2hw.flatten(2)
        sums = torch.einsum("pkx,pcx->pkc", weights.to(seen_PChw.dtype), seen_PChw.flatten(2))
        means = sums.to(weights.dtype) / (weights.sum(dim=2, keepdim=True) + 1e-3)
        changes = self.spread(F.relu(self.squeeze(means.flatten(1)))).to(seen_PChw.dtype)
        scale, shift = changes.chunk(2, dim=1)
        return 1 + scale[:, :, None, None], shift[:, :, None, None]


class _Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow."""

    def __init__(self, channels: int, *, kernel: int = 5) -> None:
        super().__init__()
        wide = 3 * channels
        self.widen = ConvReLU2d(channels, wide, 1)
        self.filter = ConvReLU2d(wide, wide, kernel, padding=kernel // 2, groups=wide)
        self.narrow = nn.Conv2d(wide, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.narrow(self.filter(self.widen(x)))
        return out


def _there(blocks: nn.Module, x_PChw: Tensor, within: Within, *, scale: int) -> Tensor:
    """Put `x` through residual blocks where somebody can be, in parts of something `scale` times as large.

    `x` is not there any more after it.
    """
    if within is None:
        out: Tensor = blocks(x_PChw)
        return out
    for row, part in enumerate(within):
        rows, columns = (
            slice(max(0, side.start // scale - _BORDER), -(-side.stop // scale) + _BORDER) for side in part
        )
        x_PChw[row, :, rows, columns] = blocks(x_PChw[row : row + 1, :, rows, columns])[0]
    return x_PChw


def _silence(layer: nn.Conv2d | nn.Linear) -> None:
    """Let a layer add nothing at first."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()


def shares_of(logits_FNHW: Tensor) -> Tensor:
    """Softmax over people and what is behind them, whose logit is 0: (f, n, H, W), summing to less than 1 over n."""
    behind = torch.zeros_like(logits_FNHW[:, :1])
    return torch.cat([behind, logits_FNHW], dim=1).softmax(dim=1)[:, 1:]


def alphas_of(logits_FNHW: Tensor) -> Tensor:
    """Shares with their ends stretched by 2 %: a network that is nearly sure says 0 or 1; sums stay at most 1."""
    return (shares_of(logits_FNHW) * 1.04 - 0.02).clamp(0, 1)
