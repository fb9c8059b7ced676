"""The refiner as it runs on shots: linear layers that follow each other are folded; the same numbers to rounding.

Between `split` and `merge.0` everything is linear, so what people tell each other can be summed before it is convolved:
each person's own part costs less, and what all share is computed once. Nothing stands between `merge.2` and `head`
either: the two are one convolution of 5x5 to three channels.
"""

# ruff: noqa: N803, N806 - names carry shapes: N people, C channels, H height, W width, P = H W pixels

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn

from vimatte.engine.matting.instmatt.refiner import SLOPE, Refiner

__all__ = ["FoldedRefiner"]

_PART = 16
"""Channels of each of target, reference and background after `split`."""
_LAST = 5


class FoldedRefiner(nn.Module):
    """Give the result of a `Refiner`, but for what lies less than four pixels from an edge; for evaluation only."""

    last: Tensor
    last_bias: Tensor

    def __init__(self, refiner: Refiner) -> None:
        super().__init__()
        split, merge = refiner.split, refiner.merge[0]
        assert isinstance(merge, nn.Conv2d)
        own = 2 * _PART
        target, reference, background, seen = torch.split(merge.weight.detach(), [_PART, _PART, _PART, 3], dim=1)
        self.split_own = _conv(split.weight[:own], _bias(split)[:own], groups=2)
        self.split_background = _conv(split.weight[own:], _bias(split)[own:])
        # With T, R of one person and sums over all of them, the interaction is [2 T - sum T + sum R / (n - 1),
        # R - T + sum T]: the convolution after it acts on T and R by `own`, on the sums by `shared`.
        self.own = _conv(torch.cat([2.0 * target - reference, reference], dim=1), None)
        self.shared = _conv(torch.cat([reference - target, target, background, seen], dim=1), _bias(merge))
        self.alone = _conv(torch.cat([target, target + reference, background, seen], dim=1), _bias(merge))
        second, head = refiner.merge[2], refiner.head
        assert isinstance(second, nn.Conv2d)
        with torch.no_grad():
            both_3C55 = F.conv_transpose2d(head.weight, second.weight)
            self.register_buffer("last", both_3C55.permute(2, 3, 0, 1).flatten(0, 2))
            self.register_buffer("last_bias", _bias(head) + head.weight.sum((2, 3)) @ _bias(second))
        self.requires_grad_(False)

    def forward(self, picture_N3HW: Tensor, alpha_N3HW: Tensor, feature_NCHW: Tensor) -> Tensor:
        """Return new tri-mattes (n, 3, h, w) in [0, 1]; the picture must be one, (1, 3, h, w)."""
        people = len(alpha_N3HW)
        feature_NHWC = feature_NCHW.permute(0, 2, 3, 1)
        # Laid out like the features, or their product would have to be put into order afterwards.
        alpha_NHW3 = alpha_N3HW.permute(0, 2, 3, 1).contiguous()
        apart_NCHW = (feature_NHWC[..., None, :] * alpha_NHW3[..., :2, None]).flatten(3).permute(0, 3, 1, 2)
        background_NHWC = feature_NHWC * alpha_NHW3[..., 2:]
        background_1HWC = background_NHWC if people == 1 else background_NHWC.mean(dim=0, keepdim=True)
        own_NCHW = self.split_own(apart_NCHW)
        common = self.split_background(background_1HWC.permute(0, 3, 1, 2)), picture_N3HW
        if people == 1:
            merged_NCHW = self.alone(torch.cat([own_NCHW, *common], dim=1))
        else:
            sums_1CHW = own_NCHW.sum(dim=0, keepdim=True)
            sums_1CHW[:, _PART:] /= people - 1
            merged_NCHW = self.own(own_NCHW).add_(self.shared(torch.cat([sums_1CHW, *common], dim=1)))
        return self._logits(F.leaky_relu_(merged_NCHW, SLOPE)).tanh_().add_(1.0).div_(2.0)

    def _logits(self, merged_NCHW: Tensor) -> Tensor:
        """Convolve by 5x5 to three channels: each tap's products first, then their sum over the places they belong to.

        So few channels are what convolution routines are slow at; this takes half their time.
        """
        people, _, height, width = merged_NCHW.shape
        far = _LAST - 1
        rows_NPC = merged_NCHW.permute(0, 2, 3, 1).flatten(1, 2)
        taps = (self.last @ rows_NPC.transpose(1, 2)).view(people, _LAST, _LAST, 3, height, width)
        total_N3HW = self.last_bias[:, None, None].repeat(people, 1, height - far, width - far)
        for y in range(_LAST):
            for x in range(_LAST):
                total_N3HW += taps[:, y, x, :, y : y + height - far, x : x + width - far]
        return F.pad(total_N3HW, (far // 2,) * 4)


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias.detach()


def _conv(weight: Tensor, bias: Tensor | None, *, groups: int = 1) -> nn.Conv2d:
    outward, inward = weight.shape[:2]
    conv = nn.Conv2d(inward * groups, outward, 3, padding=1, groups=groups, bias=bias is not None, device="meta")
    conv.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        conv.bias = nn.Parameter(bias.clone())
    return conv
